"""How many pairs are copies of another, estimated from a sample of bounded size.

Pairs are sampled by the value of their hash, so that all copies of a pair are in the sample or none is. Whenever the sample outgrows its
limit, the upper half of the hash values is given up; what is left at the end does not depend on the order of the reads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE = 1 << 21
"""Hashes kept at most."""


class DuplicateSample:
    """Hashes of pairs, at most `limit` of them."""

    def __init__(self, limit: int = SAMPLE) -> None:
        self._limit = limit
        self._largest = (1 << 64) - 1
        self._parts: list[NDArray[np.uint64]] = []
        self._n = 0

    def take(self, key: NDArray[np.uint64]) -> None:
        """Adds hashes."""
        kept = key[key <= np.uint64(self._largest)]
        self._parts.append(kept)
        self._n += len(kept)
        while self._n > self._limit:
            self._largest >>= 1
            every = np.concatenate(self._parts)
            self._parts = [every[every <= np.uint64(self._largest)]]
            self._n = len(self._parts[0])

    def add(self, other: DuplicateSample) -> None:
        """Adds the sample of other reads."""
        self._largest = min(self._largest, other._largest)
        parts, self._parts, self._n = self._parts + other._parts, [], 0
        for part in parts:
            self.take(part)

    def pairs(self) -> tuple[int, int]:
        """Pairs in the sample, and how many of them are copies of another one."""
        if not self._n:
            return 0, 0
        return self._n, self._n - len(np.unique(np.concatenate(self._parts)))

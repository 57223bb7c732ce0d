"""Plain BAM bytes as the archive reads them: batches of records, cut anew as they are needed.

What is no BAM is no error here: it is kept in another form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.formats.bam_stream import BamStream, Batch, int32
from genopipe.formats.inflate import STANDARD_INPUT

__all__ = ["CORE_BYTES", "Batch", "Bytes", "NotBam", "Offsets", "PlainBam", "Records", "all_covered", "int32", "joined", "whole"]

CORE_BYTES = 32
"""Fixed bytes of a record after its block_size."""

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


class NotBam(Exception):
    """The bytes are not BAM as it should be; the caller keeps them in another form."""


class PlainBam(BamStream):
    """A BAM in pieces of plain bytes. Raises NotBam for bytes that are none, also after the last record."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(STANDARD_INPUT, pieces)

    def bad(self, came: str, wanted: str, do: str) -> Exception:
        return NotBam(came)


class Records:
    """Batches cut anew: as many records at a time as are asked for."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = iter(batches)
        self._batch = Batch(np.empty(0, np.uint8), np.zeros(1, np.int64))

    def take(self, n: int) -> Batch:
        """The next n records in a batch of their own. Raises NotBam where there are fewer."""
        parts = []
        while n:
            if not len(self._batch):
                self._batch = self._next()
            parts.append(self._batch.part(0, min(n, len(self._batch))))
            self._batch = self._batch.part(len(parts[-1]), len(self._batch))
            n -= len(parts[-1])
        return joined(parts)

    def at_end(self) -> bool:
        """True when no record is left."""
        return not len(self._batch) and next(self._batches, None) is None

    def _next(self) -> Batch:
        batch = next(self._batches, None)
        if batch is None:
            raise NotBam("fewer records than there should be")
        return batch


def joined(batches: list[Batch]) -> Batch:
    """The records of several batches in one."""
    size = [np.diff(batch.start) for batch in batches]
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *size]))))
    byte = [batch.byte[batch.start[0] : batch.start[-1]] for batch in batches]
    return Batch(np.concatenate([np.empty(0, np.uint8), *byte]), start)


def all_covered(batch: Batch, covered: NDArray[np.bool_]) -> bool:
    """True when each record lies on a contig that is `covered`, or on none."""
    return bool(_all_covered(batch.byte, batch.start, covered))


@njit(cache=True, nogil=True)
def whole(value: Any) -> int:
    """A number of any width as int64; `int` would leave a byte unsigned, and sums of that with others become floats."""
    return np.int64(value)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _all_covered(byte: Bytes, start: Offsets, covered: NDArray[np.bool_]) -> bool:
    for r in range(len(start) - 1):
        contig = int32(byte, start[r] + 4)
        if contig >= 0 and (contig >= len(covered) or not covered[contig]):
            return False
    return True

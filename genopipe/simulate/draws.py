"""Random numbers that are the same on every machine, for ever: a hash of a key and a counter, integers only.

Each piece of the simulation draws from its own stream, named by a key, so that changing one piece leaves the others as they were, and any
part of a stream can be drawn alone.

Source: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

T = TypeVar("T")

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@njit(inline="always")
def mix(state: np.uint64) -> np.uint64:
    """The output function of SplitMix64; a bijection of the 64-bit integers."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def stream_key(*parts: str | int) -> int:
    """The 64-bit key of the stream with this name."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "little")


class Draws:
    """One named stream of random integers."""

    def __init__(self, *key: str | int) -> None:
        self._key = np.uint64(stream_key(*key))
        self._drawn = 0

    def raw(self, n: int) -> NDArray[np.uint64]:
        """The next `n` 64-bit integers."""
        counter = np.arange(self._drawn + 1, self._drawn + n + 1, dtype=np.uint64)
        self._drawn += n
        state = counter * GOLDEN + self._key
        state = (state ^ (state >> np.uint64(30))) * _FIRST
        state = (state ^ (state >> np.uint64(27))) * _SECOND
        return state ^ (state >> np.uint64(31))

    def below(self, bound: int, n: int) -> NDArray[np.int64]:
        """`n` integers from 0 to `bound - 1`; `bound` at most 2^32."""
        return (((self.raw(n) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)

    def chance(self, numerator: int, denominator: int, n: int) -> NDArray[np.bool_]:
        """`n` times True with the probability `numerator / denominator`."""
        return self.below(denominator, n) < numerator

    def one(self, start: int, end: int) -> int:
        """An integer from `start` to `end - 1`."""
        return start + int(self.below(end - start, 1)[0])

    def happens(self, numerator: int, denominator: int) -> bool:
        """True with the probability `numerator / denominator`."""
        return self.one(0, denominator) < numerator

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.one(0, len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in random order."""
        return [options[i] for i in np.argsort(self.raw(len(options)), kind="stable")]

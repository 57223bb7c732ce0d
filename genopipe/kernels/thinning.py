"""Which reads stay where they lie deeper than wanted: those of the lowest name hashes, mixed, block by block of an absolute grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Bases of the grid."""
MIXING = np.uint64(0x9E3779B97F4A7C15)
HIGHEST = np.uint64((1 << 64) - 1)


def mixed(name_hash: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Bits in which the reads of a file are spread evenly, for choosing some of them; the mates of a pair share them."""
    return name_hash * MIXING


def highest_hash(bases: NDArray[np.int64], most: int) -> NDArray[np.uint64]:
    """The highest mixed hash that stays, where reads that begin in a block have so many bases and `most` are wanted."""
    limit = [min((most << 64) // max(n, 1), int(HIGHEST)) for n in bases.ravel().tolist()]
    return np.array(limit, np.uint64).reshape(bases.shape)

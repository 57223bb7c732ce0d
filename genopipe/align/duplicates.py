"""Which reads are copies of the same fragment: those of one library whose two ends are equal.

`Finder` collects the signatures of `fragment_ends`, in files when memory is short, and says in the end which reads are duplicates. Of pairs
with equal ends all but the one with the largest sum of base qualities; of equal sums, the one with the smallest tile, x and y stays, then
the first. A read without a placed mate is a duplicate where a pair has an end, or another such read is better. Among copies, those that lie
within a few pixels of each other on one tile (in chains too) are one cluster that was seen several times: optical duplicates, which are
counted and else treated alike.

Source: the rules are those of Picard MarkDuplicates, as its documentation states them.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.align.fragment_ends import LIBRARY_SHIFT, LONE, NO_MATE, NO_SPOT, SIGNATURE
from genopipe.align.sorting import Order
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.outputs import writing

OPTICAL_PIXELS = 100
"""Pixels between two spots up to which copies are optical duplicates; 2,500 is usual for patterned flow cells."""

SINGLE, PAIRS, OPTICAL_PAIRS, HALF_PAIRS = range(4)
"""Columns of the counts of duplicates; the last are reads of pairs whose records name no place of their mate."""

_PARTITIONS = 256
_ROOM_TO_FIND = 3
"""Finding takes this many times the bytes of the signatures."""


class Finder:
    """Collects signatures and finds the duplicates among them, spilling to `folder` what would need more than `memory` bytes."""

    def __init__(self, folder: Path, *, memory: int, pixels: int = OPTICAL_PIXELS, order: Order = np.argsort) -> None:
        self._folder, self._most, self._pixels, self._order = folder, memory // _ROOM_TO_FIND, pixels, order
        self._held: list[NDArray[np.void]] = []
        self._bytes = 0
        self._spilled = False

    def add(self, signature: NDArray[np.void]) -> None:
        """Adds signatures."""
        self._held.append(signature)
        self._bytes += signature.nbytes
        if self._bytes > self._most:
            self._spill()

    def find(self, n_reads: int, n_libraries: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Bits of the reads that are duplicates (read i is bit i & 7 of byte i >> 3), and counts (libraries, 4) of duplicates."""
        bits = np.zeros((n_reads + 7) // 8, np.uint8)
        count = np.zeros((n_libraries, 4), np.int64)
        for part, far_end in self._parts():
            copies, optical = _copies(part, self._pixels, self._order)
            lone = part["high"] == LONE
            ends = (part["low"][~lone], part["high"][~lone], far_end) if lone.any() else ()
            beside = part[lone][_are_among(part["low"][lone], ends)]
            alone = np.unique(np.concatenate((copies[copies["high"] == LONE], beside)))
            pairs = copies[copies["high"] >= 0]
            for reads in (alone["first"], pairs["first"], pairs["second"]):
                _set_bits(bits, reads)
            half = alone["second"] == NO_MATE
            for column, found in ((SINGLE, alone[~half]), (PAIRS, pairs), (OPTICAL_PAIRS, optical), (HALF_PAIRS, alone[half])):
                count[:, column] += np.bincount(found["low"] >> LIBRARY_SHIFT, minlength=n_libraries)
        return bits, count

    def _parts(self) -> Iterator[tuple[NDArray[np.void], NDArray[np.int64]]]:
        """Signatures whose lower ends fall together, and the higher ends of others that fall there."""
        if not self._spilled:
            yield np.concatenate(self._held) if self._held else np.empty(0, SIGNATURE), np.empty(0, np.int64)
            return
        self._spill()
        for number in range(_PARTITIONS):
            yield np.fromfile(self._path("low", number), SIGNATURE), np.fromfile(self._path("high", number), np.int64)

    def _spill(self) -> None:
        signature = np.concatenate(self._held)
        self._split("low", signature, signature["low"])
        far_end = signature["high"][signature["high"] >= 0]
        self._split("high", far_end, far_end)
        self._held, self._bytes, self._spilled = [signature[:0]], 0, True

    def _split(self, kind: str, rows: NDArray[np.void] | NDArray[np.int64], end: NDArray[np.int64]) -> None:
        for number, part in enumerate(split_by_hash(rows, end, _PARTITIONS)):
            with writing(self._path(kind, number)), open(self._path(kind, number), "ab") as out:
                out.write(part.tobytes())

    def _path(self, kind: str, number: int) -> Path:
        return self._folder / f"{kind}-{number}"


def split_by_hash(rows: NDArray, key: NDArray[np.int64], n_parts: int) -> Iterator[NDArray]:  # type: ignore[type-arg]
    """The rows in `n_parts` parts (a power of two), those of one key together and each part in the order given."""
    part = (key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) & np.uint64(n_parts - 1)
    order = np.argsort(part.astype(np.uint16), kind="stable")
    border = np.searchsorted(part[order], np.arange(n_parts + 1))
    for first, last in pairwise(border.tolist()):
        yield rows[order[first:last]]


def _are_among(end: NDArray[np.int64], sets: tuple[NDArray[np.int64], ...]) -> NDArray[np.bool_]:
    """Which of `end` are in any of the sets, which may be much larger."""
    known, where = np.unique(end, return_inverse=True)
    met = np.zeros(len(known), bool)
    if len(known):
        for other in sets:
            at = np.minimum(np.searchsorted(known, other), len(known) - 1)
            met[at[known[at] == other]] = True
    return met[where]


def _copies(part: NDArray[np.void], pixels: int, order: Order) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The signatures that have a better equal one, and as many of them as are optical duplicates."""
    low = np.ascontiguousarray(part["low"])
    by_low = order(low)
    low = low[by_low]
    shared = np.zeros(len(part), bool)
    shared[1:] = low[1:] == low[:-1]
    shared[:-1] |= shared[1:]
    rows = part[by_low[shared]]
    rows = rows[rows["high"] >= LONE]
    rows = rows[np.lexsort((rows["first"], rows["spot"], -rows["quality"], rows["high"], rows["low"]))]
    copy = _equals_before(rows)
    set_number = np.cumsum(~copy)
    pair = np.flatnonzero((rows["high"] >= 0) & (rows["spot"] != NO_SPOT))
    pair = pair[np.lexsort((rows["spot"][pair], rows["place"][pair], set_number[pair]))]
    optical = _in_chains(set_number[pair], rows["place"][pair], rows["spot"][pair], pixels)
    return rows[copy], rows[pair[optical]]


def _equals_before(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which rows have the ends of the row before."""
    same = np.zeros(len(rows), bool)
    same[1:] = (rows["low"][1:] == rows["low"][:-1]) & (rows["high"][1:] == rows["high"][:-1])
    return same


@inner
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@allocating
def _in_chains(set_number, place, spot, pixels):
    """True for all but one of each chain of spots that are near each other; rows are sorted by set, place and spot."""
    n = len(spot)
    parent = np.arange(n)
    joined = np.zeros(n, np.bool_)
    mask = (1 << 22) - 1
    for i in range(n):
        x, y = spot[i] >> 22 & mask, spot[i] & mask
        j = i - 1
        while j >= 0 and set_number[j] == set_number[i] and place[j] == place[i] and spot[j] >> 44 == spot[i] >> 44:
            if x - (spot[j] >> 22 & mask) > pixels:
                break
            if abs(y - (spot[j] & mask)) <= pixels:
                a, b = _root(parent, i), _root(parent, j)
                if a != b:
                    parent[max(a, b)] = min(a, b)
                    joined[max(a, b)] = True
            j -= 1
    return joined


@kernel
def _set_bits(bits, reads):
    for i in range(len(reads)):
        bits[reads[i] >> 3] |= 1 << (reads[i] & 7)


@kernel
def flag_records(record, start, ordinal, bits):
    """Sets the duplicate flag in the bytes of those records whose bit is set, and takes it from the others."""
    for i in range(len(ordinal)):
        flag = record[start[i] + 19] & 0xFB
        record[start[i] + 19] = flag | (bits[ordinal[i] >> 3] >> (ordinal[i] & 7) & 1) << 2

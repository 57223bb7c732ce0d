"""Which reads are copies of the same fragment: those of one library whose two ends are equal.

`Finder` collects the signatures of `fragment_ends`, in files when memory is short, and says in the end which reads are duplicates. Equal
ends meet in one of many partitions, which are looked at by workers, each by itself. Of pairs with equal ends all but the one with the
largest sum of base qualities; of equal sums, the one with the smallest tile, x and y stays, then the first. A read without a placed mate is
a duplicate where a pair has an end, or another such read is better. Among copies, those that lie within a few pixels of each other on one
tile (in chains too) are one cluster that was seen several times: optical duplicates, which are counted and else treated alike.

Source: the rules are those of Picard MarkDuplicates, as its documentation states them.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.fragment_ends import LIBRARY_SHIFT, LONE, NO_MATE, NO_SPOT, SIGNATURE
from genopipe.align.workers import Workers
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.stretches import address, collected
from genopipe.outputs import writing

OPTICAL_PIXELS = 100
"""Pixels between two spots up to which copies are optical duplicates; 2,500 is usual for patterned flow cells."""

SINGLE, PAIRS, OPTICAL_PAIRS, HALF_PAIRS = range(4)
"""Columns of the counts of duplicates; the last are reads of pairs whose records name no place of their mate."""

PARTITIONS = 256
SPREAD_BY, SPREAD_SHIFT = 0x9E3779B97F4A7C15, 40
"""The partition of a key is bits SPREAD_SHIFT to SPREAD_SHIFT + 8 of its product with SPREAD_BY."""

_PART_BYTES = 8 << 20
_ROOM_TO_FIND = 4
"""Finding takes this many times the bytes of the signatures."""


class Spread(NamedTuple):
    """Rows, those of a partition together, each partition in the order in which its rows came.

    rows    (rows)
    border  (PARTITIONS + 1) int64: where each partition begins
    """

    rows: NDArray[Any]
    border: NDArray[np.int64]

    def parts(self) -> Iterator[NDArray[Any]]:
        """The rows of each partition."""
        for first, last in pairwise(self.border.tolist()):
            yield self.rows[first:last]


class Signatures(NamedTuple):
    """Signatures spread by their lower ends, and the higher ends of the pairs among them by themselves."""

    low: Spread
    high: Spread


def spread(rows: NDArray[Any], key: NDArray[np.int64]) -> Spread:
    """Rows spread by their keys: those of one key are in one partition."""
    part = (key.astype(np.uint64) * np.uint64(SPREAD_BY) >> np.uint64(SPREAD_SHIFT)).astype(np.uint8)
    order = np.argsort(part, kind="stable")
    return Spread(rows.take(order, axis=0), np.searchsorted(part[order], np.arange(PARTITIONS + 1)))


def by_ends(signature: NDArray[np.void]) -> Signatures:
    """Signatures as the finder takes them."""
    far_end = signature["high"][signature["high"] >= 0]
    return Signatures(spread(signature, signature["low"]), spread(far_end, far_end))


class _Held:
    """Spread rows in memory, of which those of some partitions can be had."""

    def __init__(self, spreads: Sequence[Spread]) -> None:
        self._spreads = spreads
        self._type = spreads[0].rows.dtype
        self._at = np.array([address(each.rows) for each in spreads])
        self._border = np.stack([each.border for each in spreads]) * self._type.itemsize

    def part(self, first: int, last: int) -> NDArray[Any]:
        """The rows of the partitions `first` to `last`."""
        start = self._border[:, first]
        return collected(self._at + start, self._border[:, last] - start)[0].view(self._type)


class _Found(NamedTuple):
    """Reads and pairs that are duplicates (rows of SIGNATURE), and as many pairs as are optical ones."""

    alone: NDArray[np.void]
    pairs: NDArray[np.void]
    optical: NDArray[np.void]


_Part = Callable[[], tuple[NDArray[np.void], NDArray[np.int64]]]
"""Gives signatures whose lower ends are in the same partitions, and the higher ends of all pairs that are there."""


class Finder:
    """Collects signatures and finds the duplicates among them, spilling to `folder` what would need more than `memory` bytes."""

    def __init__(self, folder: Path, workers: Workers, *, memory: int, pixels: int = OPTICAL_PIXELS) -> None:
        self._folder, self._workers, self._memory, self._pixels = folder, workers, memory, pixels
        self._held = [by_ends(np.empty(0, SIGNATURE))]
        self._bytes = 0
        self._spilled = False

    def add(self, signatures: Signatures) -> None:
        """Adds signatures."""
        self._held.append(signatures)
        self._bytes += sum(array.nbytes for spread in signatures for array in spread)
        if self._bytes > self._memory // _ROOM_TO_FIND:
            self._spill()

    def find(self, n_reads: int, n_libraries: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Bits of the reads that are duplicates (read i is bit i & 7 of byte i >> 3), and counts (libraries, 4) of duplicates."""
        bits = np.zeros((n_reads + 7) // 8, np.uint8)
        count = np.zeros((n_libraries, 4), np.int64)
        parts, largest = self._from_files() if self._spilled else self._from_memory()
        at_once = min(self._memory // max(_ROOM_TO_FIND * largest, 1), self._workers.threads)
        for alone, pairs, optical in self._workers.in_order(self._found, parts, most_ahead=at_once):
            for reads in (alone["first"], pairs["first"], pairs["second"]):
                _set_bits(bits, reads)
            half = alone["second"] == NO_MATE
            for column, found in ((SINGLE, alone[~half]), (PAIRS, pairs), (OPTICAL_PAIRS, optical), (HALF_PAIRS, alone[half])):
                count[:, column] += np.bincount(found["low"] >> LIBRARY_SHIFT, minlength=n_libraries)
        return bits, count

    def _found(self, part: _Part) -> _Found:
        """The duplicates of a part."""
        signature, far_end = part()
        copies, optical = _copies(signature, self._pixels)
        lone = signature["high"] == LONE
        ends = (signature["low"][~lone], far_end) if lone.any() else ()
        beside = signature[lone][_are_among(signature["low"][lone], ends)]
        alone = np.unique(np.concatenate((copies[copies["high"] == LONE], beside)))
        return _Found(alone, copies[copies["high"] >= 0], optical)

    def _from_memory(self) -> tuple[Iterator[_Part], int]:
        """Parts of some partitions each, and the bytes of one."""
        n_parts = min(max(self._bytes // _PART_BYTES, 1), PARTITIONS)
        border = np.linspace(0, PARTITIONS, n_parts + 1).astype(np.int64).tolist()
        low, high = (_Held(each) for each in zip(*self._held, strict=True))
        return (partial(_both, low, high, *borders) for borders in pairwise(border)), self._bytes // n_parts

    def _from_files(self) -> tuple[Iterator[_Part], int]:
        """Parts of a partition each, and the bytes of the largest."""
        self._spill()
        low, high = ([self._path(kind, number) for number in range(PARTITIONS)] for kind in ("low", "high"))
        largest = max(path.stat().st_size + other.stat().st_size for path, other in zip(low, high, strict=True))
        return (partial(_both_of_files, *paths) for paths in zip(low, high, strict=True)), largest

    def _spill(self) -> None:
        for kind, spreads in zip(("low", "high"), zip(*self._held, strict=True), strict=True):
            held = _Held(spreads)
            for number in range(PARTITIONS):
                with writing(self._path(kind, number)), open(self._path(kind, number), "ab") as out:
                    out.write(held.part(number, number + 1).data)
        self._held, self._bytes, self._spilled = self._held[:1], 0, True

    def _path(self, kind: str, number: int) -> Path:
        return self._folder / f"{kind}-{number}"


def _both(low: _Held, high: _Held, first: int, last: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    return low.part(first, last), high.part(first, last)


def _both_of_files(low: Path, high: Path) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    return np.fromfile(low, SIGNATURE), np.fromfile(high, np.int64)


def _are_among(end: NDArray[np.int64], sets: tuple[NDArray[np.int64], ...]) -> NDArray[np.bool_]:
    """Which of `end` are in any of the sets, which may be much larger."""
    known, where = np.unique(end, return_inverse=True)
    met = np.zeros(len(known), bool)
    if len(known):
        for other in sets:
            at = np.minimum(np.searchsorted(known, other), len(known) - 1)
            met[at[known[at] == other]] = True
    return met[where]


def _copies(part: NDArray[np.void], pixels: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The signatures that have a better equal one, and as many of them as are optical duplicates."""
    low = np.ascontiguousarray(part["low"])
    by_low = np.argsort(low)
    low = low[by_low]
    shared = np.zeros(len(part), bool)
    shared[1:] = low[1:] == low[:-1]
    shared[:-1] |= shared[1:]
    rows = part.take(by_low[shared])
    rows = rows[rows["high"] >= LONE]
    rows = rows.take(np.lexsort((rows["first"], rows["spot"], -rows["quality"], rows["high"], rows["low"])))
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

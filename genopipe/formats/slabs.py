"""Reads of a stretch in bounded memory, however deep they lie: thinned out, and a slab at a time.

Pieces of reads come in file order. Where they lie deeper than wanted, those of the lowest name hashes stay, so many that the wanted depth
is left; this is settled for the reads that begin in each `BLOCK` bases of an absolute grid. The limit only falls while reads come, so what
is above it can be dropped at once. What is left is cut into slabs of whole blocks, a new one where the reads that begin in one are too
many; each comes with the reads over some bases on either side. Both depend on the reads alone, not on the pieces they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import allocating
from genopipe.kernels.thinning import BLOCK, highest_hash, mixed
from genopipe.model import Alignments

_MOST_OPEN = 1 << 22
"""Bases of reads that are held before they are thinned out."""


@dataclass(frozen=True, slots=True)
class Slab:
    """Bases `start` to `end`, and the reads over them and the margin on either side, in file order."""

    start: int
    end: int
    reads: Alignments


def thinned(pieces: Iterable[Alignments], most_depth: int) -> Iterator[Alignments]:
    """The reads that are left, in pieces of whole blocks."""
    held = _Held(most_depth)
    for piece in pieces:
        yield from held.add(piece)
    yield held.rest()


def slabs(pieces: Iterable[Alignments], *, start: int, end: int, margin: int, most_bases: int) -> Iterator[Slab]:
    """Bases start to end in slabs, one where their reads have no more than `most_bases`. `pieces` are of whole blocks."""
    held, first = joined([]), start
    for piece in pieces:
        held = joined([held, piece])
        cut = _cut(held, first, most_bases)
        while cut < end and len(held) and cut + margin <= _block_start(int(held.position[-1])) + BLOCK:
            yield Slab(first, cut, taken(held, np.flatnonzero(held.position < cut + margin)))
            held, first = taken(held, np.flatnonzero(held.end > cut - margin)), cut
            cut = _cut(held, first, most_bases)
    while (cut := _cut(held, first, most_bases)) < end:
        yield Slab(first, cut, taken(held, np.flatnonzero(held.position < cut + margin)))
        held, first = taken(held, np.flatnonzero(held.end > cut - margin)), cut
    yield Slab(first, end, held)


class _Held:
    """Reads whose blocks are not settled yet; of the last one, what was dropped is counted."""

    def __init__(self, most_depth: int) -> None:
        self._most = most_depth * BLOCK
        self._open: list[Alignments] = []
        self._n_open = 0
        self._dropped = -1, 0

    def add(self, piece: Alignments) -> Iterator[Alignments]:
        """What is settled now, if there is much."""
        self._open.append(piece)
        self._n_open += int(piece.base_start[-1])
        if self._n_open > _MOST_OPEN:
            held = self._thinned()
            is_open = held.position // BLOCK == held.position[-1] // BLOCK
            yield taken(held, np.flatnonzero(~is_open))
            self._open = [taken(held, np.flatnonzero(is_open))]
            self._n_open = len(self._open[0].base)

    def rest(self) -> Alignments:
        """All that is left."""
        return self._thinned()

    def _thinned(self) -> Alignments:
        reads = joined(self._open)
        if not len(reads):
            return reads
        block, row = np.unique(reads.position // BLOCK, return_inverse=True)
        n_bases = np.diff(reads.base_start)
        bases = np.bincount(row, weights=n_bases, minlength=len(block)).astype(np.int64)
        bases[block == self._dropped[0]] += self._dropped[1]
        if (bases <= self._most).all():
            return reads
        kept = mixed(reads.name_hash) <= highest_hash(bases, self._most)[row]
        self._dropped = int(block[-1]), int(bases[-1] - n_bases[kept & (row == len(block) - 1)].sum())
        return taken(reads, np.flatnonzero(kept))


def _cut(reads: Alignments, first: int, most_bases: int) -> int:
    """The end of the block with which the reads that begin from `first` on are too many; behind every genome where they are not."""
    row = int(np.searchsorted(reads.position, first))
    last = int(np.searchsorted(reads.base_start, reads.base_start[row] + most_bases, side="right")) - 1
    return _block_start(int(reads.position[last])) + BLOCK if last < len(reads) else 1 << 62


def _block_start(position: int) -> int:
    return position // BLOCK * BLOCK


def no_reads() -> Alignments:
    """No reads at all."""
    empty, zero, byte = np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.uint8)
    return Alignments(empty, empty, np.zeros(0, np.uint16), byte, np.zeros(0, np.uint64), np.zeros(0, np.uint32), zero, byte, byte, zero)


def joined(parts: list[Alignments]) -> Alignments:
    """The reads of all parts in their order; those of the only part that has any are not copied."""
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_reads()
    plain = ("position", "end", "flag", "mapping_quality", "name_hash", "cigar", "base", "quality")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in plain}
    for name in ("cigar_start", "base_start"):
        counts = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        arrays[name] = np.concatenate(([0], np.cumsum(counts)))
    return Alignments(**arrays)


def taken(reads: Alignments, row: NDArray[np.int64]) -> Alignments:
    """Some of the reads, copied, in the order of `row`."""
    cigar_start, base_start = (_starts(start, row) for start in (reads.cigar_start, reads.base_start))
    cigar, base, quality = np.empty(cigar_start[-1], np.uint32), np.empty(base_start[-1], np.uint8), np.empty(base_start[-1], np.uint8)
    _copy(reads.cigar, reads.cigar_start, row, cigar, cigar_start)
    _copy(reads.base, reads.base_start, row, base, base_start)
    _copy(reads.quality, reads.base_start, row, quality, base_start)
    return Alignments(
        reads.position[row],
        reads.end[row],
        reads.flag[row],
        reads.mapping_quality[row],
        reads.name_hash[row],
        cigar,
        cigar_start,
        base,
        quality,
        base_start,
    )


def _starts(start: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the pieces of `row` begin when joined."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(start[row + 1] - start[row])))


@allocating
def _copy(value, start, row, out, out_start):  # type: ignore[no-untyped-def]
    for i in range(len(row)):
        out[out_start[i] : out_start[i + 1]] = value[start[row[i]] : start[row[i] + 1]]

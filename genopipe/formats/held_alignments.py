"""Aligned reads that calling takes without a BAM: packed, on the GPU as far as it has room, in memory, and in files beyond that.

Batches come in any order, each with the ordinal of its first read. Those packed on the device are sorted by position and stay there while
it has room. Those of the host are collected and sorted, a segment at a time. What does not stay on the device lies in memory up to a given
amount, then in files that are mapped: of each segment a stretch is one piece. At the end a count of the reads that begin in each bin of 256
bases brings all rows in order; the reads of a stretch are looked at, and sorted, when it is asked for. A read takes twelve bytes of memory
besides its record.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.formats.slabs import joined, taken
from genopipe.kernels.compiled import kernel
from genopipe.kernels.packed_alignments import Levels, Packed, Wanted, columns_for, look, starts_of, unpack
from genopipe.kernels.packed_on_gpu import Asked, Batches, Deep, batches, looked, unpacked
from genopipe.kernels.regions import starts
from genopipe.kernels.thinning import BLOCK
from genopipe.model import Alignments, Contig
from genopipe.outputs import writing
from genopipe.progress import log

if TYPE_CHECKING:
    from genopipe.formats.bam_index import Bam

SEGMENT = 1 << 28
"""Bytes of records that are sorted together."""

PIECE = 1 << 15
"""Reads that are handed out at a time, unless more of them begin in one bin."""

_BIN_BITS = 8


class _Block(NamedTuple):
    """Records that lie together: their words, and where in these each begins, of the host or of the device."""

    word: NDArray[np.uint64]
    start: NDArray[np.uint32]
    is_here: bool


class _Batch(NamedTuple):
    """A block of packed reads; `bin` (reads) is the one that each begins in."""

    first_ordinal: int
    block: _Block
    bin: NDArray[np.uint32]


class _Segment:
    """Records of reads that follow each other, collected to be sorted."""

    def __init__(self, n_words: int, first_ordinal: int) -> None:
        self.word, self.used = np.empty(n_words, np.uint64), 0
        self.first_ordinal = self.next_ordinal = first_ordinal
        self._starts, self._positions = [np.zeros(1, np.uint32)], [np.empty(0, np.int64)]

    def takes(self, packed: Packed, first_ordinal: int) -> bool:
        """Whether there is room for these, and they are the next reads."""
        return self.used + len(packed.word) <= len(self.word) and first_ordinal == self.next_ordinal

    def add(self, packed: Packed, n_reads: int) -> None:
        end = self.used + len(packed.word)
        self.word[self.used : end] = packed.word
        self._starts.append(packed.start[1:] + np.uint32(self.used))
        self._positions.append(packed.position)
        self.used, self.next_ordinal = end, self.next_ordinal + n_reads

    def sorted_into(self, word: NDArray[np.uint64]) -> Packed:
        """The records by position, equal ones as they came, in `word`."""
        start, position = np.concatenate(self._starts), np.concatenate(self._positions)
        row = np.argsort(position, kind="stable")
        out_start = np.concatenate((np.zeros(1, np.uint32), np.cumsum(np.diff(start)[row], dtype=np.uint32)))
        _gather(self.word, start, row, word, out_start)
        return Packed(word, out_start, position[row])


class AlignmentStore:
    """Takes packed reads, and the levels they are packed by; of those of the host, what exceeds `memory` goes to files in `folder`."""

    def __init__(self, folder: Path, levels: Levels, *, memory: int, gpu: Gpu | None = None) -> None:
        self._levels, self._gpu = levels, gpu
        self._folder, self._left, self._n_files = folder, max(memory - SEGMENT, 0), 0
        self._batches: list[_Batch] = []
        self._segment: _Segment | None = None
        self._one_at_a_time = Lock()

    def add(self, packed: Packed, first_ordinal: int, n_reads: int) -> None:
        """Adds what was packed on the host of so many reads, numbered from an ordinal on."""
        with self._one_at_a_time:
            if self._segment is None or not self._segment.takes(packed, first_ordinal):
                self._close()
                self._segment = _Segment(max(SEGMENT // 8, len(packed.word)), first_ordinal)
            self._segment.add(packed, n_reads)

    def add_there(self, packed: Packed, first_ordinal: int) -> None:
        """Adds reads of the device, which stay there if it has room for them."""
        assert self._gpu is not None
        if not len(packed.position):
            return
        word: Any = self._gpu.kept(packed.word)
        start: Any = self._gpu.kept(packed.start)
        is_there = word is not None and start is not None
        arrays = [(packed.position >> _BIN_BITS).astype(np.uint32), *([] if is_there else [packed.word, packed.start])]
        bins, *here = self._gpu.fetched(arrays)()
        with self._one_at_a_time:
            if not is_there:
                word, start = self._room(len(here[0])), here[1].copy()
                word[:] = here[0]
            self._batches.append(_Batch(first_ordinal, _Block(word, start, not is_there), bins.copy()))

    def _close(self) -> None:
        """Sorts what is collected."""
        segment, self._segment = self._segment, None
        if segment is not None and segment.used:
            packed = segment.sorted_into(self._room(segment.used))
            bins = (packed.position >> _BIN_BITS).astype(np.uint32)
            self._batches.append(_Batch(segment.first_ordinal, _Block(packed.word, packed.start, True), bins))

    def held(self, contigs: Sequence[Contig], longest: int, duplicate: NDArray[np.uint8]) -> HeldAlignments:
        """All reads; none spans more than `longest` bases, and those whose ordinal has a bit in `duplicate` are no evidence."""
        self._close()
        given = sorted(self._batches, key=lambda batch: batch.first_ordinal)
        self._batches = []
        n_bins = (contigs[-1].start + contigs[-1].length >> _BIN_BITS) + 1
        bin_start, order = _in_order([batch.bin for batch in given], n_bins)
        blocks = [batch.block for batch in given]
        if self._gpu is not None:
            _bring(self._gpu, blocks)
        border = np.cumsum([0, *(len(block.start) - 1 for block in blocks)], dtype=np.int64)
        here = _Here(blocks, border, duplicate, self._levels.table())
        there = None if self._gpu is None else _There.of(self._gpu, here)
        return HeldAlignments(contigs, longest, bin_start, order, here, there)

    def _room(self, n_words: int) -> NDArray[np.uint64]:
        """Room for so many words: of a file whose blocks the disk has set aside, once the memory is used up."""
        n_bytes = 8 * n_words
        if self._left >= n_bytes:
            self._left -= n_bytes
            return np.empty(n_words, np.uint64)
        path, self._n_files = self._folder / f"packed-{self._n_files}", self._n_files + 1
        with writing(path), open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        log.info("packed reads go on in file %d", self._n_files)
        return np.memmap(path, np.uint64, "r+", shape=(n_words,))


def _bring(gpu: Gpu, blocks: list[_Block]) -> None:
    """Brings what was packed on the host to the device, as far as it has room: a stretch whose reads are all there stays there."""
    for i, block in enumerate(blocks):
        if block.is_here:
            word, start = gpu.kept(gpu.put(block.word)), gpu.kept(gpu.put(block.start))
            if word is None or start is None:
                return
            blocks[i] = _Block(word, start, False)


class Span(NamedTuple):
    """Bases `start` to `end` of a contig, by its number."""

    contig: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Here:
    """The blocks of the host. border (blocks + 1) int64: the first row of each; level: as `Levels.table` gives it."""

    blocks: list[_Block]
    border: NDArray[np.int64]
    duplicate: NDArray[np.uint8]
    level: NDArray[np.uint8]

    def alignments(self, row: NDArray[np.int64], wanted: Wanted, contig_start: int) -> tuple[NDArray[np.int64], Alignments]:
        """Which of the rows are wanted, by position, equal ones in the order of the rows; and these."""
        position, n_operations, n_bases = (np.empty(len(row), np.int64) for _ in range(3))
        block = np.searchsorted(self.border, row, side="right") - 1
        parts = [(self.blocks[i], row[at] - self.border[i], at) for i in np.unique(block).tolist() for at in [np.flatnonzero(block == i)]]
        for part, mine, at in parts:
            look(part.word, part.start, mine, at, wanted, self.duplicate, position, n_operations, n_bases)
        kept = np.flatnonzero(n_bases)
        kept = kept[np.argsort(position[kept], kind="stable")]
        start, to = starts_of(np, n_operations[kept], n_bases[kept]), np.full(len(row), -1)
        to[kept] = np.arange(len(kept))
        out = columns_for(np, start, *start[:, -1].tolist())
        for part, mine, at in parts:
            unpack(part.word, part.start, mine, to[at], contig_start, self.level, out)
        return kept, Alignments(*out)


@dataclass(frozen=True, slots=True)
class _There:
    """The blocks of the device, duplicates and levels there too."""

    gpu: Gpu
    batches: Batches
    is_there: NDArray[np.bool_]
    duplicate: object
    level: object

    @classmethod
    def of(cls, gpu: Gpu, here: _Here) -> _There:
        is_there = np.array([not block.is_here for block in here.blocks], np.bool_)
        told = batches(gpu, [None if block.is_here else (block.word, block.start) for block in here.blocks], here.border)
        made = cls(gpu, told, is_there, gpu.put(here.duplicate), gpu.put(here.level))
        gpu.finish()
        return made

    @property
    def has_all(self) -> bool:
        """Whether no block is the host's."""
        return bool(self.is_there.all())

    def alignments(self, row: NDArray[np.int64], wanted: Wanted, contig_start: int) -> tuple[NDArray[np.int64], Alignments]:
        """The same as of the host, and copied there."""
        gpu = self.gpu
        first, last, base = (np.array([bound], np.int64) for bound in (wanted.first, wanted.last, contig_start))
        with gpu.stream():
            found = looked(
                gpu, self.batches, Asked(row, np.array([0, len(row)]), first, last, base, wanted.min_quality), duplicate=self.duplicate
            )
            kept, reads = unpacked(gpu, self.batches, found, contig_start=base, level=self.level)
            row, *columns = gpu.fetched([kept, *(getattr(reads, field.name) for field in fields(Alignments))])()
            return row, Alignments(*columns)


@dataclass(frozen=True, slots=True)
class HeldAlignments:
    """Packed reads in order.

    longest    bases of the genome that no read spans more of
    bin_start  (bins + 1) int64: the first of `order` that begins in each bin
    order      (reads) uint32, or uint64 where they are too many: rows, bin by bin
    """

    contigs: Sequence[Contig]
    longest: int
    bin_start: NDArray[np.int64]
    order: NDArray[np.uint32 | np.uint64]
    here: _Here
    there: _There | None

    @property
    def gpu(self) -> Gpu | None:
        """The device that holds some of them."""
        return None if self.there is None else self.there.gpu

    def bam(self, text: str, name: Path) -> Bam:
        """The reads as a BAM with this header; `name` is what messages call it."""
        from genopipe.formats.bam_index import Bam, read_groups_of, with_digests

        lengths = [(contig.name, contig.length) for contig in self.contigs]
        return Bam(name, with_digests(text, lengths), read_groups_of(text), (), (len(self.order) > 0,) * len(lengths), held=self)

    def pieces(self, contig: int, *, start: int, end: int, min_mapping_quality: int) -> Iterator[Alignments]:
        """The reads over bases `start` to `end` of a contig that are evidence, by position, equal ones in the order of the reads."""
        base = self.contigs[contig].start
        wanted = Wanted(np.int64(base + start), np.int64(base + end), np.int32(min_mapping_quality))
        bin_, last = self._bins(base + start, base + end)
        while bin_ < last:
            begin = self.bin_start[bin_]
            after = min(max(int(np.searchsorted(self.bin_start, begin + PIECE, side="right")) - 1, bin_ + 1), last)
            row = self.order[begin : self.bin_start[after]].astype(np.int64)
            if len(row):
                yield self._alignments(row, wanted, base)
            bin_ = after

    def _bins(self, start: int, end: int) -> tuple[int, int]:
        """Those in which reads over these bases of the concatenated genome begin."""
        return max(start - self.longest, 0) >> _BIN_BITS, (end - 1 >> _BIN_BITS) + 1

    def together(
        self, spans: Sequence[Span], *, min_mapping_quality: int, most_depth: int, most_bases: int
    ) -> tuple[Alignments, NDArray[np.int64]] | None:
        """The reads over each of some stretches, one stretch after another, thinned out to `most_depth` as by `slabs.thinned`: on the
        device, by the current stream; and their counts as in `packed_on_gpu.Looked`. None where not all reads lie there, or those of a
        stretch have more than `most_bases`."""
        there = self.there
        if there is None or not there.has_all:
            return None
        base = np.array([self.contigs[span.contig].start for span in spans], np.int64)
        first, last = (base + [getattr(span, name) for span in spans] for name in ("start", "end"))
        bins = [self._bins(*bounds) for bounds in zip(first.tolist(), last.tolist(), strict=True)]
        rows = [self.order[self.bin_start[low] : self.bin_start[high]] for low, high in bins]
        row, row_start = np.concatenate(rows).astype(np.int64), starts(np.array([len(each) for each in rows]))
        asked = Asked(row, row_start, first, last, base, np.int32(min_mapping_quality))
        found = looked(there.gpu, there.batches, asked, duplicate=there.duplicate, deep=Deep(most_depth * BLOCK, self.longest))
        if (found.counts[2] > most_bases).any():
            return None
        return unpacked(there.gpu, there.batches, found, contig_start=base, level=there.level)[1], found.counts

    def _alignments(self, row: NDArray[np.int64], wanted: Wanted, contig_start: int) -> Alignments:
        there = self.there
        if there is None:
            return self.here.alignments(row, wanted, contig_start)[1]
        is_there = there.is_there[np.searchsorted(self.here.border, row, side="right") - 1]
        on_device, on_host = np.flatnonzero(is_there), np.flatnonzero(~is_there)
        if not len(on_device):
            return self.here.alignments(row, wanted, contig_start)[1]
        kept, found = there.alignments(row[on_device], wanted, contig_start)
        if not len(on_host):
            return found
        kept_here, found_here = self.here.alignments(row[on_host], wanted, contig_start)
        both = joined([found, found_here])
        return taken(both, np.lexsort((np.concatenate((on_device[kept], on_host[kept_here])), both.position)))


def _in_order(bins: list[NDArray[np.uint32]], n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.uint32 | np.uint64]]:
    """Where each bin begins among the rows in order, one more; and these, those of one bin in ascending order."""
    bin_start = np.zeros(n_bins + 2, np.int64)
    for each in bins:
        _count(each, bin_start)
    np.cumsum(bin_start, out=bin_start)
    order, first = np.empty(bin_start[-1], np.uint32 if bin_start[-1] < 1 << 32 else np.uint64), 0
    for each in bins:
        _place(each, first, bin_start, order)
        first += len(each)
    return bin_start[:-1], order


@kernel
def _count(bins, bin_start):
    """Counts rows two bins further on, so that `_place` leaves each bin where it begins."""
    for i in range(len(bins)):
        bin_start[np.int64(bins[i]) + 2] += 1


@kernel
def _place(bins, first, following, order):
    for i in range(len(bins)):
        at = following[np.int64(bins[i]) + 1]
        order[at] = first + i
        following[np.int64(bins[i]) + 1] = at + 1


@kernel
def _gather(word, start, row, out, out_start):
    """Copies the records of the rows, one behind another."""
    for i in range(len(row)):
        to = np.int64(out_start[i])
        for k in range(np.int64(start[row[i]]), np.int64(start[row[i] + 1])):
            out[to] = word[k]
            to += 1

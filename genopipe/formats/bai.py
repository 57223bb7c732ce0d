"""BAI: where in a sorted BAM the records of a stretch of the genome lie.

`summary_of` says what an index must know of sorted records, in any thread; `Builder.add` takes such summaries in order, with offsets in the
uncompressed file; `write` turns these into virtual offsets once the file is written. Chunks of one bin that follow each other within a
block are joined.

Source: SAM/BAM format specification, section 5.2; the pseudo-bin 37450 holds what `samtools idxstats` shows.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import MutableSequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam import UNMAPPED, bin_of
from genopipe.formats.bgzf import PAYLOAD, BgzfWriter
from genopipe.kernels.compiled import inner, kernel

_META_BIN = 37450
INTERVAL_BITS = 14
LONGEST_CONTIG = 1 << 29


class Summary(NamedTuple):
    """What an index must know of sorted records.

    start     (records + 1) int64: where each begins in its buffer
    position, end  (records) int64
    chunk     (chunks, 4) int64: contig, bin, and start and end in the buffer, of records of one bin that follow each other
    stretch   (stretches, 4) int64: contig (-1 without a place), first and last row, and reads without a place of their own
    """

    start: NDArray[np.int64]
    position: NDArray[np.int64]
    end: NDArray[np.int64]
    chunk: NDArray[np.int64]
    stretch: NDArray[np.int64]


def summary_of(record: NDArray[np.uint8], start: NDArray[np.int64]) -> Summary:
    """The summary of sorted records; the first begins at `start[0]` of the buffer `record`, the last ends at the last `start`."""
    n = len(start) - 1
    position, end = np.empty(n, np.int64), np.empty(n, np.int64)
    chunk, stretch = np.empty((n, 4), np.int64), np.empty((n, 4), np.int64)
    n_chunks, n_stretches = _summarise(record, start, position, end, chunk, stretch)
    return Summary(start, position, end, chunk[:n_chunks], stretch[:n_stretches])


class ContigIndex:
    """What an index knows of one contig, offsets being those of the uncompressed file.

    linear  of each 16,384 bases where the first record over them begins; -1 without one
    counts  of records with and without a place of their own
    """

    def __init__(self, linear: MutableSequence[int] | NDArray[np.int64]) -> None:
        self.linear: Any = linear
        self.counts = [0, 0]
        self._chunks: dict[int, list[list[int]]] = defaultdict(list)
        self._span = [-1, -1]

    def add_chunk(self, bin_: int, start: int, end: int) -> None:
        """Adds records of one bin that follow each other."""
        chunks = self._chunks[bin_]
        if chunks and start - chunks[-1][1] < PAYLOAD:
            chunks[-1][1] = end
        else:
            chunks.append([start, end])
        self._span = [start if self._span[0] < 0 else self._span[0], end]

    def packed(self, file: BgzfWriter) -> list[bytes]:
        """As in the index of `file`, which is closed."""
        if not self._chunks:
            return [struct.pack("<ii", 0, 0)]
        parts = [struct.pack("<i", len(self._chunks) + 1)]
        for bin_ in sorted(self._chunks):
            parts.append(struct.pack("<Ii", bin_, len(self._chunks[bin_])))
            parts += [struct.pack("<QQ", file.virtual_offset(start), file.virtual_offset(end)) for start, end in self._chunks[bin_]]
        start, end = (file.virtual_offset(offset) for offset in self._span)
        parts.append(struct.pack("<IiQQQQ", _META_BIN, 2, start, end, *self.counts))
        linear = np.asarray(self.linear)
        used = int(np.flatnonzero(linear >= 0)[-1]) + 1
        parts.append(struct.pack("<i", used))
        virtual = 0
        for offset in linear[:used].tolist():
            virtual = file.virtual_offset(offset) if offset >= 0 else virtual
            parts.append(struct.pack("<Q", virtual))
        return parts


class Builder:
    """Collects the index of one BAM. Raises BadInput for a contig too long for this kind of index."""

    def __init__(self, contig_lengths: list[int]) -> None:
        if max(contig_lengths) > LONGEST_CONTIG:
            wanted = f"contigs of at most {LONGEST_CONTIG:,} bases, which a BAI index can hold"
            raise BadInput(f"a contig has {max(contig_lengths):,} bases", wanted=wanted, do="Split the contig in the reference.")
        self._contigs = [ContigIndex(np.full(-(-length >> INTERVAL_BITS), -1, np.int64)) for length in contig_lengths]
        self._unplaced = 0

    def add(self, summary: Summary, offset: int) -> None:
        """Adds what `summary_of` says of sorted records whose buffer begins at `offset` of the uncompressed file."""
        for contig, bin_, start, end in summary.chunk.tolist():
            self._contigs[contig].add_chunk(bin_, offset + start, offset + end)
        for contig, first, last, unmapped in summary.stretch.tolist():
            if contig < 0:
                self._unplaced += last - first
                continue
            here, rows = self._contigs[contig], slice(first, last)
            here.counts = [here.counts[0] + last - first - unmapped, here.counts[1] + unmapped]
            _fill_linear(here.linear, summary.position[rows], summary.end[rows], summary.start[rows], offset)

    def write(self, target: Path, bam: BgzfWriter) -> None:
        """Writes the index of `bam`, which is closed."""
        parts = [part for contig in self._contigs for part in contig.packed(bam)]
        head = struct.pack("<4si", b"BAI\x01", len(self._contigs))
        target.write_bytes(b"".join((head, *parts, struct.pack("<Q", self._unplaced))))


@inner
def _int32(record, at):
    value = np.uint32(0)
    for i in range(4):
        value |= np.uint32(record[at + i]) << np.uint32(8 * i)
    return np.int64(np.int32(value))


@kernel
def _summarise(record, start, position, end, chunk, stretch):
    """Fills the columns of a summary; gives how many chunks and stretches there are."""
    n_chunks = n_stretches = 0
    for i in range(len(position)):
        at = start[i]
        contig, position[i] = _int32(record, at + 4), _int32(record, at + 8)
        flag = np.int64(record[at + 18]) | (np.int64(record[at + 19]) << 8)
        operations = np.int64(record[at + 16]) | (np.int64(record[at + 17]) << 8)
        span = 0
        for k in range(operations):
            item = _int32(record, at + 36 + record[at + 12] + 4 * k)
            operation = item & 15
            if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                span += (item >> 4) & 0xFFFFFFF
        end[i] = position[i] + max(span, 1)
        if not n_stretches or stretch[n_stretches - 1, 0] != contig:
            stretch[n_stretches, 0], stretch[n_stretches, 1], stretch[n_stretches, 3] = contig, i, 0
            n_stretches += 1
        stretch[n_stretches - 1, 2] = i + 1
        stretch[n_stretches - 1, 3] += flag & UNMAPPED != 0
        if contig < 0:
            continue
        bin_ = bin_of(position[i], end[i])
        last = n_chunks - 1
        if not n_chunks or chunk[last, 0] != contig or chunk[last, 1] != bin_ or chunk[last, 3] != at:
            chunk[n_chunks, 0], chunk[n_chunks, 1], chunk[n_chunks, 2] = contig, bin_, at
            n_chunks += 1
        chunk[n_chunks - 1, 3] = start[i + 1]
    return n_chunks, n_stretches


@kernel
def _fill_linear(linear, position, end, start, offset):
    for i in range(len(position)):
        for interval in range(position[i] >> 14, min(((end[i] - 1) >> 14) + 1, len(linear))):
            if linear[interval] < 0:
                linear[interval] = start[i] + offset

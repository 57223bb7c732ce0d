"""BAI: where in a sorted BAM the records of a stretch of the genome lie.

`Builder.add` takes the sorted records chunk by chunk, with offsets in the uncompressed file; `write` turns these into virtual offsets once
the file is written. Chunks of one bin that follow each other within a block are joined.

Source: SAM/BAM format specification, section 5.2; the pseudo-bin 37450 holds what `samtools idxstats` shows.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam import UNMAPPED, bin_of
from genopipe.formats.bgzf import PAYLOAD, BgzfWriter
from genopipe.kernels.compiled import allocating, inner, kernel

_META_BIN = 37450
_INTERVAL = 1 << 14
LONGEST_CONTIG = 1 << 29


class Builder:
    """Collects the index of one BAM. Raises BadInput for a contig too long for this kind of index."""

    def __init__(self, contig_lengths: list[int]) -> None:
        if max(contig_lengths) > LONGEST_CONTIG:
            wanted = f"contigs of at most {LONGEST_CONTIG:,} bases, which a BAI index can hold"
            raise BadInput(f"a contig has {max(contig_lengths):,} bases", wanted=wanted, do="Split the contig in the reference.")
        self._chunks: list[dict[int, list[list[int]]]] = [defaultdict(list) for _ in contig_lengths]
        self._linear = [np.full((length + _INTERVAL - 1) // _INTERVAL, -1, np.int64) for length in contig_lengths]
        self._span = [[-1, -1] for _ in contig_lengths]
        self._counts = np.zeros((len(contig_lengths), 2), np.int64)
        self._unplaced = 0

    def add(self, record: NDArray[np.uint8], start: NDArray[np.int64], offset: int) -> None:
        """Adds sorted records; the buffer `record` begins at `offset` of the uncompressed file, record i at `start[i]` of the buffer."""
        field = _fields(record, start)
        contig, position, end, flag, bin_ = field
        self._unplaced += int((contig < 0).sum())
        border = np.flatnonzero((np.diff(contig) != 0) | (np.diff(bin_) != 0)) + 1
        first = np.concatenate((np.zeros(1, np.int64), border))
        last = np.concatenate((border, np.full(1, len(contig))))
        for a, b in zip(first.tolist(), last.tolist(), strict=True):
            if contig[a] >= 0:
                self._add_chunk(int(contig[a]), int(bin_[a]), offset + int(start[a]), offset + int(start[b]))
        for number in np.unique(contig[contig >= 0]).tolist():
            rows = np.flatnonzero(contig == number)
            unmapped = int((flag[rows] & UNMAPPED != 0).sum())
            self._counts[number] += (len(rows) - unmapped, unmapped)
            _fill_linear(self._linear[number], position[rows], end[rows], start[rows] + offset)

    def _add_chunk(self, contig: int, bin_: int, start: int, end: int) -> None:
        chunks = self._chunks[contig][bin_]
        if chunks and start - chunks[-1][1] < PAYLOAD:
            chunks[-1][1] = end
        else:
            chunks.append([start, end])
        span = self._span[contig]
        span[0] = start if span[0] < 0 else span[0]
        span[1] = end

    def write(self, target: Path, bam: BgzfWriter) -> None:
        """Writes the index of `bam`, which is closed."""
        parts = [b"BAI\x01", struct.pack("<i", len(self._chunks))]
        for contig in range(len(self._chunks)):
            parts += self._contig(contig, bam)
        parts.append(struct.pack("<Q", self._unplaced))
        target.write_bytes(b"".join(parts))

    def _contig(self, contig: int, bam: BgzfWriter) -> list[bytes]:
        chunks = self._chunks[contig]
        if not chunks:
            return [struct.pack("<ii", 0, 0)]
        parts = [struct.pack("<i", len(chunks) + 1)]
        for bin_ in sorted(chunks):
            parts.append(struct.pack("<Ii", bin_, len(chunks[bin_])))
            parts += [struct.pack("<QQ", bam.virtual_offset(start), bam.virtual_offset(end)) for start, end in chunks[bin_]]
        start, end = (bam.virtual_offset(offset) for offset in self._span[contig])
        parts.append(struct.pack("<IiQQQQ", _META_BIN, 2, start, end, *self._counts[contig].tolist()))
        linear = self._linear[contig]
        used = int(np.flatnonzero(linear >= 0)[-1]) + 1
        parts.append(struct.pack("<i", used))
        virtual = 0
        for offset in linear[:used].tolist():
            virtual = bam.virtual_offset(offset) if offset >= 0 else virtual
            parts.append(struct.pack("<Q", virtual))
        return parts


@inner
def _int32(record, at):
    value = np.uint32(0)
    for i in range(4):
        value |= np.uint32(record[at + i]) << np.uint32(8 * i)
    return np.int64(np.int32(value))


@allocating
def _fields(record, start):
    """Contig, position, end, flag and bin of each record."""
    n = len(start) - 1
    contig, position, end = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    flag, bin_ = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        at = start[i]
        contig[i], position[i] = _int32(record, at + 4), _int32(record, at + 8)
        flag[i] = np.int64(record[at + 18]) | (np.int64(record[at + 19]) << 8)
        operations = np.int64(record[at + 16]) | (np.int64(record[at + 17]) << 8)
        span = 0
        for k in range(operations):
            item = _int32(record, at + 36 + record[at + 12] + 4 * k)
            operation = item & 15
            if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                span += (item >> 4) & 0xFFFFFFF
        end[i] = position[i] + max(span, 1)
        bin_[i] = bin_of(position[i], end[i])
    return contig, position, end, flag, bin_


@kernel
def _fill_linear(linear, position, end, offset):
    for i in range(len(position)):
        for interval in range(position[i] >> 14, min(((end[i] - 1) >> 14) + 1, len(linear))):
            if linear[interval] < 0:
                linear[interval] = offset[i]

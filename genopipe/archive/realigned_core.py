"""Position, CIGAR, flags and mate of realigned reads, told by the pool's record of the same read.

A batch has rows: each is a record of the new alignment beside its base, the pool's record of that read. What differs from a prediction is
kept, and the same predictions turn it back. First each row by itself: contig and position follow the base, moved as its neighbours were;
flag, mapping quality and CIGAR are those of the base. Then, with these known for the whole batch, what a record says of its mate follows
the mate's row where that is in the batch, else the base; the bin follows position and CIGAR.

Source: SAM/BAM format specification, sections 1.4, 4.2 and 5.3 (bins).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.fastq_text import hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, int32, whole
from genopipe.kernels.compiled import kernel

CONTIG, POSITION, MAPPING_QUALITY, FLAG, FLAG_HIGH, BIN, MATE_CONTIG, MATE_POSITION, LENGTH, N_BASES = FIELDS = range(10)
"""Columns of a table; the flag is cut in two bytes."""
OWN, REST = FIELDS[:BIN], FIELDS[BIN:]
"""Fields told by the base, and those told by the others."""
_CONTIG_SLOTS = 1 << 12
_NOT_PRIMARY = 0x900
_REVERSE = 0x10
_UNMAPPED = 0x4

Table = NDArray[np.int64]
"""(rows, FIELDS) or (rows) int64."""


class Drift:
    """How contigs and positions of the new alignment lie to those of the pool, as seen last; the same on both ways.

    contig  (slots) int64: the new contig of a contig of the pool
    shift   (slots) int64: new position less position in the pool
    before  (slots) int64: the shift of the last row; a shift counts once it is seen twice
    """

    def __init__(self) -> None:
        self.contig = np.arange(-1, _CONTIG_SLOTS - 1)
        self.shift = np.zeros(_CONTIG_SLOTS, np.int64)
        self.before = np.zeros(_CONTIG_SLOTS, np.int64)


@dataclass(frozen=True, slots=True)
class Cigars:
    """The CIGARs of a batch. byte: (bytes) uint8; start: (rows + 1) int64."""

    byte: Bytes
    start: Offsets


@dataclass(frozen=True, slots=True)
class Spans:
    """What follows from position and CIGAR.

    end    (rows) int64: where the alignment ends on the contig
    clip   (2, rows) int64: bases cut off (H) before the first and after the last
    shape  (rows) int64: hash of what is not M
    """

    end: Table
    clip: Table
    shape: Table


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a batch.

    base_row   (rows) int64: the record of the pool's batch
    mate       (rows) int64: the row of the mate, -1 where it is not in the batch
    value      (rows, FIELDS) int64
    cigar      of each row
    span       of each row
    base_clip  (2, records) int64: bases cut off from the pool's records
    """

    base_row: Table
    mate: Table
    value: Table
    cigar: Cigars
    span: Spans
    base_clip: Table

    @property
    def clip(self) -> Table:
        return self.span.clip

    @property
    def arrays(self) -> tuple[Any, ...]:
        """For the loops over records."""
        return self.base_row, self.mate, self.value, self.cigar.byte, self.cigar.start, self.clip, self.base_clip, self.span.shape


def fields(batch: Batch) -> Table:
    """(records, FIELDS) int64 of a batch."""
    out = np.empty((len(batch), len(FIELDS)), np.int64)
    _fields(batch.byte, batch.start, out)
    return out


def cigars(batch: Batch) -> Cigars:
    """The CIGARs of a batch."""
    start = np.zeros(len(batch) + 1, np.int64)
    out = np.empty(int(batch.start[-1] - batch.start[0]), np.uint8)
    used = _cigars(batch.byte, batch.start, out, start)
    return Cigars(out[:used], start)


def own_differences(base: Table, value: Table, drift: Drift) -> Table:
    """(rows, OWN) of what each row by itself differs by."""
    out = np.empty((len(base), len(OWN)), np.int64)
    _own(base, value, out, False, drift.contig, drift.shift, drift.before)
    return out


def own_fields(base: Table, difference: Table, drift: Drift) -> Table:
    """(rows, FIELDS) with the fields again of which `own_differences` told; the others are 0."""
    out = np.zeros((len(base), len(FIELDS)), np.int64)
    _own(base, out, difference, True, drift.contig, drift.shift, drift.before)
    return out


def spans(position: Table, cigar: Cigars) -> Spans:
    """What follows from position and CIGAR."""
    out = np.zeros((4, len(position)), np.int64)
    _spans(position, cigar.byte, cigar.start, out)
    return Spans(out[0], out[1:3], out[3])


def predicted_rest(rows: Rows, base: Table, drift: Drift) -> Table:
    """(rows, REST): bin, mate's contig and position, length and number of bases as they are most likely, told by the other fields."""
    value, mate, span = rows.value, rows.mate, rows.span
    slot = (base[:, MATE_CONTIG] + 1) % _CONTIG_SLOTS
    seen = mate >= 0
    moved = np.where(base[:, MATE_POSITION] >= 0, drift.shift[slot], 0)
    columns = {
        BIN: _bins(value[:, POSITION], np.maximum(span.end, value[:, POSITION] + 1)),
        MATE_CONTIG: np.where(seen, value[mate, CONTIG], drift.contig[slot]),
        MATE_POSITION: np.where(seen, value[mate, POSITION], base[:, MATE_POSITION] + moved),
        LENGTH: np.where(seen, _lengths(value, mate, span), base[:, LENGTH]),
        N_BASES: base[:, N_BASES] + (rows.base_clip[:, rows.base_row] - rows.clip).sum(0),
    }
    return np.stack([columns[field] for field in REST], 1)


def mates(batch: Batch, base_row: Table) -> Table:
    """(rows) the first row of the mate of each row, by name among the primary records of the pool's batch; -1 where it has none."""
    name = np.empty(len(batch), np.uint64)
    side = np.empty(len(batch), np.int64)
    _names(batch.byte, batch.start, name, side)
    primary = np.flatnonzero(side > 0)
    sorter = primary[np.lexsort((side[primary], name[primary]))]
    one, other = sorter[:-1], sorter[1:]
    pair = (name[one] == name[other]) & (side[one] != side[other])
    mate = np.full(len(batch), -1, np.int64)
    mate[one[pair]], mate[other[pair]] = other[pair], one[pair]
    first = np.full(len(batch) + 1, -1, np.int64)
    first[base_row[::-1]] = np.arange(len(base_row))[::-1]
    return first[mate[base_row]]


def _lengths(value: Table, mate: Table, span: Spans) -> Table:
    """Template lengths from the 5' ends of both mates, as most aligners give them; 0 on two contigs or when one is unmapped."""
    five = np.where(value[:, FLAG] & _REVERSE, span.end - 1, value[:, POSITION])
    step = five[mate] - five
    together = (value[:, CONTIG] == value[mate, CONTIG]) & ((value[:, FLAG] | value[mate, FLAG]) & _UNMAPPED == 0)
    return np.where(together, step + np.sign(step), 0)


def _bins(start: Table, end: Table) -> Table:
    """`reg2bin` for whole columns; unplaced reads lie in 4680."""
    last = end - 1
    out = np.zeros_like(start)
    for shift, first in ((26, 1), (23, 9), (20, 73), (17, 585), (14, 4681)):
        out = np.where(start >> shift == last >> shift, first + (start >> shift), out)
    return out & 0xFFFF


@kernel
def _fields(byte: Bytes, start: Offsets, out: Table) -> None:
    for r in range(len(start) - 1):
        core = start[r] + 4
        out[r, CONTIG], out[r, POSITION] = int32(byte, core), int32(byte, core + 4)
        out[r, MAPPING_QUALITY] = byte[core + 9]
        out[r, BIN] = int(byte[core + 10]) | int(byte[core + 11]) << 8
        out[r, FLAG], out[r, FLAG_HIGH] = byte[core + 14], byte[core + 15]
        out[r, N_BASES] = int32(byte, core + 16)
        for i in range(3):
            out[r, MATE_CONTIG + i] = int32(byte, core + 20 + 4 * i)


@kernel
def _cigars(byte: Bytes, start: Offsets, out: Bytes, out_start: Offsets) -> int:
    at = 0
    for r in range(len(start) - 1):
        core = start[r] + 4
        first = core + CORE_BYTES + byte[core + 8]
        n = 4 * (int(byte[core + 12]) | int(byte[core + 13]) << 8)
        for i in range(n):
            out[at + i] = byte[first + i]
        at += n
        out_start[r + 1] = at
    return at


@kernel
def _own(base: Table, value: Table, difference: Table, decoding: bool, contig: Table, shift: Table, before: Table) -> None:
    """Fills `difference` from `value`, or the other way round."""
    for r in range(len(base)):
        slot = (base[r, CONTIG] + 1) % len(contig)
        for field in range(BIN):
            told = base[r, field]
            if field == CONTIG:
                told = contig[slot]
            elif field == POSITION:
                told += shift[slot]
            bits = FLAG <= field <= FLAG_HIGH
            if decoding:
                value[r, field] = difference[r, field] ^ told if bits else difference[r, field] + told
            else:
                difference[r, field] = value[r, field] ^ told if bits else value[r, field] - told
        contig[slot] = value[r, CONTIG]
        now = value[r, POSITION] - base[r, POSITION]
        if now == before[slot]:
            shift[slot] = now
        before[slot] = now


@kernel
def _spans(position: Table, byte: Bytes, start: Offsets, out: Table) -> None:
    for r in range(len(position)):
        end = position[r]
        aligned = False
        shape = np.uint64(14695981039346656037)
        for at in range(start[r], start[r + 1], 4):
            length, op = np.uint32(int32(byte, at)) >> 4, byte[at] & 15
            if op == 5:
                out[1 + aligned, r] += length
            aligned |= op == 0 or op == 7 or op == 8
            end += length if op == 0 or op == 2 or op == 3 or op == 7 or op == 8 else 0
            if op:
                shape = (shape ^ np.uint64(length << 4 | op)) * np.uint64(1099511628211)
        out[0, r] = end
        out[3, r] = whole(shape >> np.uint64(1))


@kernel
def _names(byte: Bytes, start: Offsets, name: NDArray[np.uint64], side: Table) -> None:
    """Hash of each name; 1 or 2 for the mates of a pair, 0 for other records."""
    for r in range(len(start) - 1):
        core = start[r] + 4
        flag = int(byte[core + 14]) | int(byte[core + 15]) << 8
        name[r] = hash_name(byte, core + CORE_BYTES, core + CORE_BYTES + byte[core + 8] - 1)
        side[r] = 0 if flag & _NOT_PRIMARY or not flag & 1 else 1 if flag & 0x40 else 2

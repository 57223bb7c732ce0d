"""BAM: the header, and the bytes of records straight from arrays.

Order of use: `header_bytes` gives what comes before the first record; `encode` turns a batch of records into one buffer and says where
each begins. Compression is `genopipe.formats.bgzf`, the index `genopipe.formats.bai`. Bases and qualities come as sequenced and are turned
here for reads on the reverse strand.

Source: SAM/BAM format specification, section 4.2.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.kernels.compiled import inner, kernel
from genopipe.model import BASES, Contig, Reads

PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, REVERSE, MATE_REVERSE, FIRST, LAST = (1 << bit for bit in range(8))
DUPLICATE, SUPPLEMENTARY = 1 << 10, 1 << 11
LONGEST_NAME = 254
"""Bytes of a read name."""

_FIXED = 36
_NIBBLES = b"=ACMGRSVTWYHKDBN"


def _nibble_table() -> NDArray[np.uint8]:
    """(2, 16): the 4-bit code of each base code, as sequenced and complemented (the four bits, one for each base, in reverse)."""
    forward = [_NIBBLES.index(letter) for letter in BASES] + [15]
    return np.array([forward, [int(f"{code:04b}"[::-1], 2) for code in forward]], np.uint8)


_NIBBLE = _nibble_table()


@dataclass(frozen=True, slots=True)
class ReadGroup:
    """One @RG line: where reads come from. Raises BadInput for a field that would break the header."""

    identifier: str
    sample: str
    library: str
    platform: str

    def __post_init__(self) -> None:
        for key, value in (
            ("--read-group", self.identifier),
            ("--sample", self.sample),
            ("--library", self.library),
            ("--platform", self.platform),
        ):
            if not value or not value.isprintable():
                raise BadInput(
                    f"{value!r} cannot stand in a BAM header", wanted="printable characters, no tab", do="Choose another.", key=key
                )

    def line(self) -> str:
        return f"@RG\tID:{self.identifier}\tSM:{self.sample}\tLB:{self.library}\tPL:{self.platform}"


def header_text(contigs: Sequence[Contig], read_groups: Sequence[ReadGroup], *, version: str) -> str:
    """The header of a file sorted by coordinate, without times and paths."""
    lines = ["@HD\tVN:1.6\tSO:coordinate"]
    lines += [f"@SQ\tSN:{contig.name}\tLN:{contig.length}\tM5:{contig.md5}" for contig in contigs]
    lines += [group.line() for group in read_groups]
    lines += [f"@PG\tID:genopipe\tPN:genopipe\tVN:{version}"]
    return "\n".join(lines) + "\n"


def header_bytes(text: str, contigs: Sequence[Contig]) -> bytes:
    """Everything before the first record."""
    encoded = text.encode()
    parts = [b"BAM\x01", struct.pack("<i", len(encoded)), encoded, struct.pack("<i", len(contigs))]
    for contig in contigs:
        name = contig.name.encode() + b"\0"
        parts += [struct.pack("<i", len(name)), name, struct.pack("<i", contig.length)]
    return b"".join(parts)


class Records(NamedTuple):
    """What a BAM record says beyond the read itself.

    read             (records) int32: which read of the batch it is of
    flag             (records) uint16
    contig           (records) int32: index, -1 for none
    position         (records) int32: leftmost aligned base, -1 for none
    end              (records) int32: one past the rightmost aligned base
    quality          (records) uint8: mapping quality
    mate_contig, mate_position  (records) int32
    template_length  (records) int32
    cigar            (operations) uint32: length << 4 | operation
    cigar_start      (records + 1) int64
    tag              (bytes) uint8: tags as in the record
    tag_start        (records + 1) int64
    """

    read: NDArray[np.int32]
    flag: NDArray[np.uint16]
    contig: NDArray[np.int32]
    position: NDArray[np.int32]
    end: NDArray[np.int32]
    quality: NDArray[np.uint8]
    mate_contig: NDArray[np.int32]
    mate_position: NDArray[np.int32]
    template_length: NDArray[np.int32]
    cigar: NDArray[np.uint32]
    cigar_start: NDArray[np.int64]
    tag: NDArray[np.uint8]
    tag_start: NDArray[np.int64]


def encode(reads: Reads, records: Records) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all records, and where each begins (records + 1)."""
    bases = np.diff(reads.base_start)[records.read]
    cigar, tag = np.diff(records.cigar_start), np.diff(records.tag_start)
    size = _FIXED + reads.name_length[records.read] + 1 + 4 * cigar + (bases + 1) // 2 + bases + tag
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size, dtype=np.int64)))
    out = np.empty(start[-1], np.uint8)
    _encode(reads.header, reads.header_start, reads.name_length, reads.base, reads.quality, reads.base_start, records, _NIBBLE, start, out)
    return out, start


@kernel
def bin_of(start, end):
    """The bin of the UCSC scheme that holds `start` to `end`."""
    last = end - 1
    for shift, first in ((14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)):
        if start >> shift == last >> shift:
            return first + (start >> shift)
    return 0


@inner
def _put32(out, at, value):
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 255


@inner
def _put16(out, at, value):
    out[at] = value & 255
    out[at + 1] = (value >> 8) & 255


@kernel
def _encode(header, header_start, name_length, base, quality, base_start, records, nibble, start, out):
    r = records
    for i in range(len(r.read)):
        at, read = start[i], r.read[i]
        first, bases = base_start[read], base_start[read + 1] - base_start[read]
        operations = r.cigar_start[i + 1] - r.cigar_start[i]
        reverse = (r.flag[i] & 16) != 0
        _put32(out, at, start[i + 1] - at - 4)
        _put32(out, at + 4, np.int64(r.contig[i]))
        _put32(out, at + 8, np.int64(r.position[i]))
        out[at + 12] = name_length[read] + 1
        out[at + 13] = r.quality[i]
        _put16(out, at + 14, bin_of(np.int64(r.position[i]), max(np.int64(r.end[i]), np.int64(r.position[i]) + 1)))
        _put16(out, at + 16, operations)
        _put16(out, at + 18, np.int64(r.flag[i]))
        _put32(out, at + 20, bases)
        _put32(out, at + 24, np.int64(r.mate_contig[i]))
        _put32(out, at + 28, np.int64(r.mate_position[i]))
        _put32(out, at + 32, np.int64(r.template_length[i]))
        at += 36
        for k in range(name_length[read]):
            out[at + k] = header[header_start[read] + k]
        at += name_length[read]
        out[at] = 0
        at += 1
        for k in range(r.cigar_start[i], r.cigar_start[i + 1]):
            _put32(out, at, np.int64(r.cigar[k]))
            at += 4
        if reverse:
            end = first + bases - 1
            for k in range(bases >> 1):
                out[at + k] = (nibble[1, base[end - 2 * k] & 15] << 4) | nibble[1, base[end - 2 * k - 1] & 15]
            if bases & 1:
                out[at + (bases >> 1)] = nibble[1, base[first] & 15] << 4
            at += (bases + 1) >> 1
            for k in range(bases):
                out[at + k] = quality[end - k]
        else:
            for k in range(bases >> 1):
                out[at + k] = (nibble[0, base[first + 2 * k] & 15] << 4) | nibble[0, base[first + 2 * k + 1] & 15]
            if bases & 1:
                out[at + (bases >> 1)] = nibble[0, base[first + bases - 1] & 15] << 4
            at += (bases + 1) >> 1
            for k in range(bases):
                out[at + k] = quality[first + k]
        at += bases
        for k in range(r.tag_start[i], r.tag_start[i + 1]):
            out[at] = r.tag[k]
            at += 1

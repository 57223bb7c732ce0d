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
from genopipe.kernels.bits import turned
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.packed_reads import unknown_of
from genopipe.kernels.ungapped import eight_codes
from genopipe.kernels.words import copy_bytes, load64, store64
from genopipe.model import BASES, Contig, Reads

PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, REVERSE, MATE_REVERSE, FIRST, LAST = (1 << bit for bit in range(8))
DUPLICATE, SUPPLEMENTARY = 1 << 10, 1 << 11
LONGEST_NAME = 254
"""Bytes of a read name."""

_FIXED = 36
_EACH = np.uint64(0x0101010101010101)
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
            ("--sample", self.sample),  # which the others are by default
            ("--read-group", self.identifier),
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


@inner
def _nibbles(codes):
    """The 4-bit codes 1, 2, 4 and 8 of eight base codes 0 to 3, two in each byte, the first in its upper half."""
    one = (codes & _EACH) + _EACH
    upper = ((codes >> np.uint64(1)) & _EACH) * np.uint64(255)
    nibbles = (one & ~upper) | ((one << np.uint64(2)) & upper)
    nibbles = ((nibbles << np.uint64(4)) | (nibbles >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    nibbles = (nibbles | (nibbles >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    return nibbles | (nibbles >> np.uint64(16))


@inner
def _put_bases(base, first, n, reverse, nibble, out, at):
    """Writes the bases of a read, turned where it is on the reverse strand; eight at a time may write four bytes too many."""
    strand = 1 if reverse else 0
    k = 0
    while k < n:
        codes = eight_codes(base, first, n, k, reverse) if k + 8 <= n else ~np.uint64(0)
        if unknown_of(codes) == 0:
            store64(out, at + (k >> 1), _nibbles(codes))
            k += 8
            continue
        for i in range(k, min(k + 8, n), 2):
            one = first + (n - 1 - i if reverse else i)
            other = nibble[strand, base[one - 1 if reverse else one + 1] & 15] if i + 1 < n else 0
            out[at + (i >> 1)] = (nibble[strand, base[one] & 15] << 4) | other
        k += 8


@inner
def _put_qualities(quality, first, n, reverse, out, at):
    if not reverse:
        copy_bytes(quality, first, n, out, at)
        return
    for k in range(0, n - 7, 8):
        store64(out, at + k, turned(load64(quality, first + n - 8 - k)))
    for k in range(n & ~7, n):
        out[at + k] = quality[first + n - 1 - k]


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
        copy_bytes(header, header_start[read], name_length[read], out, at)
        at += name_length[read]
        out[at] = 0
        at += 1
        for k in range(r.cigar_start[i], r.cigar_start[i + 1]):
            _put32(out, at, np.int64(r.cigar[k]))
            at += 4
        _put_bases(base, first, bases, reverse, nibble, out, at)
        at += (bases + 1) >> 1
        _put_qualities(quality, first, bases, reverse, out, at)
        at += bases
        copy_bytes(r.tag, r.tag_start[i], r.tag_start[i + 1] - r.tag_start[i], out, at)

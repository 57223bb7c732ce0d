"""A sorted, indexed BAM (or CRAM) as arrays: the reads over a stretch of a contig that count as evidence for variants.

The linear part of the index says where the reads of a stretch begin; blocks are inflated from there on, and two compiled passes over the
bytes choose the records and unpack them. Left out are unmapped, secondary, supplementary, duplicate and QC-failed reads, those below a
mapping quality, and those of other samples' read groups.

Source: SAM/BAM format specification, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam_index import FNV_OFFSET, FNV_PRIME, Bam, bad_bam
from genopipe.formats.bgzf import read_blocks
from genopipe.formats.cram_stretch import stretch_pieces
from genopipe.formats.slabs import joined, thinned
from genopipe.model import Alignments

LEFT_OUT = 0x4 | 0x100 | 0x200 | 0x400 | 0x800
"""Flags of reads that are no evidence: unmapped, secondary, QC fail, duplicate, supplementary."""

_PIECE = 1 << 18
"""Bytes of records that are unpacked at a time."""
_INTERVAL_SHIFT = 14
_MISSING_QUALITY = 20
_CODE = (4, 0, 1, 4, 2, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4)
_PAIR = np.array([(_CODE[byte >> 4], _CODE[byte & 15]) for byte in range(256)], np.uint8)
"""(256, 2): the codes of the two bases of a byte."""
_DONE = 1
_FAULTS = {
    2: ("the reads are not sorted by position", "a BAM sorted by coordinate", "Sort it: samtools sort, then samtools index."),
    3: ("a record contradicts its own length", "a sound BAM", "Make the BAM and its index again."),
}


def read_stretch(
    bam: Bam,
    contig: int,
    *,
    start: int,
    end: int,
    min_mapping_quality: int = 0,
    read_groups: NDArray[np.uint64] | None = None,
    most_depth: int | None = None,
) -> Alignments:
    """The reads that overlap bases `start` to `end` of a contig, in file order, thinned out to `most_depth` where that is given.

    Raises BadInput for damaged or unsorted records.
    """
    pieces = read_pieces(bam, contig, start=start, end=end, min_mapping_quality=min_mapping_quality, read_groups=read_groups)
    return joined(list(pieces if most_depth is None else thinned(pieces, most_depth)))


def read_pieces(
    bam: Bam, contig: int, *, start: int, end: int, min_mapping_quality: int = 0, read_groups: NDArray[np.uint64] | None = None
) -> Iterator[Alignments]:
    """The same reads, some thousands at a time."""
    if bam.held is not None:
        yield from bam.held.pieces(contig, start=start, end=end, min_mapping_quality=min_mapping_quality)
        return
    groups = np.zeros(0, np.uint64) if read_groups is None else read_groups
    limits = np.array([contig, start, end, min_mapping_quality, read_groups is not None], np.int64)
    last = np.zeros(2, np.int64)
    held = bytearray()
    for payload in chain(_payloads(bam, contig, start) if bam.fasta is None else stretch_pieces(bam, contig, start, end), [b""]):
        held += payload
        if payload and len(held) < _PIECE:
            continue
        buffer = np.frombuffer(held, np.uint8)
        offset = np.empty(len(buffer) // 36 + 1, np.int64)
        n, used, state = _choose(buffer, limits, groups, last, offset)
        if state in _FAULTS:
            raise bad_bam(bam.path, *_FAULTS[state])
        reads = _unpack(buffer, offset[:n])
        del buffer  # a bytearray that is looked into cannot change
        del held[:used]
        if n:
            yield reads
        if state == _DONE:
            return
    if held:
        raise bad_bam(bam.path, "the last record is cut short", "a whole BAM", "Copy or make the file again.")


def _payloads(bam: Bam, contig: int, start: int) -> Iterator[bytes]:
    """The bytes from the first record that may overlap `start` on, block by block."""
    offsets = bam.linear_offset[contig]
    known = offsets[start >> _INTERVAL_SHIFT :]
    known = known[known > 0]
    if not len(known):
        return
    virtual = int(known[0])
    skip = virtual & 0xFFFF
    for payload in _blocks_from(bam, virtual >> 16):
        yield payload[skip:] if skip else payload
        skip = 0


def _blocks_from(bam: Bam, offset: int) -> Iterator[bytes]:
    """What the blocks from an offset on hold. Raises BadInput, with a word about the index that gave it, where none can be read there."""
    blocks = read_blocks(bam.path, start=offset)
    try:
        first = next(blocks, None)
    except BadInput:
        came = f"no sound block begins at byte {offset}, where the index says one does"
        again = f"Make the index again: samtools index {bam.path.name}; if that fails, copy or make the file again."
        raise bad_bam(bam.path, came, "a whole BAM, and its own index", again) from None
    if first is not None:
        yield first[1]
        yield from (payload for _, payload in blocks)


@njit(cache=True, nogil=True)
def _int32(buffer, at):  # type: ignore[no-untyped-def]
    word = np.uint32(buffer[at]) | np.uint32(buffer[at + 1]) << 8 | np.uint32(buffer[at + 2]) << 16 | np.uint32(buffer[at + 3]) << 24
    return np.int64(np.int32(word))


@njit(cache=True, nogil=True)
def _choose(buffer, limits, groups, last, offset):  # type: ignore[no-untyped-def]
    """Offsets of the records that count; returns how many, where the first partial record begins, and a state.

    limits  contig, start, end, lowest mapping quality, whether read groups matter
    last    contig and position of the record before, kept between pieces
    """
    contig, start, end, min_quality = limits[0], limits[1], limits[2], limits[3]
    n = 0
    at = 0
    while at + 36 <= len(buffer):
        size = _int32(buffer, at)
        name_length = np.int64(buffer[at + 12])
        n_cigar = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8
        n_bases = _int32(buffer, at + 20)
        if size < 32 or n_bases < 0 or size < 32 + name_length + 4 * n_cigar + (n_bases + 1) // 2 + n_bases:
            return n, at, 3
        if at + 4 + size > len(buffer):
            break
        record_contig = _int32(buffer, at + 4)
        position = _int32(buffer, at + 8)
        if record_contig != contig:
            if record_contig < 0 or record_contig > contig:
                return n, at, 1
        else:
            if last[0] == contig and position < last[1]:
                return n, at, 2
            last[0] = contig
            last[1] = position
            if position >= end:
                return n, at, 1
            flag = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8
            if flag & LEFT_OUT == 0 and buffer[at + 13] >= min_quality and n_cigar > 0 and n_bases > 0:
                reach = position
                length = 0
                for k in range(n_cigar):
                    word = _int32(buffer, at + 36 + name_length + 4 * k) & 0xFFFFFFFF
                    operation = word & 15
                    if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                        reach += word >> 4
                    if operation == 0 or operation == 1 or operation == 4 or operation == 7 or operation == 8:
                        length += word >> 4
                if length != n_bases:
                    return n, at, 3
                tags = at + 36 + name_length + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
                if reach > start and (limits[4] == 0 or _of_group(buffer, tags, at + 4 + size, groups)):
                    offset[n] = at
                    n += 1
        at += 4 + size
    return n, at, 0


@njit(cache=True, nogil=True)
def _of_group(buffer, at, end, groups):  # type: ignore[no-untyped-def]
    """True where the RG tag between `at` and `end` is one of the groups."""
    while at + 3 < end:
        kind = buffer[at + 2]
        is_group = buffer[at] == ord("R") and buffer[at + 1] == ord("G")
        at += 3
        if kind == ord("Z") or kind == ord("H"):
            value = FNV_OFFSET
            while at < end and buffer[at] != 0:
                value = (value ^ np.uint64(buffer[at])) * FNV_PRIME
                at += 1
            at += 1
            if is_group:
                return np.any(groups == value)
        elif kind == ord("B"):
            item = buffer[at]
            width = 1 if item == ord("c") or item == ord("C") else (2 if item == ord("s") or item == ord("S") else 4)
            at += 5 + width * _int32(buffer, at + 1)
        elif kind == ord("A") or kind == ord("c") or kind == ord("C"):
            at += 1
        elif kind == ord("s") or kind == ord("S"):
            at += 2
        else:
            at += 4
    return False


@njit(cache=True, nogil=True)
def _measure(buffer, offset, starts):  # type: ignore[no-untyped-def]
    """Fills `starts` (reads + 1, 2): where the CIGAR and the bases of each record begin when all are laid one behind the other."""
    starts[0] = 0
    for row in range(len(offset)):
        at = offset[row]
        starts[row + 1, 0] = starts[row, 0] + (np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8)
        starts[row + 1, 1] = starts[row, 1] + _int32(buffer, at + 20)


@njit(cache=True, nogil=True)
def _fill(buffer, offset, number, starts, cigar, base, quality, pair):  # type: ignore[no-untyped-def]
    """Unpacks records and returns their name hashes.

    number  (reads, 4): position, end, flag, mapping quality
    starts  (reads + 1, 2): where the CIGAR and the bases of each begin
    """
    name_hash = np.empty(len(offset), np.uint64)
    for row in range(len(offset)):
        at = offset[row]
        name_length = np.int64(buffer[at + 12])
        n_cigar = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8
        n_bases = _int32(buffer, at + 20)
        number[row, 0] = _int32(buffer, at + 8)
        number[row, 1] = number[row, 0]
        number[row, 2] = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8
        number[row, 3] = buffer[at + 13]
        value = FNV_OFFSET
        for k in range(name_length - 1):
            value = (value ^ np.uint64(buffer[at + 36 + k])) * FNV_PRIME
        name_hash[row] = value
        at += 36 + name_length
        first = starts[row, 0]
        for k in range(n_cigar):
            word = _int32(buffer, at + 4 * k) & 0xFFFFFFFF
            operation = word & 15
            cigar[first + k] = word
            if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                number[row, 1] += word >> 4
        at += 4 * n_cigar
        first = starts[row, 1]
        # slices, whose indices need no check for negative ones
        packed = buffer[at : at + (n_bases >> 1)]
        bases = base[first : first + n_bases]
        for k in range(len(packed)):
            bases[2 * k] = pair[packed[k], 0]
            bases[2 * k + 1] = pair[packed[k], 1]
        if n_bases & 1:
            bases[n_bases - 1] = pair[buffer[at + len(packed)], 0]
        at += (n_bases + 1) // 2
        reported = buffer[at : at + n_bases]
        qualities = quality[first : first + n_bases]
        for k in range(n_bases):
            qualities[k] = reported[k] if reported[k] < 94 else np.uint8(_MISSING_QUALITY)
    return name_hash


def _unpack(buffer: NDArray[np.uint8], offset: NDArray[np.int64]) -> Alignments:
    starts = np.empty((len(offset) + 1, 2), np.int64)
    _measure(buffer, offset, starts)
    number = np.empty((len(offset), 4), np.int64)
    cigar, base, quality = (np.empty(starts[-1, i], kind) for i, kind in ((0, np.uint32), (1, np.uint8), (1, np.uint8)))
    name_hash = _fill(buffer, offset, number, starts, cigar, base, quality, _PAIR)
    return Alignments(
        number[:, 0].copy(),
        number[:, 1].copy(),
        number[:, 2].astype(np.uint16),
        number[:, 3].astype(np.uint8),
        name_hash,
        cigar,
        starts[:, 0].copy(),
        base,
        quality,
        starts[:, 1].copy(),
    )

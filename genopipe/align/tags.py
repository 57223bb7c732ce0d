"""The tags of BAM records: NM MD MC MQ AS XS SA RG, and XA on request.

NM and MD come from `mismatches`. MC is the mate's CIGAR and MQ its mapping quality. AS is the score without end bonuses, XS
that of the best other place of the same bases. SA names the other records of a read that lies in parts, the read's own record first. XA
names the other places of a read, where they score at least four fifths of the best and are not more than asked for.

Source: SAM optional fields specification, section 1.1; XA as the manual of BWA describes it.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.mismatches import mismatches, room_for_one
from genopipe.align.pairing import is_rival, own_score
from genopipe.align.placement import Placements, Target, contig_of
from genopipe.formats.bam import Records
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.extend import CIGAR_CLIP, CIGAR_MATCH
from genopipe.kernels.read_text import put_number
from genopipe.model import BASES, Contig, Reads

_LETTER = np.frombuffer(BASES[:5], np.uint8)
_OPERATION = np.frombuffer(b"MIDNS", np.uint8)
_FIXED_ROOM = 80
"""Bytes of all tags of a record but their lists, CIGARs, mismatches and the read group."""

_PLACE_ROOM = 40
"""Bytes of a place in a list, without contig name and CIGAR."""


class Rows(NamedTuple):
    """The records to write: one for each read of the batch, then the supplementary ones in the order of their reads.

    read     (records) int32
    slot     (records) int32: slot of `Placements`, -1 for unmapped
    quality  (records) uint8: mapping quality
    second   (records) int32: score of the best other place
    n_reads  int: reads of the batch
    paired   bool
    """

    read: NDArray[np.int32]
    slot: NDArray[np.int32]
    quality: NDArray[np.uint8]
    second: NDArray[np.int32]
    n_reads: int
    paired: bool


class TagText(NamedTuple):
    """What tags are made of besides the alignments.

    read_group  (bytes) uint8: the whole RG tag as in a record
    name        (bytes) uint8: the names of the contigs
    name_start  (contigs + 1) int64
    most_other_places  int: a read with more of them has no XA
    """

    read_group: NDArray[np.uint8]
    name: NDArray[np.uint8]
    name_start: NDArray[np.int64]
    most_other_places: int


def tag_text(contigs: Sequence[Contig], most_other_places: int) -> TagText:
    """What the tags of records on these contigs are made of, without a read group."""
    name = [contig.name.encode() for contig in contigs]
    name_start = np.concatenate((np.zeros(1, np.int64), np.cumsum([len(text) for text in name], dtype=np.int64)))
    return TagText(np.empty(0, np.uint8), np.frombuffer(b"".join(name), np.uint8), name_start, most_other_places)


def write_tags(
    reads: Reads, target: Target, placements: Placements, rows: Rows, cigar: NDArray[np.uint32], text: TagText, records: Records
) -> NDArray[np.uint8]:
    """The tags of all records, in their order; fills `records.tag_start`."""
    distance = np.zeros(len(rows.read), np.int64)
    split = np.flatnonzero(np.bincount(rows.read, minlength=1)[rows.read] > 1)
    buffer = room_for_one()
    _count_distances(reads.base, reads.base_start, target, placements, rows, split, records, _LETTER, buffer, distance)
    out = np.empty(_room(reads.base_start, placements, rows, text, records), np.uint8)
    _write(reads.base, reads.base_start, target, placements, rows, cigar, text, distance, records, (_LETTER, _OPERATION), buffer, out)
    return out


@inner
def write_cigar(p, read, slot, cigar, out, n):
    """Writes the operations of a place into `out` from `n` on; gives where they end."""
    if p.cigar_at[read, slot] >= 0:
        for k in range(p.cigar_at[read, slot], p.cigar_at[read, slot] + p.cigar_n[read, slot]):
            out[n] = cigar[k]
            n += 1
        return n
    if p.clip_start[read, slot]:
        out[n] = (p.clip_start[read, slot] << 4) | CIGAR_CLIP
        n += 1
    out[n] = ((p.end[read, slot] - p.start[read, slot]) << 4) | CIGAR_MATCH
    n += 1
    if p.clip_end[read, slot]:
        out[n] = (p.clip_end[read, slot] << 4) | CIGAR_CLIP
        n += 1
    return n


@inner
def _first_part(rows, read):
    """The first supplementary record of `read`, or where it would be."""
    low, high = rows.n_reads, len(rows.read)
    while low < high:
        middle = (low + high) >> 1
        if rows.read[middle] < read:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _n_parts(rows, read):
    first = last = _first_part(rows, read)
    while last < len(rows.read) and rows.read[last] == read:
        last += 1
    return last - first


@kernel
def _room(base_start, p, rows, text, records):
    """Bytes that hold the tags however many mismatches there are."""
    room = 0
    longest_name = 0
    for contig in range(len(text.name_start) - 1):
        longest_name = max(longest_name, text.name_start[contig + 1] - text.name_start[contig])
    place = _PLACE_ROOM + longest_name
    for row in range(len(rows.read)):
        read, slot = rows.read[row], rows.slot[row]
        operations = records.cigar_start[row + 1] - records.cigar_start[row]
        room += _FIXED_ROOM + len(text.read_group) + 2 * operations
        if rows.paired:
            room += 12 * (records.cigar_start[(read ^ 1) + 1] - records.cigar_start[read ^ 1])
        if slot < 0:
            continue
        room += 2 * (p.end[read, slot] - p.start[read, slot])
        if len(rows.read) > rows.n_reads and _n_parts(rows, read):
            first = _first_part(rows, read)
            n = _n_parts(rows, read)
            operations = records.cigar_start[first + n] - records.cigar_start[first]
            room += (n + 1) * place + 12 * (operations + records.cigar_start[read + 1] - records.cigar_start[read])
        if text.most_other_places and row < rows.n_reads:
            for other in range(p.n[read]):
                room += place + 12 * (p.cigar_n[read, other] if p.cigar_at[read, other] >= 0 else 3)
    return room


@inner
def _number_tag(out, at, a, b, value):
    """A tag of type C or S; gives where it ends."""
    out[at], out[at + 1] = a, b
    if value < 256:
        out[at + 2] = 67
        out[at + 3] = value
        return at + 4
    out[at + 2] = 83
    out[at + 3] = value & 255
    out[at + 4] = value >> 8
    return at + 5


@inner
def _cigar_text(cigar, first, last, operation, out, at):
    """Writes operations as text; gives where it ends."""
    for k in range(first, last):
        at = put_number(out, at, np.int64(cigar[k] >> 4))
        out[at] = operation[cigar[k] & 15]
        at += 1
    return at


@inner
def _place_text(text, contig, position, strand_first, reverse, cigar, first, last, operation, out, at):
    """Writes `contig,position,strand,CIGAR,`, or with `strand_first` `contig,strandposition,CIGAR,`; gives where it ends."""
    for k in range(text.name_start[contig], text.name_start[contig + 1]):
        out[at] = text.name[k]
        at += 1
    out[at] = 44
    at += 1
    sign = 45 if reverse else 43
    if strand_first:
        out[at] = sign
        at = put_number(out, at + 1, position + 1)
    else:
        at = put_number(out, at, position + 1)
        out[at], out[at + 1] = 44, sign
        at += 2
    out[at] = 44
    at = _cigar_text(cigar, first, last, operation, out, at + 1)
    out[at] = 44
    return at + 1


@kernel
def _count_distances(base, base_start, target, p, rows, split, records, letter, buffer, distance):
    """Fills the edit distances of the records in `split`."""
    for row in split:
        read, slot = rows.read[row], rows.slot[row]
        begin, length = base_start[read], base_start[read + 1] - base_start[read]
        start, end = p.start[read, slot], p.end[read, slot]
        first, last = records.cigar_start[row], records.cigar_start[row + 1]
        reverse = p.reverse[read, slot]
        distance[row], _ = mismatches(
            base, begin, length, reverse, target, start, end, records.cigar, first, last, letter, buffer, buffer.text, 0
        )


@inner
def _supplementary_tag(rows, row, records, text, distance, operation, out, at):
    """SA: the other records of the read, its own first; gives where the tag ends."""
    read = rows.read[row]
    first = _first_part(rows, read)
    n = _n_parts(rows, read)
    if n == 0:
        return at
    out[at], out[at + 1], out[at + 2] = 83, 65, 90
    at += 3
    for k in range(-1, n):
        other = read if k < 0 else first + k
        if other == row:
            continue
        begin, end = records.cigar_start[other], records.cigar_start[other + 1]
        contig, position = np.int64(records.contig[other]), np.int64(records.position[other])
        reverse = records.flag[other] & 16
        at = _place_text(text, contig, position, False, reverse, records.cigar, begin, end, operation, out, at)
        at = put_number(out, at, np.int64(rows.quality[other]))
        out[at] = 44
        at = put_number(out, at + 1, distance[other])
        out[at] = 59
        at += 1
    out[at] = 0
    return at + 1


@inner
def _is_listed(p, read, slot, other, length):
    """True where `other` is worth naming beside `slot`: at least four fifths of its score."""
    listed = p.score[read, other] > 0 and 5 * own_score(p, read, other) >= 4 * own_score(p, read, slot)
    return listed and is_rival(p, read, slot, other, length)


@inner
def _other_places_tag(base, begin, length, target, p, read, slot, cigar, text, letters, buffer, out, at):
    """XA: the other places of the read; gives where the tag ends."""
    letter, operation = letters
    operations = buffer.operations
    n = 0
    for other in range(p.n[read]):
        n += _is_listed(p, read, slot, other, length)
    if n == 0 or n > text.most_other_places:
        return at
    out[at], out[at + 1], out[at + 2] = 88, 65, 90
    at += 3
    for other in range(p.n[read]):
        if not _is_listed(p, read, slot, other, length):
            continue
        last = write_cigar(p, read, other, cigar, operations, 0)
        start, end, reverse = p.start[read, other], p.end[read, other], p.reverse[read, other]
        contig = contig_of(target, start)
        position = start - target.contig_start[contig]
        at = _place_text(text, contig, position, True, reverse, operations, 0, last, operation, out, at)
        distance, _ = mismatches(base, begin, length, reverse, target, start, end, operations, 0, last, letter, buffer, buffer.text, 0)
        at = put_number(out, at, distance)
        out[at] = 59
        at += 1
    out[at] = 0
    return at + 1


@kernel
def _write(base, base_start, target, p, rows, cigar, text, distance, records, letters, buffer, out):
    r = records
    letter, operation = letters
    at = np.int64(0)
    for row in range(len(rows.read)):
        r.tag_start[row] = at
        read, slot = rows.read[row], rows.slot[row]
        begin, length = base_start[read], base_start[read + 1] - base_start[read]
        if slot >= 0:
            start, end, reverse = p.start[read, slot], p.end[read, slot], p.reverse[read, slot]
            first, last = r.cigar_start[row], r.cigar_start[row + 1]
            edits, md = mismatches(base, begin, length, reverse, target, start, end, r.cigar, first, last, letter, buffer, out, at + 8)
            out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = 78, 77, 83, edits & 255, edits >> 8
            out[at + 5], out[at + 6], out[at + 7], out[md] = 77, 68, 90, 0
            at = md + 1
        mate = read ^ 1
        if rows.paired and rows.slot[mate] >= 0:
            out[at], out[at + 1], out[at + 2] = 77, 67, 90
            at = _cigar_text(r.cigar, r.cigar_start[mate], r.cigar_start[mate + 1], operation, out, at + 3)
            out[at] = 0
            at = _number_tag(out, at + 1, 77, 81, np.int64(rows.quality[mate]))
        if slot >= 0:
            at = _number_tag(out, at, 65, 83, np.int64(own_score(p, read, slot)))
            at = _number_tag(out, at, 88, 83, max(np.int64(rows.second[row]), 0))
            if len(rows.read) > rows.n_reads:
                at = _supplementary_tag(rows, row, r, text, distance, operation, out, at)
            if text.most_other_places and row < rows.n_reads:
                at = _other_places_tag(base, begin, length, target, p, read, slot, cigar, text, letters, buffer, out, at)
        for k in range(len(text.read_group)):
            out[at + k] = text.read_group[k]
        at += len(text.read_group)
    r.tag_start[len(rows.read)] = at

"""From chosen places to what BAM records say: flags, positions, CIGARs, mates, and the tags NM MD MC MQ AS XS RG.

NM and MD are counted against the genome here. MC is the mate's CIGAR and MQ its mapping quality; a read without a place stands where its
mate does. The template length is counted from the leftmost to the rightmost mapped base of the pair, so without clips; the read that begins
first has the positive one, of two that begin together the first of the pair.

Source: SAM format specification, section 1.4 (TLEN); SAM optional fields specification, section 1.1.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.align.pairing import Choice, own_score
from genopipe.align.placement import Placements, Target, contig_of, touches_unknown
from genopipe.formats.bam import Records
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.extend import CIGAR_CLIP, CIGAR_DELETION, CIGAR_INSERTION, CIGAR_MATCH
from genopipe.model import Reads

UNMAPPED_KEY = 1 << 33
"""Sorting key of reads without any position: behind every position of the concatenated genome."""

_LETTER = np.frombuffer(b"ACGTN", np.uint8)


def describe(
    reads: Reads, target: Target, placements: Placements, choice: Choice, cigar: NDArray[np.uint32], read_group: NDArray[np.uint8]
) -> tuple[Records, NDArray[np.int64]]:
    """The records of a batch, and the key each is sorted by: its position in the concatenated genome.

    read_group  (bytes) uint8: the whole RG tag as in a record
    """
    n = len(reads)
    types: list[Any] = [np.uint16, np.int32, np.int32, np.int32, np.uint8, np.int32, np.int32, np.int32]
    fixed: list[Any] = [np.zeros(n, dtype) for dtype in types]
    operations = np.empty(_count_operations(placements, choice.slot), np.uint32)
    cigar_start = np.zeros(n + 1, np.int64)
    _copy_cigars(placements, choice.slot, cigar, operations, cigar_start)
    tag = np.empty(_tag_room(reads.base_start, placements, choice.slot, cigar_start, len(read_group)), np.uint8)
    records = Records(*(*fixed, operations, cigar_start, tag, np.zeros(n + 1, np.int64)))
    key = np.empty(n, np.int64)
    _place(target, placements, choice, reads.paired, records, key)
    _write_tags(reads.base, reads.base_start, reads.paired, target, placements, choice, read_group, _LETTER, records)
    return records, key


@kernel
def _count_operations(p, choice_slot):
    n = 0
    for read in range(len(choice_slot)):
        slot = choice_slot[read]
        if slot >= 0:
            n += p.cigar_n[read, slot] if p.cigar_at[read, slot] >= 0 else 3
    return n


@kernel
def _copy_cigars(p, choice_slot, cigar, out, start):
    n = 0
    for read in range(len(choice_slot)):
        start[read] = n
        slot = choice_slot[read]
        if slot < 0:
            continue
        if p.cigar_at[read, slot] >= 0:
            for k in range(p.cigar_at[read, slot], p.cigar_at[read, slot] + p.cigar_n[read, slot]):
                out[n] = cigar[k]
                n += 1
            continue
        if p.clip_start[read, slot]:
            out[n] = (p.clip_start[read, slot] << 4) | CIGAR_CLIP
            n += 1
        out[n] = ((p.end[read, slot] - p.start[read, slot]) << 4) | CIGAR_MATCH
        n += 1
        if p.clip_end[read, slot]:
            out[n] = (p.clip_end[read, slot] << 4) | CIGAR_CLIP
            n += 1
    start[len(choice_slot)] = n


@kernel
def _tag_room(base_start, p, choice_slot, cigar_start, read_group_length):
    """Bytes that hold the tags however many mismatches there are."""
    room = 0
    for read in range(len(choice_slot)):
        operations = cigar_start[read + 1] - cigar_start[read]
        room += 80 + read_group_length + 12 * operations
        if read % 2:
            room += 12 * (cigar_start[read] - cigar_start[read - 1])
        elif read + 1 < len(choice_slot):
            room += 12 * (cigar_start[read + 2] - cigar_start[read + 1])
        slot = choice_slot[read]
        if slot >= 0:
            room += 2 * (p.end[read, slot] - p.start[read, slot]) + 2 * operations
    return room


@kernel
def _place(target, p, choice, paired, records, key):
    r = records
    for read in range(len(choice.slot)):
        slot = choice.slot[read]
        flag = 0
        r.contig[read] = r.position[read] = r.end[read] = -1
        key[read] = UNMAPPED_KEY
        if slot >= 0:
            contig = contig_of(target, p.start[read, slot])
            r.contig[read] = contig
            r.position[read] = p.start[read, slot] - target.contig_start[contig]
            r.end[read] = p.end[read, slot] - target.contig_start[contig]
            r.quality[read] = choice.quality[read]
            key[read] = p.start[read, slot]
            flag |= 16 if p.reverse[read, slot] else 0
        else:
            flag |= 4
        if paired:
            flag |= 1 | (128 if read & 1 else 64) | (2 if choice.proper[read] else 0)
        r.flag[read] = flag
        r.mate_contig[read] = r.mate_position[read] = -1
    if not paired:
        return
    for read in range(len(choice.slot)):
        mate = read ^ 1
        if choice.slot[read] < 0 and choice.slot[mate] >= 0:
            r.contig[read], r.position[read], r.end[read] = r.contig[mate], r.position[mate], r.position[mate] + 1
            key[read] = key[mate]
    for read in range(len(choice.slot)):
        mate = read ^ 1
        r.flag[read] |= 8 if choice.slot[mate] < 0 else 0
        r.flag[read] |= 32 if r.flag[mate] & 16 else 0
        r.mate_contig[read], r.mate_position[read] = r.contig[mate], r.position[mate]
        if choice.slot[read] >= 0 and choice.slot[mate] >= 0 and r.contig[read] == r.contig[mate]:
            size = max(r.end[read], r.end[mate]) - min(r.position[read], r.position[mate])
            first = r.position[read] < r.position[mate] or (r.position[read] == r.position[mate] and read < mate)
            r.template_length[read] = size if first else -size


@inner
def _digits(out, at, value):
    """Writes a number in decimal; gives where it ends."""
    n = 1
    power = 10
    while value >= power:
        power *= 10
        n += 1
    for k in range(n):
        out[at + n - 1 - k] = 48 + value % 10
        value //= 10
    return at + n


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
def _known(target, start, end):
    """False where one of these bases of the genome is unknown."""
    return not touches_unknown(target, start, end)


@inner
def _mismatch_tags(base, begin, length, reverse, target, position, records, read, letter, out, at):
    """NM and MD; gives where they end."""
    md = at + 5
    out[md], out[md + 1], out[md + 2] = 77, 68, 90
    md += 3
    all_known = _known(target, position, position + records.end[read] - records.position[read])
    distance = 0
    same = 0
    row = 0
    for k in range(records.cigar_start[read], records.cigar_start[read + 1]):
        operation = records.cigar[k] & 15
        n = np.int64(records.cigar[k] >> 4)
        if operation == CIGAR_CLIP:
            row += n
        elif operation == CIGAR_INSERTION:
            row += n
            distance += n
        else:
            if operation == CIGAR_DELETION:
                md = _digits(out, md, same)
                out[md] = 94
                md += 1
                same = 0
                distance += n
            for _ in range(n):
                g = np.int64((target.packed[position >> 5] >> np.uint64(2 * (position & 31))) & np.uint64(3))
                if not all_known and not _known(target, position, position + 1):
                    g = 4
                position += 1
                if operation == CIGAR_DELETION:
                    out[md] = letter[g]
                    md += 1
                    continue
                c = np.int64(base[begin + length - 1 - row] if reverse else base[begin + row])
                row += 1
                if reverse and c < 4:
                    c = 3 - c
                if c == g and c < 4:
                    same += 1
                else:
                    md = _digits(out, md, same)
                    out[md] = letter[g]
                    md += 1
                    same = 0
                    distance += 1
    md = _digits(out, md, same)
    out[md] = 0
    out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = 78, 77, 83, distance & 255, distance >> 8
    return md + 1


@kernel
def _write_tags(base, base_start, paired, target, p, choice, read_group, letter, records):
    r = records
    at = np.int64(0)
    for read in range(len(choice.slot)):
        r.tag_start[read] = at
        slot = choice.slot[read]
        length = base_start[read + 1] - base_start[read]
        if slot >= 0:
            at = _mismatch_tags(
                base, base_start[read], length, p.reverse[read, slot], target, p.start[read, slot], r, read, letter, r.tag, at
            )
        mate = read ^ 1
        if paired and choice.slot[mate] >= 0:
            r.tag[at], r.tag[at + 1], r.tag[at + 2] = 77, 67, 90
            at += 3
            for k in range(r.cigar_start[mate], r.cigar_start[mate + 1]):
                at = _digits(r.tag, at, np.int64(r.cigar[k] >> 4))
                operation = r.cigar[k] & 15
                r.tag[at] = 77 if operation == 0 else (73 if operation == 1 else (68 if operation == 2 else 83))
                at += 1
            r.tag[at] = 0
            at = _number_tag(r.tag, at + 1, 77, 81, np.int64(choice.quality[mate]))
        if slot >= 0:
            at = _number_tag(r.tag, at, 65, 83, np.int64(own_score(p, read, slot)))
            at = _number_tag(r.tag, at, 88, 83, max(np.int64(choice.second[read]), 0))
        for k in range(len(read_group)):
            r.tag[at + k] = read_group[k]
        at += len(read_group)
    r.tag_start[len(choice.slot)] = at

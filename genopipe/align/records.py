"""From chosen places to BAM records: flags, positions, CIGARs and mates; the tags are `genopipe.align.tags`.

Every read has a record of its own; behind these come the supplementary ones, soft-clipped like the others. A read without a place stands
where its mate does; mate fields are those of the mate's own record. The template length is counted from the leftmost to the rightmost
mapped base of the pair, so without clips; the read that begins first has the positive one, of two that begin together the first of them.

Source: SAM format specification, section 1.4.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.align.pairing import Choice
from genopipe.align.placement import Placements, Target, contig_of
from genopipe.align.split import Parts
from genopipe.align.tags import Rows, TagText, write_cigar, write_tags
from genopipe.formats.bam import Records
from genopipe.kernels.compiled import kernel
from genopipe.model import Reads

UNMAPPED_KEY = 1 << 33
"""Sorting key of reads without any position: behind every position of the concatenated genome."""


def describe(
    reads: Reads, target: Target, placements: Placements, choice: Choice, parts: Parts, cigar: NDArray[np.uint32], text: TagText
) -> tuple[Records, NDArray[np.int64]]:
    """The records of a batch, and the key each is sorted by: its position in the concatenated genome."""
    own = (np.arange(len(reads), dtype=np.int32), choice.slot, choice.quality, choice.second)
    both: Iterator[Any] = zip(own, parts, strict=True)
    columns: list[Any] = [*map(np.concatenate, both), len(reads), reads.paired]
    rows = Rows(*columns)
    n = len(rows.read)
    types: list[Any] = [np.uint16, np.int32, np.int32, np.int32, np.uint8, np.int32, np.int32, np.int32]
    operations, cigar_start = np.empty(_count_operations(placements, rows), np.uint32), np.zeros(n + 1, np.int64)
    _copy_cigars(placements, rows, cigar, operations, cigar_start)
    fixed: list[Any] = [np.zeros(n, dtype) for dtype in types]
    records = Records(*(rows.read, *fixed, operations, cigar_start, np.empty(0, np.uint8), np.zeros(n + 1, np.int64)))
    key = np.empty(n, np.int64)
    _place(target, placements, rows, choice.proper, records, key)
    return records._replace(tag=write_tags(reads, target, placements, rows, cigar, text, records)), key


@kernel
def _count_operations(p, rows):
    n = 0
    for row in range(len(rows.read)):
        slot = rows.slot[row]
        if slot >= 0:
            n += p.cigar_n[rows.read[row], slot] if p.cigar_at[rows.read[row], slot] >= 0 else 3
    return n


@kernel
def _copy_cigars(p, rows, cigar, out, start):
    n = 0
    for row in range(len(rows.read)):
        start[row] = n
        if rows.slot[row] >= 0:
            n = write_cigar(p, rows.read[row], rows.slot[row], cigar, out, n)
    start[len(rows.read)] = n


@kernel
def _place(target, p, rows, proper, records, key):
    r = records
    n_reads = rows.n_reads
    for row in range(len(rows.read)):
        read, slot = rows.read[row], rows.slot[row]
        flag = 0 if row < n_reads else 2048
        r.contig[row] = r.position[row] = r.end[row] = -1
        r.mate_contig[row] = r.mate_position[row] = -1
        key[row] = UNMAPPED_KEY
        if slot >= 0:
            contig = contig_of(target, p.start[read, slot])
            r.contig[row] = contig
            r.position[row] = p.start[read, slot] - target.contig_start[contig]
            r.end[row] = p.end[read, slot] - target.contig_start[contig]
            r.quality[row] = rows.quality[row]
            key[row] = p.start[read, slot]
            flag |= 16 if p.reverse[read, slot] else 0
        else:
            flag |= 4
        if rows.paired:
            flag |= 1 | (128 if read & 1 else 64) | (2 if proper[read] else 0)
        r.flag[row] = flag
    if not rows.paired:
        return
    for read in range(n_reads):
        mate = read ^ 1
        if rows.slot[read] < 0 and rows.slot[mate] >= 0:
            r.contig[read], r.position[read], r.end[read] = r.contig[mate], r.position[mate], r.position[mate] + 1
            key[read] = key[mate]
    for row in range(len(rows.read)):
        mate = rows.read[row] ^ 1
        r.flag[row] |= 8 if rows.slot[mate] < 0 else 0
        r.flag[row] |= 32 if r.flag[mate] & 16 else 0
        r.mate_contig[row], r.mate_position[row] = r.contig[mate], r.position[mate]
        if rows.slot[row] >= 0 and rows.slot[mate] >= 0 and r.contig[row] == r.contig[mate]:
            size = max(r.end[row], r.end[mate]) - min(r.position[row], r.position[mate])
            first = r.position[row] < r.position[mate] or (r.position[row] == r.position[mate] and rows.read[row] < mate)
            r.template_length[row] = size if first else -size

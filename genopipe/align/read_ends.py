"""The chosen place of each read alone, and the ends of fragments: the rows that `fragment_ends.ends` would read from the records.

All are of one read group. Supplementary alignments are only counted: they stand under the ordinals of their reads.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.align.fragment_ends import (
    _LAST,
    _NOWHERE,
    _PAIRED,
    FOLLOWERS,
    OFFSET,
    PAIRED_READS,
    SINGLE_READS,
    UNMAPPED_READS,
    Ends,
    Libraries,
    _quality_sum,
    _spot,
)
from genopipe.align.pairing import Choice
from genopipe.align.placement import Placements, Target, contig_of
from genopipe.kernels.compiled import kernel
from genopipe.kernels.packed_alignments import Placed
from genopipe.model import Reads


def placed_by(placements: Placements, choice: Choice, cigar: NDArray[np.uint32]) -> Placed:
    """The chosen places alone."""
    at = np.arange(len(choice.slot)), np.maximum(choice.slot, 0)
    columns: dict[str, Any] = {name: getattr(placements, name)[at] for name in ("reverse", "start", "end", "clip_start", "clip_end")}
    offset = placements.cigar_at[at]
    operations = np.where((choice.slot >= 0) & (offset >= 0), placements.cigar_n[at], 0)
    chosen = {"slot": choice.slot, "quality": choice.quality, "proper": choice.proper}
    return Placed(**chosen, **columns, operations=operations, offset=offset, cigar=cigar)


def ends_of_reads(
    reads: Reads, placed: Placed, target: Target, libraries: Libraries, *, group: int, first_read: int, n_followers: int
) -> Ends:
    """Rows and counts, reads being numbered from `first_read`."""
    row = np.empty((len(reads), 6), np.int64)
    count = np.zeros((len(libraries.name), 4), np.int64)
    library = int(libraries.of_group[group])
    of_reads = (reads.header, reads.header_start, reads.name_length, reads.quality, reads.base_start)
    n = _fill(*of_reads, reads.paired, placed, target, library, group, first_read, row, count[library])
    count[library, FOLLOWERS] = n_followers
    return Ends(row[:n], count)


@kernel
def _fill(header, header_start, name_length, quality, base_start, paired, placed, target, library, group, first_read, row, count):
    n = 0
    for read in range(len(name_length)):
        is_pair = paired and placed.slot[read ^ 1] >= 0
        count[UNMAPPED_READS if placed.slot[read] < 0 else (PAIRED_READS if is_pair else SINGLE_READS)] += 1
        if placed.slot[read] < 0:
            continue
        ordinal, reverse = first_read + read, placed.reverse[read] != 0
        contig = contig_of(target, placed.start[read])
        five = placed.end[read] + placed.clip_end[read] - 1 if reverse else placed.start[read] - placed.clip_start[read]
        row[n, 0] = ordinal >> 1 if paired else ordinal
        row[n, 1] = library << 53 | contig << 33 | (five - target.contig_start[contig] + OFFSET) << 1 | reverse
        row[n, 2] = _spot(header, header_start[read], header_start[read] + name_length[read])
        row[n, 3] = ordinal
        row[n, 4] = _quality_sum(quality, base_start[read], base_start[read + 1] - base_start[read], 0, False)
        row[n, 5] = group << 4 | (_PAIRED if is_pair else 0) | (_LAST if paired and read & 1 else 0) | (0 if paired else _NOWHERE)
        n += 1
    return n

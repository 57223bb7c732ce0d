"""Reads of which a clipped end lies elsewhere: those over the border of a structural variant, and chimeras.

After the places are chosen, each clipped end of LEAST_PART bases or more is looked up by its own seeds. The whole read is laid on every
place found, so that bases which fit on both sides of the border are part of both alignments; the best place that holds other bases of the
read than those already placed becomes a supplementary alignment, with a mapping quality of its own. Other reads cost a look at their clips.

Source: supplementary alignments and SA as in the SAM specification, section 1.2, and its optional fields, section 1.1.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.index import SeedIndex
from genopipe.align.pairing import LEAST_SCORE, Choice, least_rival, leave_out_alternatives, own_score, quality_of
from genopipe.align.placement import (
    SLOTS,
    Bases,
    Placements,
    Target,
    Workspace,
    empty_placements,
    lay,
    seed,
)
from genopipe.align.read_parts import first_base, last_base, same_part
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.model import Reads

LEAST_PART = 24
"""Bases of a clipped end that is looked up: a little more than a seed."""


class Parts(NamedTuple):
    """The supplementary alignments of a batch, in the order of their reads.

    read     (parts) int32
    slot     (parts) int32: slot of `Placements`
    quality  (parts) uint8: mapping quality
    second   (parts) int32: score of the best other place of the same bases, without end bonuses; 0 where there is none
    """

    read: NDArray[np.int32]
    slot: NDArray[np.int32]
    quality: NDArray[np.uint8]
    second: NDArray[np.int32]


def split(
    reads: Reads, index: SeedIndex, target: Target, placements: Placements, choice: Choice, cigar: NDArray[np.uint32], work: Workspace
) -> tuple[Parts, NDArray[np.uint32]]:
    """The parts of a batch, whose places are added to `placements`, and the CIGAR operations with theirs added."""
    types: list[Any] = [np.int32, np.int32, np.uint8, np.int32]
    parts = Parts(*(np.empty(2 * len(reads), dtype) for dtype in types))
    start, end = np.empty(2 * len(reads), np.int64), np.empty(2 * len(reads), np.int64)
    n = _clipped_ends(reads.base_start, placements, choice.slot, parts.read, start, end)
    found = empty_placements(n)
    read, start, end = parts.read[:n].astype(np.int64), start[:n], end[:n]
    first = reads.base_start[read]
    length = reads.base_start[read + 1] - first
    seed(_stretches(reads, first + start, first + end), index, found)
    before = np.where(found.reverse == 1, (length - end)[:, None], start[:, None])
    for diagonal in (found.diagonal, found.low, found.high):
        diagonal -= before
    cigar = lay(_stretches(reads, first, first + length), target, found, cigar, work)
    leave_out_alternatives(target, found, length.astype(np.int32))
    n = _adopt(length, placements, choice.slot, found, n, parts)
    return Parts._make(array[:n] for array in parts), cigar


def _stretches(reads: Reads, start: NDArray[np.int64], end: NDArray[np.int64]) -> Bases:
    base = [reads.base[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    return Bases(np.concatenate([reads.base[:0], *base]), np.concatenate((np.zeros(1, np.int64), np.cumsum(end - start))))


@kernel
def _clipped_ends(base_start, p, choice_slot, read, start, end):
    """Names the clipped ends to look up, as stretches of the read as it was sequenced; gives how many."""
    n = 0
    for r in range(len(choice_slot)):
        slot = choice_slot[r]
        if slot < 0 or max(p.clip_start[r, slot], p.clip_end[r, slot]) < LEAST_PART:
            continue
        length = base_start[r + 1] - base_start[r]
        first, last = first_base(p, r, slot), last_base(p, r, slot, length)
        if first >= LEAST_PART:
            read[n], start[n], end[n] = r, 0, first
            n += 1
        if length - last >= LEAST_PART:
            read[n], start[n], end[n] = r, last, length
            n += 1
    return n


@inner
def _best_part(p, read, slots, found, row, length):
    """The best place of `row` that holds other bases than the `slots` of the read; -1 where there is none."""
    best = -1
    for slot in range(found.n[row]):
        if found.score[row, slot] <= 0 or own_score(found, row, slot) < LEAST_SCORE:
            continue
        if best >= 0 and found.score[row, slot] <= found.score[row, best]:
            continue
        start, end = first_base(found, row, slot), last_base(found, row, slot, length)
        other = True
        for k in range(len(slots)):
            if slots[k] >= 0 and same_part(start, end, first_base(p, read, slots[k]), last_base(p, read, slots[k], length)):
                other = False
        if other:
            best = slot
    return best


@inner
def _part_quality(found, row, best, length):
    """The mapping quality of a place by the other places of the same bases, and the score of the best of these."""
    start, end = first_base(found, row, best), last_base(found, row, best, length)
    rival_score, rivals, second = least_rival(found, row, best, length), 0, 0
    for slot in range(found.n[row]):
        score = np.int64(found.score[row, slot])
        if slot == best or score <= 0:
            continue
        if not same_part(start, end, first_base(found, row, slot), last_base(found, row, slot, length)):
            continue
        second = max(second, own_score(found, row, slot))
        if score >= rival_score:
            rivals = rivals + 1 if score == rival_score else 1
            rival_score = score
    return quality_of(found.score[row, best] - rival_score, rivals, found.crowded[row]), second


@allocating
def _adopt(length, p, choice_slot, found, n_rows, parts):
    """Gives each part its place, as a further slot of its read; gives how many have one."""
    n = 0
    slots = np.empty(2, np.int64)
    for row in range(n_rows):
        read = parts.read[row]
        slots[0] = choice_slot[read]
        slots[1] = parts.slot[n - 1] if n > 0 and parts.read[n - 1] == read else -1
        best = _best_part(p, read, slots, found, row, length[row])
        if best < 0 or p.n[read] == SLOTS:
            continue
        slot = p.n[read]
        p.n[read] += 1
        p.score[read, slot], p.reverse[read, slot] = found.score[row, best], found.reverse[row, best]
        p.start[read, slot], p.end[read, slot] = found.start[row, best], found.end[row, best]
        p.clip_start[read, slot], p.clip_end[read, slot] = found.clip_start[row, best], found.clip_end[row, best]
        p.cigar_at[read, slot], p.cigar_n[read, slot] = found.cigar_at[row, best], found.cigar_n[row, best]
        parts.read[n], parts.slot[n] = read, slot
        parts.quality[n], parts.second[n] = _part_quality(found, row, best, length[row])
        n += 1
    return n

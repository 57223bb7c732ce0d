"""Which place each read gets, and how sure that is.

For a pair, every two places that lie to each other as the library has them, at a possible distance, are worth their scores less a penalty
for an unusual insert size; any two other places, their scores less a penalty for not being a pair. The best two win; equal ones are chosen
between by a hash of the read name, so that reads of a repeat spread over its copies and yet always go the same way. The mapping quality of
a read compares the best with the best that places this read elsewhere: 5 phred for each point of score, so 25 for one mismatch, which may
as well be a sequencing error or a variant of the donor. An insert size within the limits does not count there: among the copies of a
tandem repeat it says little. A place that holds another part of the read, as of one that reaches over the border of a structural variant,
is no alternative. A read with more places than were looked at has quality 0.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.insert_size import InsertSize, no_inserts
from genopipe.align.placement import SLOTS, Placements, Target, contig_of
from genopipe.align.read_parts import first_base, last_base, same_part
from genopipe.align.rescue import insert_of, lie
from genopipe.kernels.compiled import allocating, inner, kernel
from genopipe.kernels.ungapped import END_BONUS, MATCH, MISMATCH
from genopipe.model import Reads

UNPAIRED_PENALTY = 17
PARTS_OF_POINT = 64
"""Penalties of insert sizes are this fine: among the copies of a tandem repeat the likelier size decides, not chance."""

LEAST_SCORE = 30
"""Alignments that score less are none (reads under 38 bases: four fifths of their length)."""

HIGHEST_QUALITY = 60
PHRED_OF_POINT = 5
PHRED_OF_GAP_BASE = 2
"""Of fewer points than a mismatch costs: then places differ in the lengths of gaps, which says little."""

PHRED_OF_DOUBLING = 4
"""For each doubling of equally good rivals: 3 for their number, and 1 as several that were found tell of more that were not."""

LEAST_RIVAL = 19
"""What some bases may score anywhere in a genome by chance: places below that were not looked at."""

CLEAR_MARGIN = 20
FAR_BELOW = -(1 << 20)


class Choice(NamedTuple):
    """The place of each read.

    slot      (reads) int32: slot of `Placements`, -1 for unmapped
    quality   (reads) uint8: mapping quality
    second    (reads) int32: score of the best other place, without end bonuses; 0 where there is none
    proper    (reads) uint8: 1 where both mates lie as the library wants
    """

    slot: NDArray[np.int32]
    quality: NDArray[np.uint8]
    second: NDArray[np.int32]
    proper: NDArray[np.uint8]


def choose(reads: Reads, target: Target, placements: Placements, insert: InsertSize) -> Choice:
    """The place of every read of a batch."""
    n = len(reads)
    choice = Choice(np.full(n, -1, np.int32), np.zeros(n, np.uint8), np.zeros(n, np.int32), np.zeros(n, np.uint8))
    length = np.diff(reads.base_start).astype(np.int32)
    leave_out_alternatives(target, placements, length)
    chance = name_hash(reads.header, reads.header_start, reads.name_length)
    if reads.paired:
        penalty = penalties(insert)
        _choose_pairs(target, placements, length, chance, penalty, (insert.low, insert.high), insert.orientation, choice)
    else:
        _choose_single(placements, length, chance, choice)
    return choice


def leave_out_alternatives(target: Target, placements: Placements, length: NDArray[np.int32]) -> None:
    """Drops the places on alternative contigs of reads that fit elsewhere."""
    if target.alternative.any():
        _leave_out(target, placements, length)


@kernel
def _leave_out(target, p, length):
    for read in range(len(p.n)):
        fits = False
        for slot in range(p.n[read]):
            score = own_score(p, read, slot) if p.score[read, slot] > 0 else -1
            fits |= score >= _least(length[read]) and not target.alternative[contig_of(target, p.start[read, slot])]
        for slot in range(p.n[read]):
            if fits and p.score[read, slot] > 0 and target.alternative[contig_of(target, p.start[read, slot])]:
                p.score[read, slot] = -1


def clear_inserts(reads: Reads, target: Target, placements: Placements, most_pairs: int) -> NDArray[np.int64]:
    """Counts of orientations and insert sizes, as in `no_inserts`, of those of the first pairs of which both reads have one clear place."""
    histogram = no_inserts()
    _count_clear(target, placements, np.diff(reads.base_start), min(most_pairs, len(reads) // 2), histogram)
    return histogram


def penalties(insert: InsertSize) -> NDArray[np.int32]:
    """What each insert size up to the largest proper one costs, in parts of a point: 0.4 points times the square of its deviations."""
    distance = np.arange(insert.high + 1, dtype=np.int64) - insert.mean
    penalty = PARTS_OF_POINT * 2 * distance * distance // (5 * insert.variance)
    return np.minimum(penalty, PARTS_OF_POINT * UNPAIRED_PENALTY - 1).astype(np.int32)


@allocating
def name_hash(header, header_start, name_length):
    """FNV-1a of the read names."""
    out = np.empty(len(name_length), np.uint64)
    for read in range(len(name_length)):
        h = np.uint64(14695981039346656037)
        for i in range(header_start[read], header_start[read] + name_length[read]):
            h = (h ^ np.uint64(header[i])) * np.uint64(1099511628211)
        out[read] = h ^ (h >> np.uint64(29))
    return out


@allocating
def _count_clear(target, p, length, n_pairs, histogram):
    clear = np.empty(2, np.int64)
    for pair in range(n_pairs):
        for mate in range(2):
            read = 2 * pair + mate
            clear[mate] = -1
            best = second = 0
            for slot in range(p.n[read]):
                score = p.score[read, slot]
                if score > best:
                    best, second = score, best
                    clear[mate] = slot
                elif score > second:
                    second = score
            if best < (length[read] * 4) // 5 or best - second < CLEAR_MARGIN:
                clear[mate] = -1
        if clear[0] >= 0 and clear[1] >= 0:
            orientation, size = lie(p, 2 * pair, clear[0], 2 * pair + 1, clear[1])
            start, other = p.start[2 * pair, clear[0]], p.start[2 * pair + 1, clear[1]]
            if 0 < size < histogram.shape[1] and contig_of(target, start) == contig_of(target, other):
                histogram[orientation, size] += 1


@inner
def own_score(p, read, slot):
    """The score without end bonuses: the AS tag."""
    score = p.score[read, slot]
    if p.clip_start[read, slot] == 0:
        score -= END_BONUS
    if p.clip_end[read, slot] == 0:
        score -= END_BONUS
    return score


@inner
def _least(length):
    return min(LEAST_SCORE, length * 4 // 5)


@inner
def quality_of(margin, rivals, crowded):
    """Phred of the place being wrong: `margin` points over the best rival, of which there are `rivals` as good as that one."""
    if margin <= 0 or crowded:
        return 0
    quality = margin * (PHRED_OF_POINT if margin >= MATCH + MISMATCH else PHRED_OF_GAP_BASE)
    while rivals > 1:
        quality -= PHRED_OF_DOUBLING
        rivals >>= 1
    return max(0, min(quality, HIGHEST_QUALITY))


@inner
def is_rival(p, read, slot, other, length):
    """True where `other` is an alternative to `slot`, and not the place of another part of the read."""
    start, end = first_base(p, read, slot), last_base(p, read, slot, length)
    return other != slot and same_part(start, end, first_base(p, read, other), last_base(p, read, other, length))


@inner
def least_rival(p, read, slot, length):
    """What is taken as the score of the best place that was not looked at: two fifths of the bases of `slot` may fit there."""
    return max((last_base(p, read, slot, length) - first_base(p, read, slot)) // 5 * 2, LEAST_RIVAL)


@inner
def _set(p, read, slot, length, margin, rivals, choice):
    choice.slot[read] = slot
    choice.quality[read] = quality_of(margin, rivals, p.crowded[read])
    second = 0
    for other in range(p.n[read]):
        if p.score[read, other] > 0 and is_rival(p, read, slot, other, length):
            second = max(second, own_score(p, read, other))
    choice.second[read] = second


@inner
def _choose_one(p, read, length, chance, choice):
    """The best place of a read for itself."""
    best = -1
    rivals = 0
    for turn in range(p.n[read]):
        slot = np.int64((np.uint64(turn) + chance) % np.uint64(p.n[read]))
        score = p.score[read, slot]
        if score <= 0 or own_score(p, read, slot) < _least(length):
            continue
        if best < 0 or score > p.score[read, best]:
            best = slot
    if best < 0:
        return
    rival_score = np.int64(least_rival(p, read, best, length))
    for slot in range(p.n[read]):
        if p.score[read, slot] < rival_score or not is_rival(p, read, best, slot, length):
            continue
        rivals = rivals + 1 if p.score[read, slot] == rival_score else 1
        rival_score = np.int64(p.score[read, slot])
    _set(p, read, best, length, p.score[read, best] - rival_score, rivals, choice)


@kernel
def _choose_single(p, length, chance, choice):
    for read in range(len(p.n)):
        _choose_one(p, read, length[read], chance[read], choice)


@allocating
def _choose_pairs(target, p, length, chance, penalty, insert, orientation, choice):
    """Chooses for both reads of each pair; `best_with[mate, slot]` is the best pair score with that place of that mate."""
    best_with = np.empty((2, SLOTS), np.int64)
    alone = np.empty(2, np.int64)
    low, high = insert
    for pair in range(len(p.n) // 2):
        a, b = 2 * pair, 2 * pair + 1
        for mate in range(2):
            read = a + mate
            alone[mate] = -1
            for slot in range(p.n[read]):
                if p.score[read, slot] > 0 and own_score(p, read, slot) >= _least(length[read]):
                    alone[mate] = max(alone[mate], p.score[read, slot])
        if alone[0] < 0 or alone[1] < 0:
            _choose_one(p, a, length[a], chance[a], choice)
            _choose_one(p, b, length[b], chance[b], choice)
            continue
        for mate in range(2):
            read = a + mate
            for slot in range(p.n[read]):
                fits = p.score[read, slot] > 0 and own_score(p, read, slot) >= _least(length[read])
                best_with[mate, slot] = p.score[read, slot] + alone[1 - mate] - UNPAIRED_PENALTY if fits else FAR_BELOW
        best = PARTS_OF_POINT * (alone[0] + alone[1] - UNPAIRED_PENALTY)
        best_a = best_b = -1
        best_chance = np.uint64(0)
        for slot_a in range(p.n[a]):
            if best_with[0, slot_a] == FAR_BELOW:
                continue
            for slot_b in range(p.n[b]):
                if best_with[1, slot_b] == FAR_BELOW:
                    continue
                size = insert_of(p, target, a, slot_a, b, slot_b, orientation)
                if size < low or size > high:
                    continue
                score = np.int64(p.score[a, slot_a]) + p.score[b, slot_b]
                best_with[0, slot_a] = max(best_with[0, slot_a], score)
                best_with[1, slot_b] = max(best_with[1, slot_b], score)
                score = PARTS_OF_POINT * score - penalty[size]
                luck = (chance[a] + np.uint64(slot_a * SLOTS + slot_b)) * np.uint64(0x9E3779B97F4A7C15)
                if score > best or (score == best and (best_a < 0 or luck > best_chance)):
                    best, best_a, best_b, best_chance = score, slot_a, slot_b, luck
        if best_a < 0:
            _choose_one(p, a, length[a], chance[a], choice)
            _choose_one(p, b, length[b], chance[b], choice)
            continue
        for mate in range(2):
            read = a + mate
            chosen = best_b if mate else best_a
            margin_top = np.int64(p.score[a, best_a]) + p.score[b, best_b]
            rival_score = margin_top - max(p.score[read, chosen] - least_rival(p, read, chosen, length[read]), 0)
            rivals = 0
            for slot in range(p.n[read]):
                if best_with[mate, slot] < rival_score or not is_rival(p, read, chosen, slot, length[read]):
                    continue
                rivals = rivals + 1 if best_with[mate, slot] == rival_score else 1
                rival_score = best_with[mate, slot]
            _set(p, read, chosen, length[read], margin_top - rival_score, rivals, choice)
            choice.proper[read] = 1

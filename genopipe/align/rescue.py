"""A read that seeds did not place near its mate is looked for there: by its 10-mers in the stretch where the insert size wants it.

For each end of a pair, the best places of the other end are anchors. Where an anchor has no place of this end at the right distance and
strand, the stretch is scanned for 10-mers of the read, they vote for diagonals, and the winner becomes a candidate for the extension
kernel.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.align.insert_size import FF, FR, RF, RR, InsertSize
from genopipe.align.placement import (
    LONGEST_READ,
    SLOTS_OF_PAIRS,
    Jobs,
    Placements,
    Target,
    Workspace,
    contig_of,
    drop_repeated_of,
    run_jobs,
)
from genopipe.kernels.compiled import allocating, inner
from genopipe.kernels.extend import NARROW, WIDE
from genopipe.model import Reads

WORD = 10
ANCHORS = 4
"""Places of a mate from which a read is looked for."""

ANCHOR_MARGIN = 10
"""How far below its best score a place may be and still be an anchor."""

FEWEST_VOTES = 3
LONGEST_STRETCH = 20_000


def rescue(
    reads: Reads, target: Target, placements: Placements, cigar: NDArray[np.uint32], insert: InsertSize, work: Workspace
) -> NDArray[np.uint32]:
    """Adds places near the mate to `placements` and gives the CIGAR operations with theirs added."""
    jobs = Jobs(*(np.empty(len(reads) * ANCHORS, np.int32) for _ in range(3)))
    n_jobs = _find(reads.base, reads.base_start, target, placements, (insert.low, insert.high), insert.orientation, jobs)
    cigar = run_jobs(reads, target, placements, jobs, n_jobs, cigar, work)
    for read in np.unique(jobs.read[:n_jobs]).tolist():
        drop_repeated_of(placements, read)
    return cigar


@inner
def five_prime(p, read, slot):
    """Where the read begins on the genome if nothing were clipped: the first base on the forward strand, one past it on the reverse."""
    if p.reverse[read, slot]:
        return p.end[read, slot] + p.clip_end[read, slot]
    return p.start[read, slot] - p.clip_start[read, slot]


@inner
def lie(p, a, slot_a, b, slot_b):
    """How a place of a first read and one of its second read lie to each other, and how far apart they begin."""
    ahead = five_prime(p, b, slot_b) - five_prime(p, a, slot_a)
    if p.reverse[a, slot_a]:
        ahead = -ahead
    if p.reverse[a, slot_a] == p.reverse[b, slot_b]:
        return FF if ahead > 0 else RR, abs(ahead)
    return FR if ahead > 0 else RF, abs(ahead)


@inner
def insert_of(p, target, a, slot_a, b, slot_b, orientation):
    """Insert size of a place of a first read and one of its second read that lie as wanted on one contig; -1 for any other two."""
    found, size = lie(p, a, slot_a, b, slot_b)
    if found != orientation or contig_of(target, p.start[a, slot_a]) != contig_of(target, p.start[b, slot_b]):
        return -1
    return size


@inner
def _stretch(p, anchor, slot, length, insert, orientation):
    """Strand of the mate of an anchor, and the stretch of the genome that it must lie in."""
    low, high = insert
    strand = np.int64(p.reverse[anchor, slot])
    reverse = 1 - strand if orientation in (FR, RF) else strand
    second = anchor & 1
    ahead = orientation == FR or (orientation == FF and second == 0) or (orientation == RR and second == 1)
    start = five_prime(p, anchor, slot)
    first, last = (start + low, start + high) if ahead == (strand == 0) else (start - high, start - low)
    if reverse:
        return reverse, first - length, last
    return reverse, first, last + length


@allocating
def _find(base, base_start, target, p, insert, orientation, jobs):
    """Names the extensions to do for reads without a place near an anchor; gives how many."""
    head = np.full(1 << 10, -1, np.int32)
    following = np.empty(LONGEST_READ, np.int32)
    word = np.empty(LONGEST_READ, np.int64)
    vote = np.zeros(LONGEST_STRETCH + 4 * LONGEST_READ, np.int32)
    low, high = insert
    n_jobs = 0
    for anchor in range(len(p.n)):
        read = anchor ^ 1
        best = 0
        for slot in range(p.n[anchor]):
            best = max(best, p.score[anchor, slot])
        anchors = 0
        n_slots = p.n[read]
        for slot in range(p.n[anchor]):
            if p.score[anchor, slot] < max(best - ANCHOR_MARGIN, 1) or anchors >= ANCHORS or p.n[read] >= SLOTS_OF_PAIRS:
                continue
            facing = False
            for other in range(n_slots):
                if anchor & 1:
                    size = insert_of(p, target, read, other, anchor, slot, orientation)
                else:
                    size = insert_of(p, target, anchor, slot, read, other, orientation)
                facing |= p.score[read, other] > 0 and low <= size <= high
            anchors += 1
            if facing:
                continue
            length = base_start[read + 1] - base_start[read]
            reverse, first, last = _stretch(p, anchor, slot, length, insert, orientation)
            contig = contig_of(target, p.start[anchor, slot])
            first = max(first, target.contig_start[contig])
            last = min(last, target.contig_end[contig], first + LONGEST_STRETCH)
            if last - first < WORD:
                continue
            votes, lowest, highest = _scan(base, base_start[read], length, reverse, target, first, last, head, following, word, vote)
            if votes < FEWEST_VOTES:
                continue
            new = p.n[read]
            p.n[read] = new + 1
            p.low[read, new], p.high[read, new] = lowest, highest
            p.diagonal[read, new] = lowest
            p.reverse[read, new] = reverse
            p.vote[read, new] = votes
            p.score[read, new] = 0
            p.start[read, new] = p.end[read, new] = max(lowest, target.contig_start[contig])
            p.clip_start[read, new] = p.clip_end[read, new] = 0
            p.cigar_at[read, new] = -1
            p.cigar_n[read, new] = 0
            jobs.read[n_jobs] = read
            jobs.slot[n_jobs] = new
            jobs.width[n_jobs] = NARROW if highest - lowest <= NARROW // 2 else WIDE
            n_jobs += 1
    return n_jobs


@inner
def _scan(base, begin, length, reverse, target, first, last, head, following, word, vote):
    """Most votes of a diagonal between `first` and `last`, and the lowest and highest diagonal of its neighbourhood that has some."""
    mask = np.int64((1 << 2 * WORD) - 1)
    code = np.int64(0)
    known = 0
    for i in range(length):
        c = base[begin + length - 1 - i] if reverse else base[begin + i]
        known = 0 if c > 3 else known + 1
        code = ((code << 2) | ((3 - c if reverse else c) & 3)) & mask
        word[i] = code if known >= WORD else -1
        if known >= WORD:
            bin_ = (code ^ (code >> 10)) & 1023
            following[i] = head[bin_]
            head[bin_] = i
    code = np.int64(0)
    best = np.int64(0)
    best_at = np.int64(0)
    for position in range(first, last):
        code = ((code << 2) | np.int64((target.packed[position >> 5] >> np.uint64(2 * (position & 31))) & np.uint64(3))) & mask
        if position - first < WORD - 1:
            continue
        i = head[(code ^ (code >> 10)) & 1023]
        while i >= 0:
            if word[i] == code:
                at = position - i - first + length
                vote[at] += 1
                if vote[at] > best:
                    best, best_at = np.int64(vote[at]), at
            i = following[i]
    lowest = highest = best_at
    for at in range(max(best_at - WIDE // 2, 0), best_at + WIDE // 2 + 1):
        if vote[at] >= FEWEST_VOTES:
            lowest, highest = min(lowest, at), max(highest, at)
    vote[: last - first + length + 1] = 0
    for i in range(length):
        if word[i] >= 0:
            head[(word[i] ^ (word[i] >> 10)) & 1023] = -1
    return best, lowest + first - length, highest + first - length

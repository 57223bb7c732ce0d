"""Active regions: where reads are to be compared with haplotypes, and the single differing bases that lie outside of them.

In order: each indel of a read goes as far left as it can without changing the sequence; equal ones are counted by fragment, and those that
are shown too seldom are dropped. Then spans: an indel that is shown often with all bases that it can touch, clips with the repeat that they
stand in, differing bases that crowd. Spans within reach of each other become one region, as long as it is not too long, and a region takes
in the differing bases within its reach.

All positions are those of the stretch until the end. An indel is sorted by its position, its length (negative for a deletion), and its
inserted bases as digits to the base 5 (of more than 27 the last ones count most: modulo 2^64).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.pileup import Pileup, mark_sites
from genopipe.model import Alignments

BASES, CLIPS = 15, 16
"""Bits of `pileup.mark_sites`."""
CROWDS = ((2, 4), (3, 12))
"""So many differing bases within so many are judged as haplotypes."""
LONG = 5
"""Bases of an indel that is hardly ever a sequencing error, so that one fragment is enough to try it."""
REPEAT_SIGHT, REPEAT_REACH = 120, 6
"""Bases on either side of clips in which a repeat is seen, and in which it must come."""
LONGEST_UNIT, SHORTEST_REPEAT = 24, 10

NOWHERE = np.int64(1 << 62)
"""The span of what opens no region."""
_NO_INDEL = ~np.uint64(0)


class Limits(NamedTuple):
    """Fragments that must show an indel, another base or clips; the share of the depth that they must be, for an indel to open a region;
    bases between what is judged together, and the most bases of a region."""

    min_support: np.int64
    min_indel_share: np.float64
    min_snv_share: np.float64
    min_clip_share: np.float64
    reach: np.int64
    longest: np.int64


class Active(NamedTuple):
    """What is to be looked at; positions are those of the contig.

    indel     (indels, 4) int64: position, reference bases, inserted bases, fragments that show it
    inserted  (inserted bases of all) uint8
    region    (regions, 2) int64: start and end
    site      (sites) int64: where bases differ
    code      (sites) uint8: bit c is set where the bases of code c are enough
    inside    (sites) bool: whether a region takes it in
    """

    indel: Any
    inserted: Any
    region: Any
    site: Any
    code: Any
    inside: Any


class Indels(NamedTuple):
    """Indels that are to be tried: event and inserted as in `Active`, but by positions of the stretch; span (indels, 2) int64 is what each
    opens a region for, or `NOWHERE`."""

    event: NDArray[np.int64]
    inserted: NDArray[np.uint8]
    span: NDArray[np.int64]


class Shown(NamedTuple):
    """Indels of reads as they are sorted: key (4, indels) uint64 are name hash, inserted bases, length and position; the inserted bases of
    the read are turned `turn` (indels) int64 times to the right."""

    key: Any
    turn: Any


def active_regions(reads: Alignments, piled: Pileup, reference: NDArray[np.uint8], limits: Limits) -> Active:
    """The regions and sites of a pileup of reads over `reference` (codes)."""
    shares = float(limits.min_snv_share), float(limits.min_clip_share)
    return regions_of(reads, piled, reference, mark_sites(piled, reference, min_support=int(limits.min_support), shares=shares), limits)


def regions_of(reads: Alignments, piled: Pileup, reference: NDArray[np.uint8], mark: NDArray[np.uint8], limits: Limits) -> Active:
    """The same of sites that are marked, as by `mark_sites`."""
    indel, n = piled.indel, len(piled.indel)
    shown = Shown(np.empty((4, n), np.uint64), np.empty(n, np.int64))
    stretch = (reads.base, reads.base_start, reference)
    _left_align(indel, reads.name_hash, *stretch, piled.start, shown)
    order, support = np.lexsort(shown.key), np.empty(n, np.int64)
    _count(order, indel, shown, *stretch, limits.min_support, support)
    row = np.flatnonzero(support)
    inserted_start = starts(np.maximum(indel[order[row], 3], 0))
    event, inserted = np.empty((len(row), 4), np.int64), np.empty(inserted_start[-1], np.uint8)
    span = np.empty((len(row), 2), np.int64)
    _describe(order[row], support[row], indel, shown, *stretch, piled.depth, limits, inserted_start, event, inserted, span)
    return with_regions(Indels(event, inserted, span), mark, reference, piled.start, limits=limits)


def with_regions(shown: Indels, mark: NDArray[np.uint8], reference: NDArray[np.uint8], start: int, *, limits: Limits) -> Active:
    """The regions that these indels open, and the sites and clips that are marked over `reference`, which begins at `start`."""
    n_shown, site, clip = len(shown.span), np.flatnonzero(mark & BASES), np.flatnonzero(mark & CLIPS)
    span = np.empty((n_shown + len(clip) + len(CROWDS) * len(site), 2), np.int64)
    span[:n_shown] = shown.span
    _span_clips(clip, reference, span[n_shown:])
    _span_crowds(site, CROWDS, span[n_shown + len(clip) :])
    region, inside = np.empty_like(span), np.zeros(len(site), np.bool_)
    n_regions = _merge(span[np.lexsort(span.T[::-1])], site, limits.reach, limits.longest, region, inside)
    indel = shown.event + np.array([start, 0, 0, 0])
    return Active(indel, shown.inserted, region[:n_regions] + start, site + start, mark[site] & np.uint8(BASES), inside)


def starts(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of so many begins, one more."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))


@inner
def _turned(base, first, length, turn, j):
    """Base j of inserted ones that are turned."""
    at = j - turn % length
    return base[first + (at + length if at < 0 else at)]


@kernel
def _left_align(indel, name_hash, base, base_start, reference, start, shown):
    for i in range(len(indel)):
        read, at, length = indel[i, 0], indel[i, 1] - start, indel[i, 3]
        first, turn, digits = base_start[read] + indel[i, 2], np.int64(0), np.uint64(0)
        if length <= 0:
            while at > 0 and at - length <= len(reference) and reference[at - 1] == reference[at - 1 - length]:
                at -= 1
        else:
            while at > 0 and reference[at - 1] == _turned(base, first, length, turn, length - 1):
                at -= 1
                turn += 1
            for j in range(length):
                digits = digits * np.uint64(5) + np.uint64(_turned(base, first, length, turn, j))
        shown.key[0, i], shown.key[1, i], shown.key[2, i] = name_hash[read], digits, np.uint64(length)
        shown.key[3, i] = _NO_INDEL if length == 0 or at - length > len(reference) else np.uint64(at)
        shown.turn[i] = turn


@inner
def _same(key, a, b):
    """Whether two reads show the same indel."""
    return key[1, a] == key[1, b] and key[2, a] == key[2, b] and key[3, a] == key[3, b]


@inner
def _unknown(at, length, first, base, reference):
    """Whether any of the bases inserted, deleted and beside is unknown."""
    found = False
    for j in range(length):
        found |= base[first + j] > 3
    for j in range(max(at - 1, 0), min(at + max(-length, 0) + 1, len(reference))):
        found |= reference[j] > 3
    return found


@kernel
def _count(order, indel, shown, base, base_start, reference, min_support, support):
    """Fragments that show the indel, in the first row of each that is to be tried; 0 in all others."""
    key = shown.key
    for i in range(len(order)):
        support[i] = 0
        row = order[i]
        if key[3, row] == _NO_INDEL or (i > 0 and _same(key, order[i - 1], row)):
            continue
        n, k = np.int64(1), i + 1
        while k < len(order) and _same(key, order[k], row):
            n += key[0, order[k]] != key[0, order[k - 1]]
            k += 1
        at, length, first = np.int64(key[3, row]), indel[row, 3], base_start[indel[row, 0]] + indel[row, 2]
        if (n >= min_support or abs(length) >= LONG) and not _unknown(at, length, first, base, reference):
            support[i] = n


@kernel
def _describe(order, support, indel, shown, base, base_start, reference, depth, limits, inserted_start, event, inserted, span):
    """The indels of some rows, and the bases that those which open a region can touch."""
    for i in range(len(order)):
        row, at, length = order[i], np.int64(shown.key[3, order[i]]), indel[order[i], 3]
        first, turn, to = base_start[indel[row, 0]] + indel[row, 2], shown.turn[row], inserted_start[i]
        for j in range(length):
            inserted[to + j] = _turned(base, first, length, turn, j)
        end = at + max(-length, 0)
        event[i, 0], event[i, 1], event[i, 2], event[i, 3] = at, end - at, max(length, 0), support[i]
        span[i, 0] = span[i, 1] = NOWHERE
        if support[i] >= max(np.float64(limits.min_support), limits.min_indel_share * depth[max(at - 1, 0)]):
            shift = np.int64(0)
            while end + shift < len(reference):
                unit = inserted[to + shift % length] if length > 0 else reference[at + shift % -length]
                if reference[end + shift] != unit:
                    break
                shift += 1
            span[i, 0], span[i, 1] = at - 3, end + shift + 3


@kernel
def _span_clips(clip, reference, span):
    """The widest tandem repeat, of three units or more, near each place; else the place itself."""
    for i in range(len(clip)):
        at = clip[i]
        low, high = at, at
        first, last = max(at - REPEAT_SIGHT, 0), min(at + REPEAT_SIGHT, len(reference))
        for unit in range(1, LONGEST_UNIT + 1):
            begin = first
            for k in range(first, last - unit + 1):
                # bases begin to k are followed by the same ones a unit further on
                if k < last - unit and reference[k] == reference[k + unit] and reference[k] < 4:
                    continue
                near = begin - REPEAT_REACH <= at and at <= k + unit + REPEAT_REACH
                if near and k - begin >= max(2 * unit, SHORTEST_REPEAT - unit) and k + unit - begin > high - low:
                    low, high = begin, k + unit
                begin = k + 1
        span[i, 0], span[i, 1] = low - 3, high + 4


@kernel
def _span_crowds(site, crowds, span):
    for i in range(len(site)):
        for c in range(len(crowds)):
            last = i + crowds[c][0] - 1
            is_crowd = last < len(site) and site[last] - site[i] < crowds[c][1]
            span[len(crowds) * i + c, 0] = site[i] if is_crowd else NOWHERE
            span[len(crowds) * i + c, 1] = site[last] + 1 if is_crowd else NOWHERE


@inner
def _lower(site, at):
    """The first site that does not lie before."""
    low, high = 0, len(site)
    while low < high:
        middle = (low + high) // 2
        if site[middle] < at:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _merge(span, site, reach, longest, region, inside):
    """Regions of spans that are sorted, and which sites they take in; gives how many regions there are."""
    n = 0
    for k in range(len(span)):
        low, high = span[k, 0], span[k, 1]
        if low == NOWHERE:
            break
        if n > 0 and low <= region[n - 1, 1] + reach and max(high, region[n - 1, 1]) - region[n - 1, 0] <= longest:
            region[n - 1, 1] = max(high, region[n - 1, 1])
        else:
            region[n, 0], region[n, 1] = low, high
            n += 1
    for r in range(n):
        first, last = _lower(site, region[r, 0] - reach), _lower(site, region[r, 1] + reach)
        inside[first:last] = True
        if first < last:
            region[r, 0] = min(region[r, 0], site[first] - 1)
            region[r, 1] = max(region[r, 1], site[last - 1] + 2)
    return n

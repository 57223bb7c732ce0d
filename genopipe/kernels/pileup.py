"""What the reads say about every reference base of a stretch: counts, clips, indels, and how well they fit the reference.

Mates come first: where the two reads of a pair cover the same base they are one observation, so the base with the lower quality counts no
more, and the higher quality stands if they agree and falls by the lower one if they differ. Then every read is walked once along its
CIGAR. All sums are integers; costs are milli-phred from tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.model import Alignments

MIN_BASE_QUALITY = 10
"""Bases below count neither as evidence for nor against a base."""
DELETION_QUALITY = 30
"""Phred that a base gap counts with in the fit to the reference."""
MIN_CLIP = 4
"""Soft clips shorter than this are no sign of anything."""

HALF = 3010
"""Milli-phred of one half."""

_ERROR = [10 ** (-max(quality, 1) / 10) for quality in range(256)]
FIT = np.array([round(-10_000 * np.log10(1 - error)) for error in _ERROR], np.int64)
"""Cost of a base that the allele has, by phred quality."""
MISFIT = np.array([round(-10_000 * np.log10(error / 3)) for error in _ERROR], np.int64)
"""Cost of one particular base that the allele has not."""
MIXED = np.array([round(-10_000 * np.log10((1 - error) / 2 + error / 6)) for error in _ERROR], np.int64)
"""Cost of a base that one of the two alleles of a heterozygote has."""
_COST = np.stack((np.stack((FIT, MIXED, MISFIT), axis=1), np.stack((MISFIT, MIXED, FIT), axis=1)), axis=1)
"""(qualities, 2, 3): what a base that is the reference's, or another one, adds to the fit."""


@dataclass(frozen=True, slots=True)
class Pileup:
    """Evidence for reference bases `start` to `start + bases` of a contig.

    count      (bases, 8) int32: bases of at least `MIN_BASE_QUALITY`, column 2 * code + strand (0 forward, 1 reverse)
    depth      (bases) int32: fragments over the base, gaps included
    deleted    (bases) int32: fragments with a gap there
    clipped    (bases) int32: reads with a soft clip that begins or ends at the base
    fit        (bases, 3) int64: milli-phred of reference homozygote, heterozygote, and other homozygote, any other base being the other
    indel      (indels, 4) int64: read, reference base (the first deleted one, or the one behind an insertion), read offset,
               length (negative for deletions)
    quality    (bases of all reads) uint8: base qualities in which overlapping mates count once
    mate       (reads) int64: row of the mate that overlaps, or -1
    """

    start: int
    count: NDArray[np.int32]
    depth: NDArray[np.int32]
    deleted: NDArray[np.int32]
    clipped: NDArray[np.int32]
    fit: NDArray[np.int64]
    indel: NDArray[np.int64]
    quality: NDArray[np.uint8]
    mate: NDArray[np.int64]


def no_pileup(start: int) -> Pileup:
    """A pileup that says nothing."""
    number, long = np.empty(0, np.int32), np.empty(0, np.int64)
    of_reads = np.empty((0, 4), np.int64), np.empty(0, np.uint8), long
    return Pileup(start, np.empty((0, 8), np.int32), number, number, number, np.empty((0, 3), np.int64), *of_reads)


def pile(reads: Alignments, reference: NDArray[np.uint8], start: int) -> Pileup:
    """The pileup of the reads over `reference` (codes), which begins at `start`."""
    n = len(reference)
    quality, mate = count_once(reads)
    count, depth, deleted, clipped = np.zeros((n, 8), np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    fit = np.zeros((n, 3), np.int64)
    operation = reads.cigar & 15
    indel = np.empty((int(np.count_nonzero((operation == 1) | (operation == 2))), 4), np.int64)
    placed = (reads.position, reads.flag, reads.mapping_quality, reads.cigar, reads.cigar_start, reads.base, reads.base_start)
    n_indels = _walk(*placed, quality, mate, reads.end, reference, start, _COST, count, depth, deleted, clipped, fit, indel)
    return Pileup(start, count, depth, deleted, clipped, fit, indel[:n_indels], quality, mate)


def mark_sites(piled: Pileup, reference: NDArray[np.uint8], *, min_support: int, shares: tuple[float, float]) -> NDArray[np.uint8]:
    """Where something differs from the reference, (bases) uint8: bit c where the bases of code c are enough, bit 4 where soft clips are.

    shares  of the bases there, and of the depth, which bases and clips must reach besides `min_support` (clips: one more)
    """
    mark = np.zeros(len(reference), np.uint8)
    _mark(piled.count, piled.depth, piled.clipped, reference, min_support, *shares, mark)
    return mark


def count_once(reads: Alignments) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Qualities in which overlapping mates count once, and for each read the row of its overlapping mate or -1."""
    order = np.argsort(reads.name_hash, kind="stable")
    quality, mate = reads.quality.copy(), np.full(len(reads), -1, np.int64)
    _settle_mates(
        order, reads.name_hash, reads.position, reads.end, reads.cigar, reads.cigar_start, reads.base, reads.base_start, quality, mate
    )
    return quality, mate


@njit(cache=True, nogil=True)
def _offsets(position, cigar, first, last, low, high, out):  # type: ignore[no-untyped-def]
    """Fills `out` with the read offset that stands on each reference base of low to high, -1 where none does."""
    for i in range(high - low):
        out[i] = -1
    at = position
    offset = np.int64(0)
    for k in range(first, last):
        operation = cigar[k] & 15
        length = np.int64(cigar[k] >> 4)
        if operation == 0 or operation == 7 or operation == 8:
            for i in range(max(at, low), min(at + length, high)):
                out[i - low] = offset + i - at
            at += length
            offset += length
        elif operation == 1 or operation == 4:
            offset += length
        elif operation == 2 or operation == 3:
            at += length


@njit(cache=True, nogil=True)
def _settle_mates(order, name_hash, position, end, cigar, cigar_start, base, base_start, quality, mate):  # type: ignore[no-untyped-def]
    one = np.empty(2000, np.int64)
    two = np.empty(2000, np.int64)
    for n in range(len(order) - 1):
        a = order[n]
        b = order[n + 1]
        low = max(position[a], position[b])
        high = min(min(end[a], end[b]), low + 2000)
        if name_hash[a] != name_hash[b] or high <= low or mate[a] >= 0:
            continue
        mate[a] = b
        mate[b] = a
        _offsets(position[a], cigar, cigar_start[a], cigar_start[a + 1], low, high, one)
        _offsets(position[b], cigar, cigar_start[b], cigar_start[b + 1], low, high, two)
        for i in range(high - low):
            if one[i] < 0 or two[i] < 0:
                continue
            x = base_start[a] + one[i]
            y = base_start[b] + two[i]
            better, worse = (x, y) if quality[x] >= quality[y] else (y, x)
            if base[x] != base[y]:
                quality[better] -= quality[worse]
            quality[worse] = 0


@njit(cache=True, nogil=True)
def _add_run(base, quality, cap, reference, strand, cost, count, fit):  # type: ignore[no-untyped-def]
    """Adds a run of aligned bases; all arrays are cut to it, so that no index needs a check for negative ones."""
    for i in range(len(base)):
        q = min(quality[i], cap)
        code = base[i]
        if q >= MIN_BASE_QUALITY and code < 4:
            count[i, 2 * code + strand] += 1
            costs = cost[q, 0 if code == reference[i] else 1]
            fit[i, 0] += costs[0]
            fit[i, 1] += costs[1]
            fit[i, 2] += costs[2]


@njit(cache=True, nogil=True)
def _walk(  # type: ignore[no-untyped-def]
    position,
    flag,
    mapping_quality,
    cigar,
    cigar_start,
    base,
    base_start,
    quality,
    mate,
    end,
    reference,
    start,
    cost,
    count,
    depth,
    deleted,
    clipped,
    fit,
    indel,
):
    n = len(reference)
    n_indels = 0
    for row in range(len(position)):
        at = position[row] - start
        offset = base_start[row]
        strand = (flag[row] >> 4) & 1
        cap = mapping_quality[row]
        # the later mate adds to the depth only behind the earlier one
        shared_from = np.int64(0)
        shared_to = np.int64(0)
        if mate[row] >= 0 and mate[row] < row:
            shared_from = position[row] - start
            shared_to = end[mate[row]] - start
        for k in range(cigar_start[row], cigar_start[row + 1]):
            operation = cigar[k] & 15
            length = np.int64(cigar[k] >> 4)
            if operation == 0 or operation == 7 or operation == 8:
                low = max(0, at)
                high = min(at + length, n)
                if low < high:
                    for site in range(low, min(high, shared_from)):
                        depth[site] += 1
                    for site in range(max(low, shared_to), high):
                        depth[site] += 1
                    first = offset + low - at
                    last = offset + high - at
                    run = base[first:last], quality[first:last], cap, reference[low:high], strand
                    _add_run(*run, cost, count[low:high], fit[low:high])
                at += length
                offset += length
            elif operation == 1:
                if 0 <= at < n:
                    indel[n_indels, 0] = row
                    indel[n_indels, 1] = at + start
                    indel[n_indels, 2] = offset - base_start[row]
                    indel[n_indels, 3] = length
                    n_indels += 1
                offset += length
            elif operation == 2:
                if 0 <= at < n:
                    indel[n_indels, 0] = row
                    indel[n_indels, 1] = at + start
                    indel[n_indels, 2] = offset - base_start[row]
                    indel[n_indels, 3] = -length
                    n_indels += 1
                q = min(DELETION_QUALITY, cap)
                for site in range(max(0, at), min(at + length, n)):
                    if site < shared_from or site >= shared_to:
                        depth[site] += 1
                        deleted[site] += 1
                        fit[site, 0] += cost[q, 1, 0]
                        fit[site, 1] += cost[q, 1, 1]
                        fit[site, 2] += cost[q, 1, 2]
                at += length
            elif operation == 3:
                at += length
            elif operation == 4:
                if length >= MIN_CLIP and 0 <= at < n:
                    clipped[at] += 1
                offset += length
    return n_indels


@njit(cache=True, nogil=True)
def _mark(count, depth, clipped, reference, min_support, min_snv_share, min_clip_share, mark):  # type: ignore[no-untyped-def]
    for site in range(len(mark)):
        total = differing = np.int32(0)
        here = reference[site]
        for code in range(4):
            n = count[site, 2 * code] + count[site, 2 * code + 1]
            total += n
            differing += n if code != here else 0
        if here < 4 and differing >= min_support:
            for code in range(4):
                n = count[site, 2 * code] + count[site, 2 * code + 1]
                if code != here and n >= min_support and n >= min_snv_share * total:
                    mark[site] |= 1 << code
        if clipped[site] > min_support and clipped[site] >= min_clip_share * depth[site]:
            mark[site] |= 16


@njit(cache=True, nogil=True)
def gather(position, cigar, cigar_start, base_start, site, out):  # type: ignore[no-untyped-def]
    """Fills `out` (entries, 3) with site row, read, and base index of each read base on each site (sorted positions); returns how many.

    When `out` is too short, nothing more is written but the count goes on, so that the caller can come again with enough room.
    """
    n = 0
    first = 0
    for row in range(len(position)):
        while first < len(site) and site[first] < position[row]:
            first += 1
        at = position[row]
        offset = base_start[row]
        s = first
        for k in range(cigar_start[row], cigar_start[row + 1]):
            operation = cigar[k] & 15
            length = np.int64(cigar[k] >> 4)
            if operation == 0 or operation == 7 or operation == 8:
                while s < len(site) and site[s] < at + length:
                    if site[s] >= at:
                        if n < len(out):
                            out[n, 0] = s
                            out[n, 1] = row
                            out[n, 2] = offset + site[s] - at
                        n += 1
                    s += 1
                at += length
                offset += length
            elif operation == 1 or operation == 4:
                offset += length
            elif operation == 2 or operation == 3:
                at += length
                while s < len(site) and site[s] < at:
                    s += 1
    return n


@njit(cache=True, nogil=True)
def cut(row, position, cigar, cigar_start, low, high, out):  # type: ignore[no-untyped-def]
    """Fills `out` (rows, 4) with the read offsets whose bases lie in low to high, and the reference span that the whole read lies over.

    An inserted base lies where it is inserted; a soft-clipped one where it would lie if it were aligned without a gap.
    """
    for n in range(len(row)):
        first = cigar_start[row[n]]
        last = cigar_start[row[n] + 1]
        at = position[row[n]]
        for k in range(first, last):
            if cigar[k] & 15 == 4:
                at -= np.int64(cigar[k] >> 4)
            elif cigar[k] & 15 != 5:
                break
        out[n, 2] = at
        begin = -1
        stop = -1
        offset = np.int64(0)
        for k in range(first, last):
            operation = cigar[k] & 15
            length = np.int64(cigar[k] >> 4)
            if operation == 0 or operation == 4 or operation == 7 or operation == 8:
                if begin < 0 and at + length > low:
                    begin = offset + max(low - at, 0)
                if stop < 0 and at + length > high:
                    stop = offset + max(high - at, 0)
                at += length
                offset += length
            elif operation == 1:
                offset += length
            elif operation == 2 or operation == 3:
                at += length
        out[n, 0] = offset if begin < 0 else begin
        out[n, 1] = offset if stop < 0 else stop
        out[n, 3] = at

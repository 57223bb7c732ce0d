"""How the reads of each allele lie over a site: sums over the reads, and the ranks of their values, from which artefacts are told.

What a read shows is what its fragment shows: sites have the names of fragments, sorted, with an allele each.

Source: Poplin et al., Scaling accurate genetic variant discovery to tens of thousands of samples (bioRxiv 201178), for comparing mapping
quality, base quality and place in the read between the two alleles. Mann and Whitney, Annals of Mathematical Statistics 18 (1947), for U.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from genopipe.kernels.compiled import inner, kernel

VALUES = 256
"""Values that are told apart; a larger one counts as the largest."""
SUMS = 7
"""Reads, mapping quality, base quality, bases to the nearer end, the most of these, soft-clipped reads, other differing bases."""


@njit(cache=True, nogil=True)
def differences(position, cigar, cigar_start, base, base_start, reference, start, out):  # type: ignore[no-untyped-def]
    """Fills `out` (reads) int32 with the aligned bases of each read that differ from `reference`, which begins at `start`."""
    n = len(reference)
    for row in range(len(position)):
        at = position[row] - start
        offset = base_start[row]
        total = 0
        for k in range(cigar_start[row], cigar_start[row + 1]):
            operation = cigar[k] & 15
            length = int(cigar[k] >> 4)
            if operation == 0 or operation == 7 or operation == 8:
                for i in range(max(0, -at), min(length, n - at)):
                    if base[offset + i] < 4 and reference[at + i] < 4 and base[offset + i] != reference[at + i]:
                        total += 1
                at += length
                offset += length
            elif operation == 1 or operation == 4:
                offset += length
            elif operation == 2 or operation == 3:
                at += length
        out[row] = total


@inner
def _shown(name, allele, low, high, wanted):  # type: ignore[no-untyped-def]
    """The allele that a fragment shows, of one named twice the last, -1 for none; its name is sought in rows low to high."""
    first = low
    while low < high:
        middle = (low + high) // 2
        if name[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return allele[low - 1] if low > first and name[low - 1] == wanted else -1


@kernel
def count_values(  # type: ignore[no-untyped-def]
    entry, quality, mapping_quality, base_start, name, shown_name, shown_allele, shown_start, mapping, place, square
):
    """Counts the reads of each allele by mapping quality and by bases to the nearer end, in (sites, alleles, `VALUES`) int64.

    entry           (entries, 3): row of the site, read, and base, of every read base on a site; those of quality 0 do not count
    shown_*         of `shown_in`
    square          (sites, 2) int64, added to: squares of the mapping qualities of all reads, and their number
    """
    for i in range(len(entry)):
        site, read, base = entry[i, 0], entry[i, 1], entry[i, 2]
        if quality[base] == 0:
            continue
        value = np.int64(mapping_quality[read])
        square[site, 0] += value * value
        square[site, 1] += 1
        allele = _shown(shown_name, shown_allele, shown_start[site], shown_start[site + 1], name[read])
        if allele >= 0:
            near = min(base - base_start[read], base_start[read + 1] - base - 1)
            mapping[site, allele, min(value, VALUES - 1)] += 1
            place[site, allele, min(near, VALUES - 1)] += 1


@kernel
def rank_counts(count, out):  # type: ignore[no-untyped-def]
    """Fills `out` (sites, 4) int64 by `count` (sites, alleles, values) int64: how many values the reference has, how many the others,
    twice the U of the others, and the sum of t^3 - t over the values that t reads have."""
    for site in range(len(count)):
        n = m = twice_u = ties = 0
        for value in range(count.shape[2]):
            reference, alternative = count[site, 0, value], 0
            for allele in range(1, count.shape[1]):
                alternative += count[site, allele, value]
            twice_u += alternative * (2 * n + reference)
            n += reference
            m += alternative
            tied = reference + alternative
            ties += tied * tied * tied - tied
        out[site, 0], out[site, 1], out[site, 2], out[site, 3] = n, m, twice_u, ties


@kernel
def middle_values(count, out):  # type: ignore[no-untyped-def]
    """Fills `out` (sites, alleles) int64 with the lower median of each row of `count` (sites, alleles, values), -1 where it is empty."""
    for site in range(len(count)):
        for allele in range(count.shape[1]):
            total = 0
            for value in range(count.shape[2]):
                total += count[site, allele, value]
            below, value = 0, -1
            while 2 * below < total:
                value += 1
                below += count[site, allele, value]
            out[site, allele] = value


@njit(cache=True, nogil=True)
def add_up(  # type: ignore[no-untyped-def]
    site,
    first,
    last,
    shown_name,
    shown_allele,
    shown_start,
    position,
    end,
    name,
    mapping_quality,
    cigar,
    cigar_start,
    base_start,
    quality,
    differing,
    out,
):
    """Fills `out` (sites, 2, `SUMS`) int64 for the reference and the alternative alleles.

    site            (sites) position; the reads over it are among rows first to last
    shown_*         of `shown_in`
    """
    for s in range(len(site)):
        for row in range(first[s], last[s]):
            if position[row] > site[s] or end[row] <= site[s]:
                continue
            allele = _shown(shown_name, shown_allele, shown_start[s], shown_start[s + 1], name[row])
            if allele < 0:
                continue
            group = min(allele, 1)
            length = base_start[row + 1] - base_start[row]
            at = position[row]
            offset = 0
            clipped = 0
            there = 0
            for k in range(cigar_start[row], cigar_start[row + 1]):
                operation = cigar[k] & 15
                size = int(cigar[k] >> 4)
                if operation == 4:
                    clipped = 1
                if operation == 0 or operation == 7 or operation == 8:
                    if at <= site[s]:
                        there = offset + min(site[s] - at, size - 1)
                    at += size
                    offset += size
                elif operation == 1 or operation == 4:
                    offset += size
                elif operation == 2 or operation == 3:
                    at += size
            near = min(there, length - 1 - there)
            out[s, group, 0] += 1
            out[s, group, 1] += mapping_quality[row]
            out[s, group, 2] += quality[base_start[row] + there]
            out[s, group, 3] += near
            out[s, group, 4] = max(out[s, group, 4], near)
            out[s, group, 5] += clipped
            out[s, group, 6] += differing[row]

"""How the reads of each allele lie over a site: sums over the reads, from which a filter tells artefacts.

Source: Poplin et al., Scaling accurate genetic variant discovery to tens of thousands of samples (bioRxiv 201178), for comparing mapping
quality, base quality and place in the read between the two alleles.
"""

from __future__ import annotations

from numba import njit

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


@njit(cache=True, nogil=True)
def add_up(  # type: ignore[no-untyped-def]
    site,
    first,
    last,
    shown_name,
    shown_alternative,
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
    shown_name      name hashes of the fragments that show an allele, sorted within a site, those of site i from shown_start[i] on
    """
    for s in range(len(site)):
        for row in range(first[s], last[s]):
            if position[row] > site[s] or end[row] <= site[s]:
                continue
            low = shown_start[s]
            high = shown_start[s + 1]
            while low < high:
                middle = (low + high) // 2
                if shown_name[middle] < name[row]:
                    low = middle + 1
                else:
                    high = middle
            if low == shown_start[s + 1] or shown_name[low] != name[row]:
                continue
            group = shown_alternative[low]
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

"""What is counted in the records of a sorted BAM, in one compiled pass: reads by kind, template lengths, depth, alleles at known sites.

A read counts for depth and sites unless it is unmapped, secondary, a duplicate, fails quality control, or has a mapping quality below
`LEAST_MAPPING_QUALITY`. Bases that both mates of a pair cover are counted once: the left mate counts up to where the right one begins.

Source: SAM/BAM format specification, section 4.2; the read filters are those of Picard's CollectWgsMetrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.formats.bam_stream import int32

LEAST_MAPPING_QUALITY = 20
LEAST_BASE_QUALITY = 20
LONGEST_TEMPLATE = 2000
"""Template lengths from here on count as this one."""

DEEPEST = 1000
"""Depths from here on count as this one."""

READS, MAPPED, PAIRED, PROPER, DUPLICATES, WELL_MAPPED, FAILED, BASES = range(8)
"""Rows of `Flags`: primary records, and bases of primary records."""

_LEFT_OUT = 0x4 | 0x100 | 0x200 | 0x400
_SECONDARY, _SUPPLEMENTARY = 0x100, 0x800
_CODE = np.array([4, 0, 1, 4, 2, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4], np.uint8)


@dataclass(slots=True)
class OneContig:
    """What is counted on one contig.

    difference  (length + 1) int32: depth of each base less that of the base before
    site        (sites) int64: positions, sorted
    allele      (sites, 5) int64: bases A, C, G, T and others that good reads show at each site
    """

    difference: NDArray[np.int32]
    site: NDArray[np.int64]
    allele: NDArray[np.int64]

    @classmethod
    def of(cls, length: int, site: NDArray[np.int64]) -> OneContig:
        return cls(np.zeros(length + 1, np.int32), site, np.zeros((len(site), 5), np.int64))


@njit(cache=True, nogil=True)
def count_flags(buffer: NDArray[np.uint8], offset: NDArray[np.int64], flags: NDArray[np.int64], template: NDArray[np.int64]) -> None:
    """Adds primary records to `flags` (8), and the template lengths of proper pairs that are no duplicates to `template`."""
    for at in offset:
        flag = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8
        if flag & (_SECONDARY | _SUPPLEMENTARY):
            continue
        mapped, well = flag & 0x4 == 0, buffer[at + 13] >= LEAST_MAPPING_QUALITY
        flags[READS] += 1
        flags[MAPPED] += mapped
        flags[PAIRED] += flag & 0x1
        flags[PROPER] += mapped and flag & 0x2 != 0
        flags[DUPLICATES] += flag & 0x400 != 0
        flags[WELL_MAPPED] += mapped and well
        flags[FAILED] += flag & 0x200 != 0
        flags[BASES] += int32(buffer, at + 20)
        length = int32(buffer, at + 32)
        if flag & 0x2 and flag & 0x400 == 0 and length > 0 and mapped and well:
            template[min(length, LONGEST_TEMPLATE)] += 1


@njit(cache=True, nogil=True)
def count_contig(
    buffer: NDArray[np.uint8],
    offset: NDArray[np.int64],
    contig: int,
    difference: NDArray[np.int32],
    site: NDArray[np.int64],
    allele: NDArray[np.int64],
    code: NDArray[np.uint8] = _CODE,
) -> tuple[int, bool]:
    """Adds the records of one contig, from the first of `offset` on, to the arrays of `OneContig`.

    Gives how many records there are of it, and False where one lies outside of the contig.
    """
    for row in range(len(offset)):
        at = offset[row]
        if int32(buffer, at + 4) != contig:
            return row, True
        flag: int = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8  # type: ignore[assignment]
        if flag & _LEFT_OUT or buffer[at + 13] < LEAST_MAPPING_QUALITY:
            continue
        limit = _mate_start(buffer, at, flag, len(difference) - 1)
        if not _add_record(buffer, at, limit, difference, site, allele, code):
            return row, False
    return len(offset), True


@njit(cache=True, nogil=True)
def _mate_start(buffer: NDArray[np.uint8], at: int, flag: int, length: int) -> int:
    """Where the mate takes over: its start, if it begins to the right (or at the same base, for the first mate); else the contig's end."""
    if flag & 0x1 == 0 or flag & 0x8 or flag & _SUPPLEMENTARY or int32(buffer, at + 24) != int32(buffer, at + 4):
        return length
    start, mate = int32(buffer, at + 8), int32(buffer, at + 28)
    return mate if mate > start or (mate == start and flag & 0x40) else length


@njit(cache=True, nogil=True)
def _add_record(
    buffer: NDArray[np.uint8],
    at: int,
    limit: int,
    difference: NDArray[np.int32],
    site: NDArray[np.int64],
    allele: NDArray[np.int64],
    code: NDArray[np.uint8],
) -> bool:
    position, read = int32(buffer, at + 8), 0
    n_cigar: int = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8  # type: ignore[assignment]
    n_bases = int32(buffer, at + 20)
    cigar: int = at + 36 + np.int64(buffer[at + 12])  # type: ignore[assignment]
    base = cigar + 4 * n_cigar
    quality = base + (n_bases + 1) // 2
    if position < 0:
        return False
    for k in range(n_cigar):
        word = int32(buffer, cigar + 4 * k) & 0xFFFFFFFF
        operation, size = word & 15, word >> 4
        if operation == 0 or operation == 7 or operation == 8:
            if position + size > len(difference) - 1 or read + size > n_bases:
                return False
            end = min(position + size, limit)
            if end > position:
                difference[position] += 1
                difference[end] -= 1
                row = np.searchsorted(site, position)
                while row < len(site) and site[row] < end:
                    i = read + site[row] - position
                    if buffer[quality + i] >= LEAST_BASE_QUALITY and buffer[quality + i] != 255:
                        byte = np.int64(buffer[base + (i >> 1)])
                        allele[row, code[byte >> 4 if i & 1 == 0 else byte & 15]] += 1
                    row += 1
            position += size
            read += size
        elif operation == 1 or operation == 4:
            read += size
        elif operation == 2 or operation == 3:
            position += size
    return True


@njit(cache=True, nogil=True)
def depth_of(difference: NDArray[np.int32], left_out: NDArray[np.int64], histogram: NDArray[np.int64]) -> None:
    """Turns differences into depths in place and counts bases by depth.

    left_out   (runs, 2) int64: starts and ends of the runs of bases that do not count, sorted
    histogram  (DEEPEST + 1) int64
    """
    depth, run = np.int32(0), 0
    for position in range(len(difference) - 1):
        depth += difference[position]
        difference[position] = depth
        while run < len(left_out) and left_out[run, 1] <= position:
            run += 1
        if run == len(left_out) or position < left_out[run, 0]:
            histogram[min(depth, DEEPEST)] += 1


@njit(cache=True, nogil=True)
def spans_depth(
    depth: NDArray[np.int32], start: NDArray[np.int64], end: NDArray[np.int64], threshold: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(spans, 2 + thresholds) int64: bases, their depths together, and the bases at each threshold or deeper."""
    counts = np.zeros((len(start), 2 + len(threshold)), np.int64)
    for row in range(len(start)):
        for position in range(start[row], min(end[row], len(depth) - 1)):
            counts[row, 0] += 1
            counts[row, 1] += depth[position]
            for k in range(len(threshold)):
                counts[row, 2 + k] += depth[position] >= threshold[k]
    return counts

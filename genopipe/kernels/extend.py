"""Banded affine extension with traceback, 128 alignments side by side in the lanes of the CPU.

Local alignment of a whole read to a window of the genome, where each end of the read that is reached earns `END_BONUS`, so that ends are
clipped only when that gains more. For row i (base of the read) and column j (base of the window), with j = i + b and band 0 <= b < width:

    E(i,j) = max(E(i-1,j) - EXTEND, H(i-1,j) - OPEN - EXTEND)        a base of the read that the genome lacks (insertion)
    F(i,j) = max(F(i,j-1) - EXTEND, H(i,j-1) - OPEN - EXTEND)        a base of the genome that the read lacks (deletion)
    D(i,j) = H(i-1,j-1) + MATCH, - MISMATCH or - UNKNOWN             H(-1,j) is END_BONUS
    H(i,j) = max(0, D, E, F)

The result is the largest H, plus END_BONUS in the last row; of equals the first by row, then column. Outside the band H is 0 and E, F are
`_FAR`. A trace byte holds the source of H (0: none, 1: D, 2: E, 3: F; the first of equals in the order D, E, F), bit 2 where E extends and
bit 3 where F extends (both also when equal). D before E and F puts gaps as far left as they go. Codes: 0 to 3 are bases; 4 is an unknown
base of the read, which costs UNKNOWN; UNKNOWN_GENOME costs MISMATCH; BEYOND, what lies outside the contig, costs more than any read can
earn, so that no base is ever aligned there (nor does a gap reach there: it costs more than the end bonus that it could earn).

Layout: [row, lane], so the inner loop runs over the lanes with a constant trip count. Columns are held in a ring of a power of two, each
read and written at the same index: the diagonal is carried in its own lanes.

Source: O. Gotoh, J. Mol. Biol. 162:705 (1982); scores and clipping as in BWA-MEM (H. Li, arXiv:1303.3997); lanes as in T. Rognes, BMC
Bioinformatics 12:221 (2011).
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numba import types

from genopipe.kernels.compiled import kernel
from genopipe.kernels.ungapped import END_BONUS, MATCH, MISMATCH, UNKNOWN

LANES = 128
OPEN, EXTEND = 6, 1
NARROW, WIDE = 33, 129
"""Widths of the band: for the usual small indel, and for those that seeds bridge."""

RING = 256
"""Columns held: a power of two above the widest band."""

MAX_OPERATIONS = 192
"""More CIGAR operations than a read of the largest length can have: a gap must be paid for by eight matches."""

CIGAR_MATCH, CIGAR_INSERTION, CIGAR_DELETION, CIGAR_CLIP = 0, 1, 2, 4

UNKNOWN_GENOME, BEYOND = 5, 6
"""Codes in a window: an unknown base of the genome, and what lies outside the contig."""

_FAR = -1000
_RING_MASK = RING - 1

_i16, _u8 = types.int16, types.uint8
_OPEN_EXTEND = OPEN + EXTEND


CUDA_DEFINES = {
    "MATCH": MATCH,
    "MISMATCH": MISMATCH,
    "UNKNOWN": UNKNOWN,
    "END_BONUS": END_BONUS,
    "OPEN": OPEN,
    "EXTEND": EXTEND,
    "FAR": _FAR,
    "BEYOND": BEYOND,
    "RING": RING,
    "MAX_OPERATIONS": MAX_OPERATIONS,
    "CIGAR_MATCH": CIGAR_MATCH,
    "CIGAR_INSERTION": CIGAR_INSERTION,
    "CIGAR_DELETION": CIGAR_DELETION,
    "CIGAR_CLIP": CIGAR_CLIP,
}
"""The constants `extend.cu` is compiled with."""


def aligned(shape, dtype):
    """Zeros on a border of 64 bytes, so that no vector straddles two cache lines."""
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(n + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    return memory[offset : offset + n].view(dtype).reshape(shape)


@kernel
def extend(query, window, length, rows, width, lanes, ring, score, best_row, best_band, trace):
    """Aligns LANES reads to their windows.

    query      (rows, LANES) uint8: codes of the reads; rows behind a read's length are ignored
    window     (rows + width, LANES) uint8: codes of the windows
    length     (LANES) int16: bases of each read, 0 for an unused lane
    lanes      (6, LANES) int16 and ring (2, RING, LANES) int16: working space
    score      (LANES) int16, out: end bonuses included
    best_row, best_band  (LANES) int16, out: the last aligned base of the read, and the band coordinate there
    trace      (rows, width, LANES) uint8, out
    """
    f, left, diagonal, bonus, wrong, best = lanes
    above, e_above = ring
    for j in range(RING):
        for lane in range(LANES):
            above[j, lane] = END_BONUS
            e_above[j, lane] = _FAR
    for lane in range(LANES):
        best[lane] = 0
        best_row[lane] = 0
        best_band[lane] = 0
    for i in range(rows):
        before = (i - 1) & _RING_MASK
        entering = (i + width - 1) & _RING_MASK
        read = query[i]
        for lane in range(LANES):
            f[lane] = _FAR
            left[lane] = 0
            diagonal[lane] = above[before, lane] if i > 0 else _i16(END_BONUS)
            last = length[lane] - 1
            bonus[lane] = _i16(END_BONUS) if i == last else (_i16(0) if i < last else _i16(_FAR))
            wrong[lane] = _i16(-UNKNOWN) if read[lane] > 3 else _i16(-MISMATCH)
        if i > 0:
            for lane in range(LANES):
                above[entering, lane] = 0
                e_above[entering, lane] = _FAR
        for b in range(width):
            j = (i + b) & _RING_MASK
            h_row, e_row, t_row, genome = above[j], e_above[j], trace[i, b], window[i + b]
            for lane in range(LANES):
                h_up = h_row[lane]
                e_extend = _i16(e_row[lane] - _i16(EXTEND))
                e_open = _i16(h_up - _i16(_OPEN_EXTEND))
                e = max(e_extend, e_open)
                f_extend = _i16(f[lane] - _i16(EXTEND))
                f_open = _i16(left[lane] - _i16(_OPEN_EXTEND))
                g = max(f_extend, f_open)
                unequal = wrong[lane] if genome[lane] < _u8(BEYOND) else _i16(_FAR)
                d = _i16(diagonal[lane] + (_i16(MATCH) if read[lane] == genome[lane] else unequal))
                h = max(max(d, _i16(0)), max(e, g))
                source = _u8(1) if h == d else (_u8(2) if h == e else _u8(3))
                source = source if h > _i16(0) else _u8(0)
                source = _u8(source | (_u8(4) if e_extend >= e_open else _u8(0)))
                t_row[lane] = _u8(source | (_u8(8) if f_extend >= f_open else _u8(0)))
                ending = _i16(h + bonus[lane])
                better = ending > best[lane]
                best_row[lane] = _i16(i) if better else best_row[lane]
                best_band[lane] = _i16(b) if better else best_band[lane]
                best[lane] = max(best[lane], ending)
                h_row[lane] = h
                e_row[lane] = e
                f[lane] = g
                left[lane] = h
                diagonal[lane] = h_up
    for lane in range(LANES):
        score[lane] = best[lane]


@kernel
def trace_back(trace, lane, row, band, length, cigar):
    """Writes the CIGAR of one lane, clips included, as BAM operations; gives their number and the window column of the first aligned base.

    cigar  (MAX_OPERATIONS) uint32, out: length << 4 | operation
    """
    n = 0
    state = 0
    i = np.int64(row)
    b = np.int64(band)
    if i < length - 1:
        cigar[0] = ((length - 1 - i) << 4) | CIGAR_CLIP
        n = 1
    column = i + b
    while True:
        cell = trace[i, b, lane]
        if state == 0:
            state = np.int64(cell & 3)
            if state == 0:
                i += 1
                break
        if state == 1:
            operation = CIGAR_MATCH
            column = i + b
            state = 0
        elif state == 2:
            operation = CIGAR_INSERTION
            state = 2 if cell & 4 else 0
        else:
            operation = CIGAR_DELETION
            state = 3 if cell & 8 else 0
        if n > 0 and (cigar[n - 1] & 15) == operation:
            cigar[n - 1] += 16
        else:
            cigar[n] = 16 | operation
            n += 1
        if operation == CIGAR_MATCH:
            if i == 0:
                break
            i -= 1
        elif operation == CIGAR_INSERTION:
            i -= 1
            b += 1
        else:
            b -= 1
    if i > 0:
        cigar[n] = (i << 4) | CIGAR_CLIP
        n += 1
    for k in range(n // 2):
        cigar[k], cigar[n - 1 - k] = cigar[n - 1 - k], cigar[k]
    return n, column

"""How likely a haplotype makes a read: the forward algorithm of a pair-HMM, in fp32 lanes.

A read of m bases is emitted along a haplotype of h bases; it may begin and end anywhere on it. For read base i and haplotype base j:

    M[i, j] = p(i, j) * (M[i-1, j-1] * (1 - 2 * gap[j-1]) + (X[i-1, j-1] + Y[i-1, j-1]) * (1 - e))
    X[i, j] = M[i-1, j] * gap[j] + X[i-1, j] * e            a read base that the haplotype lacks
    Y[i, j] = M[i, j-1] * gap[j-1] + Y[i, j-1] * e          a haplotype base that the read lacks

with Y[0, j] = `START` and the result the sum over j of M[m, j] + X[m, j]. `gap` is the chance that a gap opens after a haplotype base (it
grows with the length of the homopolymer there), e the chance that it goes on, p one minus the error of the read base where the bases agree
and a third of the error where they differ (an unknown base agrees with all).

Lanes: `LANES` pairs of read and haplotype advance together, one row of the matrix after the other. A row keeps, per column, what the next
row needs of it, M * (1 - 2 gap) + (X + Y) * (1 - e) and M * gap + X * e, so that two arrays suffice. Every product and sum is
rounded once in a fixed order, fused only where `fma` says so, and values below `TINY` are set to zero in the code, so that the GPU kernel
beside this file (`pairhmm.cu`) gives the same bits. Each result is then rounded once to an integer in thousandths of a phred.

Sources: Durbin, Eddy, Krogh, Mitchison, Biological Sequence Analysis (1998), section 4.2; Poplin et al., Scaling accurate genetic variant
discovery to tens of thousands of samples (bioRxiv 201178), for the transitions and the free ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from genopipe.device import in_use

LANES = 64
START = np.float32(2.0**120)
TINY = np.float32(2.0**-100)
GAP_EXTENSION = np.float32(0.1)
WORST = 700_000
"""Milli-phred of a pair whose likelihood is too small for the range of the matrix."""

_CONTINUE = np.float32(1) - GAP_EXTENSION
_ERROR = np.array([10 ** (-max(quality, 1) / 10) for quality in range(256)])
MATCH = (1 - _ERROR).astype(np.float32)
"""Emission of an agreeing base by phred quality."""
MISMATCH = (_ERROR / 3).astype(np.float32)
"""Emission of a differing base by phred quality."""


def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, generate


fma: Any = intrinsic(_fma)
"""a * b + c, rounded once."""


@njit(cache=True, nogil=True)
def forward(  # type: ignore[no-untyped-def]
    read_base, read_quality, read_start, haplotype_base, haplotype_gap, haplotype_start, pair_read, pair_haplotype, match, mismatch, out
):
    """Fills `out` (pairs) float32 with the forward sums of the pairs, which should be sorted by length of read, then of haplotype."""
    longest_read = 0
    longest_haplotype = 0
    for pair in range(len(pair_read)):
        longest_read = max(longest_read, read_start[pair_read[pair] + 1] - read_start[pair_read[pair]])
        longest_haplotype = max(longest_haplotype, haplotype_start[pair_haplotype[pair] + 1] - haplotype_start[pair_haplotype[pair]])
    base = np.empty((longest_read, LANES), np.uint8)
    agree = np.empty((longest_read, LANES), np.float32)
    differ = np.empty((longest_read, LANES), np.float32)
    other = np.empty((longest_haplotype, LANES), np.uint8)
    gap = np.empty((longest_haplotype, LANES), np.float32)
    carried = np.empty((longest_haplotype, LANES), np.float32)
    inserted = np.empty((longest_haplotype, LANES), np.float32)
    rows = np.zeros(LANES, np.int32)
    columns = np.zeros(LANES, np.int32)
    diagonal = np.empty(LANES, np.float32)
    deleted = np.empty(LANES, np.float32)
    total = np.empty(LANES, np.float32)
    zero = np.float32(0)
    one = np.float32(1)
    minus_two = np.float32(-2)
    go_on = np.float32(GAP_EXTENSION)
    leave = np.float32(_CONTINUE)
    entry = np.float32(START * leave)
    tiny = np.float32(TINY)
    for first in range(0, len(pair_read), LANES):
        m = 0
        h = 0
        for lane in range(LANES):
            pair = min(first + lane, len(pair_read) - 1)
            a = read_start[pair_read[pair]]
            n = read_start[pair_read[pair] + 1] - a
            for i in range(n):
                base[i, lane] = read_base[a + i]
                agree[i, lane] = match[read_quality[a + i]]
                differ[i, lane] = mismatch[read_quality[a + i]] if read_base[a + i] < 4 else match[read_quality[a + i]]
            for i in range(n, longest_read):
                base[i, lane] = 4
                agree[i, lane] = zero
                differ[i, lane] = zero
            rows[lane] = n
            m = max(m, n)
            a = haplotype_start[pair_haplotype[pair]]
            n = haplotype_start[pair_haplotype[pair] + 1] - a
            for j in range(n):
                other[j, lane] = haplotype_base[a + j]
                gap[j, lane] = haplotype_gap[a + j]
            for j in range(n, longest_haplotype):
                other[j, lane] = 5
                gap[j, lane] = zero
            columns[lane] = n
            h = max(h, n)
        for j in range(h):
            for lane in range(LANES):
                carried[j, lane] = entry
                inserted[j, lane] = zero
        for lane in range(LANES):
            total[lane] = zero
        for i in range(m):
            for lane in range(LANES):
                diagonal[lane] = entry if i == 0 else zero
                deleted[lane] = zero
            row_base = base[i]
            row_agree = agree[i]
            row_differ = differ[i]
            ends = False
            for lane in range(LANES):
                ends = ends or rows[lane] == i + 1
            for j in range(h):
                if ends:
                    for lane in range(LANES):
                        above = carried[j, lane]
                        x = inserted[j, lane]
                        y = deleted[lane]
                        open_gap = gap[j, lane]
                        p_agree = row_agree[lane]
                        p_differ = row_differ[lane]
                        p = p_agree if row_base[lane] == other[j, lane] else p_differ
                        matched = np.float32(p * diagonal[lane])
                        diagonal[lane] = above
                        stay = fma(minus_two, open_gap, one)
                        g = fma(matched, stay, np.float32(np.float32(x + y) * leave))
                        xn = fma(matched, open_gap, np.float32(x * go_on))
                        yn = fma(matched, open_gap, np.float32(y * go_on))
                        carried[j, lane] = g if g > tiny else zero
                        inserted[j, lane] = xn if xn > tiny else zero
                        deleted[lane] = yn if yn > tiny else zero
                        more = np.float32(total[lane] + np.float32(matched + x))
                        kept = total[lane]
                        total[lane] = more if (rows[lane] == i + 1) & (j < columns[lane]) else kept
                else:
                    for lane in range(LANES):
                        above = carried[j, lane]
                        x = inserted[j, lane]
                        y = deleted[lane]
                        open_gap = gap[j, lane]
                        p_agree = row_agree[lane]
                        p_differ = row_differ[lane]
                        p = p_agree if row_base[lane] == other[j, lane] else p_differ
                        matched = np.float32(p * diagonal[lane])
                        diagonal[lane] = above
                        stay = fma(minus_two, open_gap, one)
                        g = fma(matched, stay, np.float32(np.float32(x + y) * leave))
                        xn = fma(matched, open_gap, np.float32(x * go_on))
                        yn = fma(matched, open_gap, np.float32(y * go_on))
                        carried[j, lane] = g if g > tiny else zero
                        inserted[j, lane] = xn if xn > tiny else zero
                        deleted[lane] = yn if yn > tiny else zero
        for lane in range(min(LANES, len(pair_read) - first)):
            out[first + lane] = total[lane]


@njit(cache=True, nogil=True)
def _logarithm(x):  # type: ignore[no-untyped-def]
    """Natural logarithm by sums, products and quotients only, so that every machine gives the same bits."""
    exponent = 0
    while x >= 1.4142135623730951:
        x *= 0.5
        exponent += 1
    while x < 0.7071067811865476:
        x *= 2.0
        exponent -= 1
    s = (x - 1.0) / (x + 1.0)
    square = s * s
    tail = 0.0
    for n in range(23, 0, -2):
        tail = tail * square + 1.0 / n
    return 2.0 * s * tail + exponent * 0.6931471805599453


@njit(cache=True, nogil=True)
def milli_phred(total, columns, out):  # type: ignore[no-untyped-def]
    """Fills `out` (pairs) int32: -10000 log10 of each forward sum per possible start, rounded, at most `WORST`."""
    scale = -10000.0 / 2.302585092994046
    for pair in range(len(total)):
        if total[pair] <= 0:
            out[pair] = WORST
        else:
            value = scale * (_logarithm(np.float64(total[pair])) - 120 * 0.6931471805599453 - _logarithm(np.float64(columns[pair])))
            out[pair] = min(max(np.int64(np.floor(value + 0.5)), 0), WORST)


_elsewhere: list[Callable[..., NDArray[np.int32]]] = []


WORTH_ASKING = 1 << 22
"""Cells from which on another process is asked: some three milliseconds of the lanes."""


def ask_elsewhere(likelihoods: Callable[..., NDArray[np.int32]]) -> None:
    """From now on much work of this process is done by `likelihoods`, such as that of a process that has a device."""
    _elsewhere.append(likelihoods)


def likelihoods(
    reads: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]],
    haplotypes: tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]],
    *,
    pair_read: NDArray[np.int64],
    pair_haplotype: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Cost of each pair of read and haplotype, (pairs) int32 milli-phred.

    reads       bases (codes), qualities (phred), and where each read begins (reads + 1)
    haplotypes  bases (codes), chance that a gap opens after each base, and where each haplotype begins (haplotypes + 1)

    Pairs may come in any order; the cost of a pair does not depend on the others.
    """
    if len(pair_read) == 0:
        return np.zeros(0, np.int32)
    gpu = in_use()
    if gpu is not None:
        from genopipe.kernels import on_gpu

        return on_gpu.likelihoods(gpu, reads, haplotypes, pair_read=pair_read, pair_haplotype=pair_haplotype)
    rows, columns = np.diff(reads[2])[pair_read], np.diff(haplotypes[2])[pair_haplotype]
    if _elsewhere and int(rows @ columns) >= WORTH_ASKING:
        return _elsewhere[-1](reads, haplotypes, pair_read, pair_haplotype)
    order = np.lexsort((columns, rows))
    total = np.empty(len(order), np.float32)
    forward(*reads, *haplotypes, pair_read[order], pair_haplotype[order], MATCH, MISMATCH, total)
    cost = np.empty(len(order), np.int32)
    milli_phred(total, columns[order], cost)
    out = np.empty(len(order), np.int32)
    out[order] = cost
    return out

"""Costs of fragments, of pairs of haplotypes, and of genotypes: integer sums of milli-phred.

A fragment comes from either haplotype with equal chance: cost(a, b) = -10000 log10((10^(-a/10000) + 10^(-b/10000)) / 2), which is the
smaller of the two plus `HALF` less a term of their difference, taken from a table. Sums of integers do not depend on their order.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), equation 2.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.kernels.compiled import kernel
from genopipe.kernels.pileup import HALF

TOGETHER = np.array([round(10_000 * math.log10(1 + 10 ** (-difference / 10_000))) for difference in range(40_000)], np.int64)
"""By the difference of two costs: how much cheaper both together are than the smaller one; beyond the table nothing."""


@kernel
def copy_pieces(first, cap, base, quality, start, out_base, out_quality):  # type: ignore[no-untyped-def]
    """Lays pieces of reads, each from base `first` on, one behind the other, where `start` says; no quality is above that read's cap."""
    for piece in range(len(first)):
        for i in range(start[piece + 1] - start[piece]):
            out_base[start[piece] + i] = base[first[piece] + i]
            out_quality[start[piece] + i] = min(quality[first[piece] + i], cap[piece])


@kernel
def fragment_costs(cost, column, cap, fragment, most, out):  # type: ignore[no-untyped-def]
    """Adds to `out` (fragments, haplotypes) int64 what the pieces of each fragment cost more than with the best haplotype.

    cost      (pieces, all haplotypes) int32
    column    (haplotypes) int64: the reference's, and which of them are wanted
    cap       (pieces) int64: the most that a piece may add
    fragment  (pieces) int64: which fragment each is of
    most      by which a fragment may be above the best of those that are wanted: one that fits the reference as well, and any other
    """
    for piece in range(len(cost)):
        best = cost[piece, 0]
        for other in range(1, cost.shape[1]):
            best = min(best, cost[piece, other])
        for haplotype in range(len(column)):
            out[fragment[piece], haplotype] += min(np.int64(cost[piece, column[haplotype]] - best), cap[piece])
    for row in range(len(out)):
        best = out[row, 1]
        for haplotype in range(2, out.shape[1]):
            best = min(best, out[row, haplotype])
        limit = best + most[0] if out[row, 0] <= best else best + most[1]
        for haplotype in range(1, out.shape[1]):
            out[row, haplotype] = min(out[row, haplotype], limit)


def pair_costs(cost: NDArray[np.int64]) -> NDArray[np.int64]:
    """(haplotypes, haplotypes) int64: cost of all fragments given each pair, from `cost` (fragments, haplotypes) int64; symmetric."""
    out = np.zeros((cost.shape[1], cost.shape[1]), np.int64)
    _pair_costs(np.ascontiguousarray(cost.T), TOGETHER, out)
    return out


@njit(cache=True, nogil=True)
def _pair_costs(cost, together, out):  # type: ignore[no-untyped-def]
    for a in range(cost.shape[0]):
        for b in range(a, cost.shape[0]):
            total = np.int64(0)
            for fragment in range(cost.shape[1]):
                x = cost[a, fragment]
                y = cost[b, fragment]
                difference = abs(x - y)
                total += min(x, y) + HALF
                if difference < len(together):
                    total -= together[difference]
            out[a, b] = total
            out[b, a] = total

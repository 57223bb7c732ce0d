"""Costs of pairs of haplotypes, and of genotypes: integer sums of milli-phred over fragments.

A fragment comes from either haplotype with equal chance: cost(a, b) = -10000 log10((10^(-a/10000) + 10^(-b/10000)) / 2), which is the
smaller of the two plus `HALF` less a term of their difference, taken from a table. Sums of integers do not depend on their order.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), equation 2.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.kernels.pileup import HALF

TOGETHER = np.array([round(10_000 * math.log10(1 + 10 ** (-difference / 10_000))) for difference in range(40_000)], np.int64)
"""By the difference of two costs: how much cheaper both together are than the smaller one; beyond the table nothing."""


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

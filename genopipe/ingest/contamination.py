"""How much of a sample is somebody else, from the alleles that its reads show at common sites.

A read comes from the sample with probability 1 - c, from another person with probability c. Both people's genotypes are unknown and follow
Hardy-Weinberg proportions at the population's frequency; a base is misread at the rate that the third and fourth bases of the sites show.
The likelihood of c is the product over sites of the sum over the nine pairs of genotypes, and is looked at on a grid.

Source: Jun et al. 2012, Detecting and estimating contamination of human DNA samples in sequencing and array-based genotype data, AJHG
91:839-848, doi:10.1016/j.ajhg.2012.09.004: the method that needs sequence alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_SITES = 100
"""Sites with reads below which nothing is estimated."""

GRID = np.concatenate((np.arange(0, 0.1, 0.0005), np.arange(0.1, 0.5005, 0.005)))
LEAST_ERROR, MOST_ERROR = 1e-4, 0.1
INTERVAL_DROP = 1.92
"""Half of the 95th percentile of chi-squared with one degree of freedom: how far the log-likelihood falls at the ends of the interval."""

DEEPEST_TIMES = 3.0
"""Sites deeper than so many times the median are left out: reads of several places pile up there."""


@dataclass(frozen=True, slots=True)
class Contamination:
    """The share of foreign reads with its 95 % interval, the sites it rests on, and the error rate of their bases."""

    fraction: float
    low: float
    high: float
    sites: int
    error: float


def estimate_contamination(
    reference: NDArray[np.int64], alternative: NDArray[np.int64], other: NDArray[np.int64], frequency: NDArray[np.float64]
) -> Contamination | None:
    """The most likely share; None with fewer than `LEAST_SITES` sites. The arrays hold a number for each autosomal site."""
    depth = reference + alternative
    kept = depth > 0
    if kept.any():
        kept &= depth <= DEEPEST_TIMES * max(float(np.median(depth[kept])), 1.0)
    n_sites = int(kept.sum())
    if n_sites < LEAST_SITES:
        return None
    error = _error_rate(int(other[kept].sum()), int(depth[kept].sum()))
    likelihood = np.array([_log_likelihood(c, reference[kept], alternative[kept], frequency[kept], error) for c in GRID])
    best = int(np.argmax(likelihood))
    inside = GRID[likelihood >= likelihood[best] - INTERVAL_DROP]
    return Contamination(float(GRID[best]), float(inside[0]), float(inside[-1]), n_sites, error)


def _error_rate(other: int, expected: int) -> float:
    """Two of the three wrong bases are seen as neither allele."""
    return min(max(1.5 * other / max(other + expected, 1), LEAST_ERROR), MOST_ERROR)


def _log_likelihood(
    share: float, reference: NDArray[np.int64], alternative: NDArray[np.int64], frequency: NDArray[np.float64], error: float
) -> float:
    prior = np.stack([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2])
    total = np.full(len(frequency), -np.inf)
    for own in range(3):
        for foreign in range(3):
            allele = (1 - share) * own / 2 + share * foreign / 2
            shown = allele * (1 - error) + (1 - allele) * error / 3
            hidden = (1 - allele) * (1 - error) + allele * error / 3
            seen = alternative * np.log(shown) + reference * np.log(hidden)
            total = np.logaddexp(total, seen + np.log(prior[own]) + np.log(prior[foreign]))
    return float(total.sum())

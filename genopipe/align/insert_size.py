"""How far apart the two ends of a fragment lie: learnt once, from the first pairs of the input that both have one clear place.

All in integers, so that every machine learns the same: a histogram, its quartiles, and mean and variance of what is not far outside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

LEARN_PAIRS = 65_536
"""Pairs at the beginning of the input from which the insert size is learnt."""

LARGEST = 10_000
FEWEST = 20
"""With fewer clear pairs than this a usual library is taken for granted."""


@dataclass(frozen=True, slots=True)
class InsertSize:
    """What insert sizes are usual, in bases.

    low, high   limits of a proper pair
    mean, variance   of the sizes within three quartile distances of the quartiles
    n_pairs     pairs it was learnt from; 0 for the assumed one
    """

    low: int
    high: int
    mean: int
    variance: int
    n_pairs: int

    @property
    def deviation(self) -> int:
        """Standard deviation, rounded down."""
        return isqrt(self.variance)


ASSUMED = InsertSize(low=1, high=1000, mean=350, variance=150 * 150, n_pairs=0)


def learn(histogram: NDArray[np.int64]) -> InsertSize:
    """The insert size by the counts of sizes 0 to LARGEST.

    The limits are three quartile distances outside the quartiles, at least four standard deviations from the mean, as BWA-MEM has them.
    """
    n = int(histogram.sum())
    if n < FEWEST:
        return ASSUMED
    cumulative = np.cumsum(histogram)
    lower, upper = (int(np.searchsorted(cumulative, (n * part + 3) // 4)) for part in (1, 3))
    low, high = max(lower - 2 * (upper - lower), 1), upper + 2 * (upper - lower)
    size = np.arange(len(histogram))
    usual = histogram * ((size >= low) & (size <= high))
    count, total = int(usual.sum()), int((usual * size).sum())
    mean = total // count
    variance = max(int((usual * (size - mean) ** 2).sum()) // count, 25)
    outer = 4 * isqrt(variance)
    low = max(min(lower - 3 * (upper - lower), mean - outer), 1)
    return InsertSize(low, max(upper + 3 * (upper - lower), mean + outer), mean, variance, n)

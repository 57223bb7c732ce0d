"""How the ends of a fragment lie to each other, and how far apart: learnt once, from the first pairs of the input of which both reads have
one clear place.

Turned so that the first read is forward, the second is forward or reverse, ahead or behind: FF, FR, RF, RR, as BWA-MEM names them. Usual
libraries are FR, mate pairs of circularised fragments RF. The commonest is that of the library; only pairs that lie so are proper.

All in integers, so that every machine learns the same: a histogram, its quartiles, and mean and variance of what is not far outside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from genopipe.progress import log

FF, FR, RF, RR = range(4)
ORIENTATIONS = ("FF", "FR", "RF", "RR")
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
    orientation  number in ORIENTATIONS
    """

    low: int
    high: int
    mean: int
    variance: int
    n_pairs: int
    orientation: int = FR

    @property
    def deviation(self) -> int:
        """Standard deviation, rounded down."""
        return isqrt(self.variance)


ASSUMED = InsertSize(low=1, high=1000, mean=350, variance=150 * 150, n_pairs=0)


def no_inserts() -> NDArray[np.int64]:
    """(orientations, LARGEST + 1) int64 zeros: counts of pairs by orientation and insert size."""
    return np.zeros((len(ORIENTATIONS), LARGEST + 1), np.int64)


def learn(pairs: NDArray[np.int64]) -> InsertSize:
    """The insert size by the counts of orientations and sizes, as in `no_inserts`."""
    by_orientation = pairs.sum(axis=1)
    orientation = max(range(len(ORIENTATIONS)), key=lambda number: (by_orientation[number], number == FR))
    if by_orientation[orientation] < FEWEST:
        return ASSUMED
    if orientation != FR:
        counts = ", ".join(f"{name} {count:,}" for name, count in zip(ORIENTATIONS, by_orientation.tolist(), strict=True))
        log.warning("most pairs lie %s, not FR; such pairs are taken as proper (%s)", ORIENTATIONS[orientation], counts)
    return _learn_size(pairs[orientation], orientation)


def _learn_size(histogram: NDArray[np.int64], orientation: int) -> InsertSize:
    """The insert size by the counts of sizes 0 to LARGEST.

    The limits are three quartile distances outside the quartiles, at least four standard deviations from the mean, as BWA-MEM has them.
    """
    n = int(histogram.sum())
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
    return InsertSize(low, max(upper + 3 * (upper - lower), mean + outer), mean, variance, n, orientation)

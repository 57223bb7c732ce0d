"""How often indels are errors, by the tandem repeat they stand in: the sample's own rates, drawn towards what is known without it.

Amplification slips in repeats, the more so the longer they are. A run of a repeat at which a good share of the reads has an indel is a
variant and tells nothing; at all others an indel is an error. From one length of a repeat to the next the excess over the known rate is
carried on, so that long repeats, of which a sample has few, go the way of the shorter ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.call.view import View
from genopipe.kernels.assembly import GAP_RATE, LONGEST_UNIT, MOST_UNITS
from genopipe.kernels.repeats import count_gaps, runs_of

PSEUDO_ERRORS = 20
HIGHEST_RATE = 0.2
SCALE = 1_000_000_000
"""Rates are kept as whole numbers of this many."""
_LEAST_DEPTH = 6
_VARIANT_SHARE, _VARIANT_SHARE_OF_REPEATS = 10, 4
"""One read in so many with an indel makes a variant: outside repeats, and in them."""


def gap_counts(view: View) -> NDArray[np.int64]:
    """(bases of the unit, number of units, 2) int64: reads over runs that are no variant, and those of them with an indel there."""
    run = runs_of(view.reference)
    seen = np.zeros((len(run), 2), np.int64)
    count_gaps(view.reads.position, view.reads.end, view.pileup.indel, run, view.stretch.start, seen)
    share = np.where(run[:, 3] > 1, _VARIANT_SHARE_OF_REPEATS, _VARIANT_SHARE)
    used = (seen[:, 0] >= _LEAST_DEPTH) & ((seen[:, 1] < 2) | (seen[:, 1] * share < seen[:, 0]))
    counts = np.zeros((LONGEST_UNIT + 1, MOST_UNITS + 1, 2), np.int64)
    np.add.at(counts, (run[used, 2], run[used, 3]), seen[used])
    return counts


def learn_gap_rates(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(bases of the unit, number of units) int64: chance of an indel error in `SCALE`; without counts it is that of `GAP_RATE`."""
    rate = GAP_RATE.copy()
    for unit in range(1, LONGEST_UNIT + 1):
        excess = 1.0
        for units in range(1, MOST_UNITS + 1):
            reads, gaps = counts[unit, units].tolist()
            expected = reads * GAP_RATE[unit, units] * excess
            excess *= (gaps + PSEUDO_ERRORS) / (expected + PSEUDO_ERRORS)
            rate[unit, units] = min(GAP_RATE[unit, units] * excess, HIGHEST_RATE)
    return np.round(rate * SCALE).astype(np.int64)

"""Indel errors by the tandem repeat they stand in: runs of units of 1 to 4 bases, and how many reads over each have an indel there.

Where repeats of several units lie over one another the one of more units counts. A base outside all repeats is a run of its own, of one
unit of one base. A read counts for a run if it is aligned `FLANK` bases beyond it on both sides.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.kernels.assembly import LONGEST_UNIT, MOST_UNITS

FLANK = 5


def runs_of(reference: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(runs, 4) int64: start, end, length of the unit, and number of units, at most `MOST_UNITS`; sorted, over every known base once."""
    out = np.empty((len(reference), 4), np.int64)
    return out[: _runs(reference, out)]


@njit(cache=True, nogil=True)
def _runs(reference, out):  # type: ignore[no-untyped-def]
    n = len(reference)
    n_runs = 0
    at = 0
    while at < n:
        if reference[at] > 3:
            at += 1
            continue
        best_unit, best_units = 1, 1
        for unit in range(1, LONGEST_UNIT + 1):
            end = at + unit
            while end < n and reference[end] == reference[end - unit] and reference[end] < 4:
                end += 1
            units = (end - at) // unit
            if units >= (2 if unit == 1 else 3) and units * unit > best_units * best_unit:
                best_unit, best_units = unit, units
        out[n_runs, 0] = at
        out[n_runs, 1] = at + best_unit * best_units
        out[n_runs, 2] = best_unit
        out[n_runs, 3] = min(best_units, MOST_UNITS)
        at = out[n_runs, 1]
        n_runs += 1
    return n_runs


@njit(cache=True, nogil=True)
def count_gaps(position, end, indel, run, start, out):  # type: ignore[no-untyped-def]
    """Fills `out` (runs, 2) int64 with the reads over each run, and those of them with an indel there.

    indel  (indels, 4) int64 as in a pileup, sorted by read; positions are those of the contig, `run` begins at `start`
    """
    first = 0
    at = 0
    for row in range(len(position)):
        while at < len(indel) and indel[at, 0] < row:
            at += 1
        low = position[row] - start + FLANK
        high = end[row] - start - FLANK
        while first < len(run) and run[first, 0] < low - FLANK:
            first += 1
        r = first
        while r < len(run) and run[r, 0] < low:
            r += 1
        entry = at
        while r < len(run) and run[r, 1] <= high:
            out[r, 0] += 1
            while entry < len(indel) and indel[entry, 0] == row and indel[entry, 1] - start < run[r, 0]:
                entry += 1
            if entry < len(indel) and indel[entry, 0] == row and indel[entry, 1] - start < run[r, 1]:
                out[r, 1] += 1
            r += 1

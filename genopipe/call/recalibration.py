"""Base qualities put right by what the sample's own reads show.

Bases that differ from the reference where the sample has no variant are errors. Each reported quality gets the error that its bases have,
and on top of it what the cycle and the context of a base add or take away. Few observations move little: every estimate begins with
`PSEUDO_ERRORS` errors at the rate that would be expected without it. What is learnt is whole thousandths of a phred, and applying it a
look into a table, so that it is the same everywhere.

Source: DePristo et al., Nature Genetics 43 (2011), for the hierarchy of quality, cycle and context.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.recalibration import N_CONTEXTS, N_CYCLES, N_QUALITIES, put_right
from genopipe.model import Alignments

PSEUDO_ERRORS = 20
LOWEST, HIGHEST = 6, 50
"""Reported qualities below `LOWEST` have meanings of their own and stay; no quality comes out above `HIGHEST`."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What was learnt of each reported quality; all in milli-phred.

    reported   (qualities) int64: phred
    empirical  (qualities) int64: quality that its bases have
    cycle      (qualities, cycles) int64: added by cycle
    context    (qualities, contexts) int64: added by context
    """

    reported: NDArray[np.int64]
    empirical: NDArray[np.int64]
    cycle: NDArray[np.int64]
    context: NDArray[np.int64]

    def tables(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """(256) row by reported quality, -1 for none; (rows, cycles, contexts + 1) uint8 quality, the last column without a context."""
        row_of = np.full(256, -1, np.int64)
        row_of[self.reported] = np.arange(len(self.reported))
        context = np.pad(self.context, ((0, 0), (0, 1)))
        milli = self.empirical[:, None, None] + self.cycle[:, :, None] + context[:, None, :]
        return row_of, np.clip((milli + 500) // 1000, 2, HIGHEST).astype(np.uint8)


def learn(by_cycle: NDArray[np.int64], by_context: NDArray[np.int64]) -> Recalibration:
    """What the counts of bases and errors, (94, cycles, 2) and (94, contexts, 2), tell."""
    seen = by_cycle.sum(axis=1)
    reported = np.flatnonzero((seen[:, 0] > 0) & (np.arange(N_QUALITIES) >= LOWEST))
    told = 10 ** (-reported / 10)
    error = told * _ratio(seen[reported, 1], seen[reported, 0] * told)
    cycle, context = (_ratio(count[reported, :, 1], count[reported, :, 0] * error[:, None]) for count in (by_cycle, by_context))
    return Recalibration(reported, _milli_phred(error), _milli_phred(cycle), _milli_phred(context))


def unchanged() -> Recalibration:
    """Nothing learnt."""
    return learn(np.zeros((N_QUALITIES, N_CYCLES, 2), np.int64), np.zeros((N_QUALITIES, N_CONTEXTS, 2), np.int64))


def recalibrated(reads: Alignments, tables: tuple[NDArray[np.int64], NDArray[np.uint8]]) -> Alignments:
    """The reads with qualities put right."""
    row_of, table = tables
    if not len(table):
        return reads
    quality = np.empty_like(reads.quality)
    put_right(reads.flag, reads.base, reads.quality, reads.base_start, row_of, table, quality)
    return replace(reads, quality=quality)


def _ratio(errors: NDArray[np.int64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times as many errors as expected, drawn towards one."""
    return (errors + PSEUDO_ERRORS) / (expected + PSEUDO_ERRORS)


def _milli_phred(rate: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(-10_000 * np.log10(rate)).astype(np.int64)

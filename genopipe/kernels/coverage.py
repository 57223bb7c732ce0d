"""What could be seen of each base: why a base is not callable, and counts that add up along a stretch."""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.compiled import kernel

CALLABLE, UNKNOWN, NO_READS, LOW_DEPTH, UNCLEAR = range(5)
DEEP = 10, 20, 30
"""Depths that are told apart."""
COUNTS = 3 + len(DEEP)
"""Known bases, their depths together, those as deep as each of `DEEP`, and those that are callable."""


@kernel
def judge_bases(reference, settled, quality, depth, least_quality, enough, out):
    """Fills `out` (bases) uint8 with whether, or why not, each base is callable.

    settled        (bases) bool: whether a record settles it
    quality        (bases) uint8: GQ of the reference genotype, which must be at least `least_quality`
    enough         the depth that reaches this where all reads agree
    """
    for i in range(len(out)):
        if reference[i] > 3:
            out[i] = UNKNOWN
        elif settled[i] or quality[i] >= least_quality:
            out[i] = CALLABLE
        elif depth[i] < enough:
            out[i] = LOW_DEPTH if depth[i] else NO_READS
        else:
            out[i] = UNCLEAR


@kernel
def count_before(reason, depth, deepest, place, out):
    """Fills `out` (places, `COUNTS`) int64 with the counts of all bases before each place (sorted); greater depths count as `deepest`."""
    known = together = seen = at = 0
    deep, deeper, deepest_of = 0, 0, 0
    for row in range(len(place)):
        for i in range(at, place[row]):
            is_known = np.int64(reason[i] != UNKNOWN)
            known += is_known
            together += is_known * min(depth[i], deepest)
            deep += is_known & (depth[i] >= DEEP[0])
            deeper += is_known & (depth[i] >= DEEP[1])
            deepest_of += is_known & (depth[i] >= DEEP[2])
            seen += reason[i] == CALLABLE
        at = place[row]
        out[row, 0], out[row, 1], out[row, 5] = known, together, seen
        out[row, 2], out[row, 3], out[row, 4] = deep, deeper, deepest_of

"""What could be seen of each base: why a base is not callable, and counts that add up along a stretch."""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

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
    quality        (bases) int64: GQ of the reference genotype, which must be at least `least_quality`
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
def add_along(reason, depth, deepest, out):
    """Fills `out` (bases + 1, `COUNTS`) int64 with the counts of all bases before each; depths beyond `deepest` count as this."""
    for column in range(COUNTS):
        out[0, column] = 0
    for i in range(len(reason)):
        known = reason[i] != UNKNOWN
        out[i + 1, 0] = out[i, 0] + known
        out[i + 1, 1] = out[i, 1] + (min(depth[i], deepest) if known else 0)
        for column in range(len(DEEP)):
            out[i + 1, 2 + column] = out[i, 2 + column] + (known and depth[i] >= DEEP[column])
        out[i + 1, COUNTS - 1] = out[i, COUNTS - 1] + (reason[i] == CALLABLE)

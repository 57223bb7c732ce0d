"""Which bases of a contig count for depth: the known ones, and of a captured sample those of its targets, each once.

What does not count is told as runs, sorted and apart, because a genome has few of them and a mask would be as long as the contig.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from genopipe.model import Contig, Genome

Spans = NDArray[np.int64]
"""(spans, 2): start and end (half-open) of each, on the contig."""

Targets = Mapping[str, Spans]
"""By contig name the targets that lie there, in any order; they may overlap."""


def left_out(genome: Genome, contig: Contig, targets: Targets | None = None) -> Spans:
    """The runs of bases that do not count, sorted and apart."""
    unknown = _unknown(genome, contig)
    if targets is None:
        return unknown
    return union(np.concatenate((unknown, _outside(targets.get(contig.name, np.empty((0, 2), np.int64)), contig.length))))


def counted_bases(genome: Genome, contig: Contig, targets: Targets | None = None) -> int:
    """How many bases count."""
    runs = left_out(genome, contig, targets)
    return contig.length - int((runs[:, 1] - runs[:, 0]).sum())


def union(spans: Spans) -> Spans:
    """The bases that lie in any span, as spans that are sorted and apart."""
    if not len(spans):
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.flatnonzero(np.concatenate(([True], spans[1:, 0] > reach[:-1])))
    return np.stack((spans[first, 0], reach[np.append(first[1:], len(spans)) - 1]), axis=1)


def _unknown(genome: Genome, contig: Contig) -> Spans:
    first = np.searchsorted(genome.unknown_end, contig.start, side="right")
    last = np.searchsorted(genome.unknown_start, contig.start + contig.length)
    runs = np.stack([genome.unknown_start[first:last], genome.unknown_end[first:last]], 1) - contig.start
    return np.clip(runs, 0, contig.length)


def _outside(targets: Spans, length: int) -> Spans:
    """What lies between targets, and before and behind them."""
    inside = union(targets)
    gaps = np.stack((np.append(0, inside[:, 1]), np.append(inside[:, 0], length)), axis=1)
    return gaps[gaps[:, 0] < gaps[:, 1]]

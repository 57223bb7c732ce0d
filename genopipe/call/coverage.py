"""What could be seen at all: depth of coverage, and the bases where a reference genotype could not be told.

A negative result means something only where the reads could show a variant. A base is callable where the reference is known and either
a record settles it, or the confidence in the reference genotype (GQ) reaches `Settings.callable_quality`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genopipe.call.blocks import reference_quality
from genopipe.call.settings import Settings
from genopipe.call.sites import Site
from genopipe.call.view import View

DEEPEST = 1000
"""Depths from here on count as this one."""

COLUMNS = ("contig", "bases", "mean_depth", "share_10x", "share_20x", "share_30x", "share_callable")
_THRESHOLDS = (10, 20, 30)


@dataclass(slots=True)
class Coverage:
    """Counts of a stretch or of many.

    histogram   (depths) int64: bases by depth; unknown reference bases are not counted
    uncallable  start and end of runs of bases that are not callable, unknown ones included
    n_callable  bases that are
    """

    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(DEEPEST + 1, np.int64))
    uncallable: list[tuple[int, int]] = field(default_factory=list)
    n_callable: int = 0

    def add(self, other: Coverage) -> None:
        """Adds the counts of another stretch; its runs are left out."""
        self.histogram += other.histogram
        self.n_callable += other.n_callable


def measure(view: View, sites: list[Site], *, span: tuple[int, int, int], settings: Settings) -> Coverage:
    """Coverage of bases start to end, with ploidy: the three numbers of `span`."""
    start, end, ploidy = span
    pileup, reference = view.pileup, view.reference
    here = slice(start - pileup.start, end - pileup.start)
    known = reference[here] < 4
    seen = reference_quality(pileup.fit[here], ploidy) >= settings.callable_quality
    for site in sites:
        seen[max(site.position - start, 0) : max(site.end - start, 0)] = True
    seen &= known
    bounds = np.flatnonzero(np.diff(seen, prepend=True, append=True)) + start
    runs = list(zip(bounds[0::2].tolist(), bounds[1::2].tolist(), strict=True))
    depth = np.minimum(pileup.depth[here][known], DEEPEST)
    return Coverage(np.bincount(depth, minlength=DEEPEST + 1), runs, int(seen.sum()))


def table(rows: list[tuple[str, Coverage]]) -> str:
    """The coverage table, a line a contig and one for all; shares and means are of the known reference bases."""
    total = Coverage()
    for _, coverage in rows:
        total.add(coverage)
    lines = ["\t".join(COLUMNS), *(_line(name, coverage) for name, coverage in [*rows, ("all", total)])]
    return "\n".join(lines) + "\n"


def _line(name: str, coverage: Coverage) -> str:
    counts = coverage.histogram
    n = int(counts.sum())
    covered = int((counts * np.arange(len(counts))).sum())
    shares = [int(counts[threshold:].sum()) for threshold in _THRESHOLDS]
    return "\t".join((name, str(n), _ratio(covered, n, 2), *(_ratio(share, n, 4) for share in [*shares, coverage.n_callable])))


def _ratio(part: int, whole: int, digits: int) -> str:
    """A decimal made of whole numbers, so that it is the same everywhere."""
    scaled = (part * 10**digits + whole // 2) // whole if whole else 0
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"

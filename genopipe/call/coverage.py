"""What could be seen at all: depth of coverage, and the bases where a reference genotype could not be told.

A negative result means something only where the reads could show a variant. A base is callable where the reference is known and either
a record settles it, or the confidence in the reference genotype (GQ) reaches `Settings.callable_quality`; of the others the reason is told.
Coverage is told of each contig, of all of them, of every interval that a laboratory names, and of genes and their exons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from genopipe.call.blocks import reference_quality
from genopipe.call.settings import Settings
from genopipe.call.sites import Site
from genopipe.call.targets import Targets
from genopipe.call.view import View
from genopipe.kernels.coverage import COUNTS, count_before, judge_bases
from genopipe.kernels.pileup import HALF

DEEPEST = 1000
"""Depths from here on count as this one."""

REASONS = ("", "unknown_reference", "no_reads", "low_depth", "unclear")
"""Why a base is not callable: what the reference is, or that no read counts there, or too few to tell, or enough that do not agree; in the
order of `judge_bases`."""

COLUMNS = ("contig", "bases", "mean_depth", "share_10x", "share_20x", "share_30x", "share_callable", "start", "end", "name")

Judged = tuple[NDArray[np.uint8], NDArray[np.int32]]
"""Of each base why it is not callable, by number of the reason, and the depth."""


@dataclass(slots=True)
class Coverage:
    """Counts of a stretch or of many.

    counts      int64: known reference bases, their depths together, those at 10x, 20x and 30x, and those that are callable
    uncallable  start and end of runs of bases that are not callable, unknown ones included, and the reason
    targets     rows of the intervals that lie over the stretch, and (intervals, 6) the counts of what it holds of them
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(COUNTS, np.int64))
    uncallable: list[tuple[int, int, str]] = field(default_factory=list)
    targets: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was seen of everything so far: counts of each contig, and of each of the intervals."""

    wanted: Targets | None
    contigs: dict[str, NDArray[np.int64]]
    targets: NDArray[np.int64]

    @classmethod
    def of(cls, wanted: Targets | None) -> Tally:
        """Nothing seen yet."""
        return cls(wanted, {}, np.zeros((len(wanted.intervals) if wanted else 0, COUNTS), np.int64))

    def add(self, contig: str, seen: Coverage) -> None:
        """Adds a stretch of a contig."""
        self.contigs[contig] = self.contigs.get(contig, 0) + seen.counts
        for row, counts in seen.targets:
            self.targets[row] += counts

    def table(self) -> str:
        """A line a contig, one for all, and one an interval, a gene before its exons; shares and means are of the known reference bases."""
        total = sum(self.contigs.values(), Coverage().counts)
        lines = ["\t".join(COLUMNS), *(_line(name, counts) for name, counts in [*self.contigs.items(), ("all", total)])]
        genes = {gene.first: gene for gene in self.wanted.genes} if self.wanted else {}
        for row, (contig, start, end, name) in enumerate(self.wanted.intervals if self.wanted else ()):
            if row in genes:
                gene = genes[row]
                whole = self.targets[gene.first : gene.last].sum(axis=0)
                lines.append(_line(contig, whole, (str(gene.start), str(gene.end), gene.name)))
            lines.append(_line(contig, self.targets[row], (str(start), str(end), name or ".")))
        return "\n".join(lines) + "\n"


def measure(view: View, sites: list[Site], *, span: tuple[int, int, int], settings: Settings) -> tuple[Coverage, Judged]:
    """Coverage of bases start to end, with ploidy: the three numbers of `span`; and what it goes by, base by base."""
    start, end, ploidy = span
    here = slice(start - view.pileup.start, end - view.pileup.start)
    settled = np.zeros(end - start, bool)
    for site in sites:
        settled[max(site.position - start, 0) : max(site.end - start, 0)] = True
    judged = np.empty(end - start, np.uint8), view.pileup.depth[here]
    quality, enough = reference_quality(view.pileup.fit[here], ploidy), -(-1000 * settings.callable_quality // HALF)
    judge_bases(view.reference[here], settled, quality, judged[1], settings.callable_quality, enough, judged[0])
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(judged[0])) + 1, [end - start]))
    runs = [(a + start, b + start, REASONS[judged[0][a]]) for a, b in pairwise(bounds.tolist()) if judged[0][a]]
    return Coverage(_counts(judged, np.array([0, end - start]))[0], runs), judged


def measure_targets(judged: Judged, found: NDArray[np.int64], start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and counts of the intervals `found` over the bases that are judged, the first one at `start`."""
    return found[:, 0], _counts(judged, np.clip(found[:, 1:] - start, 0, len(judged[0])))


def _counts(judged: Judged, interval: NDArray[np.int64]) -> NDArray[np.int64]:
    """(intervals, counts) int64 of the bases in intervals (intervals, 2)."""
    place, row = np.unique(interval, return_inverse=True)
    before = np.empty((len(place), COUNTS), np.int64)
    count_before(*judged, DEEPEST, place, before)
    first, last = before[row.reshape(-1, 2)].swapaxes(0, 1)
    return last - first


def _line(name: str, counts: NDArray[np.int64], place: tuple[str, str, str] = (".", ".", ".")) -> str:
    n, covered, *shares = counts.tolist()
    return "\t".join((name, str(n), _ratio(covered, n, 2), *(_ratio(share, n, 4) for share in shares), *place))


def _ratio(part: int, whole: int, digits: int) -> str:
    """A decimal made of whole numbers, so that it is the same everywhere."""
    scaled = (part * 10**digits + whole // 2) // whole if whole else 0
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"

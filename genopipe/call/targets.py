"""What was seen of each interval of a BED, such as the exons that a laboratory answers for.

The file is read and checked before calling begins: every contig must mean one of the genome, and no interval may reach beyond its contig.
Then each stretch of the genome adds what it holds of the intervals over it; per interval a few counts are kept, never its bases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bed import Interval, read_bed
from genopipe.formats.genome import resolve_contig
from genopipe.model import Contig, Genome


@dataclass(frozen=True, slots=True)
class OnContig:
    """The intervals of one contig by start, with the row of each in the file; `reach` is the furthest end up to each."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    reach: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Targets:
    """Contig, start, end (0-based, half-open) and name of every interval in the order of the file, and the same by contig."""

    intervals: list[tuple[str, int, int, str]]
    on: dict[str, OnContig]

    def over(self, contig: str, start: int, end: int) -> NDArray[np.int64]:
        """(intervals, 3) int64: row, start and end of those that share a base with start to end."""
        here = self.on.get(contig)
        if here is None:
            return np.empty((0, 3), np.int64)
        among = slice(int(np.searchsorted(here.reach, start, side="right")), int(np.searchsorted(here.start, end)))
        found = np.stack((here.row[among], here.start[among], here.end[among]), axis=1)
        return found[found[:, 2] > start]


def read_targets(path: Path, genome: Genome) -> Targets:
    """The intervals of a BED file. Raises BadInput with the line for a contig that the genome lacks, or an interval beyond its end."""
    contig_of: dict[str, Contig] = {}
    intervals = []
    for interval in read_bed(path):
        if interval.contig not in contig_of:
            contig_of[interval.contig] = resolve_contig(genome, interval.contig, path=path, line=interval.line)
        contig = contig_of[interval.contig]
        if interval.end > contig.length:
            raise _beyond(interval, contig, path)
        intervals.append((contig.name, interval.start, interval.end, interval.name))
    return Targets(intervals, _by_contig(intervals))


def _by_contig(intervals: list[tuple[str, int, int, str]]) -> dict[str, OnContig]:
    rows: dict[str, list[int]] = {}
    for row, (contig, _, _, _) in enumerate(intervals):
        rows.setdefault(contig, []).append(row)
    return {contig: _sorted(np.array(mine, np.int64), intervals) for contig, mine in rows.items()}


def _sorted(row: NDArray[np.int64], intervals: list[tuple[str, int, int, str]]) -> OnContig:
    start, end = (np.array([intervals[i][column] for i in row.tolist()], np.int64) for column in (1, 2))
    order = np.argsort(start, kind="stable")
    return OnContig(row[order], start[order], end[order], np.maximum.accumulate(end[order]))


def _beyond(interval: Interval, contig: Contig, path: Path) -> BadInput:
    return BadInput(
        f"the interval {interval.start}-{interval.end} reaches beyond {contig.name}, which has {contig.length:,} bases",
        wanted="intervals inside their contig",
        do="Correct this line, or give a BED made for this reference.",
        path=path,
        line=interval.line,
    )

"""What was seen of each interval of a BED, such as the exons that a laboratory answers for, and of each gene of a gene model.

The files are read and checked before calling begins: every contig of a BED must mean one of the genome, and no interval may reach beyond
its contig. Then each stretch of the genome adds what it holds of the intervals over it; per interval a few counts are kept, never its
bases. A gene is the coding parts of the transcripts that stand for it (MANE, else canonical ones, else all), or the exons of one that
codes for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bed import Interval, read_bed
from genopipe.formats.genome import resolve_contig
from genopipe.formats.gff import Transcript, read_genes
from genopipe.model import Contig, Genome
from genopipe.progress import log


@dataclass(frozen=True, slots=True)
class OnContig:
    """The intervals of one contig by start, with the row of each in the file; `reach` is the furthest end up to each."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    reach: NDArray[np.int64]


class Gene(NamedTuple):
    """A gene, and the rows of its exons among the intervals: `first` up to `last`, exclusive."""

    contig: str
    start: int
    end: int
    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Targets:
    """Contig, start, end (0-based, half-open) and name of every interval in the order of the files, and the same by contig; the genes whose
    exons are among them."""

    intervals: list[tuple[str, int, int, str]]
    on: dict[str, OnContig]
    genes: tuple[Gene, ...] = ()

    def over(self, contig: str, start: int, end: int) -> NDArray[np.int64]:
        """(intervals, 3) int64: row, start and end of those that share a base with start to end."""
        here = self.on.get(contig)
        if here is None:
            return np.empty((0, 3), np.int64)
        among = slice(int(np.searchsorted(here.reach, start, side="right")), int(np.searchsorted(here.start, end)))
        found = np.stack((here.row[among], here.start[among], here.end[among]), axis=1)
        return found[found[:, 2] > start]


def wanted_targets(bed: Path | None, genes: Path | None, genome: Genome) -> Targets | None:
    """The intervals of a BED and the exons of a gene model, None where neither is given.

    Raises BadInput where they do not fit the genome.
    """
    if bed is None and genes is None:
        return None
    intervals = _intervals(bed, genome) if bed is not None else []
    found = list(_genes(genes, genome, intervals)) if genes is not None else []
    return Targets(intervals, _by_contig(intervals), tuple(found))


def _intervals(path: Path, genome: Genome) -> list[tuple[str, int, int, str]]:
    contig_of: dict[str, Contig] = {}
    intervals: list[tuple[str, int, int, str]] = []
    for interval in read_bed(path):
        if interval.contig not in contig_of:
            contig_of[interval.contig] = resolve_contig(genome, interval.contig, path=path, line=interval.line)
        contig = contig_of[interval.contig]
        if interval.end > contig.length:
            raise _beyond(interval, contig, path)
        intervals.append((contig.name, interval.start, interval.end, interval.name))
    return intervals


def _genes(path: Path, genome: Genome, intervals: list[tuple[str, int, int, str]]) -> Iterable[Gene]:
    """The genes on contigs that the genome has; their exons are added to `intervals`, numbered in the direction of the gene."""
    transcripts = sorted(read_genes(path), key=lambda transcript: (transcript.contig, transcript.gene_id))
    for name, on_contig in groupby(transcripts, key=lambda transcript: transcript.contig):
        try:
            contig = resolve_contig(genome, name)
        except BadInput:
            log.warning("%s: no coverage of genes on %s, which the reference lacks", path, name)
            continue
        for _, of_gene in groupby(on_contig, key=lambda transcript: transcript.gene_id):
            yield _gene(list(of_gene), contig, path, intervals)


def _gene(transcripts: list[Transcript], contig: Contig, path: Path, intervals: list[tuple[str, int, int, str]]) -> Gene:
    first, (spans, one) = len(intervals), (_parts(transcripts), transcripts[0])
    if spans[-1][1] > contig.length:
        raise BadInput(
            f"gene {one.gene} reaches beyond {contig.name}, which has {contig.length:,} bases",
            wanted="a gene model of this reference",
            do="Give the one of the right build.",
            path=path,
        )
    for number, (start, end) in enumerate(spans, 1):
        intervals.append((contig.name, start, end, f"{one.gene}:{number if one.strand == '+' else len(spans) + 1 - number}"))
    return Gene(contig.name, spans[0][0], spans[-1][1], one.gene, first, len(intervals))


def _parts(transcripts: list[Transcript]) -> list[tuple[int, int]]:
    """What is looked at of a gene, sorted and without overlaps."""
    coding = [transcript for transcript in transcripts if transcript.coding]
    chosen = coding or transcripts
    for standing in ([t for t in chosen if t.mane], [t for t in chosen if t.canonical]):
        if standing:
            chosen = standing
            break
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for transcript in chosen for span in (transcript.coding if coding else transcript.exons)):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


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

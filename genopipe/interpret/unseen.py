"""Where nothing could be seen: the coding bases, of genes of the panels or that fit the phenotype, that could not be called.

A negative result says nothing of them. `genopipe call` writes the regions beside its VCF.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bed import read_bed
from genopipe.formats.gff import Span, Transcript
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.transcripts import preference


@dataclass(frozen=True, slots=True)
class Unseen:
    """A gene, how many coding bases of the transcript that stands for it could not be called, and how many it has.

    `exons` are the numbers, from 1, of the exons that they lie in.
    """

    gene: str
    n_unseen: int
    n_coding: int
    exons: tuple[int, ...]


def unseen_genes(uncallable: Path, transcripts: Sequence[Transcript]) -> list[Unseen]:
    """The genes of the transcripts that could not be seen whole, in the order of the names. Raises BadInput for what is no BED."""
    standing: dict[str, Transcript] = {}
    for transcript in sorted(transcripts, key=preference):
        if transcript.coding:
            standing.setdefault(transcript.gene, transcript)
    regions = _regions(uncallable, {contig_key(transcript.contig) for transcript in standing.values()})
    found = []
    for gene, transcript in sorted(standing.items()):
        here = regions.get(contig_key(transcript.contig), (_NONE, _NONE))
        n_unseen = _overlap(transcript.coding, *here)
        if n_unseen:
            n_coding = sum(end - start for start, end in transcript.coding)
            found.append(Unseen(gene, n_unseen, n_coding, tuple(_exons(transcript, *here))))
    return found


def _exons(transcript: Transcript, start: NDArray[np.int64], end: NDArray[np.int64]) -> list[int]:
    """Numbers of the exons, in the direction of transcription, with coding bases in the regions."""
    low, high = transcript.coding[0][0], transcript.coding[-1][1]
    coding = [(max(first, low), min(last, high)) for first, last in transcript.exons]
    ordered = coding if transcript.strand == "+" else coding[::-1]
    return [number for number, span in enumerate(ordered, 1) if span[0] < span[1] and _overlap([span], start, end)]


_NONE = np.empty(0, np.int64)


def _regions(path: Path, contigs: set[str]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """By contig key, starts and ends of the regions, sorted and merged."""
    spans: dict[str, list[Span]] = {}
    for interval in read_bed(path):
        if (key := contig_key(interval.contig)) in contigs:
            spans.setdefault(key, []).append((interval.start, interval.end))
    return {key: _merged(of_contig) for key, of_contig in spans.items()}


def _merged(spans: list[Span]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    start, end = np.array(sorted(spans), np.int64).T
    until = np.maximum.accumulate(end)
    first = np.flatnonzero(np.r_[True, start[1:] > until[:-1]])
    return start[first], until[np.r_[first[1:] - 1, len(until) - 1]]


def _overlap(spans: Iterable[Span], start: NDArray[np.int64], end: NDArray[np.int64]) -> int:
    """Bases of the spans that lie in the regions."""
    total = np.r_[0, np.cumsum(end - start)]

    def below(position: int) -> int:
        n_begun = int(np.searchsorted(start, position))
        beyond = max(int(end[n_begun - 1]) - position, 0) if n_begun else 0
        return int(total[n_begun]) - beyond

    return sum(below(last) - below(first) for first, last in spans)

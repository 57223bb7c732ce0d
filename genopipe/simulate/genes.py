"""Invented protein-coding genes, written into a contig: open reading frames, canonical splice sites, untranslated regions, both strands.

A gene is first laid out along its transcript (lengths of exons and introns, where translation starts and ends), then placed, then its
codons and splice sites are written over the contig. Some genes have a second transcript that skips an exon and stays in frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from genopipe.simulate.draws import Draws
from genopipe.simulate.sequence import Sequence

AMINO_ACIDS = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
"""The standard genetic code, codons in the order AAA, AAC, AAG, AAT, ACA ... TTT."""

START_CODON, STOP_CODONS = 14, (48, 50, 56)
MITOCHONDRIAL_EXCEPTIONS = (8, 10, 12, 56)
"""AGA, AGG, ATA and TGA mean something else in vertebrate mitochondria; genes of the mitochondrion do without them, so that they read the
same under both codes."""

DONOR = np.array([2, 3, 0, 0, 2, 3], np.uint8)  # GTAAGT
ACCEPTOR = np.array([3, 1, 3, 3, 1, 3, 3, 3, 1, 3, 1, 0, 2], np.uint8)  # TCTTCTTTCTCAG


@dataclass(frozen=True, slots=True)
class Transcript:
    """Exons as sorted intervals of the contig, and the interval from the first to the last base of the coding sequence, stop codon
    included."""

    identifier: str
    exons: tuple[tuple[int, int], ...]
    coding_start: int
    coding_end: int

    @property
    def coding(self) -> list[tuple[int, int]]:
        """The coding part of each exon that has one."""
        parts = [(max(start, self.coding_start), min(end, self.coding_end)) for start, end in self.exons]
        return [(start, end) for start, end in parts if start < end]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene; its first transcript is the canonical one."""

    symbol: str
    identifier: str
    ncbi_gene_id: int
    contig: str
    strand: str
    transcripts: tuple[Transcript, ...]

    @property
    def start(self) -> int:
        return self.transcripts[0].exons[0][0]

    @property
    def end(self) -> int:
        return self.transcripts[0].exons[-1][1]


@dataclass(frozen=True, slots=True)
class Layout:
    """A transcript before it has a place: lengths in the direction of transcription, coding interval in bases of the transcript."""

    exon_length: list[int]
    intron_length: list[int]
    coding_start: int
    coding_end: int

    @property
    def span(self) -> int:
        return sum(self.exon_length) + sum(self.intron_length)


def add_genes(sequence: Sequence, *, seed: int, first_number: int, spacing: int) -> list[Gene]:
    """Writes one gene in each `spacing` bases into the contig, except into unknown ends and duplicated segments."""
    plan, draws = sequence.plan, Draws(seed, "genes", sequence.plan.name)
    genes: list[Gene] = []
    mitochondrial = plan.kind == "mitochondrion"
    margin = 300 if mitochondrial else plan.unknown_end + 600
    for slot in range(margin, plan.length - margin - spacing + 1, spacing):
        layout = _mitochondrial_layout(draws) if mitochondrial else _layout(draws, spacing - 700)
        start = draws.one(slot, slot + spacing - layout.span - 100)
        if any(start < segment_end and segment_start < start + layout.span for segment_start, segment_end in sequence.duplication):
            continue
        genes.append(_write_gene(sequence, layout, start, number=first_number + len(genes), draws=draws))
    return genes


def _layout(draws: Draws, longest: int) -> Layout:
    """A transcript of 1 to 9 coding exons whose span is at most `longest`."""
    coding = [draws.one(90, 240) for _ in range(draws.one(1, 10))]
    introns = [draws.one(90, max(200, longest // 8)) for _ in coding[1:]]
    coding[-1] += -sum(coding) % 3
    leader, trailer = draws.one(60, 200), draws.one(200, 500)
    exons = [*coding[:-1], coding[-1] + trailer]
    if draws.happens(1, 4):
        exons, introns = [leader, *exons], [draws.one(90, 400), *introns]
    else:
        exons[0] += leader
    layout = Layout(exons, introns, leader, leader + sum(coding))
    return layout if layout.span <= longest else _layout(draws, longest)


def _mitochondrial_layout(draws: Draws) -> Layout:
    length = 3 * draws.one(250, 450)
    return Layout([length], [], 0, length)


def _write_gene(sequence: Sequence, layout: Layout, start: int, *, number: int, draws: Draws) -> Gene:
    mitochondrial = sequence.plan.kind == "mitochondrion"
    strand = "+" if mitochondrial or draws.happens(1, 2) else "-"
    forward = strand == "+"
    exons = _exons(layout, start, forward)
    position = transcript_positions(exons, forward)
    coding = position[layout.coding_start : layout.coding_end]
    codons = _codons(draws, len(coding) // 3, mitochondrial=mitochondrial)
    write_stranded(sequence.base, coding, np.stack([codons >> 4, codons >> 2 & 3, codons & 3], axis=1).ravel(), forward)
    sequence.repeat[coding] = False
    for (_, left), (right, _) in pairwise(exons):
        _write_splice_sites(sequence.base, left, right, forward)
    canonical = Transcript(f"DEMOT{number:011d}", tuple(exons), int(coding.min()), int(coding.max()) + 1)
    transcripts = (canonical, *_skipping(sequence.base, canonical, forward, number, draws))
    prefix = "DEMOM" if mitochondrial else "DEMO"
    return Gene(f"{prefix}{number}", f"DEMOG{number:011d}", 990_000_000 + number, sequence.plan.name, strand, transcripts)


def _exons(layout: Layout, start: int, forward: bool) -> list[tuple[int, int]]:
    lengths, gaps = (layout.exon_length, layout.intron_length) if forward else (layout.exon_length[::-1], layout.intron_length[::-1])
    exons = []
    for length, gap in zip(lengths, [*gaps, 0], strict=True):
        exons.append((start, start + length))
        start += length + gap
    return exons


def transcript_positions(exons: list[tuple[int, int]], forward: bool) -> NDArray[np.int64]:
    """The place on the contig of each base of a transcript, in the direction of transcription."""
    position = np.concatenate([np.arange(start, end) for start, end in exons])
    return position if forward else position[::-1]


def write_stranded(base: NDArray[np.uint8], position: NDArray[np.int64], code: NDArray[np.generic], forward: bool) -> None:
    """Writes bases given on the gene's strand to their places on the contig."""
    base[position] = code if forward else 3 - code


def _codons(draws: Draws, n: int, *, mitochondrial: bool) -> NDArray[np.int64]:
    """`n` codons: a start, no stop before the last, a stop."""
    excluded = {*STOP_CODONS, *(MITOCHONDRIAL_EXCEPTIONS if mitochondrial else ())}
    sense = np.array([codon for codon in range(64) if codon not in excluded])
    codons = sense[draws.below(len(sense), n)]
    codons[0] = START_CODON
    codons[-1] = STOP_CODONS[0] if mitochondrial else draws.pick(STOP_CODONS)
    return codons


def _write_splice_sites(base: NDArray[np.uint8], start: int, end: int, forward: bool) -> None:
    """Writes the ends of the intron from `start` to `end`."""
    if forward:
        base[start : start + len(DONOR)] = DONOR
        base[end - len(ACCEPTOR) : end] = ACCEPTOR
    else:
        base[end - len(DONOR) : end] = 3 - DONOR[::-1]
        base[start : start + len(ACCEPTOR)] = 3 - ACCEPTOR[::-1]


def coding_sequence(base: NDArray[np.uint8], transcript: Transcript, forward: bool) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Places and codes of the coding bases of a transcript, in the direction of translation."""
    position = transcript_positions(transcript.coding, forward)
    return position, base[position] if forward else 3 - base[position]


def translate(code: NDArray[np.uint8]) -> str:
    """The protein of a coding sequence."""
    codon = code.reshape(-1, 3).astype(np.int64) @ np.array([16, 4, 1])
    return "".join(AMINO_ACIDS[i] for i in codon)


def _skipping(base: NDArray[np.uint8], canonical: Transcript, forward: bool, number: int, draws: Draws) -> list[Transcript]:
    """For one gene in three, a second transcript without one inner exon, where there is one that can be skipped in frame."""
    if not draws.happens(1, 3):
        return []
    for skipped in range(2, len(canonical.exons) - 2):
        start, end = canonical.exons[skipped]
        exons = canonical.exons[:skipped] + canonical.exons[skipped + 1 :]
        shorter = Transcript(f"DEMOT{number + 500_000:011d}", exons, canonical.coding_start, canonical.coding_end)
        inside = canonical.coding_start < start and end < canonical.coding_end
        if inside and (end - start) % 3 == 0 and "*" not in translate(coding_sequence(base, shorter, forward)[1])[:-1]:
            return [shorter]
    return []

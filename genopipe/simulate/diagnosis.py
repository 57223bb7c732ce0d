"""The answer and the decoy: which genes are ill, and by which variants.

The causal gene stands on the first autosome: the newborn alone has a new stop codon in it. The decoy gene stands on the second autosome:
the newborn has a missense variant from the mother and a frameshift from the father in it, but its disease looks quite different.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genopipe.errors import BadInput
from genopipe.model import BASES
from genopipe.simulate.draws import Draws
from genopipe.simulate.genes import AMINO_ACIDS, Gene, coding_sequence
from genopipe.simulate.sequence import Sequence
from genopipe.simulate.variation import Variant, left_aligned, letters

FROM_EXON_END = 10
"""Bases between a planted variant and the ends of its exon, so that it is no splice variant."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The newborn's new stop codon, and a pathogenic variant of the same gene that nobody in the family has."""

    gene: Gene
    variant: Variant
    known: Variant


@dataclass(frozen=True, slots=True)
class Decoy:
    """The compound-heterozygous pair: a missense variant from the mother, a frameshift from the father."""

    gene: Gene
    maternal: Variant
    paternal: Variant


def plant_answer(sequence: Sequence, genes: list[Gene], *, seed: int) -> Answer:
    """Chooses the causal gene among the genes of a contig, and its variants."""
    draws = Draws(seed, "answer")
    gene = _suitable(genes, draws)
    stops = [variant for amino_acid, variant in _changes(sequence, gene) if amino_acid == "*"]
    causal, known = draws.shuffled(stops)[:2]
    return Answer(gene, replace(causal, genotype=(draws.pick(((1, 0), (0, 1))), (0, 0), (0, 0))), known)


def plant_decoy(sequence: Sequence, genes: list[Gene], *, seed: int) -> Decoy:
    """Chooses the decoy gene among the genes of a contig, and its variants."""
    draws = Draws(seed, "decoy")
    gene = _suitable(genes, draws)
    missense, frameshift = _pair(sequence, gene, draws)
    one_copy = ((1, 0), (0, 1))
    return Decoy(
        gene,
        replace(missense, genotype=((1, 0), draws.pick(one_copy), (0, 0)), allele_count=draws.one(20, 60)),
        replace(frameshift, genotype=((0, 1), (0, 0), draws.pick(one_copy)), allele_count=draws.one(5, 20)),
    )


def _suitable(genes: list[Gene], draws: Draws) -> Gene:
    """A gene with one transcript and at least four coding exons, or three where none has four."""
    single = [gene for gene in genes if len(gene.transcripts) == 1]
    suitable = [gene for gene in single if len(gene.transcripts[0].coding) >= 4]
    suitable = suitable or [gene for gene in single if len(gene.transcripts[0].coding) == 3]
    if not suitable:
        raise BadInput("no gene with three coding exons came out", wanted="a larger genome", do="Raise genome_length or change the seed.")
    return draws.pick(suitable)


def _inner(gene: Gene, coding_length: int) -> list[int]:
    """Offsets in the coding sequence of codons that end inside one exon, away from its ends, in the second to fourth sixth of the
    protein."""
    offset, inner = 0, []
    parts = gene.transcripts[0].coding
    for start, end in parts if gene.strand == "+" else reversed(parts):
        clear = range(offset + FROM_EXON_END, offset + end - start - FROM_EXON_END - 3)
        inner += [i for i in clear if i % 3 == 0 and coding_length // 6 <= i < coding_length * 2 // 3]
        offset += end - start
    return inner


def _changes(sequence: Sequence, gene: Gene) -> list[tuple[str, Variant]]:
    """Every SNV of the inner codons with the amino acid that it leads to; those without effect are left out."""
    forward = gene.strand == "+"
    position, code = coding_sequence(sequence.base, gene.transcripts[0], forward)
    weights, changes = (16, 4, 1), []
    for first in _inner(gene, len(code)):
        codon = int(code[first : first + 3] @ np.array(weights))
        for i, weight in enumerate(weights):
            old = int(code[first + i])
            for new in range(4):
                amino_acid = AMINO_ACIDS[codon + (new - old) * weight]
                if amino_acid != AMINO_ACIDS[codon]:
                    alleles = (old, new) if forward else (3 - old, 3 - new)
                    changes.append((amino_acid, _snv(gene.contig, int(position[first + i]), alleles)))
    return changes


def _snv(contig: str, position: int, alleles: tuple[int, int]) -> Variant:
    return Variant(contig, position, chr(BASES[alleles[0]]), chr(BASES[alleles[1]]), 0, "de_novo")


def _pair(sequence: Sequence, gene: Gene, draws: Draws) -> tuple[Variant, Variant]:
    """A missense variant in the first third and a deletion of two bases in the last third of where variants may be."""
    changes = _changes(sequence, gene)
    third = len(changes) // 3
    missense = draws.pick([variant for amino_acid, variant in changes[:third] if amino_acid != "*"])
    at = draws.pick(changes[-third:])[1].position
    reference = letters(sequence.base[at : at + 3])
    frameshift = Variant(gene.contig, *left_aligned(sequence.base, at, reference, reference[0]), 0, "compound")
    return replace(missense, origin="compound"), frameshift

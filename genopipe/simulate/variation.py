"""What the family carries: sites known in the population, rare and private ones, all passed on by the laws of inheritance.

Sites are drawn along a contig, each with its allele count in an imagined population of 100,000 chromosomes. The four parental haplotypes
carry a site with that probability; the newborn gets from each parent one haplotype with one crossover per contig. Given variants (the
answer, the decoy) take precedence: a drawn site that comes near one is dropped. Indels are left-aligned and start with the base before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.model import BASES, UNKNOWN_BASE
from genopipe.simulate.draws import Draws
from genopipe.simulate.genes import Gene
from genopipe.simulate.sequence import ContigPlan, Sequence

ALLELE_NUMBER = 100_000
SITE_SPACING = 450
"""Bases between sites of the population. A site is carried by a chromosome with a mean probability of 0.3 to 0.4, so that a person differs
from the reference at about one SNV in 1,000 bases and one indel in 8,000."""

RARE_SPACING = 6000
INDEL_SHARE = 18
"""One site in so many is an indel in unique sequence, and as many again are in tandem repeats."""

CLEARANCE = 40
"""Bases kept free around a given variant."""

Genotype = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A difference from the reference; `position` is 0-based, the alleles are letters; `allele_count` of `ALLELE_NUMBER` in the population.

    genotype: of newborn, mother and father, one number per haplotype. The newborn's is maternal before paternal; empty where a member has
    no such contig.
    origin: population, rare, de_novo, compound or mitochondrial.
    """

    contig: str
    position: int
    reference: str
    alternative: str
    allele_count: int
    origin: str
    genotype: tuple[Genotype, Genotype, Genotype] = ((), (), ())

    @property
    def end(self) -> int:
        return self.position + len(self.reference)

    @property
    def name(self) -> str:
        """CHROM-POS-REF-ALT."""
        return f"{self.contig}-{self.position + 1}-{self.reference}-{self.alternative}"

    @property
    def carried(self) -> bool:
        return any(1 in genotype for genotype in self.genotype)


def ploidy(plan: ContigPlan, sex: str) -> int:
    """How many copies of a contig a person of this sex has."""
    copies = {"autosome": (2, 2), "x": (2, 1), "y": (0, 1), "mitochondrion": (1, 1)}
    return copies[plan.kind][sex == "male"]


def family_variants(sequence: Sequence, genes: list[Gene], given: list[Variant], *, sex: str, seed: int) -> list[Variant]:
    """All variants of a contig with the family's genotypes, sorted; `given` ones keep the genotypes they have."""
    draws = Draws(seed, "variants", sequence.plan.name)
    pass_on = Inheritance(sequence.plan, sex, Draws(seed, "meiosis", sequence.plan.name))
    free = _free_of(sequence, given)
    drawn = []
    for site in _sites(sequence, free, _coding(sequence, genes), draws):
        carried = draws.chance(site.allele_count, ALLELE_NUMBER, 4) if site.origin == "population" else _one_carrier(draws)
        drawn.append(pass_on.inherited(site, carried.astype(int).tolist()))
    return sorted(given + drawn, key=lambda variant: variant.position)


class Inheritance:
    """How the haplotypes of both parents reach the newborn on one contig: one crossover at a drawn place, none where there is one copy."""

    def __init__(self, plan: ContigPlan, sex: str, draws: Draws) -> None:
        self.plan, self.sex = plan, sex
        self.crossover = [draws.one(0, plan.length) for _ in range(2)]
        self.first = [draws.one(0, 2) for _ in range(2)]

    def inherited(self, site: Variant, alleles: list[int]) -> Variant:
        """The site with everyone's genotype, from the alleles of the mother's and the father's two haplotypes."""
        mother, father = tuple(alleles[: ploidy(self.plan, "female")]), tuple(alleles[2 : 2 + ploidy(self.plan, "male")])
        if site.origin == "mitochondrial":
            mother, father = ((1,), (0,)) if alleles[0] or alleles[1] else ((0,), (1,))
        maternal = self._passed(0, mother, site.position)
        paternal = self._passed(1, father, site.position)
        kind = self.plan.kind
        newborn = {
            "autosome": maternal + paternal,
            "x": maternal + (paternal if self.sex == "female" else ()),
            "y": paternal if self.sex == "male" else (),
            "mitochondrion": maternal,
        }[kind]
        return Variant(
            site.contig, site.position, site.reference, site.alternative, site.allele_count, site.origin, (newborn, mother, father)
        )

    def _passed(self, parent: int, alleles: Genotype, position: int) -> Genotype:
        if len(alleles) < 2:
            return alleles
        return (alleles[self.first[parent] ^ (position >= self.crossover[parent])],)


def _one_carrier(draws: Draws) -> NDArray[np.bool_]:
    return np.arange(4) == draws.one(0, 4)


def _coding(sequence: Sequence, genes: list[Gene]) -> NDArray[np.bool_]:
    """Where a change could break a protein: coding bases and the eight bases around each exon's ends."""
    coding = np.zeros(len(sequence.base), bool)
    for gene in genes:
        for transcript in gene.transcripts:
            for start, end in transcript.coding:
                coding[start - 8 : end + 8] = True
            for start, end in transcript.exons:
                coding[start - 8 : start] = coding[end : end + 8] = True
    return coding


def _free_of(sequence: Sequence, given: list[Variant]) -> NDArray[np.bool_]:
    """Where sites may be drawn: known bases away from given variants and from the contig's ends."""
    free = sequence.base != UNKNOWN_BASE
    margin = sequence.plan.unknown_end + 200
    free[:margin] = free[-margin:] = False
    for variant in given:
        free[max(0, variant.position - CLEARANCE) : variant.end + CLEARANCE] = False
    return free


def _sites(sequence: Sequence, free: NDArray[np.bool_], coding: NDArray[np.bool_], draws: Draws) -> Iterator[Variant]:
    """Sites of the population and rare ones, in order, never overlapping, left-aligned; in coding sequence only SNVs, and
    of the known ones a third."""
    length, mitochondrial = sequence.plan.length, sequence.plan.kind == "mitochondrion"
    spacing = 700 if mitochondrial else SITE_SPACING
    n = length // spacing
    scattered = [[position, 0] for position in draws.below(length - 64, n + length // RARE_SPACING).tolist()]
    repeated = [] if mitochondrial else sequence.tandem[draws.below(len(sequence.tandem), n // INDEL_SHARE)].tolist()
    last_end = 0
    for position, period in sorted(scattered + repeated):
        origin, allele_count = _frequency(draws, rare=draws.happens(spacing, RARE_SPACING), mitochondrial=mitochondrial)
        is_indel = period > 0 or (not mitochondrial and draws.happens(1, INDEL_SHARE))
        if not free[position] or (coding[position] and (is_indel or (origin == "population" and draws.happens(2, 3)))):
            continue
        site = _indel(sequence, position, period, draws) if is_indel else _substitution(sequence, position, draws)
        if site is None or site[0] < last_end + 3 or not free[site[0] : site[0] + len(site[1])].all():
            continue
        if is_indel and coding[site[0] : site[0] + len(site[1])].any():
            continue
        last_end = site[0] + len(site[1])
        yield Variant(sequence.plan.name, *site, allele_count, origin)


def _frequency(draws: Draws, *, rare: bool, mitochondrial: bool) -> tuple[str, int]:
    """Origin and allele count. Rare variants are unknown to the population or seen at most 40 times."""
    if mitochondrial:
        return "mitochondrial", draws.one(20, 20_000)
    if rare:
        return "rare", max(0, draws.one(-20, 41))
    return "population", draws.one(100, 10_000) if draws.happens(1, 3) else draws.one(10_000, 90_000)


def _substitution(sequence: Sequence, position: int, draws: Draws) -> tuple[int, str, str]:
    """Two of three are transitions."""
    base = int(sequence.base[position])
    other = base ^ 2 if draws.happens(2, 3) else base ^ draws.pick((1, 3))
    return position, chr(BASES[base]), chr(BASES[other])


def _indel(sequence: Sequence, position: int, period: int, draws: Draws) -> tuple[int, str, str] | None:
    """An insertion or deletion of 1 to 30 bases, short ones far more often; insertions mostly repeat what follows. In a tandem repeat it is
    one or a few periods long."""
    size = 1
    while size < (4 if period else 30) and draws.happens(11, 20):
        size += 1
    size *= max(1, period)
    following = sequence.base[position + 1 : position + 1 + size]
    if (following >= UNKNOWN_BASE).any():
        return None
    anchor = letters(sequence.base[position : position + 1])
    if draws.happens(1, 2):
        return left_aligned(sequence.base, position, anchor + letters(following), anchor)
    inserted = following if period or draws.happens(2, 3) else draws.below(4, size)
    return left_aligned(sequence.base, position, anchor, anchor + letters(inserted))


def left_aligned(base: NDArray[np.uint8], position: int, reference: str, alternative: str) -> tuple[int, str, str]:
    """An indel, given with the base before it, moved left as far as it can go.

    Source: Tan, Abecasis and Kang, "Unified representation of genetic variants", Bioinformatics 2015.
    """
    while reference[-1] == alternative[-1] and position > 0 and base[position - 1] < UNKNOWN_BASE:
        reference, alternative = reference[:-1], alternative[:-1]
        if not reference or not alternative:
            position -= 1
            before = chr(BASES[base[position]])
            reference, alternative = before + reference, before + alternative
    return position, reference, alternative


def letters(code: NDArray[np.generic]) -> str:
    """Base codes as letters."""
    return bytes(BASES[c] for c in code.tolist()).decode()

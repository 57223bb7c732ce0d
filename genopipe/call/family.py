"""Genotypes of a child and its parents judged together.

A triple of genotypes costs what the reads of the three say (PL), what the alleles of the parents cost in a population, and what the
inheritance costs: each parent hands on either copy with equal chance, and an allele that neither could hand on is new, at the price of a
mutation. The cheapest triple wins. The cheapest with a new allele against the cheapest without one is the posterior of a de novo variant:
parents with few reads leave it open, and then both the inherited genotypes and the chance that they are wrong are told.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), for trios; Veltman and Brunner, De novo mutations in human
genetic disease, Nature Reviews Genetics 13 (2012), for the rate of 1.2e-8 a base and generation, to which artefacts are added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from genopipe.call.sites import MAX_QUALITY, genotypes, phred
from genopipe.kernels.genotype import TOGETHER
from genopipe.kernels.pileup import HALF

Genotype = tuple[int, ...]
Triple = tuple[Genotype, Genotype, Genotype]

_NEW = {False: 65_000, True: 72_000}
_POPULATION = {False: 30_000, True: 38_000}
_MATERNAL, _PATERNAL = "maternal", "paternal"


@dataclass(frozen=True, slots=True)
class Trio:
    """PLs of father, mother and child (phred, in VCF order), and whether the site is an indel; `haploid_from` names the parent of a
    haploid child's copy."""

    father: tuple[int, ...]
    mother: tuple[int, ...]
    child: tuple[int, ...]
    ploidies: tuple[int, int, int]
    is_indel: bool
    haploid_from: str = _MATERNAL


@dataclass(frozen=True, slots=True)
class Verdict:
    """Best genotypes of father, mother, child, with GQ of each; `new` is the phred of no allele of the child being new, 0 where hardly one
    can be."""

    genotypes: Triple
    qualities: tuple[int, int, int]
    new: int


def judge_trio(trio: Trio, n_alleles: int) -> Verdict:
    """The verdict on one site."""
    costs: dict[Triple, int] = {}
    inherited: dict[Triple, bool] = {}
    choices = [genotypes(n_alleles, ploidy) for ploidy in trio.ploidies]
    rank = [{genotype: i for i, genotype in enumerate(choice)} for choice in choices]
    for father, mother, child in product(*choices):
        triple = father, mother, child
        descent = inheritance_cost(father, mother, child, haploid_from=trio.haploid_from)
        inherited[triple] = descent is not None
        costs[triple] = 1000 * (trio.father[rank[0][father]] + trio.mother[rank[1][mother]] + trio.child[rank[2][child]])
        costs[triple] += _POPULATION[trio.is_indel] * len({allele for allele in father + mother if allele})
        costs[triple] += _NEW[trio.is_indel] if descent is None else descent
    best = min(costs, key=lambda triple: (costs[triple], triple))
    qualities = tuple(_quality(costs, best, member) for member in range(3))
    without = min((cost for triple, cost in costs.items() if inherited[triple]), default=costs[best])
    with_new = min((cost for triple, cost in costs.items() if not inherited[triple]), default=without + len(TOGETHER))
    return Verdict(best, qualities, new_quality(without - with_new))  # type: ignore[arg-type]


def new_quality(lead: int) -> int:
    """Phred of the explanation without a new allele, when the one with it is cheaper by `lead` (milli-phred)."""
    other = int(TOGETHER[abs(lead)]) if abs(lead) < len(TOGETHER) else 0
    return min(phred(max(lead, 0) + other), MAX_QUALITY)


def _quality(costs: dict[Triple, int], best: Triple, member: int) -> int:
    other = min((cost for triple, cost in costs.items() if triple[member] != best[member]), default=costs[best] + 1000 * MAX_QUALITY)
    return min(phred(other - costs[best]), MAX_QUALITY)


def inheritance_cost(father: Genotype, mother: Genotype, child: Genotype, *, haploid_from: str = _MATERNAL) -> int | None:
    """Milli-phred of the child's genotype given its parents', None where it takes a new allele. Who has no copy has an empty genotype."""
    if not child:
        return 0
    if len(child) == 1:
        parent = mother if haploid_from == _MATERNAL else father
        ways, all_ways = parent.count(child[0]), len(parent)
    else:
        ways = sum(tuple(sorted(pair)) == child for pair in product(father, mother))
        all_ways = len(father) * len(mother)
    if not ways:
        return None
    return {1: 0, 2: HALF, 4: 2 * HALF}[all_ways // ways]


def consistent(father: Genotype, mother: Genotype, child: Genotype, *, haploid_from: str = _MATERNAL) -> bool:
    """True where the child's genotype needs no new allele."""
    return inheritance_cost(father, mother, child, haploid_from=haploid_from) is not None

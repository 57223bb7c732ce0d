"""The calls of a family at one site, in as many copies as each member has there.

A gVCF may have been called without the sex being known, with two copies of everything. The pedigree knows it: outside the pseudoautosomal
regions a male's X and Y are judged again with one copy, by the likelihoods of the homozygous genotypes, and a female has no Y. A gVCF that
was called with fewer copies than its person has belongs to somebody else, or the pedigree is wrong; nothing is guessed then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from genopipe.call.ploidy import Sex, copies_at
from genopipe.call.settings import DEFAULT
from genopipe.call.sites import MAX_QUALITY, choose, genotypes
from genopipe.errors import BadInput
from genopipe.formats.gvcf import Gvcf
from genopipe.formats.ped import Member
from genopipe.formats.vcf import VcfContig


@dataclass(slots=True)
class Call:
    """What is known of one sample at one site.

    genotype  None where it is not known, empty where the person has no copy of the place
    copies    of the place that the person has
    allele_depth  None for an allele that reads were not counted for
    new       phred of the child's allele being new, where it is
    order     the genotype in the order of the copies, where the sample's own record is in a phase set
    """

    genotype: tuple[int, ...] | None = None
    quality: int = 0
    depth: int | None = None
    allele_depth: tuple[int | None, ...] = ()
    likelihood: tuple[int, ...] = ()
    new: int | None = None
    copies: int = 2
    order: tuple[int, ...] = ()
    phase_set: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A sample, its gVCF, and the sex where the pedigree knows it."""

    sample: str
    gvcf: Path
    sex: Sex | None


def people_of(gvcfs: list[Gvcf], members: Iterable[Member]) -> list[Person]:
    """The samples with their sex; who is named as a parent has the sex of one.

    Raises BadInput for a gVCF that was called with the other sex.
    """
    sex: dict[str, Sex] = {}
    for member in members:
        if member.sex != "unknown":
            sex[member.sample] = member.sex
        if member.father is not None:
            sex[member.father] = "male"
        if member.mother is not None:
            sex[member.mother] = "female"
    for gvcf in gvcfs:
        told = sex.get(gvcf.sample)
        if told is not None and gvcf.sex not in (None, told):
            raise _other_sex(Person(gvcf.sample, gvcf.path, told), f"{gvcf.sample} was called as {gvcf.sex}")
    return [Person(gvcf.sample, gvcf.path, sex.get(gvcf.sample)) for gvcf in gvcfs]


def in_copies(call: Call, person: Person, contig: VcfContig, position: int, *, is_indel: bool) -> Call:
    """The call with as many copies as the person has at the place; unchanged elsewhere than on X and Y, and where the sex is not known.

    Raises BadInput where the gVCF was called with one copy and the person has two, or none.
    """
    copies = copies_at(contig, position, person.sex)
    if copies is None:
        return replace(call, copies=2 if call.genotype is None else len(call.genotype))
    if call.genotype is not None and len(call.genotype) == 1 and copies != 1:
        raise _other_sex(person, f"{contig.name}:{position + 1} of {person.sample} was called with one copy")
    if copies == 0:
        return Call((), MAX_QUALITY, None, (), (0,), copies=0)
    if call.genotype is None or copies == len(call.genotype):
        return replace(call, copies=copies)
    return _hemizygous(call, is_indel)


def _hemizygous(call: Call, is_indel: bool) -> Call:
    n_alleles = len(call.allele_depth)
    pairs = genotypes(n_alleles, 2)
    alone = [call.likelihood[pairs.index((allele, allele))] for allele in range(n_alleles)]
    low = min(alone)
    likelihood = tuple(value - low for value in alone)
    prior = DEFAULT.indel_prior if is_indel else DEFAULT.snv_prior
    choice = choose({(allele,): 1000 * value for allele, value in enumerate(likelihood)}, [prior] * (n_alleles - 1))
    return Call(choice.genotype, choice.genotype_quality, call.depth, call.allele_depth, likelihood, copies=1)


def _other_sex(person: Person, came: str) -> BadInput:
    return BadInput(
        f"{came}, and the pedigree says {person.sex}",
        wanted="a gVCF and a pedigree that agree about the sex",
        do="Correct the pedigree, or call again with the right --sex.",
        path=person.gvcf,
    )


def unseen(call: Call) -> Call:
    """The call without a genotype where no fragment lies over the place."""
    if call.depth == 0 and call.genotype:
        return Call(depth=0, copies=call.copies)
    return call

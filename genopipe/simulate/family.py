"""A newborn with both parents, from a seed to a folder with everything a case needs, and the answer.

The genome is made contig by contig; each contig gets its genes, the planted variants, the family's other variants, and a place in the
FASTA. Then come the tables, then the reads, one person after another. The folder:

    genome/genome.fa  genome/genes.gff3
    evidence/hp.obo  evidence/genes_to_phenotype.txt  evidence/clinvar.vcf.gz  evidence/frequency.vcf.gz  evidence/constraint.tsv
    reads/SAMPLE_R1.fastq.gz  reads/SAMPLE_R2.fastq.gz  truth/SAMPLE.vcf.gz  truth/family.vcf.gz  family.ped
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.outputs import make_folder, whole_file
from genopipe.progress import log
from genopipe.simulate.diagnosis import Answer, Decoy, plant_answer, plant_decoy
from genopipe.simulate.evidence import Knowledge, write_evidence
from genopipe.simulate.genes import Gene, add_genes
from genopipe.simulate.haplotypes import Haplotype, haplotype
from genopipe.simulate.phenotypes import Disease, diseases, observed
from genopipe.simulate.reads import simulate_reads
from genopipe.simulate.sequence import ContigPlan, make_sequence, plan_contigs
from genopipe.simulate.tables import write_contig, write_genes, write_lines, write_vcf
from genopipe.simulate.variation import Variant, family_variants, ploidy

SHORTEST_GENOME = 200_000
MITOCHONDRIAL_GENE_SPACING = 4000


@dataclass(frozen=True, slots=True)
class Member:
    """One person of the family; `truth` has the phased variants that this person carries."""

    sample: str
    relation: str
    sex: str
    affected: bool
    r1: Path
    r2: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class Family:
    """A simulated family: its files and the answer. Variants are named CHROM-POS-REF-ALT; the decoy's maternal one comes first."""

    folder: Path
    genome: Path
    genes: Path
    evidence: Path
    pedigree: Path
    truth: Path
    members: tuple[Member, Member, Member]
    phenotypes: tuple[str, ...]
    excluded: tuple[str, ...]
    causal_gene: str
    causal_variant: str
    decoy_gene: str
    decoy_variants: tuple[str, str]

    @property
    def newborn(self) -> Member:
        return self.members[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be simulated; coverages are mean depths."""

    genome_length: int
    coverage: float
    mitochondrial_coverage: float
    sex: str
    gene_spacing: int
    seed: int


@dataclass(frozen=True, slots=True)
class World:
    """The simulated genome with its family, before anything of it is sequenced."""

    plans: tuple[ContigPlan, ...]
    base: dict[str, NDArray[np.uint8]]
    genes: list[Gene]
    variants: list[Variant]
    answer: Answer
    decoy: Decoy
    diseases: list[Disease]


def simulate_family(
    folder: Path,
    *,
    seed: int = 1,
    genome_length: int = 350_000,
    coverage: float = 30,
    mitochondrial_coverage: float = 200,
    sex: str = "female",
    gene_spacing: int = 7000,
) -> Family:
    """Makes the family in `folder`. The same arguments give the same bytes on any machine.

    Raises BadInput for a genome shorter than `SHORTEST_GENOME`.
    """
    if genome_length < SHORTEST_GENOME:
        raise BadInput(
            f"a genome of {genome_length} bases", wanted=f"at least {SHORTEST_GENOME}", do="Raise genome_length.", key="genome_length"
        )
    plan = Plan(genome_length, coverage, mitochondrial_coverage, sex, gene_spacing, seed)
    family_folder = make_folder(folder)
    world = make_world(family_folder / "genome", plan)
    family = _family(family_folder, world, plan)
    write_evidence(
        make_folder(family.evidence), Knowledge(world.plans, world.genes, world.variants, world.diseases, world.answer, world.decoy, seed)
    )
    _write_truth(family, world)
    _write_pedigree(family)
    for number, member in enumerate(family.members):
        log.info("simulate: reads of %s", member.sample)
        simulate_reads(person(world, number, member.sex, plan), member.r1, member.r2, seed=seed, sample=member.sample)
    return family


def make_world(folder: Path, plan: Plan) -> World:
    """The genome, its genes and the family's variants; writes genome.fa and genes.gff3 into the folder."""
    plans = plan_contigs(plan.genome_length)
    base: dict[str, NDArray[np.uint8]] = {}
    genes: list[Gene] = []
    variants: list[Variant] = []
    answer: Answer | None = None
    decoy: Decoy | None = None
    with whole_file(make_folder(folder) / "genome.fa") as partial, open(partial, "wb") as fasta:
        for contig in plans:
            sequence = make_sequence(contig, seed=plan.seed)
            spacing = MITOCHONDRIAL_GENE_SPACING if contig.kind == "mitochondrion" else plan.gene_spacing
            here = add_genes(sequence, seed=plan.seed, first_number=len(genes) + 1, spacing=spacing)
            planted: list[Variant] = []
            if answer is None:
                answer = plant_answer(sequence, here, seed=plan.seed)
                planted = [answer.variant]
            elif decoy is None:
                decoy = plant_decoy(sequence, here, seed=plan.seed)
                planted = [decoy.maternal, decoy.paternal]
            variants += family_variants(sequence, here, planted, sex=plan.sex, seed=plan.seed)
            write_contig(sequence, fasta)
            base[contig.name] = sequence.base
            genes += here
    assert answer is not None and decoy is not None, "the first two contigs are planted"
    write_genes(plans, genes, folder / "genes.gff3")
    return World(plans, base, genes, variants, answer, decoy, diseases(genes, answer.gene, decoy.gene, seed=plan.seed))


def _family(folder: Path, world: World, plan: Plan) -> Family:
    roles = (("newborn", plan.sex, True), ("mother", "female", False), ("father", "male", False))
    reads, truth = folder / "reads", folder / "truth"
    members = [
        Member(role, role, sex, affected, reads / f"{role}_R1.fastq.gz", reads / f"{role}_R2.fastq.gz", truth / f"{role}.vcf.gz")
        for role, sex, affected in roles
    ]
    disease = next(disease for disease in world.diseases if disease.gene is world.answer.gene)
    phenotypes, excluded = observed(disease, seed=plan.seed)
    return Family(
        folder=folder,
        genome=folder / "genome" / "genome.fa",
        genes=folder / "genome" / "genes.gff3",
        evidence=folder / "evidence",
        pedigree=folder / "family.ped",
        truth=folder / "truth" / "family.vcf.gz",
        members=(members[0], members[1], members[2]),
        phenotypes=tuple(phenotypes),
        excluded=tuple(excluded),
        causal_gene=world.answer.gene.symbol,
        causal_variant=world.answer.variant.name,
        decoy_gene=world.decoy.gene.symbol,
        decoy_variants=(world.decoy.maternal.name, world.decoy.paternal.name),
    )


def person(world: World, number: int, sex: str, plan: Plan) -> list[Haplotype]:
    """The haplotypes of a member: 0 the newborn, 1 the mother, 2 the father."""
    haplotypes = []
    for contig in world.plans:
        here = [variant for variant in world.variants if variant.contig == contig.name]
        mitochondrial = contig.kind == "mitochondrion"
        depth = plan.mitochondrial_coverage if mitochondrial else plan.coverage / 2
        for copy in range(ploidy(contig, sex)):
            carried = [variant for variant in here if variant.genotype[number][copy]]
            haplotypes.append(haplotype(contig.name, world.base[contig.name], carried, depth=depth, circular=mitochondrial))
    return haplotypes


_TRUTH_HEADER = (
    '##INFO=<ID=ORIGIN,Number=1,Type=String,Description="population, rare, de_novo, compound or mitochondrial">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype; the newborn\'s is maternal|paternal">',
)
_COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"


def _write_truth(family: Family, world: World) -> None:
    """The phased variants of the family and of each member. One copy of a contig gives one allele, none gives a dot."""
    everyone = list(range(len(family.members)))
    for path, numbers in [(family.truth, everyone), *((family.members[i].truth, [i]) for i in everyone)]:
        columns = _COLUMNS + "\t".join(family.members[i].sample for i in numbers)
        write_vcf(path, world.plans, [*_TRUTH_HEADER, columns], _truth_records(world.variants, numbers))


def _truth_records(variants: list[Variant], numbers: list[int]) -> Iterator[str]:
    for variant in variants:
        genotypes = [variant.genotype[i] for i in numbers]
        if any(1 in genotype for genotype in genotypes):
            told = ["|".join(map(str, genotype)) or "." for genotype in genotypes]
            fixed = (variant.contig, variant.position + 1, ".", variant.reference, variant.alternative, ".", "PASS")
            yield "\t".join(map(str, (*fixed, f"ORIGIN={variant.origin}", "GT", *told)))


def _write_pedigree(family: Family) -> None:
    newborn, mother, father = family.members
    lines = ["#family\tperson\tfather\tmother\tsex\tphenotype"]
    for member in family.members:
        parents = (father.sample, mother.sample) if member is newborn else ("0", "0")
        lines.append("\t".join(["DEMO", member.sample, *parents, "2" if member.sex == "female" else "1", "2" if member.affected else "1"]))
    write_lines(family.pedigree, lines)

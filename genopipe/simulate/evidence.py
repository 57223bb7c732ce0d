"""The evidence that an interpretation needs, about invented genes only: ontology, gene to phenotype, known variants, frequencies,
constraint.

The files have the columns and fields of their models: HPO's `hp.obo` and `genes_to_phenotype.txt`, ClinVar's VCF, a gnomAD-like VCF of
frequencies, gnomAD's table of constraint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genopipe.simulate.diagnosis import Answer, Decoy
from genopipe.simulate.draws import Draws
from genopipe.simulate.genes import Gene
from genopipe.simulate.phenotypes import MODES, Disease, Term, ontology
from genopipe.simulate.sequence import ContigPlan
from genopipe.simulate.tables import write_lines, write_vcf
from genopipe.simulate.variation import ALLELE_NUMBER, Variant

BENIGN_LIMIT = 12
"""Carried variants that the table of known variants calls benign."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that the tables are written from; `variants` of the whole genome, sorted."""

    plans: Sequence[ContigPlan]
    genes: Sequence[Gene]
    variants: Sequence[Variant]
    diseases: Sequence[Disease]
    answer: Answer
    decoy: Decoy
    seed: int


def write_evidence(folder: Path, known: Knowledge) -> None:
    """The five files of an evidence set."""
    write_lines(folder / "hp.obo", _ontology_lines())
    write_lines(folder / "genes_to_phenotype.txt", _annotation_lines(known.diseases))
    write_lines(folder / "constraint.tsv", _constraint_lines(known))
    write_vcf(folder / "frequency.vcf.gz", known.plans, _FREQUENCY_HEADER, _frequency_records(known.variants))
    write_vcf(folder / "clinvar.vcf.gz", known.plans, _CLINVAR_HEADER, _clinvar_records(known))


def _ontology_lines() -> Iterator[str]:
    yield "format-version: 1.2"
    yield "data-version: simulated-1"
    yield 'synonymtypedef: layperson "layperson term"'
    yield "default-namespace: human_phenotype"
    yield "ontology: hp"
    yield "remark: Simulated for a demonstration. Terms HP:99..... are invented and mean nothing outside it."
    for term in ontology():
        yield from _term_lines(term)


def _term_lines(term: Term) -> Iterator[str]:
    yield from ("", "[Term]", f"id: {term.identifier}", f"name: {term.name}")
    if term.level == "sign":
        yield f"alt_id: HP:{int(term.identifier[3:]) + 1000}"
        yield f'def: "An invented sign of the {term.system}." [simulated]'
        yield f'synonym: "{term.name.removeprefix("Simulated ").capitalize()}" EXACT layperson []'
    if term.parent is not None:
        yield f"is_a: {term.parent}"
    if term.replaced_by is not None:
        yield from ("is_obsolete: true", f"replaced_by: {term.replaced_by}")


def _annotation_lines(diseases: Sequence[Disease]) -> Iterator[str]:
    yield "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id"
    for disease in diseases:
        before, after = f"{disease.gene.ncbi_gene_id}\t{disease.gene.symbol}", disease.identifier
        mode, name = MODES[disease.mode]
        rows = [(mode, name, "-"), *((term.identifier, term.name, share) for term, share in disease.terms)]
        for identifier, name, share in sorted(rows):
            yield f"{before}\t{identifier}\t{name}\t{share}\t{after}"


def _constraint_lines(known: Knowledge) -> Iterator[str]:
    """The causal gene hardly bears losing a copy, the decoy gene bears it well, the others anything."""
    yield "gene\ttranscript\tpLI\toe_lof\toe_lof_lower\toe_lof_upper"
    for gene in known.genes:
        draws = Draws(known.seed, "constraint", gene.identifier)
        observed = draws.one(5, 120)
        if gene is known.answer.gene:
            observed = 4
        elif gene is known.decoy.gene:
            observed = 96
        intolerance = max(0, 10_000 - observed * observed * 8)
        values = (intolerance * 100, observed * 10_000, observed * 6_000, observed * 14_000 + 40_000)
        yield f"{gene.symbol}\t{gene.transcripts[0].identifier}\t" + "\t".join(_decimal(value, 6) for value in values)


def _decimal(value: int, places: int) -> str:
    """A number counted in units of 10^-places, written without floating point."""
    return f"{value // 10**places}.{value % 10**places:0{places}d}"


_FREQUENCY_HEADER = (
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="Alternate allele count in the simulated population">',
    '##INFO=<ID=AN,Number=1,Type=Integer,Description="Chromosomes in the simulated population">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Alternate allele frequency in the simulated population">',
    '##INFO=<ID=nhomalt,Number=A,Type=Integer,Description="Homozygotes in the simulated population">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
)


def _frequency_records(variants: Sequence[Variant]) -> Iterator[str]:
    for variant in variants:
        if variant.allele_count:
            count = variant.allele_count
            info = f"AC={count};AN={ALLELE_NUMBER};AF={_decimal(count, 5)};nhomalt={count * count // (2 * ALLELE_NUMBER)}"
            yield _site(variant, ".", info)


_CLINVAR_HEADER = (
    '##ID=<Description="Simulated variation ID">',
    '##INFO=<ID=ALLELEID,Number=1,Type=Integer,Description="Simulated allele ID">',
    '##INFO=<ID=CLNDN,Number=.,Type=String,Description="Disease name">',
    '##INFO=<ID=CLNREVSTAT,Number=.,Type=String,Description="Review status">',
    '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="Clinical significance">',
    '##INFO=<ID=CLNVC,Number=1,Type=String,Description="Variant type">',
    '##INFO=<ID=GENEINFO,Number=1,Type=String,Description="Gene symbol:gene id">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
)

_SINGLE, _SEVERAL = "criteria_provided,_single_submitter", "criteria_provided,_multiple_submitters,_no_conflicts"


def _clinvar_records(known: Knowledge) -> Iterator[str]:
    """The uncarried pathogenic variant, the decoy's missense as uncertain, carried variants of genes as benign, likely benign or
    conflicting."""
    told = [
        (known.answer.known, known.answer.gene, "Pathogenic", _SEVERAL),
        (known.decoy.maternal, known.decoy.gene, "Uncertain_significance", _SINGLE),
    ]
    common = [variant for variant in known.variants if variant.carried and variant.origin == "population"]
    inside = [
        (variant, gene)
        for variant in common
        for gene in known.genes
        if gene.contig == variant.contig and gene.start <= variant.position < gene.end
    ]
    for variant, gene in inside[:: max(1, len(inside) // BENIGN_LIMIT)][:BENIGN_LIMIT]:
        told.append((variant, gene, *_harmless(len(told))))
    order = {plan.name: i for i, plan in enumerate(known.plans)}
    for number, (variant, gene, significance, status) in enumerate(
        sorted(told, key=lambda row: (order[row[0].contig], row[0].position)), 1
    ):
        kind = "single_nucleotide_variant" if len(variant.reference) == len(variant.alternative) else "Indel"
        info = f"ALLELEID={9_100_000 + number};CLNDN={gene.symbol}-related_simulated_disorder;CLNREVSTAT={status};CLNSIG={significance};"
        yield _site(variant, str(9_000_000 + number), f"{info}CLNVC={kind};GENEINFO={gene.symbol}:{gene.ncbi_gene_id}")


def _harmless(number: int) -> tuple[str, str]:
    """Significance and review status of the next carried variant."""
    if number % 6 == 5:
        return "Conflicting_classifications_of_pathogenicity", "criteria_provided,_conflicting_classifications"
    return ("Likely_benign", _SINGLE) if number % 3 == 1 else ("Benign", _SEVERAL)


def _site(variant: Variant, identifier: str, info: str) -> str:
    return f"{variant.contig}\t{variant.position + 1}\t{identifier}\t{variant.reference}\t{variant.alternative}\t.\t.\t{info}"

"""What an interpretation did not look for, as the case has it: a negative result says nothing of these."""

from __future__ import annotations

from collections.abc import Iterator

from genopipe.interpret.findings import Interpretation
from genopipe.interpret.predictors import SPLICING

ALWAYS = (
    ("Repeat expansions", "such as fragile X, myotonic dystrophy, Friedreich ataxia"),
    ("SMN1 copy number (spinal muscular atrophy)", "needs its own test"),
    ("Mosaic variants, and mitochondrial variants in few copies", "below the share that a germline caller reports"),
    ("Imprinting and uniparental disomy", "not visible in single genotypes"),
    ("Genes with near-identical copies elsewhere", "such as CYP21A2, PMS2, STRC"),
)


def not_looked_for(result: Interpretation) -> tuple[tuple[str, str], ...]:
    """Each with the reason or an example; without variants nothing was looked for, and nothing is told."""
    return (*_of_case(result), *ALWAYS) if result.variants is not None else ()


def _of_case(result: Interpretation) -> Iterator[tuple[str, str]]:
    request, variants = result.request, result.variants
    assert variants is not None
    if request.structural is None:
        yield "Large deletions, duplications, inversions and translocations", "use an array or a structural variant caller"
    if "MT" not in variants.key:
        yield "Mitochondrial variants", "the VCF has none of the patient"
    if request.genome is None:
        yield "Which amino acids change", "no reference was given"
    parents = {request.subject.member.father, request.subject.member.mother} - {None}
    if len(parents & set(variants.samples)) < 2:
        yield "Whether a variant is new", "not both parents are in the VCF"
    if request.evidence.of_kind(SPLICING):
        yield "Regulatory variants", "only genes are scored, and introns where SpliceAI or ClinVar knows the variant"
    else:
        yield "Deep intronic and regulatory variants", "only exons and splice sites are scored, unless ClinVar knows the variant"

"""Why a gene stands where it stands, in sentences a clinician can check one by one."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from genopipe.interpret.annotate import Assertion
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.findings import Finding, Hit
from genopipe.interpret.ontology import Ontology
from genopipe.interpret.predictors import NAMES

MOST_MATCHES = 4
MOST_CONDITIONS = 3
_NO_CONDITION = {"", "not provided", "not specified", "see cases", "none provided", "allhighlypenetrant"}
_EFFECT = {
    "stop_gained": "introduces a premature stop codon",
    "frameshift_variant": "shifts the reading frame",
    "splice_donor_variant": "destroys a splice donor site",
    "splice_acceptor_variant": "destroys a splice acceptor site",
    "start_lost": "removes the start codon",
    "stop_lost": "removes the stop codon",
    "missense_variant": "changes one amino acid",
    "inframe_deletion": "removes amino acids and keeps the reading frame",
    "inframe_insertion": "adds amino acids and keeps the reading frame",
    "protein_altering_variant": "changes several amino acids",
    "splice_region_variant": "lies close to a splice site",
    "coding_sequence_variant": "lies in a coding exon",
    "5_prime_UTR_variant": "lies before the coding sequence",
    "3_prime_UTR_variant": "lies behind the coding sequence",
    "intron_variant": "lies in an intron",
    "non_coding_transcript_exon_variant": "changes the RNA of a gene that makes no protein",
    "transcript_ablation": "deletes the gene",
    "exon_loss_variant": "deletes whole exons",
    "feature_truncation": "breaks the gene",
    "feature_elongation": "adds sequence within the gene",
    "transcript_amplification": "gives the gene a further copy",
    "intergenic_variant": "lies outside of all gene models; ClinVar ties it to this gene",
}


def reasons(finding: Finding, ontology: Ontology) -> tuple[str, ...]:
    """One sentence a fact: the variants, their inheritance, frequency, ClinVar, the gene's tolerance, the phenotype."""
    sentences = [sentence for hit in finding.hits for sentence in _of_hit(hit)]
    if finding.pattern is not None:
        sentences.append(f"Inheritance: {finding.pattern.why}.")
    if finding.loeuf is not None and finding.loeuf < 0.35:
        sentences.append(f"Healthy people hardly ever lose a copy of {finding.gene} (LOEUF {finding.loeuf:.2f}).")
    if finding.panels:
        sentences.append(f"{finding.gene} is green in {', '.join(finding.panels)}.")
    if finding.late is not None:
        sentences.append(f"What is known of {finding.gene} begins later ({finding.late}) than the patient fell ill: its score is halved.")
    sentences.extend(_of_phenotype(finding, ontology))
    return tuple(sentences)


def _of_hit(hit: Hit) -> Iterator[str]:
    term = hit.consequence.terms[0] if hit.consequence.terms else ""
    effect = _EFFECT.get(term, f"is a {term.replace('_', ' ')}" if term else "lies in the gene")
    protein = f", {hit.consequence.hgvs_p}" if hit.consequence.hgvs_p else ""
    name = hit.consequence.hgvs_c or hit.consequence.transcript
    read = f" together with {' and '.join(hit.beside)} on the same copy" if hit.beside else ""
    yield f"{hit.name}{read} {effect}{f': {name}{protein}' if name else ''}."
    if hit.alone is not None:
        yield f"By itself {hit.name} would be {_alone(hit.alone)}."
    for tool, value in hit.prediction.scores.items():
        if not isnan(value):
            yield f"{NAMES[tool]} gives {hit.name} {value:.3g}."
    if isnan(hit.frequency) and not hit.covered:
        yield f"How frequent {hit.name} is, is not known: no frequency table of the evidence set reaches it."
    elif isnan(hit.frequency):
        yield f"{hit.name} is in none of the frequency tables of the evidence set."
    else:
        people = f", {hit.homozygotes} homozygotes" if hit.homozygotes >= 0 else ""
        yield f"{hit.name} has a frequency of {100 * hit.frequency:.4f} % in the population that has it most{people}."
    if hit.clinvar is not None:
        yield f"ClinVar calls {hit.name} {clinvar_words(hit.clinvar)}."


def _alone(consequence: Consequence) -> str:
    terms = ", ".join(term.replace("_", " ").removesuffix(" variant") for term in consequence.terms)
    name = consequence.hgvs_p or consequence.hgvs_c
    return f"{terms} ({name})" if name else terms


def clinvar_class(assertion: Assertion) -> str:
    """ClinVar's class and stars."""
    stars = "1 star" if assertion.stars == 1 else f"{assertion.stars} stars"
    return f"{assertion.significance.replace('_', ' ')} ({stars})"


def clinvar_words(assertion: Assertion) -> str:
    """ClinVar's class, stars and condition."""
    return f"{clinvar_class(assertion).removesuffix(')')}; {_conditions(assertion.conditions)})"


def _conditions(told: str) -> str:
    """The first few of ClinVar's conditions, each once, without the words that it writes for none."""
    named: dict[str, str] = {}
    for name in told.split("|"):
        if name.casefold() not in _NO_CONDITION:
            named.setdefault(name.casefold(), name)
    names = list(named.values())
    more = f"; and {len(names) - MOST_CONDITIONS} more" if len(names) > MOST_CONDITIONS else ""
    return "; ".join(names[:MOST_CONDITIONS]) + more or "no condition"


def _of_phenotype(finding: Finding, ontology: Ontology) -> Iterator[str]:
    if not finding.matches:
        if not finding.phenotype_score:
            yield f"Nothing the patient shows is known of {finding.gene}."
        return
    exact = [match for match in finding.matches if match.found == match.observed]
    near = [match for match in finding.matches if match.found != match.observed and match.information > 1]
    if exact:
        names = ", ".join(_name(ontology, match.observed) for match in exact[:MOST_MATCHES])
        yield f"{finding.gene} is known for {len(exact)} of the {len(finding.matches)} observed features: {names}."
    if finding.absent:
        names = ", ".join(_name(ontology, term) for term in finding.absent[:MOST_MATCHES])
        yield f"Known of {finding.gene} too, but looked for in the patient and not found: {names}."
    if near:
        pairs = ", ".join(f"{_name(ontology, match.observed)} (known: {_name(ontology, match.found)})" for match in near[:MOST_MATCHES])
        yield f"Related features: {pairs}."


def _name(ontology: Ontology, term: str) -> str:
    return ontology.names[ontology.number[term]]

"""report.html: one file for a clinician, without anything from outside of it.

The page is `report.html` beside this module; here is what it says: the answer first, then each candidate with its reasons, then everything
else that was ranked, what was not looked for, and the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from math import isnan
from typing import Any

from genopipe import __version__
from genopipe.interpret.drawing import pedigree_chart, score_chart, widest
from genopipe.interpret.evaluation import unevaluated
from genopipe.interpret.findings import Finding, Hit, Interpretation
from genopipe.interpret.kinship import relation
from genopipe.interpret.limits import not_looked_for
from genopipe.interpret.ontology import Ontology
from genopipe.interpret.pgx.report import aminoglycosides
from genopipe.interpret.phenopacket import zygosity
from genopipe.interpret.pileup import pileup_chart
from genopipe.interpret.reasons import clinvar_class, clinvar_words
from genopipe.interpret.sequence import bases_of

SHOWN_IN_FULL, SHOWN_AT_A_GLANCE, SHOWN_IN_BRIEF, MOST_UNSEEN = 5, 12, 25, 12
NARROW = 3
"""People beside each other whose pedigree fits beside the reasons; a wider one stands below them."""

MODES = {
    "AD_de_novo": "new in the child (de novo), dominant",
    "AD": "dominant",
    "AD_incomplete": "dominant, from an unaffected parent",
    "AR_hom": "recessive, two equal copies",
    "AR_comphet": "recessive, two different hits",
    "AR_single": "fits no mode in this family",
    "XD_de_novo": "X-linked, new in the child",
    "XD": "X-linked dominant",
    "XD_incomplete": "X-linked, from an unaffected parent",
    "XR": "X-linked recessive",
    "XR_de_novo": "X-linked, new in the child",
    "XR_comphet": "X-linked, two different hits",
    "YL": "Y-linked",
    "YL_de_novo": "Y-linked, new in the child",
    "MT": "mitochondrial",
}


def report(result: Interpretation, document: Mapping[str, Any]) -> str:
    """The page; `document` is findings.json, for its dates."""
    shown = result.candidates[:SHOWN_IN_FULL] or result.findings[: 3 if result.variants is not None else SHOWN_IN_FULL]
    at_a_glance = result.candidates[:SHOWN_AT_A_GLANCE] or shown
    context = {
        "case": result.request.subject.case,
        "issued": document.get("issued"),
        "dates": _dates(document),
        "version": __version__,
        "answer": answer(result),
        "negative": result.request.variants is not None and not result.candidates,
        "cards": [_card(result, finding) for finding in shown],
        "others": [_brief(finding) for finding in result.findings if finding not in at_a_glance][:SHOWN_IN_BRIEF],
        "n_ranked": len(result.findings),
        "subject": result.request.subject,
        "observed": _terms(result.ontology, result.request.subject.observed),
        "excluded": _terms(result.ontology, result.request.subject.excluded),
        "kept": result.kept,
        "structural": result.request.structural is not None,
        "parentage": result.parentage,
        "notes": result.notes,
        "aminoglycosides": aminoglycosides(result.request.pgx) if result.request.pgx is not None else None,
        "glance": [_glance(finding) for finding in at_a_glance if finding.hits],
        "in_detail": {finding.gene for finding in shown},
        "n_candidates": len(result.candidates),
        "tiered": any(finding.tier for finding in result.findings),
        "unseen": result.unseen[:MOST_UNSEEN],
        "n_unseen": len(result.unseen),
        "watched": "genes of the panels" if document["panels"] else "genes that fit the phenotype",
        "uncallable": result.request.uncallable is not None,
        "not_looked_for": not_looked_for(result),
        "not_evaluated": unevaluated(result),
        "evidence": result.request.evidence,
        "score": result.request.score,
    }
    return str(_template().render(context))


def _dates(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """By gene and variant, when it was first seen and last changed, where that was before this run."""
    hits = ((finding["gene"], hit) for finding in document["findings"] for hit in finding["hits"])
    return {(gene, hit["variant"]): hit for gene, hit in hits if hit["first_seen"] != document.get("issued")}


@cache
def _template() -> Any:
    import jinja2

    text = resources.files("genopipe.interpret").joinpath("report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.from_string(text)


def answer(result: Interpretation) -> tuple[str, str]:
    """The headline, and one sentence under it."""
    if result.variants is None:
        return (
            "Genes ranked by phenotype alone",
            "No variants were given. The list says where to look first, not what the patient has.",
        )
    if not len(result.variants):
        return "No result: the VCF has no variant of the patient", "Check the file and the calling: this is no negative result."
    candidates = result.candidates
    if not candidates:
        why = (
            "Nothing that was found is rare, damaging and inherited fittingly in a gene that fits what the patient shows. "
            "A negative result does not rule out a genetic disease: what could not be seen, and what was not looked for, stands below."
        )
        return "Negative result: no variant explains the phenotype", why
    first = candidates[0]
    assert first.pattern is not None
    how = MODES[first.pattern.mode]
    more = len(candidates) - 1
    tail = (
        "It is the only candidate." if not more else f"{more} further candidate{'s' if more > 1 else ''} follow{'' if more > 1 else 's'}."
    )
    names = " and ".join(_name(hit) for hit in first.hits)
    return f"Best candidate: {first.gene}, {names}", f"{how[0].upper()}{how[1:]}. {_class_told(first)} {tail}"


def _name(hit: Hit) -> str:
    """The shortest that names a variant: protein, else coding sequence, else the place."""
    coding = (hit.consequence.hgvs_c or "").split(":")[-1]
    return hit.consequence.hgvs_p or coding or hit.name


def _class_told(finding: Finding) -> str:
    """ClinVar's class before that by points, which leaves ClinVar's word on the variant itself out."""
    known = [f"{_name(hit)} is {clinvar_class(hit.clinvar)}" for hit in finding.hits if hit.clinvar is not None and hit.known_pathogenic]
    verdicts = ", ".join(dict.fromkeys(hit.acmg.verdict for hit in finding.hits))
    if not known:
        return f"By the criteria that could be evaluated: {verdicts}."
    return f"In ClinVar {' and '.join(known)}; by the criteria that data decides without that: {verdicts}."


def _card(result: Interpretation, finding: Finding) -> dict[str, Any]:
    family, proband = result.request.subject.family, result.request.subject.proband
    return {
        "finding": finding,
        "mode": MODES[finding.pattern.mode] if finding.pattern is not None else None,
        "chart": score_chart(finding.phenotype_score, finding.variant_score, finding.score),
        "pedigree": pedigree_chart(family, proband, _labels(result, finding)) if finding.hits else None,
        "wide": widest(family) > NARROW,
        "hits": [_hit(result, hit, letter) for hit, letter in zip(finding.hits, "ABCDEFGH", strict=False)],
        "pileups": [chart for hit in finding.hits if (chart := _pileup(result, hit)) is not None],
        "matches": [_match(result.ontology, match) for match in finding.matches],
    }


def _glance(finding: Finding) -> dict[str, Any]:
    """A candidate as one row of the first page."""
    known = [clinvar_class(hit.clinvar) for hit in finding.hits if hit.clinvar is not None]
    return {
        "finding": finding,
        "mode": MODES[finding.pattern.mode] if finding.pattern is not None else "",
        "names": [(hit.name, hit.consequence.hgvs_c, hit.consequence.hgvs_p) for hit in finding.hits],
        "verdicts": list(dict.fromkeys(hit.acmg.verdict for hit in finding.hits)),
        "clinvar": list(dict.fromkeys(known)),
        "n_same": sum(match.found == match.observed for match in finding.matches),
        "n_near": sum(match.found != match.observed and match.information > 1 for match in finding.matches),
    }


def _pileup(result: Interpretation, hit: Hit) -> tuple[str, str] | None:
    """Name and reads of a small variant, where the BAM and the reference were given."""
    request, variants = result.request, result.variants
    if request.reads is None or request.genome is None or variants is None or variants.structural[hit.row]:
        return None
    contig = variants.contig[hit.row]
    span = int(variants.position[hit.row]), int(variants.end[hit.row])
    return hit.name, pileup_chart(request.reads, contig, span, fetch=bases_of(request.genome, contig))


def _labels(result: Interpretation, finding: Finding) -> dict[str, list[str]]:
    """Under each person: relation, then the genotype at each variant; nobody is named."""
    variants = result.variants
    assert variants is not None
    column = {sample: number for number, sample in enumerate(variants.samples)}
    labels: dict[str, list[str]] = {}
    for member in result.request.subject.family:
        lines = [relation(member, result.request.subject.member, result.request.subject.family)]
        for hit, letter in zip(finding.hits, "ABCDEFGH", strict=False):
            prefix = f"{letter}: " if len(finding.hits) > 1 else ""
            lines.append(prefix + (_alleles(result, hit, column[member.sample]) if member.sample in column else "not sequenced"))
        labels[member.sample] = lines
    return labels


def _alleles(result: Interpretation, hit: Hit, column: int) -> str:
    variants = result.variants
    assert variants is not None
    count, ploidy = int(variants.alt_count[hit.row, column]), int(variants.ploidy[hit.row, column])
    if count < 0:
        return "not called"
    if count == 0:
        return "does not have it"
    reads, depth = int(variants.alt_depth[hit.row, column]), int(variants.depth[hit.row, column])
    share = f", {reads}/{depth} reads" if reads >= 0 and depth > 0 else ""
    if variants.key[hit.row] == "MT":
        return ("some copies" if count < ploidy else "all copies") + share
    return ("one copy" if count < ploidy else "all copies") + share


def _hit(result: Interpretation, hit: Hit, letter: str) -> dict[str, Any]:
    unknown = "in no table" if hit.covered else "not known"
    frequency = unknown if isnan(hit.frequency) else f"{100 * hit.frequency:.4f} %"
    return {
        "letter": letter,
        "hit": hit,
        "zygosity": zygosity(result, hit.row),
        "effect": ", ".join(term.replace("_", " ").removesuffix(" variant") for term in hit.consequence.terms),
        "frequency": frequency,
        "clinvar": clinvar_words(hit.clinvar) if hit.clinvar is not None else "not known",
    }


def _match(ontology: Ontology, match: Any) -> Mapping[str, Any]:
    def name(term: str) -> str:
        return ontology.names[ontology.number[term]]

    fit = "the same" if match.observed == match.found else "related" if match.information > 1 else "hardly"
    return {
        "observed": name(match.observed),
        "id": match.observed,
        "found": name(match.found),
        "fit": fit,
        "information": match.information,
    }


def _brief(finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding,
        "mode": MODES[finding.pattern.mode] if finding.pattern is not None else "",
        "variants": [(hit.name, hit.consequence.hgvs_p or hit.consequence.hgvs_c or "") for hit in finding.hits],
    }


def _terms(ontology: Ontology, terms: Sequence[str]) -> list[tuple[str, str]]:
    numbers = [ontology.resolve(term) for term in terms]
    return [(ontology.ids[number], ontology.names[number]) for number in numbers]

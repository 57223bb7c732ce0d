"""The files of an interpretation: findings.tsv, findings.json, findings.vcf.gz, phenopacket.json, report.html, and the tables of `trace`.

Every file appears whole or not at all, and the same interpretation gives the same bytes: no times, no paths. Dates are those of the
evidence, and `issued` where it is given. The digest of the evidence set stands in every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

from genopipe import __version__
from genopipe.formats.json_schema import validator
from genopipe.formats.vcf import vcf_writer
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.evaluation import unevaluated
from genopipe.interpret.findings import Finding, Hit, Interpretation
from genopipe.interpret.history import History, read_history
from genopipe.interpret.limits import not_looked_for
from genopipe.interpret.phenopacket import phenopacket
from genopipe.interpret.report import report
from genopipe.interpret.structural import kind_of
from genopipe.interpret.trace import write_trace
from genopipe.interpret.variants import MISSING, UNPHASED, Variants
from genopipe.outputs import make_folder, whole_file
from genopipe.provenance import sha256

COLUMNS = ("rank", "gene", "score", "phenotype_score", "variant_score", "mode", "variants", "hgvs_c", "hgvs_p", "acmg", "tier")
SCHEMA_VERSION = 1
INPUTS = ("variants", "structural", "uncallable", "pgx")
"""Files of a request that its findings come from, besides the case and the evidence."""


def write_results(result: Interpretation, folder: Path, *, issued: str | None = None, previous: Path | None = None) -> None:
    """Writes the files; the annotated VCF only when there were variants. Raises BadEnvironment, and BadInput for a bad `previous` one.

    A VCF that an earlier interpretation with variants left in the folder goes, as it belongs to no file beside it any more.
    """
    history = read_history(previous, result.request.subject.case) if previous is not None else None
    document = findings_document(result, issued, history)
    make_folder(folder)
    _write_text(folder / "findings.tsv", "".join(_table(result)))
    _write_json(folder / "findings.json", document)
    _write_json(folder / "phenopacket.json", phenopacket(result, issued))
    if result.variants is not None:
        _write_vcf(folder / "findings.vcf.gz", result, result.variants)
    else:
        for name in ("findings.vcf.gz", "findings.vcf.gz.tbi"):
            (folder / name).unlink(missing_ok=True)
    write_trace(result, folder)
    _write_text(folder / "report.html", report(result, document))


def row(finding: Finding) -> dict[str, Any]:
    """A finding as the columns of findings.tsv."""
    joined = {
        "variants": [hit.name for hit in finding.hits],
        "hgvs_c": [hit.consequence.hgvs_c or "." for hit in finding.hits],
        "hgvs_p": [hit.consequence.hgvs_p or "." for hit in finding.hits],
        "acmg": [acmg_text(hit) for hit in finding.hits],
    }
    return {
        "rank": int(finding.rank) if finding.rank == int(finding.rank) else finding.rank,
        "gene": finding.gene,
        "score": finding.score,
        "phenotype_score": finding.phenotype_score,
        "variant_score": finding.variant_score,
        "mode": finding.pattern.mode if finding.pattern is not None else None,
        **{key: ",".join(values) if values else None for key, values in joined.items()},
        "tier": finding.tier,
    }


def acmg_text(hit: Hit) -> str:
    """The class, the points and the criteria: `likely pathogenic (9: PVS1+PM2_supporting)`."""
    return f"{hit.acmg.verdict} ({hit.acmg.points}{': ' + hit.acmg.codes if hit.acmg.codes else ''})"


def _table(result: Interpretation) -> Iterator[str]:
    yield "\t".join(COLUMNS) + "\n"
    for finding in result.findings:
        values = row(finding)
        yield "\t".join("" if values[column] is None else str(values[column]) for column in COLUMNS) + "\n"


def findings_document(result: Interpretation, issued: str | None, history: History | None = None) -> dict[str, Any]:
    """The content of findings.json, checked against its schema; dates of an earlier run come from `history`."""
    history = history or History()
    request = result.request
    document: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "genopipe": __version__,
        "case": request.subject.case,
        "score": request.score,
        "panels": list(request.panels or request.subject.panels),
        "by_onset": request.by_onset,
        "inputs": {name: _digest(getattr(request, name)) for name in INPUTS},
        "negative": request.variants is not None and not result.candidates,
        "phenotypes": list(request.subject.observed),
        "excluded": list(request.subject.excluded),
        "evidence": evidence_document(result),
        "variants_kept": dict(result.kept),
        "parentage": {"genotypes": result.parentage[0], "contradictions": result.parentage[1]},
        "notes": list(result.notes),
        "unseen": [asdict(one) | {"exons": list(one.exons)} for one in result.unseen],
        "not_looked_for": [what for what, _ in not_looked_for(result)],
        "acmg_not_evaluated": list(unevaluated(result)),
        "acmg_why_not_evaluated": unevaluated(result),
        "findings": [row(finding) | _detail(finding, history, issued) for finding in result.findings],
    }
    if issued is not None:
        document["issued"] = issued
    validator("findings").validate(document)
    return document


def _digest(path: Path | None) -> str | None:
    return sha256(path) if path is not None else None


def evidence_document(result: Interpretation) -> dict[str, Any]:
    """Name and digest of the evidence set, and the data sets in it."""
    evidence = result.request.evidence
    kept = ("name", "kind", "version", "date", "licence", "assembly", "digest", "records")
    members = [{key: getattr(dataset, key) for key in kept} for dataset in evidence.datasets]
    return {"name": evidence.name, "digest": evidence.digest, "assembly": evidence.assembly, "datasets": members}


def _detail(finding: Finding, history: History, issued: str | None) -> dict[str, Any]:
    hits = [_hit(hit) for hit in finding.hits]
    return {
        "candidate": finding.candidate,
        "reasons": list(finding.reasons),
        "diseases": list(finding.diseases),
        "loeuf": finding.loeuf,
        "matches": [asdict(match) | {"information": round(match.information, 4)} for match in finding.matches],
        "panels": list(finding.panels),
        "hits": [hit | history.dates(finding.gene, hit, issued) for hit in hits],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "variant": hit.name,
        "id": hit.id,
        "score": round(hit.score, 6),
        "consequence": _consequence(hit.consequence),
        "frequency": None if isnan(hit.frequency) else hit.frequency,
        "homozygotes": hit.homozygotes if hit.homozygotes >= 0 else None,
        "clinvar": asdict(hit.clinvar) if hit.clinvar is not None else None,
        "predictors": {tool: value for tool, value in hit.prediction.scores.items() if not isnan(value)},
        "read_together_with": list(hit.beside),
        "acmg": {
            "class": hit.acmg.verdict,
            "class_2015": hit.acmg.verdict_2015,
            "points": hit.acmg.points,
            "posterior": round(hit.acmg.posterior, 4),
            "criteria": [asdict(criterion) for criterion in hit.acmg.criteria],
        },
    }


def _consequence(consequence: Consequence) -> dict[str, Any]:
    kept = ("gene_id", "transcript", "impact", "mane", "canonical", "hgvs_c", "hgvs_p")
    return {key: getattr(consequence, key) for key in kept} | {"terms": list(consequence.terms)}


_VCF_FIELDS = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##INFO=<ID=GENE,Number=.,Type=String,Description="Gene symbols of the findings that hold this variant">
##INFO=<ID=RANK,Number=.,Type=Float,Description="Rank of each of these findings">
##INFO=<ID=SCORE,Number=.,Type=Float,Description="Score of each of these findings">
##INFO=<ID=MODE,Number=.,Type=String,Description="Mode of inheritance of each of these findings">
##INFO=<ID=SO,Number=.,Type=String,Description="Sequence Ontology terms, & between, on the transcript that stands for each gene">
##INFO=<ID=HGVSC,Number=.,Type=String,Description="HGVS name on that transcript, percent-encoded">
##INFO=<ID=HGVSP,Number=.,Type=String,Description="HGVS name of the protein, percent-encoded">
##INFO=<ID=ACMG,Number=.,Type=String,Description="Class by ACMG points">
##INFO=<ID=POPAF,Number=1,Type=Float,Description="Highest frequency in a large population">
##INFO=<ID=CLNSIG,Number=1,Type=String,Description="Class in ClinVar">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Kind of structural variant">
##INFO=<ID=END,Number=1,Type=Integer,Description="End of a structural variant">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype; alleles other than REF and this ALT are .">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=AO,Number=1,Type=Integer,Description="Reads of this ALT">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
"""


def _write_vcf(path: Path, result: Interpretation, variants: Variants) -> None:
    """The variants of all findings, normalised, with what was found of them and the family's genotypes."""
    held: dict[int, list[tuple[Finding, Hit]]] = {}
    for finding in result.findings:
        for hit in finding.hits:
            held.setdefault(hit.row, []).append((finding, hit))
    contigs = dict.fromkeys(variants.contig)
    genome = result.request.genome
    lengths = {contig.name: contig.length for contig in genome.contigs} if genome is not None else {}
    head = _VCF_FIELDS + f"##genopipe_evidence={result.request.evidence.name},sha256:{result.request.evidence.digest}\n"
    head += "".join(f"##contig=<ID={name}{f',length={lengths[name]}' if name in lengths else ''}>\n" for name in contigs)
    head += "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *variants.samples)) + "\n"
    with vcf_writer(path, head) as write:
        for row_number in sorted(held):
            write(_record(variants, row_number, held[row_number]))


def _record(variants: Variants, number: int, held: list[tuple[Finding, Hit]]) -> str:
    hit = held[0][1]
    info = {
        "GENE": ",".join(_encoded(finding.gene) for finding, _ in held),
        "RANK": ",".join(f"{finding.rank:g}" for finding, _ in held),
        "SCORE": ",".join(f"{finding.score:g}" for finding, _ in held),
        "MODE": ",".join(finding.pattern.mode if finding.pattern else "." for finding, _ in held),
        "SO": ",".join("&".join(other.consequence.terms) or "." for _, other in held),
        "HGVSC": ",".join(_encoded(other.consequence.hgvs_c or ".") for _, other in held),
        "HGVSP": ",".join(_encoded(other.consequence.hgvs_p or ".") for _, other in held),
        "ACMG": ",".join(other.acmg.verdict.replace(" ", "_") for _, other in held),
    }
    if variants.structural[number]:
        info |= {"SVTYPE": kind_of(variants.alt[number]), "END": str(variants.end[number])}
    if not isnan(hit.frequency):
        info["POPAF"] = f"{hit.frequency:g}"
    if hit.clinvar is not None:
        info["CLNSIG"] = hit.clinvar.significance
    place = (variants.contig[number], str(variants.position[number] + 1), ".", variants.ref[number], variants.alt[number])
    calls = (_call(variants, number, column) for column in range(len(variants.samples)))
    return "\t".join((*place, ".", "PASS", ";".join(f"{key}={value}" for key, value in info.items()), "GT:DP:AO:GQ", *calls)) + "\n"


def _encoded(text: str) -> str:
    """VCF 4.2 has no quoting: characters that mean something in INFO are percent-encoded, as VCF 4.3 has it."""
    for letter in "%:;=,":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def _call(variants: Variants, number: int, column: int) -> str:
    numbers = (variants.depth, variants.alt_depth, variants.genotype_quality)
    return ":".join(
        (genotype(variants, number, column), *("." if n[number, column] == MISSING else str(n[number, column]) for n in numbers))
    )


def genotype(variants: Variants, number: int, column: int) -> str:
    """GT of one person for one ALT."""
    count, ploidy = int(variants.alt_count[number, column]), int(variants.ploidy[number, column])
    if count == MISSING:
        return "./."
    haplotype = int(variants.haplotype[number, column])
    rest = "." if variants.other_allele[number, column] else "0"
    if haplotype != UNPHASED:
        return f"1|{rest}" if haplotype == 0 else f"{rest}|1"
    return "/".join([rest] * (ploidy - count) + ["1"] * count)


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")

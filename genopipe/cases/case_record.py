"""The case record: who an archived case is about, which archived files are its own, and which were made from which.

`genopipe archive put --case CASE` adds it to the archive as `NAME.case.json`, an ordinary file with versions, so that everything needed to
look at a case again is in the archive: the family and its phenotype, the VCF, the findings and the evidence set of then. It holds what a
case file holds of a person, and no paths.

Steps are told from the names that files have in the results of a case, which never change: a sample's FASTQ files become its BAM, that its
gVCF, the gVCFs the family's VCF, and that the findings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genopipe import __version__
from genopipe.archive.manifests import CASE_FILE, canonical
from genopipe.errors import BadInput
from genopipe.formats.json_schema import fault
from genopipe.formats.ped import Member
from genopipe.interpret.subject import Subject, load_subject
from genopipe.outputs import whole_file
from genopipe.provenance import RECORDED_PACKAGES

VERSION = 1

Entry = Mapping[str, Any]
"""What a receipt says of one archived file: `name`, `sample`, `digest` and more."""


def write_case_record(case: Path, archived: Sequence[Entry], findings: Path | None, *, reference: str | None, folder: Path) -> Path:
    """Writes the record of a case file or phenopacket, and gives its path in `folder`.

    `archived` are the files of the case in the archive, `findings` is its findings.json. Raises BadInput where none of them, or more than
    one, is the VCF that `findings.json` can come from, or where the findings are those of another case.
    """
    subject = load_subject(case)
    document = json.loads(findings.read_bytes()) if findings is not None else {}
    if document and document.get("case") != subject.case:
        raise BadInput(
            f"the findings are those of case {document.get('case')!r}, the case file is that of {subject.case!r}",
            wanted="findings of this case",
            do="Give the files of one case.",
            path=findings,
        )
    evidence = document.get("evidence", {})
    record = {
        "case_record": VERSION,
        "case": subject.case,
        "genopipe": __version__,
        "packages": {name: version(name) for name in RECORDED_PACKAGES},
        "issued": document.get("issued"),
        "proband": subject.proband,
        "onset": subject.onset,
        "phenotypes": list(subject.observed),
        "excluded": list(subject.excluded),
        "panels": list(subject.panels),
        "family": [asdict(member) for member in subject.family],
        "reference": reference,
        "evidence": {key: evidence.get(key) for key in ("name", "digest", "assembly")},
        "files": {"variants": _variants_of(subject, archived, case, document), "findings": _digest_of(archived, "findings.json")},
        "steps": list(_steps(archived, document.get("inputs", {}).get("structural"))),
    }
    path = folder / f"{subject.case}{CASE_FILE}"
    with whole_file(path) as partial:
        partial.write_bytes(canonical(record))
    return path


def read_case_record(path: Path) -> dict[str, Any]:
    """A case record, checked. Raises BadInput for something else."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise _bad(path, f"this cannot be read as JSON ({error})") from error
    found = fault(record, "case_record")
    if found is not None:
        raise _bad(path, f"this is no case record: {found}")
    return record


def subject_of(record: Mapping[str, Any], path: Path) -> Subject:
    """Who a record is about; `path` is told in messages."""
    family = tuple(Member(**member) for member in record["family"])
    proband = next(member for member in family if member.sample == record["proband"])
    observed, excluded = tuple(record["phenotypes"]), tuple(record["excluded"])
    panels = tuple(record["panels"])
    return Subject(record["case"], proband.sample, proband.sex, observed, excluded, record["onset"], family, path, panels)


def _variants_of(subject: Subject, archived: Sequence[Entry], path: Path, findings: Mapping[str, Any]) -> str:
    """The digest of the case's VCF: the one that its findings come from, where they tell."""
    source: str | None = findings.get("inputs", {}).get("variants")
    if source is not None:
        if not any(entry["digest"] == source for entry in archived):
            raise BadInput(
                f"the findings of case {subject.case} come from a VCF that is not archived with them",
                wanted=f"the VCF with the SHA-256 {source[:12]}",
                do="Archive it with the findings, or interpret again.",
                path=path,
            )
        return source
    found = {entry["digest"]: entry["name"] for entry in archived if _kind(entry) == "variants"}
    if len(found) > 1:
        named = {digest for digest, name in found.items() if name.split(".")[0] == subject.case}
        found = {digest: found[digest] for digest in named} or found
    if len(found) != 1:
        raise BadInput(
            f"{len(found)} files may be the VCF of case {subject.case}: {', '.join(found.values()) or 'none'}",
            wanted="one VCF of the family beside its case file",
            do=f"Archive one VCF with the case, or name it {subject.case}.vcf.gz.",
            path=path,
        )
    return next(iter(found))


def _digest_of(archived: Sequence[Entry], name: str) -> str | None:
    return next((entry["digest"] for entry in archived if entry["name"] == name), None)


_ENDS = {
    "reads": (".fastq.gz", ".fq.gz", ".fastq", ".fq"),
    "alignments": (".bam", ".cram"),
    "gvcf": (".g.vcf.gz",),
    "findings": ("findings.json", "findings.tsv", "findings.vcf.gz", "phenopacket.json", "report.html"),
    "variants": (".vcf", ".vcf.gz"),
}
_STEPS = (
    ("align", "reads", "alignments"),
    ("call", "alignments", "gvcf"),
    ("joint", "gvcf", "variants"),
    ("interpret", "variants", "findings"),
)


def _kind(entry: Entry) -> str | None:
    return next((kind for kind, ends in _ENDS.items() if entry["name"].endswith(ends)), None)


def _steps(archived: Sequence[Entry], structural: str | None) -> Iterator[dict[str, Any]]:
    """Each step whose inputs and outputs are both archived, sample by sample, then for the family.

    `structural` is the digest of structural variants, which no step of ours made; None where there are none.
    """
    for sample in sorted({entry["sample"] for entry in archived if entry["sample"]}):
        yield from _steps_of([entry for entry in archived if entry["sample"] == sample], _STEPS[:2])
    yield from _steps_of([entry for entry in archived if entry["digest"] != structural], _STEPS[2:3])
    yield from _steps_of(archived, _STEPS[3:])


def _steps_of(archived: Sequence[Entry], steps: Sequence[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    for step, source, target in steps:
        inputs, outputs = (sorted({entry["digest"] for entry in archived if _kind(entry) == kind}) for kind in (source, target))
        if inputs and outputs:
            yield {"step": step, "inputs": inputs, "outputs": outputs}


def _bad(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="a record written by `genopipe archive put --case`", do="Put the case again.", path=path)

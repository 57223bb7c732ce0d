"""A FHIR R4 transaction of pointer records for the archived files of a case.

For each file of the proband and of the case as a whole one DocumentReference: what kind of file, its id and digest, where to ask for it,
never a path and never a name. They hang on one DiagnosticReport, preliminary, for nobody has reviewed it; one Device is the software, and
one Provenance says that it made them. Files of relatives get no pointer: they belong to other patients.

Every entry is a conditional create on its id and patient, so that the same bundle may be sent twice.

Source: FHIR R4 (4.0.1): DocumentReference, DiagnosticReport, Provenance, Device, Bundle; HL7 Genomics Reporting 3.0.0, profiles
genomic-data-file and genomic-report. `Attachment.size` is an unsignedInt, so that larger files have none; `Attachment.hash` would be a
SHA-1, so that the SHA-256 is an identifier.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from genopipe import __version__, outputs
from genopipe.config import Case
from genopipe.ehr.check import check_bundle
from genopipe.ehr.identifiers import digest_uri, group_digest, record_id
from genopipe.errors import BadConfiguration
from genopipe.progress import counted, log

Resource = dict[str, Any]

LARGEST_SIZE = 2**31 - 1
URI_SYSTEM = "urn:ietf:rfc:3986"
PROFILES = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"
RESTRICTED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R", "display": "restricted"}]}
_KINDS = (
    (r"\.bam$", "application/vnd.ga4gh.bam", "Aligned reads (BAM)"),
    (r"\.(fastq|fq)(\.b?gz)?$", "application/gzip", "Reads (FASTQ)"),
    (r"\.g\.vcf(\.b?gz)?$", "application/gzip", "Genotype likelihoods of the whole genome (gVCF)"),
    (r"\.vcf(\.b?gz)?$", "application/gzip", "Variants (VCF)"),
    (r"\.qc\.json$", "application/json", "Quality of the reads"),
    (r"^findings\.json$", "application/json", "Ranked findings (JSON)"),
    (r"^findings\.tsv$", "text/tab-separated-values", "Ranked findings (table)"),
    (r"^phenopacket\.json$", "application/json", "Phenopacket"),
    (r"\.html$", "text/html", "Report for reading"),
    (r"\.json$", "application/json", "Data (JSON)"),
    (r"", "application/octet-stream", "Data file"),
)
_HOST = re.compile(r"(?:drs://)?([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?)/?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Target:
    """Where records hang: references to patient and request, the host that hands out objects (None: none), and the instant they carry."""

    patient: str
    service_request: str | None
    base: str | None
    issued: str


def case_target(case: Case, issued: str) -> Target:
    """Where the records of a case hang. Raises BadConfiguration when the case has no `ehr:`."""
    if case.ehr is None:
        raise BadConfiguration(
            "the case names no patient", wanted="ehr: {patient: Patient/ID}", do="Add it to the case file.", path=case.path, key="ehr"
        )
    return Target(case.ehr.patient, case.ehr.service_request, case.ehr.base, issued)


def write_bundle(path: Path, bundle: Resource) -> None:
    """Writes a bundle that has passed the checker."""
    faults = check_bundle(bundle)
    assert not faults, faults
    outputs.write_json(path, bundle)


def pointer_bundle(files: list[dict[str, Any]], sample: str, target: Target, *, site_key: bytes, n_findings: int | None = None) -> Resource:
    """The transaction for the proband `sample`; `files` are those of a receipt. Raises BadConfiguration for a bad host or date."""
    host = _host(target.base)
    if not _INSTANT.fullmatch(target.issued):
        raise BadConfiguration(f"date {target.issued!r}", wanted="an instant such as 2026-11-20T10:00:00Z", do="Mend it.", key="--issued")
    mine = _of_patient(files, sample)
    digests = [file["digest"] for file in mine]
    report_id = record_id(site_key, group_digest("DiagnosticReport", digests))
    device_id = record_id(site_key, group_digest("Device", [f"genopipe {__version__}"]))
    documents = {record_id(site_key, digest): file for digest, file in sorted(zip(digests, mine, strict=True), key=lambda pair: pair[0])}
    records = [(device_id, _device()), (report_id, _report(target, n_findings))]
    records += [(document_id, _document(document_id, file, target, host, report_id)) for document_id, file in documents.items()]
    provenance_id = record_id(site_key, group_digest("Provenance", digests))
    records.append((provenance_id, _provenance([report_id, *documents], device_id, target)))
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(*record, target.patient) for record in records]}


def _of_patient(files: list[dict[str, Any]], sample: str) -> list[dict[str, Any]]:
    """The files of the proband and of the case, each digest once."""
    mine = {file["digest"]: file for file in files if file["sample"] in (None, sample)}
    others = sorted({file["sample"] for file in files} - {None, sample})
    if others:
        log.info("no pointers for the files of %s: they belong to other patients", ", ".join(others))
    return list(mine.values())


def _host(base: str | None) -> str | None:
    if base is None:
        return None
    match = _HOST.fullmatch(base)
    if match is None:
        raise BadConfiguration(
            f"base {base!r} is no host", wanted="a host name such as drs.example.org, or null", do="Mend it.", key="ehr.base"
        )
    return match[1]


def _entry(identifier: str, resource: Resource, patient: str) -> Resource:
    kind = resource["resourceType"]
    request = {"method": "POST", "url": kind}
    if kind != "Provenance":  # Provenance has no identifier in R4
        whose = f"&patient={quote(patient, safe='/')}" if kind != "Device" else ""
        request["ifNoneExist"] = f"identifier={quote(f'{URI_SYSTEM}|urn:uuid:{identifier}', safe=':')}{whose}"
        resource = resource | {"identifier": [_identifier(f"urn:uuid:{identifier}"), *resource.get("identifier", [])]}
    meta = {"security": RESTRICTED["coding"]} | resource.get("meta", {})
    return {"fullUrl": f"urn:uuid:{identifier}", "resource": resource | {"meta": meta}, "request": request}


def _identifier(uri: str) -> Resource:
    return {"system": URI_SYSTEM, "value": uri}


def _reference(identifier: str) -> Resource:
    return {"reference": f"urn:uuid:{identifier}"}


def _device() -> Resource:
    return {
        "resourceType": "Device",
        "status": "active",
        "deviceName": [{"name": "genopipe", "type": "model-name"}],
        "version": [{"value": __version__}],
    }


def _report(target: Target, n_findings: int | None) -> Resource:
    found = "" if n_findings is None else f" It ranks {counted(n_findings, 'findings')}."
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "meta": {"profile": [PROFILES + "genomic-report"]},
        "status": "preliminary",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE", "display": "Genetics"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "51969-4", "display": "Genetic analysis report"}]},
        "subject": {"reference": target.patient},
        "issued": target.issued,
        "conclusion": f"Automated analysis, not reviewed by a clinician.{found}",
    }
    if target.service_request:
        report["basedOn"] = [{"reference": target.service_request}]
    return report


def _document(identifier: str, file: dict[str, Any], target: Target, host: str | None, report_id: str) -> Resource:
    content_type, what = next((kind, text) for pattern, kind, text in _KINDS if re.search(pattern, file["name"]))
    attachment: Resource = {"contentType": content_type}
    if host:
        attachment["url"] = f"drs://{host}/{identifier}"
    as_put = file["exactness"] == "bytes"  # else other bytes come back, of another size
    if as_put and file["size"] <= LARGEST_SIZE:
        attachment["size"] = file["size"]
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [PROFILES + "genomic-data-file"]},
        "identifier": [_identifier(digest_uri(file["digest"]))] if as_put else [],
        "status": "current",
        "docStatus": "preliminary",
        "type": {"text": what},
        "subject": {"reference": target.patient},
        "date": target.issued,
        "securityLabel": [RESTRICTED],
        "content": [{"attachment": attachment}],
        "context": {"related": [_reference(report_id)]},
    }


def _provenance(targets: list[str], device_id: str, target: Target) -> Resource:
    role = {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "assembler", "display": "Assembler"}
    return {
        "resourceType": "Provenance",
        "target": [_reference(identifier) for identifier in targets],
        "recorded": target.issued,
        "agent": [{"type": {"coding": [role]}, "who": _reference(device_id)}],
    }

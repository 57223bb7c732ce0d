"""The checker of pointer bundles: what general FHIR validators let pass, and what this room promises.

Codes are compared with their required value sets, references with what they may point to and with the entries of the bundle, attachments
with the limits of R4, and the whole with the rules of privacy: nothing but the resources and elements that pointers need, no names, no
paths, no dates but the one instant. It returns faults instead of raising, so that all of them are seen at once.

Source: FHIR R4 (4.0.1), value sets document-reference-status, composition-status, diagnostic-report-status, device-status,
device-nametype; datatypes Attachment, Reference, uuid, instant; HL7 Genomics Reporting 3.0.0.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}")
_INSTANT = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)"
)
_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*(; ?[a-z]+=[A-Za-z0-9-]+)?")
_DRS = re.compile(r"drs://[A-Za-z0-9.-]+(:\d{1,5})?/[0-9a-f-]{36}")
_NI = re.compile(r"ni:///sha-256;[A-Za-z0-9_-]{43}")
_PATHLIKE = re.compile(r"^(/|\.{1,2}/|~|[A-Za-z]:\\|file:|s3:|gs:)|X-Amz-", re.IGNORECASE)
_LARGEST_SIZE = 2**31 - 1
_SHA1_BYTES = 20
_GENETICS = ("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")
_REPORT_CODE = ("http://loinc.org", "51969-4")
_CONFIDENTIALITY = ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")

_CODES = {
    ("DocumentReference", "status"): {"current", "superseded", "entered-in-error"},
    ("DocumentReference", "docStatus"): {"preliminary", "final", "amended", "entered-in-error"},
    ("DiagnosticReport", "status"): {
        *("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled", "entered-in-error", "unknown"),
    },
    ("Device", "status"): {"active", "inactive", "entered-in-error", "unknown"},
}
_TARGETS = {
    ("DocumentReference", "subject"): {"Patient"},
    ("DiagnosticReport", "subject"): {"Patient"},
    ("DiagnosticReport", "basedOn"): {"ServiceRequest"},
    ("DocumentReference", "related"): {"DiagnosticReport"},
    ("Provenance", "target"): {"DocumentReference", "DiagnosticReport"},
    ("Provenance", "who"): {"Device"},
}
_ELEMENTS = {
    "DocumentReference": {
        *("resourceType", "meta", "identifier", "status", "docStatus", "type", "subject", "date", "securityLabel", "content", "context"),
    },
    "DiagnosticReport": {
        *("resourceType", "meta", "identifier", "basedOn", "status", "category", "code", "subject", "issued", "conclusion"),
    },
    "Device": {"resourceType", "meta", "identifier", "status", "deviceName", "version"},
    "Provenance": {"resourceType", "meta", "target", "recorded", "agent"},
}
_REQUIRED = {
    "DocumentReference": ("identifier", "status", "subject", "date", "securityLabel", "content", "context"),
    "DiagnosticReport": ("identifier", "status", "category", "code", "subject", "issued"),
    "Device": ("identifier", "deviceName"),
    "Provenance": ("target", "recorded", "agent"),
}
_ATTACHMENT = {"contentType", "url", "size", "hash"}
_INSTANTS = {"date", "issued", "recorded"}

Resource = dict[str, Any]


def check_bundle(bundle: Any) -> list[str]:
    """Every fault of a bundle, each beginning with where it is; an empty list for a good one."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return ["Bundle: this is no Bundle"]
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and isinstance(entry.get("resource"), dict) for entry in entries):
        return ["Bundle.entry: wanted a list of entries with resources"]
    return [*_bundle_faults(bundle, entries), *(fault for i, entry in enumerate(entries) for fault in _entry_faults(i, entry, entries))]


def _bundle_faults(bundle: Resource, entries: list[Resource]) -> Iterator[str]:
    if bundle.get("type") != "transaction":
        yield f"Bundle.type: {bundle.get('type')!r}; wanted transaction"
    if extra := set(bundle) - {"resourceType", "type", "entry"}:
        yield f"Bundle: {', '.join(sorted(extra))} has no place in a pointer bundle"
    urls = [str(entry.get("fullUrl")) for entry in entries]
    for url in sorted({url for url in urls if urls.count(url) > 1}):
        yield f"Bundle.entry: {url} is there more than once"
    kinds = [entry["resource"].get("resourceType") for entry in entries]
    for kind in ("DiagnosticReport", "Provenance"):
        if kinds.count(kind) != 1:
            yield f"Bundle.entry: {kinds.count(kind)} resources {kind}; wanted one"
    subjects = {_text(entry["resource"].get("subject"), "reference") for entry in entries if "subject" in entry["resource"]}
    if len(subjects) > 1:
        yield "Bundle.entry: records of more than one patient"
    instants = {entry["resource"][key] for entry in entries for key in _INSTANTS if isinstance(entry["resource"].get(key), str)}
    if len(instants) > 1:
        yield "Bundle.entry: more than one date"


def _entry_faults(i: int, entry: Resource, entries: list[Resource]) -> Iterator[str]:
    resource = entry["resource"]
    kind = str(resource.get("resourceType"))
    where = f"Bundle.entry[{i}].{kind}"
    if not isinstance(entry.get("fullUrl"), str) or not _UUID.fullmatch(entry["fullUrl"]):
        yield f"Bundle.entry[{i}].fullUrl: {entry.get('fullUrl')!r}; wanted urn:uuid: and a UUID in lower case"
    request = entry.get("request")
    if not isinstance(request, dict) or request.get("method") != "POST" or request.get("url") != kind:
        yield f"Bundle.entry[{i}].request: wanted a POST to {kind}"
    if kind not in _ELEMENTS:
        yield f"{where}: a resource of this type has no place in a pointer bundle"
        return
    for key in sorted(set(resource) - _ELEMENTS[kind]):
        yield f"{where}.{key}: an element that pointers must not have"
    for key in _REQUIRED[kind]:
        if not resource.get(key):
            yield f"{where}.{key}: missing"
    for check in (_code_faults, _identifier_faults, _security_faults, _instant_faults, _text_faults, _KIND_FAULTS.get(kind, _no_faults)):
        yield from check(where, resource)
    yield from _reference_faults(where, kind, resource, entries)


def _no_faults(_where: str, _resource: Resource) -> Iterator[str]:
    return iter(())


def _code_faults(where: str, resource: Resource) -> Iterator[str]:
    for (kind, key), codes in _CODES.items():
        if kind == resource.get("resourceType") and key in resource and resource[key] not in codes:
            yield f"{where}.{key}: {resource[key]!r}; wanted one of {', '.join(sorted(codes))}"


def _identifier_faults(where: str, resource: Resource) -> Iterator[str]:
    for j, identifier in enumerate(_list(resource.get("identifier"))):
        value = str(_text(identifier, "value"))
        if _text(identifier, "system") != "urn:ietf:rfc:3986" or not (_UUID.fullmatch(value) or _NI.fullmatch(value)):
            yield f"{where}.identifier[{j}]: {value!r}; wanted a urn:uuid or a ni:///sha-256 URI"


def _security_faults(where: str, resource: Resource) -> Iterator[str]:
    if _CONFIDENTIALITY not in _codings({"coding": _list(resource.get("meta", {}).get("security"))}):
        yield f"{where}.meta.security: wanted the confidentiality R"


def _instant_faults(where: str, resource: Resource) -> Iterator[str]:
    for key in sorted(_INSTANTS & set(resource)):
        if not isinstance(resource[key], str) or not _INSTANT.fullmatch(resource[key]):
            yield f"{where}.{key}: {resource[key]!r}; wanted an instant with seconds and time zone"


def _text_faults(where: str, resource: Resource) -> Iterator[str]:
    for place, value in _strings(resource):
        if _PATHLIKE.search(value):
            yield f"{where}{place}: {value!r} is a path or a signed address"


def _document_faults(where: str, resource: Resource) -> Iterator[str]:
    labels = [coding for label in _list(resource.get("securityLabel")) for coding in _codings(label)]
    if _CONFIDENTIALITY not in labels:
        yield f"{where}.securityLabel: wanted the confidentiality R"
    for j, content in enumerate(_list(resource.get("content"))):
        attachment = content.get("attachment") if isinstance(content, dict) else None
        if not isinstance(attachment, dict):
            yield f"{where}.content[{j}].attachment: missing"
        else:
            yield from _attachment_faults(f"{where}.content[{j}].attachment", attachment)


def _attachment_faults(where: str, attachment: Resource) -> Iterator[str]:
    for key in sorted(set(attachment) - _ATTACHMENT):
        yield f"{where}.{key}: an element that pointers must not have"
    if not _MIME.fullmatch(str(attachment.get("contentType"))):
        yield f"{where}.contentType: {attachment.get('contentType')!r}; wanted a media type"
    size = attachment.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST_SIZE:
        yield f"{where}.size: {size!r}; wanted a whole number to {_LARGEST_SIZE}, or none for a larger file"
    if "url" in attachment and not _DRS.fullmatch(str(attachment["url"])):
        yield f"{where}.url: {attachment['url']!r}; wanted drs://HOST/UUID"
    if "hash" in attachment and not _is_sha1(attachment["hash"]):
        yield f"{where}.hash: {attachment['hash']!r}; wanted a SHA-1 in base64 (a SHA-256 is an identifier)"


def _report_faults(where: str, resource: Resource) -> Iterator[str]:
    if not any(_GENETICS in _codings(category) for category in _list(resource.get("category"))):
        yield f"{where}.category: wanted GE of v2-0074"
    if _REPORT_CODE not in _codings(resource.get("code")):
        yield f"{where}.code: wanted LOINC 51969-4"


def _provenance_faults(where: str, resource: Resource) -> Iterator[str]:
    for j, agent in enumerate(_list(resource.get("agent"))):
        if not isinstance(agent, dict) or "who" not in agent:
            yield f"{where}.agent[{j}].who: missing"


def _device_faults(where: str, resource: Resource) -> Iterator[str]:
    kinds = {"udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"}
    for j, name in enumerate(_list(resource.get("deviceName"))):
        if _text(name, "type") not in kinds:
            yield f"{where}.deviceName[{j}].type: {_text(name, 'type')!r}; wanted one of {', '.join(sorted(kinds))}"


def _reference_faults(where: str, kind: str, resource: Resource, entries: list[Resource]) -> Iterator[str]:
    present = {entry.get("fullUrl"): str(entry["resource"].get("resourceType")) for entry in entries}
    for place, element, reference in _references(resource):
        allowed = _TARGETS.get((kind, element))
        literal = _LITERAL.fullmatch(str(reference))
        target = present.get(reference) or (literal[1] if literal else None)
        if target is None:
            yield f"{where}{place}: {reference!r} is neither in the bundle nor of the form Type/id"
        elif allowed is None or target not in allowed:
            yield f"{where}{place}: {target} cannot stand here; wanted {' or '.join(sorted(allowed or {'no reference'}))}"


def _references(value: Any, place: str = "", element: str = "") -> Iterator[tuple[str, str, Any]]:
    """Place, element and target of each reference."""
    if isinstance(value, list):
        for j, item in enumerate(value):
            yield from _references(item, f"{place}[{j}]", element)
    elif isinstance(value, dict):
        if "reference" in value:
            yield place, element, value["reference"]
        for key, item in value.items():
            yield from _references(item, f"{place}.{key}", key)


def _strings(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for j, item in enumerate(value):
            yield from _strings(item, f"{place}[{j}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{place}.{key}")


def _codings(concept: Any) -> list[tuple[Any, Any]]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return [(_text(coding, "system"), _text(coding, "code")) for coding in _list(codings)]


def _text(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_sha1(text: Any) -> bool:
    try:
        return len(base64.b64decode(str(text), validate=True)) == _SHA1_BYTES
    except binascii.Error:
        return False


_KIND_FAULTS: dict[str, Callable[[str, Resource], Iterator[str]]] = {
    "DocumentReference": _document_faults,
    "DiagnosticReport": _report_faults,
    "Provenance": _provenance_faults,
    "Device": _device_faults,
}

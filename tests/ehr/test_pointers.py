"""Pointer bundles are FHIR R4, say what they must and nothing more."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.receipts import write_receipt
from genopipe.archive.rekeep import repack
from genopipe.archive.representations import PutOptions
from genopipe.cli.ehr import ehr
from genopipe.ehr.check import check_bundle
from genopipe.ehr.identifiers import record_id
from genopipe.ehr.pointers import Target, pointer_bundle, write_bundle
from genopipe.ehr.sources import number_of_findings
from genopipe.errors import BadConfiguration, BadInput
from genopipe.store import FolderStore

KEY = b"0123456789abcdef0123456789abcdef"
ISSUED = "2026-11-20T10:00:00Z"
TARGET = Target("Patient/abc", "ServiceRequest/def", "drs.example.org", ISSUED)


def file(name: str, *, sample: str | None = "S1", size: int = 1000, objects: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A file of a receipt."""
    digest = hashlib.sha256(f"{sample}/{name}".encode()).hexdigest()
    return {
        "name": name,
        "sample": sample,
        "version": 1,
        "digest": digest,
        "size": size,
        "stored_size": 10,
        "exactness": "bytes",
        "kind": "packed",
        "manifest": digest,
        "objects": objects or [],
    }


FILES = [
    file("S1.bam", size=60_000_000_000),
    file("S1_R1.fastq.gz"),
    file("S1.g.vcf.gz"),
    file("S1.qc.json"),
    file("NICU-0001.vcf.gz", sample=None),
    file("report.html", sample=None),
    file("S2.bam", sample="S2"),
]


def bundle(**changes: Any) -> dict[str, Any]:
    """A good bundle."""
    arguments: dict[str, Any] = {"site_key": KEY, "n_findings": 3} | changes
    return pointer_bundle(arguments.pop("files", FILES), "S1", arguments.pop("target", TARGET), **arguments)


def resources(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] == kind]


def test_a_bundle_is_valid_fhir_and_passes_the_checker() -> None:
    """Oracle: fhir.resources, the R4B models."""
    from fhir.resources.R4B.bundle import Bundle

    made = bundle()
    assert check_bundle(made) == []
    Bundle.model_validate(made)


def test_every_file_of_the_patient_has_a_pointer_and_no_relative_has() -> None:
    documents = resources(bundle(), "DocumentReference")
    assert len(documents) == 6
    assert file("S2.bam", sample="S2")["digest"] not in json.dumps(documents)


def test_a_pointer_is_found_by_the_keyed_id() -> None:
    identifier = record_id(KEY, FILES[1]["digest"])
    (entry,) = [entry for entry in bundle()["entry"] if entry["fullUrl"] == f"urn:uuid:{identifier}"]
    assert entry["resource"]["content"][0]["attachment"]["url"] == f"drs://drs.example.org/{identifier}"
    assert entry["request"]["ifNoneExist"].startswith("identifier=urn:ietf:rfc:3986%7Curn:uuid:")


def test_size_is_left_out_above_the_limit_of_r4() -> None:
    limit = 2**31 - 1
    made = bundle(files=[file("a.bam", size=limit), file("b.bam", size=limit + 1)])
    sizes = sorted(str(document["content"][0]["attachment"].get("size")) for document in resources(made, "DocumentReference"))
    assert sizes == ["2147483647", "None"]
    assert check_bundle(made) == []


def test_of_a_file_that_comes_back_by_its_content_neither_size_nor_digest_is_told() -> None:
    """Whoever fetches it would find others."""
    made = bundle(files=[FILES[1] | {"exactness": "content"}])
    (document,) = resources(made, "DocumentReference")
    assert check_bundle(made) == []
    assert [each["value"][:9] for each in document["identifier"]] == ["urn:uuid:"]
    assert "size" not in document["content"][0]["attachment"]


def test_without_a_host_nothing_is_said_of_where() -> None:
    made = bundle(target=Target("Patient/abc", None, None, ISSUED))
    assert all("url" not in document["content"][0]["attachment"] for document in resources(made, "DocumentReference"))
    assert "basedOn" not in resources(made, "DiagnosticReport")[0]
    assert check_bundle(made) == []


def test_no_sample_file_or_key_is_named() -> None:
    text = json.dumps(bundle())
    for secret in ("S1", "NICU-0001", "fastq.gz", KEY.decode()):
        assert secret not in text


def test_the_only_date_is_the_one_given() -> None:
    made = bundle()
    assert json.dumps(made).count("2026") == json.dumps(made).count(ISSUED) > 0


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, files in (("a", FILES), ("b", FILES[::-1])):
        write_bundle(tmp_path / name, bundle(files=files))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_base_that_is_no_host_is_told() -> None:
    with pytest.raises(BadConfiguration, match=r"ehr\.base: base 's3://bucket' is no host"):
        bundle(target=Target("Patient/abc", None, "s3://bucket", ISSUED))


def test_a_date_that_is_no_instant_is_told() -> None:
    with pytest.raises(BadConfiguration, match="--issued: date '2026-11-20'; wanted an instant"):
        bundle(target=Target("Patient/abc", None, None, "2026-11-20"))


Break = Callable[[dict[str, Any]], None]


def resource_of(made: dict[str, Any], kind: str) -> dict[str, Any]:
    return resources(made, kind)[0]


def attachment(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resource_of(made, "DocumentReference")["content"][0]["attachment"]
    return found


BROKEN: list[tuple[Break, str]] = [
    (lambda b: b.update(type="message"), "Bundle.type: 'message'; wanted transaction"),
    (lambda b: b.update(timestamp=ISSUED), "Bundle: timestamp has no place in a pointer bundle"),
    (lambda b: b["entry"].append(copy.deepcopy(b["entry"][0])), "is there more than once"),
    (lambda b: b["entry"].pop(), "0 resources Provenance; wanted one"),
    (lambda b: b["entry"][0].update(fullUrl="urn:uuid:NONE"), "wanted urn:uuid: and a UUID in lower case"),
    (lambda b: b["entry"][0]["request"].update(method="PUT"), "wanted a POST to Device"),
    (lambda b: b["entry"][0].update(resource={"resourceType": "Patient"}), "has no place in a pointer bundle"),
    (lambda b: resource_of(b, "DocumentReference").update(status="nope"), "status: 'nope'; wanted one of"),
    (lambda b: resource_of(b, "DocumentReference").update(docStatus="draft"), "docStatus: 'draft'; wanted one of"),
    (lambda b: resource_of(b, "DiagnosticReport").update(status="done"), "status: 'done'; wanted one of"),
    (lambda b: resource_of(b, "Device").update(status="on"), "status: 'on'; wanted one of"),
    (lambda b: resource_of(b, "Device")["deviceName"][0].update(type="nick"), "deviceName[0].type: 'nick'"),
    (lambda b: resource_of(b, "DocumentReference").pop("securityLabel"), "securityLabel: missing"),
    (lambda b: resource_of(b, "DocumentReference")["securityLabel"][0]["coding"][0].update(code="N"), "wanted the confidentiality R"),
    (lambda b: resource_of(b, "DocumentReference")["meta"].pop("security"), "meta.security: wanted the confidentiality R"),
    (lambda b: resource_of(b, "DocumentReference").update(date="2026-11-20"), "wanted an instant with seconds and time zone"),
    (lambda b: resource_of(b, "DocumentReference").update(date="2025-01-01T00:00:00Z"), "more than one date"),
    (lambda b: resource_of(b, "DocumentReference")["subject"].update(reference="Patient/other"), "records of more than one patient"),
    (lambda b: resource_of(b, "DocumentReference")["subject"].update(reference="Group/abc"), "Group cannot stand here; wanted Patient"),
    (
        lambda b: resource_of(b, "DiagnosticReport")["basedOn"][0].update(reference="Task/x"),
        "Task cannot stand here; wanted ServiceRequest",
    ),
    (
        lambda b: resource_of(b, "Provenance")["target"][0].update(reference="urn:uuid:00000000-0000-4000-8000-000000000000"),
        "is neither in the bundle nor of the form Type/id",
    ),
    (lambda b: resource_of(b, "Provenance")["agent"][0].pop("who"), "agent[0].who: missing"),
    (lambda b: resource_of(b, "DocumentReference")["identifier"][0].update(value="1234"), "wanted a urn:uuid or a ni:///sha-256 URI"),
    (lambda b: resource_of(b, "DiagnosticReport")["category"][0]["coding"][0].update(code="HM"), "category: wanted GE of v2-0074"),
    (lambda b: resource_of(b, "DiagnosticReport")["code"]["coding"][0].update(code="1-1"), "code: wanted LOINC 51969-4"),
    (lambda b: resource_of(b, "DocumentReference").update(description="of Jane"), "description: an element that pointers must not have"),
    (lambda b: resource_of(b, "DocumentReference")["content"][0].pop("attachment"), "attachment: missing"),
    (lambda b: attachment(b).update(title="S1.bam"), "title: an element that pointers must not have"),
    (lambda b: attachment(b).update(size=2**31), "wanted a whole number to 2147483647"),
    (lambda b: attachment(b).update(size="12"), "wanted a whole number to 2147483647"),
    (lambda b: attachment(b).update(hash="no base64!"), "wanted a SHA-1 in base64"),
    (lambda b: attachment(b).update(hash="ab" * 32), "wanted a SHA-1 in base64"),
    (lambda b: attachment(b).update(contentType="bam"), "wanted a media type"),
    (lambda b: attachment(b).update(url="https://bucket/x?X-Amz-Signature=1"), "wanted drs://HOST/UUID"),
    (lambda b: resource_of(b, "DocumentReference")["type"].update(text="/data/S1.bam"), "is a path or a signed address"),
]


@pytest.mark.parametrize(("breaking", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_a_broken_bundle_is_rejected(breaking: Break, message: str) -> None:
    made = copy.deepcopy(bundle())
    breaking(made)
    assert any(message in fault for fault in check_bundle(made)), check_bundle(made)


@pytest.mark.parametrize("nothing", [None, [], {}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [1]}])
def test_what_is_no_bundle_is_rejected(nothing: Any) -> None:
    assert len(check_bundle(nothing)) == 1


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with a case, an archive with one file, its receipt, findings and a site key."""
    (tmp_path / "S1.txt").write_text(json.dumps(list(range(1000, 4000))))
    write_receipt(tmp_path / "receipt.json", put_files(tmp_path / "archive", [tmp_path / "S1.txt"], PutOptions("S1")))
    (tmp_path / "findings.json").write_text('{"findings": [{"rank": 1}]}')
    (tmp_path / "site.key").write_bytes(KEY)
    (tmp_path / "site.key").chmod(0o600)
    (tmp_path / "r1.fastq").write_text("")
    (tmp_path / "case.yaml").write_text(
        "case: NICU-0001\nreference: ref\nevidence: ev\nproband: {sample: S1, sex: female}\n"
        "reads: [{sample: S1, lane: 1, r1: r1.fastq}]\narchive: archive\nehr: {patient: Patient/abc, base: null}\n"
    )
    return tmp_path


def arguments(folder: Path) -> list[str]:
    named = {"case": "case.yaml", "archive": "archive", "receipt": "receipt.json", "findings": "findings.json", "site-key-file": "site.key"}
    given = [part for option, name in named.items() for part in (f"--{option}", str(folder / name))]
    return ["pointers", *given, "--issued", ISSUED, "-o", str(folder / "bundle.json")]


def test_the_command_writes_a_bundle_that_its_check_accepts(case: Path) -> None:
    written = CliRunner().invoke(ehr, arguments(case), catch_exceptions=False)
    assert (written.exit_code, written.stdout) == (0, "")
    checked = CliRunner().invoke(ehr, ["check", str(case / "bundle.json")], catch_exceptions=False)
    assert checked.exit_code == 0
    assert "It ranks 1 finding." in (case / "bundle.json").read_text()


def found(folder: Path, identifier: str) -> str:
    options = ["--archive", str(folder / "archive"), "--site-key-file", str(folder / "site.key")]
    return CliRunner().invoke(ehr, ["find", identifier, *options], catch_exceptions=False).stdout


@pytest.mark.parametrize("written", ["{}", "urn:uuid:{}", "drs://drs.example.org/{}"])
def test_a_pointer_is_followed_to_its_file(case: Path, written: str) -> None:
    CliRunner().invoke(ehr, arguments(case), catch_exceptions=False)
    (document,) = resources(json.loads((case / "bundle.json").read_text()), "DocumentReference")
    identifier = document["identifier"][0]["value"].removeprefix("urn:uuid:")
    digest = hashlib.sha256((case / "S1.txt").read_bytes()).hexdigest()
    assert found(case, written.format(identifier)).splitlines()[1] == f"S1\tS1.txt\t1\t18000\tbytes\t{digest}"


@pytest.mark.parametrize("identifier", ["a3f9cc2c-0b3a-8d4e-8f71-310a2d3b2917", "S1.txt", "http://drs.example.org/x"])
def test_an_id_of_nothing_is_told(case: Path, identifier: str) -> None:
    with pytest.raises(BadInput, match="is the id of no archived file"):
        found(case, identifier)


def test_pointers_are_made_of_what_was_repacked_since(case: Path) -> None:
    before = set(FolderStore(case / "archive").digests())
    assert repack(Archive.existing(case / "archive")).files == 1
    assert before.isdisjoint(FolderStore(case / "archive").digests())
    assert CliRunner().invoke(ehr, arguments(case), catch_exceptions=False).exit_code == 0


@pytest.mark.parametrize("what", ["objects", "manifests"])
def test_a_receipt_of_another_archive_is_told(case: Path, what: str) -> None:
    for path in [path for path in (case / "archive" / what).rglob("*") if path.is_file()]:
        path.unlink()
    with pytest.raises(BadInput, match=r"S1\.txt \([0-9a-f]{12}\) is not in .*, or not as a whole; wanted a receipt of this archive"):
        CliRunner().invoke(ehr, arguments(case), catch_exceptions=False)


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read as JSON"), ('{"receipt": 9}', "this is no receipt")])
def test_a_receipt_that_is_none_is_told(case: Path, text: str, message: str) -> None:
    (case / "receipt.json").write_text(text)
    with pytest.raises(BadInput, match=message):
        CliRunner().invoke(ehr, arguments(case), catch_exceptions=False)


def test_the_check_command_names_every_fault(case: Path) -> None:
    (case / "bundle.json").write_text('{"resourceType": "Bundle"}')
    with pytest.raises(BadInput, match="1 faults"):
        CliRunner().invoke(ehr, ["check", str(case / "bundle.json")], catch_exceptions=False)


def test_a_case_without_patient_is_told(case: Path) -> None:
    text = (case / "case.yaml").read_text()
    (case / "case.yaml").write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("ehr")))
    with pytest.raises(BadConfiguration, match="the case names no patient"):
        CliRunner().invoke(ehr, arguments(case), catch_exceptions=False)


def test_findings_that_are_none_are_told(case: Path) -> None:
    (case / "findings.json").write_text("[]")
    with pytest.raises(BadInput, match="there is no list of findings"):
        number_of_findings(case / "findings.json")

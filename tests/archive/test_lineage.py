"""Where a file comes from and what came of it, and the same as an RO-Crate, checked against what its profiles ask for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from genopipe.archive.opened import Archive
from genopipe.archive.receipts import write_receipt
from genopipe.archive.representations import PutOptions
from genopipe.cases.keep import keep
from genopipe.cli import genopipe
from genopipe.errors import GenopipeError
from genopipe.formats.bgzf import BgzfWriter
from genopipe.store import file_digest

VCF = """##fileformat=VCFv4.2
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
c1\t100\t.\tA\tG\t50\tPASS\t.\tGT\t0/1
"""
CASE = """case: K1
reference: r
evidence: e
proband: {sample: S1, sex: female, phenotypes: ['HP:0001250']}
reads: [{sample: S1, r1: r.fastq}]
"""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(genopipe, [str(argument) for argument in arguments])


def archived(folder: Path, sample: Path, *, issued: str | None) -> Path:
    """An archive with the reads, the alignments, the calls and the findings of one case."""
    archive = folder / "archive"
    with BgzfWriter(folder / "S1.g.vcf.gz") as gvcf:
        gvcf.write(VCF.encode())
    (folder / "K1.vcf").write_text(VCF)
    (folder / "r.fastq").touch()
    (folder / "case.yaml").write_text(CASE)
    evidence = {"name": "2026-01", "digest": "0" * 64, "assembly": "GRCh38", "datasets": []}
    findings: dict[str, Any] = {"case": "K1", "evidence": evidence, "findings": []} | ({"issued": issued} if issued else {})
    (folder / "findings.json").write_text(json.dumps(findings))
    mine = [sample / "S1.bam", sample / "S1_R1.fastq.gz", sample / "S1_R2.fastq.gz", folder / "S1.g.vcf.gz"]
    of_sample = keep(archive, mine, PutOptions("S1"))
    write_receipt(folder / "receipt.json", of_sample)
    keep(
        archive, [folder / "K1.vcf", folder / "findings.json"], PutOptions(), case=folder / "case.yaml", receipts=[folder / "receipt.json"]
    )
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    return archived(tmp_path_factory.mktemp("lineage"), sample, issued="2026-01-02T00:00:00Z")


def lines(archive: Path, wanted: str) -> list[str]:
    result = command("archive", "lineage", wanted, "--archive", archive)
    assert result.exit_code == 0, result.exception
    return result.output.splitlines()


def test_a_file_names_what_it_was_made_from_and_into_step_by_step(archive: Path) -> None:
    told = lines(archive, "K1.vcf")
    assert [line.strip() for line in told if "made" in line] == [
        "made from (joint): S1/S1.g.vcf.gz",
        "made from (call): S1/S1.bam",
        "made from (align): S1/S1_R1.fastq.gz, S1/S1_R2.fastq.gz",
        "made into (interpret): findings.json",
    ]
    assert "case K1, genopipe" in told[1] and "issued 2026-01-02" in told[1]
    assert "evidence 2026-01, its digest 000" in told[2]


def test_the_first_file_was_made_from_nothing(archive: Path) -> None:
    made = [line.strip() for line in lines(archive, "S1/S1_R1.fastq.gz") if "made" in line]
    assert made[0] == "made into (align): S1/S1.bam"
    assert made[-1] == "made into (interpret): findings.json"


def test_of_an_object_the_files_that_need_it_are_told(archive: Path) -> None:
    manifest = Archive.existing(archive).find("S1/S1.bam")
    pool = next(entry["digest"] for entry in manifest.objects if entry["role"] == "pool")
    told = lines(archive, pool)
    assert [line.split()[0] for line in told if not line.startswith(" ")] == ["S1/S1.bam", "S1/S1_R1.fastq.gz", "S1/S1_R2.fastq.gz"]


def test_a_file_without_a_case_has_no_lineage(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("c1\t0\t1\n")
    keep(tmp_path / "archive", [tmp_path / "a.bed"], PutOptions())
    assert "no case record mentions it" in lines(tmp_path / "archive", "a.bed")[1]
    result = command("archive", "lineage", "a.bed", "--archive", tmp_path / "archive", "--crate", tmp_path / "crate")
    assert isinstance(result.exception, GenopipeError) and not (tmp_path / "crate").exists()


def test_what_is_not_archived_is_told(archive: Path) -> None:
    result = command("archive", "lineage", "nothing.vcf", "--archive", archive)
    assert "nothing is archived as 'nothing.vcf'" in str(result.exception)


@pytest.fixture(scope="module")
def crate(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crate") / "crate"
    result = command("archive", "lineage", "K1.vcf", "--archive", archive, "--crate", folder)
    assert result.exit_code == 0, result.exception
    return folder


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph)
    return {entity["@id"]: entity for entity in graph}


def ids(value: Any) -> list[str]:
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def types(entity: dict[str, Any]) -> set[str]:
    return set(entity["@type"]) if isinstance(entity["@type"], list) else {entity["@type"]}


def test_the_crate_has_what_ro_crate_asks_of_the_descriptor_and_the_root(crate: Path) -> None:
    """RO-Crate 1.3: descriptor (about, conformsTo) and root (name, description, datePublished, license) are MUSTs."""
    entity = entities(crate)
    descriptor, root = entity["ro-crate-metadata.json"], entity["./"]
    assert ids(descriptor["conformsTo"])[0].startswith("https://w3id.org/ro/crate/1.3")
    assert ids(descriptor["about"]) == ["./"]
    assert types(root) == {"Dataset"}
    assert root["name"] and root["description"] and root["datePublished"] == "2026-01-02T00:00:00Z"
    assert types(entity[ids(root["license"])[0]]) == {"CreativeWork"}


def test_every_reference_leads_to_an_entity_of_the_crate(crate: Path) -> None:
    entity = entities(crate)
    root = entity["./"]
    referred = [i for key in ("hasPart", "mentions", "conformsTo", "mainEntity", "license") for i in ids(root[key])]
    for action in ids(root["mentions"]):
        referred += [i for key in ("instrument", "object", "result") for i in ids(entity[action][key])]
    assert set(referred) <= entity.keys()
    assert {name for name, one in entity.items() if "File" in types(one)} <= set(ids(root["hasPart"]))


def test_the_root_conforms_to_the_run_profiles_as_creative_works(crate: Path) -> None:
    """Workflow Run Crate 0.6 and Process Run Crate 0.6: conformsTo MUST reference a CreativeWork with the versioned permalink."""
    entity = entities(crate)
    conforms = ids(entity["./"]["conformsTo"])
    for url in ("https://w3id.org/ro/wfrun/workflow/0.6", "https://w3id.org/ro/wfrun/process/0.6"):
        assert url in conforms and types(entity[url]) == {"CreativeWork"}
    assert any(url.startswith("https://w3id.org/workflowhub/workflow-ro-crate/") for url in conforms)


def test_the_main_entity_is_the_workflow_and_the_run_has_it_as_instrument(crate: Path) -> None:
    """Workflow RO-Crate: the main workflow MUST be a File, SoftwareSourceCode and ComputationalWorkflow in the crate, with a language."""
    entity = entities(crate)
    workflow = entity[ids(entity["./"]["mainEntity"])[0]]
    assert types(workflow) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert (crate / workflow["@id"]).is_file()
    assert types(entity[ids(workflow["programmingLanguage"])[0]]) == {"ComputerLanguage"}
    assert ids(entity["#run"]["instrument"]) == [workflow["@id"]]
    assert set(ids(workflow["hasPart"])) == {f"#genopipe-{step}" for step in ("align", "call", "joint", "interpret")}


def test_every_action_has_a_tool_inputs_and_results(crate: Path) -> None:
    """Process Run Crate 0.6: an action MUST have a type and an instrument; the tool MUST have a type."""
    entity = entities(crate)
    for identifier in ids(entity["./"]["mentions"]):
        action = entity[identifier]
        assert types(action) == {"CreateAction"} and action["object"] and action["result"] and action["endTime"]
        assert types(entity[ids(action["instrument"])[0]]) & {"SoftwareApplication", "ComputationalWorkflow"}


def test_files_are_named_by_their_digest(crate: Path, archive: Path, sample: Path) -> None:
    of_digest = {one["sha256"]: one for one in entities(crate).values() if "sha256" in one}
    bam = of_digest[file_digest(sample / "S1.bam")]
    assert bam["@id"].startswith("ni:///sha-256;") and bam["name"] == "S1.bam"
    assert bam["contentSize"] == str((sample / "S1.bam").stat().st_size)
    assert of_digest[Archive.existing(archive).find("K1.vcf").digest]


def test_the_same_record_gives_the_same_bytes(crate: Path, archive: Path, tmp_path: Path) -> None:
    command("archive", "lineage", "findings.json", "--archive", archive, "--crate", tmp_path / "again")
    for name in ("ro-crate-metadata.json", "Snakefile"):
        assert (tmp_path / "again" / name).read_bytes() == (crate / name).read_bytes()


def test_the_library_reads_the_crate_again(crate: Path) -> None:
    from rocrate.rocrate import ROCrate

    read = ROCrate(crate)
    assert read.mainEntity["name"].startswith("genopipe")
    assert len(read.root_dataset["mentions"]) == 5


def test_a_record_without_a_date_makes_no_crate(tmp_path: Path, sample: Path) -> None:
    archive = archived(tmp_path, sample, issued=None)
    result = command("archive", "lineage", "K1.vcf", "--archive", archive, "--crate", tmp_path / "crate")
    assert "has no date" in str(result.exception) and not (tmp_path / "crate").exists()


def test_without_the_package_a_crate_is_told_to_need_it(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    result = command("archive", "lineage", "K1.vcf", "--archive", archive, "--crate", tmp_path / "crate")
    assert "pip install 'genopipe[crate]'" in str(result.exception)

"""What a stage would fail at hours later is told before a case starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.cases.checks import check_case
from genopipe.cases.plan import Plan, plan_case
from genopipe.errors import GenopipeError
from genopipe.interpret import evidence

CASE = """\
case: C1
reference: reference
evidence: evidence/now
proband: {sample: S1, sex: female, phenotypes: [HP:0000001]}
pedigree: family.ped
reads:
  - {sample: S1, r1: S1.fq}
  - {sample: S2, r1: S2.fq}
archive: archive
ehr: {patient: Patient/a}
"""
PED = "F\tS1\t0\tS2\t2\t2\nF\tS2\t0\t0\t2\t1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENOPIPE_SITE_KEY_FILE", raising=False)
    (tmp_path / "reference").mkdir()
    for name in ("S1.fq", "S2.fq", "reference/reference.json"):
        (tmp_path / name).touch()
    tables = {"hpo": "HP:0000001\tAll\t0\t\n", "hpo-annotations": "1\tGENA\tHP:0000001\n"}
    for kind, text in tables.items():
        (tmp_path / "table").write_text(text)
        release = evidence.Release(name=kind, version="1", date="2026-01-01", licence="CC0-1.0", assembly=None)
        evidence.add(tmp_path / "evidence", kind, tmp_path / "table", release=release)
    evidence.lock(tmp_path / "evidence", "now")
    (tmp_path / "case.yaml").write_text(CASE)
    (tmp_path / "family.ped").write_text(PED)
    (tmp_path / "site.key").write_text("0" * 64)
    return tmp_path


def planned(folder: Path, key: str | None = "site.key") -> Plan:
    return plan_case([folder / "case.yaml"], {"site_key_file": key})


def test_a_good_case_has_no_fault(folder: Path) -> None:
    check_case(planned(folder))


FAULTS = {
    "wrong sex": ("family.ped", ("0\tS2\t2\t2", "0\tS2\t1\t2"), "family.ped: the proband S1 is female in the case file and male"),
    "no proband": ("family.ped", ("F\tS1\t0\tS2\t2\t2\n", ""), "the proband S1 is not in the pedigree"),
    "no line for reads": ("family.ped", ("F\tS1\t0\tS2\t2\t2\nF\tS2\t0\t0\t2\t1", "F\tS1\t0\t0\t2\t2"), "sample S2 of the case is not in"),
    "broken line": ("family.ped", ("F\tS2", "F S2"), "family.ped:2: 5 columns; wanted six"),
    "unknown term": ("case.yaml", ("HP:0000001", "HP:9999999"), "case.yaml: phenotypes: unknown or obsolete HPO term 'HP:9999999'"),
    "no such panel": ("case.yaml", ("evidence/now\n", "evidence/now\npanels: [Hearts]\n"), "panels: no panel or gene list 'Hearts'"),
    "no evidence set": ("case.yaml", ("evidence/now", "site.key"), "site.key: this is no evidence set"),
    "archive is a file": ("case.yaml", ("archive: archive", "archive: site.key"), "archive: .*site.key is a file; wanted a folder"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_later_stage_would_fail_at_is_told_first(folder: Path, name: str) -> None:
    file, (old, new), message = FAULTS[name]
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(GenopipeError, match=message):
        check_case(planned(folder))


def test_a_missing_site_key_is_told_before_the_first_stage(folder: Path) -> None:
    with pytest.raises(GenopipeError, match="no site key is given"):
        check_case(planned(folder, key=None))


def test_what_is_not_reached_is_not_looked_for(folder: Path) -> None:
    check_case(planned(folder, key=None), last="archive")


@pytest.mark.parametrize("key, option", [("last", "--until"), ("first", "--from")])
def test_a_stage_that_the_case_does_not_have_is_an_error(folder: Path, key: str, option: str) -> None:
    (folder / "case.yaml").write_text(CASE.replace("ehr: {patient: Patient/a}\n", ""))
    with pytest.raises(GenopipeError, match=f"{option}: the case has no stage ehr; wanted one of ingest, align, call, interpret, archive"):
        check_case(planned(folder), **{key: "ehr"})


def test_a_working_folder_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(GenopipeError, match=r"the working folder cannot be written; wanted write permission, for `\.snakemake`"):
        check_case(planned(folder))


def test_pointers_without_an_archive_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "case.yaml").write_text(CASE.replace("archive: archive\n", ""))
    check_case(planned(folder))
    assert "case.yaml: `ehr:` without `archive:`: no pointers are written" in caplog.text

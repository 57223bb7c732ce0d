"""A plan: what a case will do, checked before anything is done."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

import pytest

from genopipe.cases.plan import Plan, plan_case
from genopipe.cases.reanalyze import _hold
from genopipe.cases.run import run_case, snakemake_command
from genopipe.cases.status import case_statuses
from genopipe.errors import BadConfiguration, BadEnvironment

CASE = """\
case: C1
reference: reference
evidence: evidence/now
proband: {sample: S1, sex: female}
reads:
  - {sample: S1, lane: 1, r1: a_R1.fq, r2: a_R2.fq}
  - {sample: S1, lane: 2, r1: b_R1.fq, r2: b_R2.fq}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a_R1.fq", "a_R2.fq", "b_R1.fq", "b_R2.fq"):
        (tmp_path / name).touch()
    for name in ("reference/reference.json", "evidence/now"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "case.yaml").write_text(CASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(folder: Path, **given: object) -> Plan:
    return plan_case([folder / "case.yaml"], given)


def test_lanes_become_options_in_order(folder: Path) -> None:
    assert plan(folder).read_options("S1") == " ".join(f"-1 {folder}/{lane}_R1.fq -2 {folder}/{lane}_R2.fq" for lane in "ab")


@pytest.mark.parametrize(
    "old, new, results",
    [("r1: a_R1.fq", "r1: 'a{x}_R1.fq'", "out"), ("reference: reference", "reference: 're{x}'", "out"), ("", "", "{x}/out")],
)
def test_a_path_that_snakemake_would_take_for_wildcards_is_told(folder: Path, old: str, new: str, results: str) -> None:
    (folder / "a{x}_R1.fq").touch()
    (folder / "re{x}").symlink_to("reference")
    (folder / "case.yaml").write_text(CASE.replace(old, new))
    with pytest.raises(BadConfiguration, match=r"case\.yaml: braces in the path .*\{x\}.*; wanted paths without"):
        plan(folder, results=results)


def test_a_case_without_archive_ends_with_its_interpretation(folder: Path) -> None:
    assert plan(folder).stages == ("ingest", "align", "call", "interpret")


def test_a_case_with_archive_and_ehr_goes_through_every_stage(folder: Path) -> None:
    (folder / "case.yaml").write_text(CASE + "archive: archive\nehr: {patient: Patient/a}\n")
    assert plan(folder).stages == ("ingest", "align", "call", "interpret", "archive", "ehr")


def test_the_date_of_results_is_fixed_when_a_case_starts(folder: Path) -> None:
    first = plan(folder, issued="2026-01-02T03:04:05Z")
    first.start()
    later = plan(folder, issued="2027-01-01T00:00:00Z")
    later.start()
    assert later.issued == "2026-01-02T03:04:05Z"


def test_the_family_of_a_case_becomes_a_pedigree(folder: Path) -> None:
    mother = "family: [{sample: S2, relation: mother, sex: female, affected: false}]\nreads:\n  - {sample: S2, r1: m.fq}\n"
    (folder / "m.fq").touch()
    (folder / "case.yaml").write_text(CASE.replace("reads:\n", mother))
    started = plan(folder)
    started.start()
    assert started.pedigree.read_text() == "C1\tS1\t0\tS2\t2\t2\nC1\tS2\t0\t0\t2\t1\n"


def test_planning_alone_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    plan(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_stage_can_be_forced_or_be_the_last(folder: Path) -> None:
    command = snakemake_command(plan(folder), first="call", last="interpret")
    assert command[command.index("--forcerun") + 1 : command.index("--")] == [*plan(folder).rules("call"), *plan(folder).rules("interpret")]
    assert command[-2:] == ["--", "interpret"]


FAULTS = {
    "reference": (
        "reference/reference.json",
        r"case.yaml: reference: no reference in .*; wanted a folder made by `genopipe reference build`",
    ),
    "evidence": ("evidence/now", r"case.yaml: evidence: no evidence set .*; wanted a set locked by `genopipe evidence lock`"),
}


@pytest.mark.parametrize("results", ["Lauf #1/érgebnis", "2026", "no", "a: b", "'quoted' \"both\"", "𝄞"])
def test_snakemake_is_told_the_same_results_folder(folder: Path, results: str) -> None:
    """Its own parser takes values for YAML: what follows a `#` would be lost, and a number would be no path."""
    from snakemake.cli import parse_config

    command = snakemake_command(plan(folder, results=results))
    config = parse_config(command[command.index("--config") + 1 : command.index("--cores")])
    assert plan(folder, **config).folder == Path(results) / "C1"


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_case_needs_is_looked_for_before_work_starts(folder: Path, name: str) -> None:
    missing, message = FAULTS[name]
    (folder / missing).unlink()
    with pytest.raises(BadConfiguration, match=message):
        plan(folder)


def test_stages_after_the_last_one_are_not_forced(folder: Path) -> None:
    command = snakemake_command(plan(folder), first="align", last="call")
    assert command[command.index("--forcerun") + 1 : command.index("--")] == [*plan(folder).rules("align"), *plan(folder).rules("call")]


def test_another_date_for_a_case_that_started_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan(folder, issued="2026-01-02T03:04:05Z").start()
    plan(folder, issued="2027-01-01T00:00:00Z")
    assert "carry 2026-01-02T03:04:05Z since it first started; 2027-01-01T00:00:00Z is not used" in caplog.text


def test_a_date_is_checked_for_a_case_that_started_too(folder: Path) -> None:
    plan(folder).start()
    with pytest.raises(BadConfiguration, match="--issued: date 'yesterday'"):
        plan(folder, issued="yesterday")


@pytest.mark.parametrize(
    "issued", ["yesterday", "2026-13-01T10:00:00Z", "2026-02-30T10:00:00Z", "2026-1-02T10:00:00Z", "2026-11-20T10:00:00+01:00"]
)
def test_a_date_that_is_no_instant_is_an_error(folder: Path, issued: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"--issued: date '{re.escape(issued)}'; wanted an instant in UTC"):
        plan(folder, issued=issued)


def test_a_gpu_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(BadEnvironment, match=r"--device: .*; wanted .* Use --device cpu"):
        plan(folder, device="gpu")


@pytest.mark.parametrize("files", [[], ["a.yaml", "b.yaml"]])
def test_one_case_file_is_wanted(files: list[str]) -> None:
    with pytest.raises(BadConfiguration, match=f"{len(files)} case files; wanted one case file"):
        plan_case(files)


def test_gates_of_those_who_left_the_case_are_forgotten(folder: Path) -> None:
    (folder / "results/C1/gates").mkdir(parents=True)
    gates = {name: folder / "results/C1/gates" / f"{name}.json" for name in ("S1.reads", "S2.reads", "family.stopped", "calls.stopped")}
    for path in gates.values():
        path.touch()
    plan(folder).start()
    assert [name for name, path in gates.items() if path.exists()] == ["S1.reads", "calls.stopped"]


@pytest.mark.parametrize("priority, added", [("stat", 0), ("urgent", 5), ("routine", 10)])
def test_a_case_yields_to_more_urgent_ones(folder: Path, priority: str, added: int) -> None:
    (folder / "case.yaml").write_text(f"{CASE}priority: {priority}\n")
    run_case(plan(folder), [sys.executable, "-c", "import os; open('nice', 'w').write(str(os.nice(0)))"])
    assert int((folder / "nice").read_text()) == min(os.nice(0) + added, 19)


def test_a_disk_without_locks_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(lock: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    for run in (lambda: run_case(plan(folder), ["true"]), lambda: _hold(0, folder)):
        with pytest.raises(BadEnvironment, match=r"files on this disk cannot be locked \(No locks available\); wanted locks"):
            run()
    assert [case.running for case in case_statuses(folder / "results")] == [False]

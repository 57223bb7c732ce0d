"""`genopipe status` tells from the results folder alone what stands and what runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from click.testing import CliRunner

from genopipe.cases.status import case_statuses
from genopipe.cli.status import status


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_stages_that_stand_are_done(tmp_path: Path) -> None:
    make(tmp_path, "C1/issued", "C1/ingest/S1.qc.json", "C1/align/S1.bam", "C1/interpret/report.html", "other/file")
    [only] = case_statuses(tmp_path)
    assert (only.case, only.done, only.running, only.complete) == ("C1", ("ingest", "align"), False, False)


def test_a_case_is_complete_when_all_its_stages_are_done(tmp_path: Path) -> None:
    make(tmp_path, "C1/issued", "C1/ingest/S1.qc.json")
    (tmp_path / "C1" / "run.json").write_text('{"parameters": {"stages": ["ingest", "align"]}}')
    assert [case.complete for case in case_statuses(tmp_path)] == [False]
    make(tmp_path, "C1/align/S1.bam")
    assert [case.complete for case in case_statuses(tmp_path)] == [True]


def test_a_stage_is_done_when_it_is_done_for_everyone(tmp_path: Path) -> None:
    make(tmp_path, "C1/issued", "C1/ingest/S1.qc.json", "C1/ingest/S2.qc.json", "C1/align/S1.bam")
    (tmp_path / "C1" / "samples").write_text("S1\nS2\n")
    assert [case.done for case in case_statuses(tmp_path)] == [("ingest",)]
    make(tmp_path, "C1/align/S2.bam")
    assert [case.done for case in case_statuses(tmp_path)] == [("ingest", "align")]


def test_a_run_that_was_asked_for_less_has_ended(tmp_path: Path) -> None:
    """It left its record, and no step behind it; the one that dies in the next run is told again."""
    make(tmp_path, "C1/issued", "C1/ingest/S1.qc.json", "C1/logs/ingest.S1.log", "C1/timings/ingest.S1.tsv")
    (tmp_path / "C1" / "run.json").write_text('{"parameters": {"stages": ["ingest", "align"]}}')
    assert [case.state for case in case_statuses(tmp_path)] == ["done up to ingest, as asked"]
    make(tmp_path, "C1/logs/align.S1.log")
    assert [case.state for case in case_statuses(tmp_path)] == ["stopped\nat align.S1"]
    make(tmp_path, "C1/align/S1.bam")
    assert [case.state for case in case_statuses(tmp_path)] == ["complete"]


def test_a_step_that_began_and_did_not_end_is_told(tmp_path: Path) -> None:
    """One that failed has a log alone; one that failed when it was done again has a log younger than its timing."""
    make(tmp_path, "C1/issued", *(f"C1/logs/{step}.log" for step in ("align.S1", "align.S2", "ingest.S1", "snakemake")))
    make(tmp_path, "C1/timings/ingest.S1.tsv", "C1/timings/align.S2.tsv")
    os.utime(tmp_path / "C1" / "timings" / "align.S2.tsv", (0, 0))
    [case] = case_statuses(tmp_path)
    assert case.unfinished == ("align.S1", "align.S2")
    told = CliRunner().invoke(status, [str(tmp_path)]).output
    assert "at align.S1" in told and "ingest.S1" not in told


def test_a_locked_case_is_running(tmp_path: Path) -> None:
    (tmp_path / "C1").mkdir()
    (tmp_path / "C1" / "issued").touch()
    with open(tmp_path / "C1" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [case.running for case in case_statuses(tmp_path)] == [True]
    assert [case.running for case in case_statuses(tmp_path)] == [False]

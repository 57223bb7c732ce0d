"""A case that begins with a run folder: its reads are the demultiplexed ones of its own people, and an unfinished run is followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.cases.plan import Plan, plan_case
from genopipe.cases.run import run_case, snakemake_command
from genopipe.ingest.run import Following
from tests.ingest.runs import convert, files, make_run

CASE = "case: C1\nreference: reference\nevidence: evidence/now\nproband: {sample: B, sex: female}\nrun_folder: run\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("reference/reference.json", "evidence/now"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "case.yaml").write_text(CASE)
    make_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(folder: Path) -> Plan:
    return plan_case([folder / "case.yaml"], {})


def test_the_reads_of_a_case_are_where_the_run_is_demultiplexed_to(folder: Path) -> None:
    names = [f"B_S2_L00{lane}_R{mate}_001.fastq.gz" for lane in (1, 2) for mate in (1, 2)]
    assert [str(path) for path in plan(folder).case.read_files("B")] == [f"results/C1/reads/{name}" for name in names]


def test_a_run_that_is_not_complete_is_followed(folder: Path) -> None:
    assert plan(folder).run_options == ""
    (folder / "run" / "CopyComplete.txt").unlink()
    assert plan(folder).run_options == "--follow"


def test_ingest_done_again_demultiplexes_again(folder: Path) -> None:
    assert "demultiplex" in snakemake_command(plan(folder), first="ingest")


@pytest.mark.slow
def test_the_workflow_demultiplexes_the_reads_of_the_case_and_no_others(folder: Path) -> None:
    planned = plan(folder)
    run_case(planned, snakemake_command(planned, last="ingest"))
    convert(folder / "run", folder / "wanted", only=frozenset({"B"}), following=Following())
    assert files(folder / "results/C1/reads") == files(folder / "wanted")

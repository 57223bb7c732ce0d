"""Pharmacogenomics as a part of a case: planned where the case names definitions, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genopipe.cases.plan import plan_case
from genopipe.cases.run import snakemake_command
from genopipe.errors import BadConfiguration
from tests.cases.test_plan import CASE, folder
from tests.conftest import ROOT

__all__ = ["folder"]


def test_a_forced_interpretation_does_not_ask_for_what_the_case_does_not_name(folder: Path) -> None:
    forced = snakemake_command(plan_case([folder / "case.yaml"]), first="interpret", last="interpret")
    assert "rank_findings" in forced and "name_star_alleles" not in forced


def test_definitions_that_are_not_there_are_told_before_work_starts(folder: Path) -> None:
    (folder / "case.yaml").write_text(CASE + "pgx: pharmcat\n")
    with pytest.raises(BadConfiguration, match=r"case\.yaml: pgx: no folder or evidence set .*pharmcat"):
        plan_case([folder / "case.yaml"])


@pytest.mark.parametrize("key, planned", [("", False), ("pgx: pharmcat\n", True)])
def test_star_alleles_are_named_where_the_case_names_definitions(folder: Path, key: str, planned: bool) -> None:
    (folder / "case.yaml").write_text(f"{CASE}{key}archive: store\n")
    (folder / "pharmcat").mkdir()
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--configfile", "case.yaml", "--dry-run", "--quiet", "host"]
    done = subprocess.run([*command, "-p"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("genopipe pgx" in done.stdout + done.stderr) == planned
    assert ("--pgx results/C1/pgx/pgx.json" in done.stdout + done.stderr) == planned
    assert ("results/C1/pgx/pgx.json --archive" in done.stdout + done.stderr) == planned

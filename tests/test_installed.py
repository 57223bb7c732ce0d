"""genopipe as a user installs it: the wheel in a fresh environment, the demonstration from an empty folder."""

from __future__ import annotations

import csv
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `genopipe` of a fresh environment with the wheel and the locked versions."""
    folder = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    python = folder / "environment" / "bin" / "python"
    [wheel] = folder.glob("*.whl")
    subprocess.run([python, *pip, "install", "--constraint", ROOT / "requirements.lock", wheel], check=True)
    return python.with_name("genopipe")


@pytest.fixture(scope="module")
def demonstration(program: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """`genopipe demo`, with nothing of the source tree in reach and no compiled kernels."""
    empty = tmp_path_factory.mktemp("empty")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(empty), "LC_ALL": "C.UTF-8"}
    started = time.monotonic()
    done = subprocess.run([program, "demo"], cwd=empty, env=environment, capture_output=True, text=True, check=False)
    print(f"demonstration: {time.monotonic() - started:.0f} s, peak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MB")
    assert done.returncode == 0, done.stderr
    done.args = empty
    return done


def test_the_demonstration_finds_what_was_planted(demonstration: subprocess.CompletedProcess[str]) -> None:
    told = dict(line.split("  ", 1) for line in demonstration.stdout.splitlines())
    found, planted = told["first finding"].split(), told["planted"].split()
    assert found[:2] == planted[:2]


def test_the_demonstration_says_where_everything_is(demonstration: subprocess.CompletedProcess[str]) -> None:
    told = dict(line.split("  ", 1) for line in demonstration.stdout.splitlines())
    empty = Path(str(demonstration.args))
    for what in ("report", "archive", "FHIR bundle"):
        assert (empty / told[what].strip()).exists(), what


def test_the_decoy_stands_below_the_answer(demonstration: subprocess.CompletedProcess[str]) -> None:
    [table] = Path(str(demonstration.args)).glob("demo/results/*/interpret/findings.tsv")
    with open(table, newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    compound = [row for row in rows if len(row["variants"].split(",")) == 2]
    assert compound
    assert all(float(row["rank"]) > 1 for row in compound)


@pytest.mark.usefixtures("demonstration")
def test_no_process_of_the_demonstration_takes_2_gb() -> None:
    """At most two of them run at once, so that together they stay under 4 GB."""
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20

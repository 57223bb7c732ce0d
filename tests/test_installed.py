"""genopipe as a user installs it: the wheel in a fresh environment, the demonstration from an empty folder."""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
from packaging.specifiers import SpecifierSet

from genopipe.errors import BadEnvironment
from genopipe.installed import shared_folder

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.mark.parametrize(("version", "fits"), [((3, 10), False), ((3, 11), True), ((3, 14), True), ((3, 15), False)])
def test_make_takes_the_pythons_that_the_package_takes(version: tuple[int, int], fits: bool, tmp_path: Path) -> None:
    pretender = tmp_path / "python"
    pretender.write_text(f"""#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = {version}; $2"\n""")
    pretender.chmod(0o755)
    command = ["make", "-s", "-C", str(ROOT), f"PYTHON={pretender}", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/bin/python"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ("genopipe needs Python 3.11 to 3.14; set PYTHON=python3.13" in made.stdout) != fits
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (".".join(map(str, version)) in SpecifierSet(project["requires-python"])) == fits
    assert "Python 3.11 to 3.14 and `make`" in (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("how", ["--prefix", "--target"])
def test_the_files_beside_the_package_are_found_wherever_they_are_installed(how: str, wheel: Path, tmp_path: Path) -> None:
    subprocess.run([*PIP, "install", "--ignore-installed", "--no-deps", "--no-index", how, tmp_path, wheel], check=True)
    package = next(path for path in tmp_path.rglob("genopipe") if (path / "errors.py").is_file())
    asked = "import sys; sys.path.insert(0, sys.argv[1]); from genopipe.installed import shared_folder; print(shared_folder())"
    found = subprocess.run([sys.executable, "-c", asked, package.parent], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout.strip() == str(tmp_path / "share" / "genopipe")


@pytest.mark.parametrize("listed", [PackageNotFoundError(), None, []])
def test_files_that_are_missing_beside_the_package_are_told(listed: object, tmp_path: Path) -> None:
    files = Mock(side_effect=listed) if isinstance(listed, Exception) else Mock(return_value=listed)
    with (
        patch("genopipe.__file__", str(tmp_path / "genopipe" / "__init__.py")),
        patch("importlib.metadata.files", files),
        pytest.raises(BadEnvironment, match=r"files that come with genopipe are missing; wanted its Snakefile and reference/\. Install"),
    ):
        shared_folder.__wrapped__()


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `genopipe` of a fresh environment with the wheel and the locked versions."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    python = folder / "environment" / "bin" / "python"
    as_make_does = {**os.environ, "CC": "true"}
    subprocess.run([python, *PIP[1:], "install", "--constraint", ROOT / "requirements.lock", wheel], check=True, env=as_make_does)
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

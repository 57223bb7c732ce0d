"""The plan of the house holds: who may import whom, what runs on a bare machine, which command is documented."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from genopipe.cli import COMMANDS, genopipe

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "genopipe"

FLOORS = (
    {"errors"},
    {"model"},
    {"formats", "kernels", "store", "device", "config", "installed", "provenance", "outputs", "progress", "threads", "schemas"},
    {"ingest", "align", "call", "interpret", "archive", "ehr", "simulate"},
    {"cases"},
    {"cli"},
)
"""The rooms from the ground up; a room imports its own floor's tools or lower ones, and no stage imports another stage."""
STAGES = FLOORS[3]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    return module.split(".")[1]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name not in {"genopipe", "genopipe.__main__"}:
            yield name, path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            if node.module == "genopipe":
                yield from (f"genopipe.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module, path", list(modules()))
def test_imports_go_down_only(module: str, path: Path) -> None:
    room = room_of(module)
    for imported in imports(path):
        if imported.startswith("genopipe.") and not imported.startswith("genopipe.__"):
            other = room_of(imported)
            assert FLOOR[other] <= FLOOR[room], f"{module} imports {imported}"
            assert other == room or other not in STAGES or room not in STAGES, f"stage {room} imports stage {other}"


def test_only_device_imports_cupy() -> None:
    users = {module for module, path in modules() if any(name.split(".")[0] == "cupy" for name in imports(path))}
    assert users <= {"genopipe.device"}


def bare_modules() -> list[str]:
    bare = {"kernels", "device", "model", "errors", "simulate"}
    return [module for module, _ in modules() if room_of(module) in bare] + ["genopipe.formats.fastq", "genopipe.formats.genome"]


def test_kernels_simulation_and_packed_formats_run_without_pysam_and_snakemake() -> None:
    code = (
        "import importlib, sys\n"
        "sys.modules['pysam'] = sys.modules['snakemake'] = None\n"
        f"for name in {bare_modules()!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_file_is_longer_than_400_lines() -> None:
    long = {str(path.relative_to(ROOT)): n for _, path in modules() if (n := len(path.read_text().splitlines())) > 400}
    assert not long


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None, name
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))
            else:
                yield (*path, name), command


ALL_COMMANDS = list(commands(genopipe))


@pytest.mark.parametrize("path, command", ALL_COMMANDS, ids=[" ".join(path) for path, _ in ALL_COMMANDS])
def test_every_command_has_help_with_an_example_and_a_line_in_the_documentation(path: tuple[str, ...], command: click.Command) -> None:
    name = "genopipe " + " ".join(path)
    assert command.help and name in command.help, f"{name}: no example in its help"
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert name in pages, f"{name} is in no page of the documentation"
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, f"{name} {parameter.name}: no help"


def test_the_help_of_the_program_lists_every_command() -> None:
    with click.Context(genopipe) as context:
        shown = genopipe.get_help(context)
    assert all(name in shown for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from genopipe.cli import genopipe\n"
        "genopipe(['--help'], standalone_mode=False)\n"
        "print('HEAVY', sorted(m for m in ('numpy', 'numba', 'pandas', 'pysam', 'pyarrow', 'snakemake', 'rich') if m in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_every_dependency_is_a_range_in_the_project_and_exact_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert all("==" in line for line in (ROOT / "requirements.lock").read_text().splitlines())
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        name = requirement.split(">")[0].split("=")[0].split("<")[0].lower()
        assert name.replace("_", "-") in locked, f"{name} is not locked"

"""What every benchmark shares: its options, CPU time of a program, and a result that says where and how it was measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("GENOPIPE_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--tools", type=Path, default=os.environ.get("GENOPIPE_TEST_TOOLS", ROOT.parent / "shared" / "tools"))
    parser.add_argument("--work", type=Path, help="Folder to keep and reuse intermediate files in.")
    parser.add_argument("--output", type=Path, help="Write the result to this file too.")
    return parser


@contextmanager
def work_folder(work: Path | None) -> Iterator[Path]:
    """The folder to work in: `work`, or a temporary one."""
    if work is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work


@dataclass(frozen=True, slots=True)
class Used:
    """What a program took: CPU seconds (user and system) with those of its children, and its largest resident memory in bytes."""

    cpu_seconds: float
    peak_bytes: int

    def figures(self) -> dict[str, float]:
        """As in a result."""
        return {"cpu_seconds": self.cpu_seconds, "peak_resident_mb": self.peak_bytes >> 20}


# A program inherits the largest resident memory of who starts it, so a small process starts it.
_START = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, taken = os.wait4(process.pid, 0)
open(sys.argv[1], "w").write(f"{taken.ru_utime + taken.ru_stime} {taken.ru_maxrss << 10}")
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def used(*command: object, stdout: Any = subprocess.DEVNULL, stderr: Any = subprocess.DEVNULL) -> Used:
    """Runs a program and gives what it took."""
    with TemporaryDirectory() as folder:
        told = Path(folder) / "taken"
        start = [sys.executable, "-c", _START, str(told), *(str(part) for part in command)]
        subprocess.run(start, check=True, stdout=stdout, stderr=stderr)
        seconds, peak = told.read_text().split()
    return Used(round(float(seconds), 2), int(peak))


def step(note: Path, *command: object, output: str | Path = os.devnull, log: str | Path = os.devnull) -> Used:
    """What a step took that prints to `output` and, for people, to `log`; measured unless `note` tells it from an earlier run in this
    folder."""
    if not note.exists():
        with open(output, "wb") as out, open(log, "wb") as told:
            taken = used(*command, stdout=out, stderr=told)
        note.write_text(json.dumps(asdict(taken)))
    return Used(**json.loads(note.read_text()))


def cpu_seconds(*command: object, stdout: Any = None) -> float:
    """Runs a program and gives its CPU seconds (user and system), those of its children included."""
    return used(*command, stdout=stdout).cpu_seconds


def machine() -> dict[str, object]:
    """Processor, cores this process may use, operating system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "system": platform.system()}


def versions(*packages: str) -> dict[str, str]:
    """Exact versions of Python, genopipe and `packages`."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("genopipe", *packages)}


def program_version(*command: str, line: str = "") -> str:
    """The first line that a program prints and that begins with `line`; empty where the program is missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return next((text.strip() for text in (done.stdout + done.stderr).splitlines() if text.startswith(line) and text.strip()), "")


def report(result: Mapping[str, Any], given: argparse.Namespace, versions: Mapping[str, str]) -> None:
    """Prints the result as JSON, with command, machine and versions, and writes it where `--output` says."""
    places = {"data", "tools", "work", "output"}
    asked = "".join(f" --{key.replace('_', '-')} {value}" for key, value in vars(given).items() if key not in places and value is not None)
    command = f"benchmarks/{Path(sys.argv[0]).name}{asked}"
    text = json.dumps({"command": command, "machine": machine(), "versions": dict(versions), **result}, indent=1) + "\n"
    print(text, end="")
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text)

"""The run record: what was run, with which versions, on which inputs, and how long each step took.

`run.json` is the one result outside the promise of equal bytes, as it holds durations and the device. It names files by their place in
the results folder and by digest, never by host or absolute path.
"""

from __future__ import annotations

import csv
import hashlib
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genopipe import __version__
from genopipe.outputs import write_json

INSTANT = "%Y-%m-%dT%H:%M:%SZ"
RUN_RECORD_VERSION = 1
RECORDED_PACKAGES = ("click", "deflate", "isal", "numba", "numpy", "pandas", "pyarrow", "pysam", "snakemake", "zstandard")


def is_instant(text: str) -> bool:
    """Whether `text` is a moment in UTC as results carry it, such as 2026-11-20T10:00:00Z; it must be one that exists."""
    try:
        return datetime.strptime(text, INSTANT).strftime(INSTANT) == text
    except ValueError:
        return False


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_run_record(folder: Path, *, parameters: Mapping[str, Any], inputs: Iterable[Path], timings: Path) -> None:
    """Writes `folder`/run.json: versions, `parameters`, digests of `inputs` and of every result, seconds of every step.

    `timings` is the folder with one Snakemake benchmark table a job.
    """
    results = sorted(path for path in folder.rglob("*") if path.is_file() and _is_result(path.relative_to(folder)))
    record = {
        "version": RUN_RECORD_VERSION,
        "genopipe": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in RECORDED_PACKAGES},
        "parameters": dict(parameters),
        "inputs": [{"name": path.name, "sha256": sha256(path)} for path in inputs],
        "results": {str(path.relative_to(folder)): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in results},
        "seconds": {table.stem: _seconds(table) for table in sorted(timings.glob("*.tsv"))},
    }
    write_json(folder / "run.json", record)


def _is_result(path: Path) -> bool:
    return path.parts[0] not in {"logs", "timings"} and path.name != "run.json" and not path.name.startswith(".")


def _seconds(table: Path) -> float:
    with open(table, newline="") as stream:
        return sum(float(row["s"]) for row in csv.DictReader(stream, delimiter="\t"))

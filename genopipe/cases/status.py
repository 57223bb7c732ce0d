"""How far every case has come, read from the results folder alone."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genopipe.cases.gate_report import stops

LAST_FILES = {
    "ingest": "ingest/[!.]*.qc.json",
    "align": "align/[!.]*.bam",
    "call": "call/{case}.vcf.gz",
    "interpret": "interpret/findings.json",
    "archive": "archive/receipt.json",
    "ehr": "ehr/bundle.json",
}
"""What stands when a stage is done, by stage."""


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """One case: the stages whose results stand, whether a run is under way, whether all its stages are done, why a gate stopped it.

    `unfinished` are the steps that began and did not end: those that run, or at which the last run failed or was killed.
    """

    case: str
    done: tuple[str, ...]
    running: bool
    complete: bool
    stops: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


def case_statuses(results: Path) -> Iterator[CaseStatus]:
    """The status of every case under `results`, by name."""
    for folder in sorted(path.parent for path in results.glob("*/issued")):
        done = tuple(stage for stage, pattern in LAST_FILES.items() if any(folder.glob(pattern.format(case=folder.name))))
        yield CaseStatus(folder.name, done, _running(folder), _stages(folder) == done, tuple(stops(folder)), unfinished_steps(folder))


def _stages(folder: Path) -> tuple[str, ...] | None:
    """The stages of a case whose last run ended well."""
    record = folder / "run.json"
    return tuple(json.loads(record.read_text())["parameters"]["stages"]) if record.is_file() else None


def unfinished_steps(folder: Path) -> tuple[str, ...]:
    """The steps whose log is newer than their timing, which is written when a step is done; by name."""

    def done(log: Path) -> bool:
        timing = folder / "timings" / f"{log.stem}.tsv"
        return timing.is_file() and timing.stat().st_mtime_ns >= log.stat().st_mtime_ns

    return tuple(log.stem for log in sorted(folder.glob("logs/*.log")) if log.stem != "snakemake" and not done(log))


def _running(folder: Path) -> bool:
    lock = folder / ".lock"
    if not lock.is_file():
        return False
    with open(lock) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

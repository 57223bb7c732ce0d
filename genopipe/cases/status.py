"""How far every case has come, read from the results folder alone."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genopipe.cases.gate_report import stops

LAST_FILES = {
    "ingest": "ingest/{sample}.qc.json",
    "align": "align/{sample}.bam",
    "call": "call/{case}.vcf.gz",
    "interpret": "interpret/findings.json",
    "archive": "archive/receipt.json",
    "ehr": "ehr/bundle.json",
}
"""What stands when a stage is done, by stage; of a sample, when it is done for all samples of the case."""


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """One case: the stages whose results stand, whether a run is under way, whether all its stages are done, why a gate stopped it.

    `ended` says that a run did all that was asked of it, which `--until` may have made less than all. `unfinished` are the steps that
    began and did not end: those that run, or at which the last run failed or was killed.
    """

    case: str
    done: tuple[str, ...]
    running: bool
    complete: bool
    ended: bool
    stops: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """How the case stands, as a person says it, and why it does not go on."""
        at = [f"at {step}" for step in self.unfinished]
        if self.running:
            return "\n".join(["running", *at])
        if self.complete and not self.stops:
            return "complete"
        if self.ended and self.done and not (self.stops or at):
            return f"done up to {self.done[-1]}, as asked"
        return "\n".join(["stopped", *(self.stops or at)])


def case_statuses(results: Path) -> Iterator[CaseStatus]:
    """The status of every case under `results`, by name."""
    for folder in sorted(path.parent for path in results.glob("*/issued")):
        done, stages = tuple(_done(folder)), _stages(folder)
        unfinished = unfinished_steps(folder)
        yield CaseStatus(folder.name, done, _running(folder), stages == done, stages is not None, tuple(stops(folder)), unfinished)


def _done(folder: Path) -> Iterator[str]:
    named = folder / "samples"
    samples = named.read_text().split() if named.is_file() else ["[!.]*"]
    for stage, pattern in LAST_FILES.items():
        if all(any(folder.glob(pattern.format(case=folder.name, sample=sample))) for sample in samples):
            yield stage


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
        except OSError:  # a disk without locks: nothing runs there
            return False
    return False

"""Running a case: one Snakemake process over the workflow that the package carries.

Snakemake runs as a process of its own, so that it can be killed and its exit code is exact. A lock on the case's results folder
keeps two runs of one case apart; the kernel drops it when a run dies, so a killed run just continues where it stopped.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from genopipe import device
from genopipe.cases.gate_report import case_verdicts
from genopipe.cases.gates import WARN
from genopipe.cases.plan import STAGES, Plan
from genopipe.cases.watch import failures, run_watched
from genopipe.errors import BadEnvironment, GenopipeError
from genopipe.installed import shared_folder
from genopipe.outputs import PARTIAL, no_locks
from genopipe.progress import log

NICENESS = {"stat": 0, "urgent": 5, "routine": 10}
"""What the steps of a case add to their niceness, by its priority: where cases share a machine, the system lets the urgent one go first."""


class StageFailed(GenopipeError):
    """A step of the workflow failed; `came` ends with what the step itself told."""

    def _message(self) -> str:
        return f"{self.came}\n{self.do}"


def snakemake_command(
    plan: Plan, *, first: str | None = None, last: str | None = None, profile: str | None = None, more: Sequence[str] = ()
) -> list[str]:
    """The Snakemake command line of a case; `first` forces a stage and all after it, `last` is the last stage to run."""
    folder = shared_folder()
    settings = {key: value for key, value in plan.settings.value.items() if key not in ("cores", "gates") and value is not None}
    settings["issued"] = plan.issued
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Snakefile"), "--configfile", str(plan.case.path)]
    command += ["--config", *(f"{key}={_as_text(value)}" for key, value in sorted(settings.items()))]
    command += ["--cores", str(plan.settings.value["cores"] or device.default_threads())]
    command += ["--profile", str(_profile(folder, profile or "local")), "--nolock"]
    if first:
        end = STAGES.index(last) + 1 if last else len(STAGES)
        forced = [stage for stage in STAGES[STAGES.index(first) : end] if stage in plan.stages]
        command += ["--forcerun", *(rule for stage in forced for rule in plan.rules(stage))]
    return [*command, *more, "--", last or "all"]


def _as_text(value: object) -> str:
    """The value as Snakemake reads it back: it takes values for YAML once it has stripped quotes, which the blanks keep on."""
    return f" {json.dumps(str(value), ensure_ascii=False)} "


def _profile(folder: Path, name: str) -> Path:
    shipped = folder / "workflows" / "profiles" / name
    return shipped if shipped.is_dir() else Path(name)


def describe(plan: Plan) -> str:
    """What a run would use and where each value comes from, one line each."""
    lines = [f"case       {plan.case.case}  (samples {', '.join(plan.case.samples)})", f"stages     {' '.join(plan.stages)}"]
    lines += [f"results    {plan.folder}", f"reference  {plan.case.reference}", f"evidence   {plan.case.evidence}"]
    for key, value in plan.settings.value.items():
        if key not in {"results", "issued", "gates"}:
            shown = device.default_threads() if key == "cores" and value is None else value
            lines.append(f"{key:<16} {shown}  ({plan.settings.origin[key]})")
    return "\n".join(lines)


def run_case(plan: Plan, command: Sequence[str]) -> None:
    """Runs a planned case to its end, telling each step that is done.

    Raises StageFailed with the failed step's own message, BadEnvironment when the case is already running or its folder cannot be written.
    """
    plan.start()
    started = time.time_ns()
    with _only_run(plan.folder):
        _remove_partial_files(plan.folder)
        try:
            code = run_watched(["nice", "-n", str(NICENESS[plan.case.priority]), *command], plan.folder)
        except KeyboardInterrupt:
            _remove_partial_files(plan.folder)
            raise
    if code:
        step, message = next(failures(plan.folder, started))
        raise StageFailed(
            f"{step} failed:\n{message}",
            wanted="every step done",
            do=f"Mend what the message names and run the same command: it continues. All logs are in {plan.folder / 'logs'}.",
        )
    for verdict in case_verdicts(plan.folder):
        if verdict.verdict == WARN:
            log.warning("%s", verdict.told())


def _remove_partial_files(folder: Path) -> None:
    """What a killed run was writing; see `outputs.whole_file`."""
    for path in folder.rglob(f"{PARTIAL}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def show_steps(command: Sequence[str]) -> None:
    """Prints what Snakemake would do. Raises StageFailed when it cannot tell."""
    if subprocess.run([*command[:-2], "--dry-run", *command[-2:]], check=False).returncode:
        raise StageFailed("the dry run failed", wanted="a workflow that can be planned", do="See Snakemake's message above.")


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadEnvironment(
                "this case is already running", wanted="one run of a case at a time", do="Wait for it.", path=folder
            ) from error
        except OSError as error:
            raise no_locks(error, folder) from error
        yield

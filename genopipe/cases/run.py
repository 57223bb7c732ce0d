"""Running a case: one Snakemake process over the workflow that the package carries.

Snakemake runs as a process of its own, so that it can be killed and its exit code is exact. A lock on the case's results folder
keeps two runs of one case apart; the kernel drops it when a run dies, so a killed run just continues where it stopped.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import genopipe
from genopipe import device
from genopipe.cases.plan import RULES, STAGES, Plan
from genopipe.errors import BadEnvironment, GenopipeError


class StageFailed(GenopipeError):
    """A step of the workflow failed; its own message stands above."""


def workflow_folder() -> Path:
    """Where the Snakefile is: beside the package in a source tree, under share/ of the environment in an installation."""
    beside = Path(genopipe.__file__).resolve().parent.parent
    installed = Path(sys.prefix) / "share" / "genopipe"
    for folder in (beside, installed):
        if (folder / "Snakefile").is_file() and (folder / "workflows").is_dir():
            return folder
    raise BadEnvironment("the workflow files are missing", wanted=f"a Snakefile in {installed}", do="Install genopipe again.")


def snakemake_command(
    plan: Plan, *, first: str | None = None, last: str | None = None, profile: str | None = None, more: Sequence[str] = ()
) -> list[str]:
    """The Snakemake command line of a case; `first` forces a stage and all after it, `last` is the last stage to run."""
    folder = workflow_folder()
    settings = {key: value for key, value in plan.settings.value.items() if key != "cores" and value is not None} | {"issued": plan.issued}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Snakefile"), "--configfile", str(plan.case.path)]
    command += ["--config", *(f"{key}={value}" for key, value in sorted(settings.items()))]
    command += ["--cores", str(plan.settings.value["cores"] or device.default_threads())]
    command += ["--profile", str(_profile(folder, profile or "local")), "--nolock"]
    if first:
        forced = [stage for stage in STAGES[STAGES.index(first) :] if stage in plan.stages]
        command += ["--forcerun", *(rule for stage in forced for rule in RULES[stage])]
    return [*command, *more, "--", last or "all"]


def _profile(folder: Path, name: str) -> Path:
    shipped = folder / "workflows" / "profiles" / name
    return shipped if shipped.is_dir() else Path(name)


def describe(plan: Plan) -> str:
    """What a run would use and where each value comes from, one line each."""
    lines = [f"case       {plan.case.case}  (samples {', '.join(plan.case.samples)})", f"stages     {' '.join(plan.stages)}"]
    lines += [f"results    {plan.folder}", f"reference  {plan.case.reference}", f"evidence   {plan.case.evidence}"]
    for key, value in plan.settings.value.items():
        if key not in {"results", "issued"}:
            shown = device.default_threads() if key == "cores" and value is None else value
            lines.append(f"{key:<16} {shown}  ({plan.settings.origin[key]})")
    return "\n".join(lines)


def run_case(plan: Plan, command: Sequence[str], *, dry_run: bool = False) -> None:
    """Runs a planned case to its end; a dry run writes nothing.

    Raises StageFailed when a step fails, BadEnvironment when the case is already running or its folder cannot be written.
    """
    if dry_run:
        code = _snakemake(command)
    else:
        plan.start()
        with _only_run(plan.folder):
            code = _snakemake(command)
    if code:
        raise StageFailed(
            f"the case stopped (exit code {code})",
            wanted="every step done",
            do=f"Mend what the message above names (logs are in {plan.folder / 'logs'}) and run the same command: it continues.",
        )


def _snakemake(command: Sequence[str]) -> int:
    """Exit code of Snakemake; on an interrupt it is given the time to stop its jobs."""
    process = subprocess.Popen(command, stdout=sys.stderr.fileno())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadEnvironment(
                "this case is already running", wanted="one run of a case at a time", do="Wait for it.", path=folder
            ) from error
        yield

"""What a running case tells: which steps are done, and of a failed one its own message, not the workflow engine's.

Every step writes `logs/STEP.log` while it runs and `timings/STEP.tsv` when it is done (STEP is such as `align.S1`), so the
results folder alone says how far a case is. What Snakemake itself says goes to `logs/snakemake.log`.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from genopipe.cases.gate_report import REPORT
from genopipe.progress import log, progress

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BEFORE_PASSING_ON = 2.0
LAST_LINES = 20


def run_watched(command: Sequence[str], folder: Path) -> int:
    """Runs Snakemake on a case with results in `folder`, telling each step that is done. Returns Snakemake's exit code."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    started = time.time_ns()
    with open(logs / "snakemake.log", "w") as engine, progress(folder.name, unit="steps") as counter:
        process = subprocess.Popen(command, stdout=engine, stderr=subprocess.STDOUT)
        try:
            told: set[str] = set()
            while process.poll() is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                counter.advance(_tell_new(folder, started, told))
        except KeyboardInterrupt:
            _interrupt(process)
            raise
        counter.advance(_tell_new(folder, started, told))
    return process.returncode


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of an interrupted run. A terminal interrupts every step itself; a signal to this process alone is passed on."""
    signal.setitimer(signal.ITIMER_REAL, 0)  # it is heard: need not be told again
    try:
        process.wait(SECONDS_BEFORE_PASSING_ON)
    except subprocess.TimeoutExpired:
        import psutil  # type: ignore[import-untyped]

        engine = psutil.Process(process.pid)
        for step in [engine, *engine.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                step.send_signal(signal.SIGTERM)  # SIGINT is ignored by what a script starts in the background
        process.wait()


def _tell_new(folder: Path, started: int, told: set[str]) -> int:
    new = [table for table in sorted(folder.glob("timings/*.tsv")) if table.stem not in told and table.stat().st_mtime_ns >= started]
    for table in new:
        told.add(table.stem)
        log.info("%s is done", table.stem)
        if table.stem == REPORT.parent.name:
            log.info("the report is %s", folder / REPORT)
    return len(new)


def failures(folder: Path, started: int) -> Iterator[tuple[str, str]]:
    """The step and the last lines of the log of every step that began after `started` (ns) and is not done; else of Snakemake itself."""
    done = {table.stem for table in folder.glob("timings/*.tsv") if table.stat().st_mtime_ns >= started}
    begun = [path for path in sorted(folder.glob("logs/*.log")) if path.stat().st_mtime_ns >= started]
    failed = [path for path in begun if path.stem not in done and path.stem != "snakemake"]
    for path in failed or [folder / "logs" / "snakemake.log"]:
        yield path.stem, "\n".join(path.read_text(errors="replace").splitlines()[-LAST_LINES:])

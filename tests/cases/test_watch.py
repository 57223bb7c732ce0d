"""A run that is told to end takes its steps with it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest

from genopipe.cases.watch import run_watched

RUN = """\
import signal, sys
from pathlib import Path
from genopipe.cases.watch import run_watched
signal.signal(signal.SIGTERM, signal.default_int_handler)
step = "import time, pathlib; pathlib.Path('begun').touch(); time.sleep(100)"
run_watched([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {step!r}])"], Path())
"""


def test_the_report_is_told_as_soon_as_it_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Archiving goes on for a while after it."""
    step = "import pathlib; pathlib.Path('timings').mkdir(); pathlib.Path('timings/interpret.tsv').touch()"
    with caplog.at_level("INFO", logger="genopipe"), chdir(tmp_path):
        assert run_watched([sys.executable, "-c", step], Path()) == 0
    assert "the report is interpret/report.html" in caplog.messages


def test_a_signal_to_the_run_alone_is_passed_on_to_its_steps(tmp_path: Path) -> None:
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=60)  # ends only when every step has closed the pipe
    assert (tmp_path / "begun").exists()
    assert time.monotonic() - started < 60


PATIENT = """\
import sys
from pathlib import Path
from genopipe.cases import watch
from genopipe.cli import interrupts
interrupts.SECONDS_UNTIL_TOLD_AGAIN, watch.SECONDS_BEFORE_PASSING_ON = 1, 0.1
step = "import signal, time, pathlib as p; signal.signal(15, lambda *_: (time.sleep(2), p.Path('unwound').touch(), exit())); "
step += "p.Path('begun').touch(); time.sleep(100)"
interrupts.interruptible(lambda: watch.run_watched([sys.executable, "-c", step], Path()))
"""


def test_a_run_that_is_told_to_end_waits_for_its_steps(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PATIENT], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=60)
    assert (process.returncode, (tmp_path / "unwound").exists()) == (130, True)

"""A run that is told to end takes its steps with it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

RUN = """\
import signal, sys
from pathlib import Path
from genopipe.cases.watch import run_watched
signal.signal(signal.SIGTERM, signal.default_int_handler)
step = "import time, pathlib; pathlib.Path('begun').touch(); time.sleep(100)"
run_watched([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {step!r}])"], Path())
"""


def test_a_signal_to_the_run_alone_is_passed_on_to_its_steps(tmp_path: Path) -> None:
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=60)  # ends only when every step has closed the pipe
    assert (tmp_path / "begun").exists()
    assert time.monotonic() - started < 60

"""Long work tells itself by log lines, and by a bar where a person is looking."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys

import pytest

from genopipe import progress as module
from genopipe.progress import counted, progress


def test_without_a_terminal_there_are_log_lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="genopipe"), progress("aligning", total=200, unit="reads") as counter:
        counter.advance(50)
        counter.advance(150)
    assert "aligning: 50 reads" in caplog.messages[0]
    assert "25 %" in caplog.messages[0]
    assert "aligning: 200 reads" in caplog.messages[-1]


def test_one_thing_is_no_plural() -> None:
    assert [counted(n, "contigs") for n in (0, 1, 2, 1500)] == ["0 contigs", "1 contig", "2 contigs", "1,500 contigs"]


def test_idle_work_is_not_told_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="genopipe"), progress("aligning") as counter:
        counter.advance(0)
        counter.advance(0)
    assert len(caplog.messages) == 1


def test_on_a_terminal_there_is_a_bar() -> None:
    code = "from genopipe.progress import progress\nwith progress('aligning', total=4) as c:\n    for _ in range(4): c.advance()\n"
    master, terminal = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=terminal, capture_output=False, check=True)
    os.close(terminal)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert done.returncode == 0
    assert "aligning" in shown
    assert "4/4" in shown

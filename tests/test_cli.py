"""Exit codes and messages of the program itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genopipe import __version__


def genopipe(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genopipe", *arguments], capture_output=True, text=True, cwd=cwd, check=False)


def test_version_and_help_end_with_0() -> None:
    assert genopipe("--version").stdout == f"genopipe, version {__version__}\n"
    assert genopipe("run", "--help").returncode == 0


def test_a_wrong_command_line_ends_with_2() -> None:
    done = genopipe("run", "nothing.yaml")
    assert done.returncode == 2
    assert "nothing.yaml" in done.stderr


def test_an_unknown_command_ends_with_2() -> None:
    done = genopipe("rnu")
    assert done.returncode == 2
    assert "No such command 'rnu'" in done.stderr


def test_bad_data_ends_with_1_one_message_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text("case: A\nprobant: {}\n")
    done = genopipe("run", "case.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "case.yaml:2: unknown key `probant`" in done.stderr
    assert "Did you mean `proband`?" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_traceback_is_shown_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text("case: A\nprobant: {}\n")
    done = genopipe("--debug", "run", "case.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("options", [["--core", "1"], ["--from", "ehr", "--until", "call"]])
def test_a_wrong_option_of_run_is_a_wrong_command_line(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "case.yaml").touch()
    done = genopipe("run", "case.yaml", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_terminated_command_ends_like_an_interrupted_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "genopipe", "ingest", "fastq", "-", "--sample", "S", "-o", "qc"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "qc").is_dir():
            time.sleep(0.02)
        process.terminate()
        assert process.wait() == 130
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "interrupted"
    assert list((tmp_path / "qc").iterdir()) == []


COMMAND = """
import signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from genopipe import cli, outputs
from genopipe.errors import BadInput
from genopipe.cli import interrupts

def tell():
    signal.raise_signal(getattr(signal, sys.argv[1]))

class InFinalizer:
    def __del__(self):
        tell()

def ignored():
    InFinalizer()
    time.sleep(60)

def caught():
    try:
        tell()
    except BaseException:
        time.sleep(60)

def changed():
    try:
        tell()
    finally:
        raise RuntimeError("cannot release un-acquired lock")

def lock_lost():
    lock = threading.Lock()
    with ThreadPoolExecutor() as pool:
        pool.submit(lock.acquire)
        pool.submit(lock.acquire)
        tell()

def left():
    outputs._remove = lambda path, remove=outputs._remove: setattr(outputs, "_remove", remove) or tell()
    with outputs.temporary_folder(Path()):
        pass

def twice():
    try:
        tell()
    finally:
        tell()
        Path("unwound").touch()

def bad_data():
    try:
        tell()
    except KeyboardInterrupt:
        raise BadInput("a worker ended", wanted="none", do="Nothing.") from None

interrupts.SECONDS_UNTIL_TOLD_AGAIN = 0.2
cli.genopipe = lambda **_: globals()[sys.argv[2]]()
cli.main()
"""


@pytest.mark.parametrize("told", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("where", ["ignored", "caught", "changed", "lock_lost", "left", "twice", "bad_data"])
def test_an_interrupt_ends_the_program_wherever_it_comes(where: str, told: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, told, where], capture_output=True, text=True, timeout=50, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert os.listdir(tmp_path) == (["unwound"] if where == "twice" else [])


def test_what_a_shell_started_in_the_background_goes_on_when_others_are_interrupted(tmp_path: Path) -> None:
    command = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{COMMAND}"
    done = subprocess.run([sys.executable, "-c", command, "SIGINT", "twice"], capture_output=True, timeout=50, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/null", "pipe"])
def test_an_output_that_is_no_file_is_a_wrong_command_line(output: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = genopipe("archive", "get", "x", "--archive", "A", "-o", output, cwd=tmp_path)
    assert done.returncode == 2
    assert f"'{output}' is no file; give the name of one" in done.stderr
    assert not (tmp_path / "-").exists()

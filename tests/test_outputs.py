"""Outputs appear whole under their final name or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest

from genopipe.errors import BadEnvironment
from genopipe.outputs import make_folder, remove_temporary, temporary_folder, whole_file


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.vcf.gz"
    with whole_file(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
        assert partial.name.endswith("out.vcf.gz")
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["out.vcf.gz"]


@pytest.mark.parametrize("fault", [ValueError("bad data"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_older_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    target = tmp_path / "out"
    target.write_text("older")
    with pytest.raises(type(fault)), whole_file(target) as partial:
        partial.write_text("half")
        raise fault
    assert os.listdir(tmp_path) == ["out"]
    assert target.read_text() == "older"


MESSAGES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "cannot be written",
    errno.EROFS: "read-only",
}


@pytest.mark.parametrize("code", MESSAGES)
def test_the_operating_system_s_refusal_is_told_with_what_to_do(tmp_path: Path, code: int) -> None:
    with pytest.raises(BadEnvironment, match=f"out: .*{MESSAGES[code]}.*; wanted .*\\. .*"), whole_file(tmp_path / "out") as partial:
        partial.touch()
        raise OSError(code, os.strerror(code))
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""
    with pytest.raises(BadEnvironment, match="the disk is full"), whole_file(tmp_path / "out") as partial:
        partial.touch()
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x" * 4096)
    assert os.listdir(tmp_path) == []


def test_a_folder_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadEnvironment, match="a part of the path is a file"):
        make_folder(tmp_path / "file" / "below")


def test_a_file_where_a_folder_is_needed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadEnvironment, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "file")


def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    """Tried as a user without privileges, as root may write anywhere."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == "root" and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    code = (
        "import os, sys, traceback; sys.path[:0] = sys.argv[2:]; from genopipe.outputs import make_folder\n"
        "os.setuid(65534) if os.getuid() == 0 else None\n"
        "try: make_folder(sys.argv[1] + '/below')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(locked), *sys.path], capture_output=True, text=True, check=True)
    assert "the folder cannot be written; wanted write permission. Change its permissions" in done.stdout


class Interrupt:
    """Interrupts what runs here before its n-th step."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, frame: FrameType, event: str, _: object) -> Interrupt:
        self.n -= event in ("call", "line")
        if self.n == 0:
            raise KeyboardInterrupt
        return self


def test_an_interrupt_at_any_step_leaves_nothing_that_a_program_cannot_remove(tmp_path: Path) -> None:
    def work() -> None:
        with temporary_folder(tmp_path) as folder, whole_file(tmp_path / "out") as partial:
            (folder / "run").touch()
            partial.write_text("whole")

    step, traced = 0, sys.gettrace()
    while not (tmp_path / "out").exists():
        step += 1
        try:
            sys.settrace(Interrupt(step))
            work()
        except KeyboardInterrupt:
            sys.settrace(traced)
            remove_temporary()
            if (tmp_path / "out").exists():
                assert (tmp_path / "out").read_text() == "whole"
        finally:
            sys.settrace(traced)
        assert os.listdir(tmp_path) in ([], ["out"]), step
    assert step > 100

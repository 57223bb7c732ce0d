"""Files that appear whole under their final name or not at all.

A writer gets a path beside the target, fills it, and only a clean end renames it (same folder, so the rename is atomic). On any exception,
an interrupt included, the partial file goes away and an older target stays as it was. A full disk or a folder that cannot be written
becomes one `BadEnvironment`. What is temporary is noted before it is there, so that a program that ends at once can still remove it.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genopipe.errors import BadConfiguration, BadEnvironment, GenopipeError

PARTIAL = ".partial-"
"""How the name of a file that is being written begins."""

_TEMPORARY: set[Path] = set()

_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free space for the output", "Free space or choose another output folder, then run again."),
    errno.EDQUOT: ("the disk quota is used up", "free space for the output", "Free space or choose another output folder, then run again."),
    errno.EACCES: ("the folder cannot be written", "write permission", "Change its permissions or choose another output folder."),
    errno.EPERM: ("the folder cannot be written", "write permission", "Change its permissions or choose another output folder."),
    errno.EROFS: ("the file system is read-only", "a writable folder", "Choose another output folder."),
    errno.EFBIG: (
        "the file is larger than this system allows",
        "a file size within its limit",
        "Raise the limit (`ulimit -f`) or choose another disk.",
    ),
    errno.EEXIST: ("a file stands where a folder is needed", "a folder", "Choose another output folder, or move the file away."),
    errno.ENOTDIR: ("a part of the path is a file", "a folder", "Choose another output folder."),
}


def environment_error(error: OSError, path: str | os.PathLike[str]) -> GenopipeError | None:
    """The `BadEnvironment` for a full disk, a missing permission and the like; None for an error of another kind."""
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    came, wanted, do = remedy
    return BadEnvironment(came, wanted=wanted, do=do, path=path)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns the operating system's errors about writing `path` into `BadEnvironment`."""
    try:
        yield
    except OSError as error:
        told = environment_error(error, path)
        if told is None:
            raise
        raise told from error


def no_locks(error: OSError, folder: Path) -> GenopipeError:
    """The `BadEnvironment` for a disk whose files cannot be locked, as `error` says."""
    return BadEnvironment(
        f"files on this disk cannot be locked ({error.strerror})",
        wanted="locks, so that one run writes at a time",
        do="Choose a folder on another disk, or mount this one with locks (Lustre: -o flock).",
        path=folder,
    )


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder `path`, made if need be. Raises BadEnvironment where it cannot be written."""
    folder = Path(path)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable", str(folder))
    return folder


def check_no_input(output: Path, inputs: Iterable[Path]) -> None:
    """Raises BadConfiguration where `output` is one of the files that are read."""
    if output.exists() and any(file.exists() and output.samefile(file) for file in inputs):
        raise BadConfiguration("the output is the input", wanted="another file", do="Choose another name.", key="-o", path=output)


@contextmanager
def whole_file(target: str | os.PathLike[str], *, folder: Path | None = None) -> Iterator[Path]:
    """Gives a temporary path beside `target` (or in a `folder` there) to write to; renames it to `target` on success, removes it on any
    exception.

    The temporary name keeps the target's suffixes, so that programs that look at names treat it alike. Raises BadEnvironment when the
    folder cannot be written or the disk is full.
    """
    target = Path(target)
    make_folder(target.parent)
    partial = (folder or target.parent) / f"{PARTIAL}{os.getpid()}-{target.name}"
    with temporary(partial), writing(target):
        yield partial
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, target)


@contextmanager
def temporary_folder(folder: str | os.PathLike[str] | None = None, *, prefix: str = "genopipe-") -> Iterator[Path]:
    """A new folder, in `folder` or where the system has temporary files; it is gone afterwards."""
    path = Path(folder or tempfile.gettempdir()) / f"{prefix}{secrets.token_hex(8)}"
    with temporary(path):
        with writing(path.parent):
            path.mkdir(mode=0o700)
        yield path


@contextmanager
def temporary(path: Path) -> Iterator[None]:
    """The file or folder `path`, which is to be made, is gone afterwards."""
    _TEMPORARY.add(path)
    try:
        yield
    finally:
        _remove(path)
        _TEMPORARY.discard(path)


def remove_temporary() -> None:
    """Removes what there is of everything temporary, for a program that ends at once."""
    for path in list(_TEMPORARY):
        with suppress(OSError):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(target: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Writes `document` with sorted keys, so that equal documents are equal files; whole or not at all."""
    with whole_file(target) as partial:
        partial.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")

"""Where files are taken apart and put together: the objects at hand, and a folder for temporary files."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from genopipe.outputs import PARTIAL, make_folder, temporary_folder, whole_file
from genopipe.store import Store

_RESTORING = f"{PARTIAL}get-"
_NEW_SECONDS = 60
"""A folder younger than this may not be locked yet."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """store: where objects are read and kept; folder: for temporary files, removed by whoever made it."""

    store: Store
    folder: Path

    def local(self, digest: str) -> Path:
        """A checked file with the object's bytes. Raises BadInput when it is missing or damaged."""
        return self.store.local(digest, self.folder)


@contextmanager
def file_and_folder(out: Path) -> Iterator[tuple[Path, Path]]:
    """A path to write to, which becomes `out` on success, and the folder beside `out` in which it lies, for temporary files too.

    The folder is locked as long as it is used; those that killed processes left there go away. Raises as `outputs.whole_file`.
    """
    parent = make_folder(out.parent)
    for left in parent.glob(f"{_RESTORING}*"):
        _remove_left(left)
    with temporary_folder(parent, prefix=_RESTORING) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # no locks here: then nobody can lock it to remove it either
                fcntl.flock(lock, fcntl.LOCK_SH)
            with whole_file(out, folder=folder) as target:
                yield target, folder
        finally:
            os.close(lock)


def _remove_left(folder: Path) -> None:
    """Removes a folder that nobody uses."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(lock).st_mtime > _NEW_SECONDS:
                shutil.rmtree(folder)
        finally:
            os.close(lock)

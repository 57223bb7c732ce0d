"""The collection of garbage: what nothing refers to goes, and nothing else."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from genopipe.archive.collection import GRACE_HOURS, Collecting, collecting
from genopipe.archive.forget import finish_forgetting
from genopipe.archive.ledger import manifest_files
from genopipe.archive.opened import Archive
from genopipe.outputs import writing
from genopipe.progress import progress

_WRITING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed: objects and their bytes, manifests that did not count any more, and leftovers of killed puts."""

    objects: int
    size: int
    manifests: int
    leftovers: int


def collect(archive: Archive, *, grace_hours: float = GRACE_HOURS) -> Collected:
    """Removes what nothing refers to and is older than the grace, and finishes what was being forgotten. Raises as `collecting`."""
    with collecting(archive) as collection:
        finish_forgetting(collection)
        before = collection.now - grace_hours * 3600
        manifests = _delete_outdated(collection, before)
        old = {digest: found.size for digest, found in archive.store.stored() if found.modified <= before}
        unneeded = collection.unneeded(old)
        with progress("collected", total=len(unneeded), unit="objects") as counter:
            for digest in unneeded:
                collection.delete_object(digest)
                counter.advance()
        return Collected(len(unneeded), sum(old[digest] for digest in unneeded), manifests, delete_leftovers(archive, before))


def _delete_outdated(collection: Collecting, before: float) -> int:
    """Removes manifests that another of the same file has replaced."""
    archive = collection.archive
    archive.ledger.refresh()
    outdated = {file for (file,) in archive.ledger.rows("SELECT file FROM manifest WHERE file NOT IN (SELECT file FROM counting)")}
    doomed = [found.name for found in manifest_files(archive.files) if found.name in outdated and found.modified <= before]
    for name in doomed:
        collection.delete_file(name)
    return len(doomed)


def delete_leftovers(archive: Archive, before: float) -> int:
    """Empties `partial/` of what was not touched since; only a folder has one."""
    if not isinstance(archive.root, Path):
        return 0
    doomed = [path for path in (archive.root / "partial").glob("*") if _touched(path) <= before and not _in_use(path)]
    with writing(archive.root):
        for path in doomed:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return len(doomed)


def _in_use(path: Path) -> bool:
    """True for a folder that a running put has locked, or may use on a disk without locks, and for a file that may be being written."""
    if not path.is_dir():
        return time.time() - _touched(path) < _WRITING_SECONDS
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _touched(path: Path) -> float:
    """When anything in it was written last; now for what goes away meanwhile."""
    try:
        return max(each.lstat().st_mtime for each in [path, *path.rglob("*")])
    except FileNotFoundError:
        return time.time()

"""Named files in one place, a folder or a bucket: what the layer of objects needs of both, and the folder.

A name is a relative path with `/`. A file appears whole or not at all: in a folder it is written to `partial/`, synced, read back and
compared, and only then gets its name. `add` never overwrites, also when two writers come at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from genopipe import outputs
from genopipe.errors import BadInput

CHUNK_BYTES = 1 << 20
Location = str | Path
"""`s3://bucket/prefix`, or a folder."""

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there: its name, its bytes, and when it was written (seconds since 1970 by the clock of the place)."""

    name: str
    size: int
    modified: float


class Files(Protocol):
    """Named files in one place. What is absent raises FileNotFoundError."""

    @property
    def place(self) -> Location:
        """Where this is, for people."""

    def listed(self, folder: str) -> Iterator[Found]:
        """All files whose names begin with `folder` (a name or the beginning of one), sorted by name."""

    def found(self, name: str) -> Found | None:
        """The file, or None where there is none."""

    def read(self, name: str) -> bytes:
        """All bytes of a small file."""

    def open(self, name: str) -> BinaryIO:
        """The file for reading; only what is read is fetched."""

    def add(self, name: str, source: bytes | Path) -> bool:
        """Writes a new file; False, and nothing is changed, where there is another one of that name."""

    def replace(self, name: str, source: bytes | Path) -> None:
        """Writes a file, also over another of that name."""

    def delete(self, name: str) -> None:
        """Removes the file; nothing happens where there is none."""


class FolderFiles:
    """Files in the folder `root`, which is made by the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> Location:
        return self.root

    def path(self, name: str) -> Path:
        """Where the file is or would be."""
        return self.root / name

    def listed(self, folder: str) -> Iterator[Found]:
        base, start = (folder.rstrip("/"), "") if folder.endswith("/") else folder.rpartition("/")[::2]
        try:
            with os.scandir(self.root / base) as entries:
                matching = sorted((entry for entry in entries if entry.name.startswith(start)), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in matching:
            name = f"{base}/{entry.name}" if base else entry.name
            if entry.is_dir():
                yield from self.listed(name + "/")
            elif (found := self.found(name)) is not None:
                yield found

    def found(self, name: str) -> Found | None:
        try:
            status = self.path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(name, status.st_size, status.st_mtime)

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        return open(self.path(name), "rb")

    def add(self, name: str, source: bytes | Path) -> bool:
        with self._written(source) as partial, self._named(name) as target:
            return _link(partial, target)

    def replace(self, name: str, source: bytes | Path) -> None:
        with self._written(source) as partial, self._named(name) as target:
            os.replace(partial, target)

    def delete(self, name: str) -> None:
        with outputs.writing(self.root):
            self.path(name).unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A path on the folder's own disk for one temporary file or folder; a file left there is removed."""
        partial = outputs.make_folder(self.root / "partial") / uuid.uuid4().hex
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _written(self, source: bytes | Path) -> Iterator[Path]:
        """A synced copy in `partial/` that reads back as it was written."""
        with self.scratch() as partial, outputs.writing(self.root):
            digest = _copy(source, partial)
            _sync(partial)
            if file_digest(partial) != digest:
                raise damaged(partial)
            yield partial

    @contextmanager
    def _named(self, name: str) -> Iterator[Path]:
        """The path of a name, its folder made; whatever is done to it is on the disk afterwards."""
        target = self.path(name)
        made = not target.parent.is_dir()
        target.parent.mkdir(parents=True, exist_ok=True)
        yield target
        _sync(target.parent)
        if made:
            _sync(target.parent.parent)


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file at `path`, hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def size_of(source: bytes | Path) -> int:
    """Bytes of what is to be written."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def damaged(path: Location) -> BadInput:
    """The error for bytes that are not those of their digest."""
    return BadInput(
        "the object's bytes do not have its digest",
        wanted="the bytes that were put",
        do="Check the disk, then restore this object from a copy of the store, or put the same file again.",
        path=path,
    )


def _copy(source: bytes | Path, target: Path) -> str:
    """Writes the source to `target` and gives the SHA-256 of what was to be written."""
    if isinstance(source, bytes):
        target.write_bytes(source)
        return hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256()
    with open(source, "rb") as opened, open(target, "wb") as written:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
    return digest.hexdigest()


def _link(partial: Path, target: Path) -> bool:
    """Gives a file its name unless that is taken; where the disk knows no hard links, a moment lies between look and move."""
    try:
        os.link(partial, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if target.exists():
            return False
        os.replace(partial, target)
    return True


def _sync(path: Path) -> None:
    """Forces a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # disks behind a network (CIFS) or a FUSE may not sync a list of names
            raise
    finally:
        os.close(descriptor)

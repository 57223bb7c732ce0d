"""Content-addressed objects in a folder: named by their SHA-256, there whole or not at all.

An object lives at `objects/ab/cdef...`, the digest split after two digits. A put writes to `partial/`, syncs, reads the written bytes back,
compares digests and only then renames; whatever happens before the rename leaves at most a file in `partial/`. A get reads an object once
to check its digest before anyone sees a byte of it, so a flipped bit, a truncated or a missing object is an error, never a result.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from genopipe import outputs
from genopipe.errors import BadInput

CHUNK_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file at `path`, hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def is_digest(text: str) -> bool:
    """True for a full SHA-256 in lower-case hex."""
    return len(text) == 64 and _HEX.issuperset(text)


class FolderStore:
    """Objects in the folder `root`, which is made by the first put."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def path(self, digest: str) -> Path:
        """Where the object is or would be; neither its presence nor its bytes are checked."""
        assert is_digest(digest), digest
        return self.root / "objects" / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        """True when the object is here; its bytes are not checked."""
        return self.path(digest).is_file()

    def put_file(self, path: str | os.PathLike[str]) -> str:
        """Stores a copy of a file and gives its digest. Raises BadEnvironment when the store cannot be written."""
        with self.scratch() as partial:
            digest = hashlib.sha256()
            with open(path, "rb") as source, self._writing(), open(partial, "wb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
            return self._keep(partial, digest.hexdigest())

    def put_bytes(self, content: bytes) -> str:
        """Stores bytes and gives their digest. Raises BadEnvironment when the store cannot be written."""
        with self.scratch() as partial:
            with self._writing():
                partial.write_bytes(content)
            return self._keep(partial, hashlib.sha256(content).hexdigest())

    def open(self, digest: str) -> BinaryIO:
        """The object, checked, open for reading. Raises BadInput when it is missing or damaged."""
        self.verify(digest)
        return open(self.path(digest), "rb")

    def read(self, digest: str) -> bytes:
        """The bytes of a small object, checked. Raises BadInput when it is missing or damaged."""
        path = self._present(digest)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._damaged(path)
        return content

    def verify(self, digest: str) -> Path:
        """Re-hashes the object and gives its path. Raises BadInput when it is missing or damaged."""
        path = self._present(digest)
        if file_digest(path) != digest:
            raise self._damaged(path)
        return path

    def delete(self, digest: str) -> None:
        """Removes the object; nothing happens when it is not here."""
        with self._writing():
            self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """The digests of all objects, sorted; files that are no objects are passed over."""
        for path in sorted((self.root / "objects").glob("??/*")):
            digest = path.parent.name + path.name
            if is_digest(digest):
                yield digest

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A path on the store's own disk for one temporary file or folder; a file left there is removed."""
        partial = outputs.make_folder(self.root / "partial") / uuid.uuid4().hex
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _keep(self, partial: Path, digest: str) -> str:
        target = self.path(digest)
        if self._intact(target, digest):
            return digest
        with self._writing():
            _sync(partial)
            if file_digest(partial) != digest:
                raise self._damaged(partial)
            made = not target.parent.is_dir()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, target)
            _sync(target.parent)
            if made:
                _sync(target.parent.parent)
        return digest

    def _intact(self, path: Path, digest: str) -> bool:
        """A damaged object is written again, so that a put repairs it."""
        return path.is_file() and file_digest(path) == digest

    def _present(self, digest: str) -> Path:
        path = self.path(digest)
        if not path.is_file():
            raise BadInput(
                f"object {digest} is not in the store",
                wanted="an object that was put and not deleted",
                do="Check the digest, or restore the object from a copy of the store.",
                path=self.root,
            )
        return path

    def _damaged(self, path: Path) -> BadInput:
        return BadInput(
            "the object's bytes do not have its digest",
            wanted="the bytes that were put",
            do="Check the disk, then restore this object from a copy of the store, or put the same file again.",
            path=path,
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with outputs.writing(self.root):
            yield


def _sync(path: Path) -> None:
    """Forces a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

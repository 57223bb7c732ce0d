"""Objects in named files: an object lives at `objects/ab/cdef...`, its SHA-256 split after two digits.

`open`, `read` and `local` check an object's digest before anyone sees a byte of it, so a flipped bit, a truncated or a missing object is
an error, never a result. `open_parts` cannot: it fetches only what is read, and its caller checks what comes of that.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from genopipe import outputs
from genopipe.errors import BadInput
from genopipe.store.files import Files, FolderFiles, Found, Location, damaged, file_digest, size_of

_PART_BYTES = 8 << 20
_HEX = frozenset("0123456789abcdef")


class Store(Protocol):
    """Content-addressed objects, wherever they lie. All but `has` and `delete` raise BadInput for an object that is not there."""

    def has(self, digest: str) -> bool:
        """True when the object is here; its bytes are not checked."""

    def holds(self, digest: str, source: bytes | Path) -> bool:
        """True when the object is here and looks undamaged beside its source; one that does not is written again by a put."""

    def size(self, digest: str) -> int:
        """Bytes of the object; they are not checked."""

    def put_file(self, path: str | os.PathLike[str]) -> str:
        """Stores a copy of a file and gives its digest. Raises BadEnvironment when the store cannot be written."""

    def put_bytes(self, content: bytes) -> str:
        """Stores bytes and gives their digest. Raises BadEnvironment when the store cannot be written."""

    def open(self, digest: str) -> BinaryIO:
        """The object, checked, open for reading. Raises BadInput when it is damaged."""

    def open_parts(self, digest: str) -> BinaryIO:
        """The object, seekable; only what is read is fetched, and nothing is checked."""

    def read(self, digest: str) -> bytes:
        """The bytes of a small object, checked. Raises BadInput when it is damaged."""

    def local(self, digest: str, folder: Path) -> Path:
        """A checked file with the object's bytes: the store's own, or a copy in `folder`. Raises BadInput when it is damaged."""

    def verify(self, digest: str) -> None:
        """Reads the object again. Raises BadInput when it is damaged."""

    def mend(self, digest: str, path: Path) -> None:
        """Writes the object again in the place of a damaged one. Raises BadEnvironment when the store cannot be written."""

    def delete(self, digest: str) -> None:
        """Removes the object; nothing happens when it is not here."""

    def digests(self) -> Iterator[str]:
        """The digests of all objects, sorted; files that are no objects are passed over."""


def is_digest(text: str) -> bool:
    """True for a full SHA-256 in lower-case hex."""
    return len(text) == 64 and _HEX.issuperset(text)


def object_name(digest: str) -> str:
    """The file of an object."""
    assert is_digest(digest), digest
    return f"objects/{digest[:2]}/{digest[2:]}"


def digest_in(name: str) -> str | None:
    """The digest of the object in a file; None for a file that is none."""
    digest = name.removeprefix("objects/").replace("/", "", 1)
    return digest if is_digest(digest) and name == object_name(digest) else None


class Objects:
    """The objects among `files`. A `Store`."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def has(self, digest: str) -> bool:
        return self.files.found(object_name(digest)) is not None

    def size(self, digest: str) -> int:
        return self._present(digest).size

    def put_file(self, path: str | os.PathLike[str]) -> str:
        with outputs.writing(self.files.place):
            digest = file_digest(path)
        self._keep(digest, Path(path))
        return digest

    def put_bytes(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._keep(digest, content)
        return digest

    def open(self, digest: str) -> BinaryIO:
        whole = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._copy(digest, whole)
        except BaseException:
            whole.close()
            raise
        whole.seek(0)
        return whole

    def open_parts(self, digest: str) -> BinaryIO:
        return self.files.open(self._present(digest).name)

    def read(self, digest: str) -> bytes:
        with self.open_parts(digest) as source:
            content = source.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._damaged(digest)
        return content

    def local(self, digest: str, folder: Path) -> Path:
        target = folder / digest
        if not target.exists():
            partial = folder / f"{outputs.PARTIAL}{digest}"
            with outputs.writing(folder), open(partial, "wb") as copy:
                self._copy(digest, copy)
            os.replace(partial, target)
        return target

    def verify(self, digest: str) -> None:
        with self.open_parts(digest) as source:
            if _digest_of(source) != digest:
                raise self._damaged(digest)

    def mend(self, digest: str, path: Path) -> None:
        self.files.replace(object_name(digest), path)

    def delete(self, digest: str) -> None:
        self.files.delete(object_name(digest))

    def digests(self) -> Iterator[str]:
        return (digest for digest, _ in self.stored())

    def stored(self) -> Iterator[tuple[str, Found]]:
        """Digest and file of all objects, sorted."""
        for found in self.files.listed("objects/"):
            if digest := digest_in(found.name):
                yield digest, found

    def _keep(self, digest: str, source: bytes | Path) -> None:
        name = object_name(digest)
        if not self.holds(digest, source) and not self.files.add(name, source) and not self.holds(digest, source):
            self.files.replace(name, source)

    def holds(self, digest: str, source: bytes | Path) -> bool:
        found = self.files.found(object_name(digest))
        return found is not None and found.size == size_of(source)

    def _copy(self, digest: str, target: BinaryIO) -> None:
        """Raises BadInput when what was copied is not the object."""
        found = hashlib.sha256()
        with self.open_parts(digest) as source:
            while chunk := source.read(_PART_BYTES):
                found.update(chunk)
                target.write(chunk)
        if found.hexdigest() != digest:
            raise self._damaged(digest)

    def _present(self, digest: str) -> Found:
        found = self.files.found(object_name(digest))
        if found is None:
            raise BadInput(
                f"object {digest} is not in the store",
                wanted="an object that was put and not deleted",
                do="Check the digest, or restore the object from a copy of the store.",
                path=self.files.place,
            )
        return found

    def _damaged(self, digest: str) -> BadInput:
        return damaged(inside(self.files.place, object_name(digest)))


class FolderStore(Objects):
    """Objects in the folder `root`: they are files that can be opened as they are."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self._folder = FolderFiles(self.root)
        super().__init__(self._folder)

    def path(self, digest: str) -> Path:
        """Where the object is or would be; neither its presence nor its bytes are checked."""
        return self.root / object_name(digest)

    def open(self, digest: str) -> BinaryIO:
        self.verify(digest)
        return open(self.path(digest), "rb")

    def local(self, digest: str, folder: Path) -> Path:
        self.verify(digest)
        return self.path(digest)

    def holds(self, digest: str, source: bytes | Path) -> bool:
        """Here reading is cheap, so that a put mends any damage."""
        return self.path(digest).is_file() and file_digest(self.path(digest)) == digest

    def scratch(self) -> AbstractContextManager[Path]:
        """A path on the store's own disk for one temporary file or folder; a file left there is removed."""
        return self._folder.scratch()


def inside(place: Location, name: str) -> Location:
    """The location of a file, for people."""
    return place / name if isinstance(place, Path) else f"{place}/{name}"


def _digest_of(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_PART_BYTES):
        digest.update(chunk)
    return digest.hexdigest()

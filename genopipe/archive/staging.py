"""Objects of a put that is not done yet: in a temporary folder, beside those that are archived already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from genopipe.archive.workshop import Workshop
from genopipe.store import FolderStore, Store, file_digest


class Staging:
    """A `Store` that writes to `folder` what `archived` does not hold yet, and reads from both; what it must fetch goes to `fetched`.

    `whole` tells of objects of the archive that were looked at whether they are undamaged.
    """

    def __init__(self, folder: Path, archived: Store, fetched: Path, whole: dict[str, bool] | None = None) -> None:
        self.new, self.archived, self.fetched, self._whole = FolderStore(folder), archived, fetched, {} if whole is None else whole
        self.shop = Workshop(self, folder)

    def has(self, digest: str) -> bool:
        return self._where(digest).has(digest)

    def holds(self, digest: str, source: bytes | Path) -> bool:
        return self._where(digest).holds(digest, source)

    def size(self, digest: str) -> int:
        return self._where(digest).size(digest)

    def put_file(self, path: str | os.PathLike[str]) -> str:
        digest = file_digest(path)
        return digest if self._is_archived(digest, Path(path)) else self.new.put_file(path)

    def put_bytes(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        return digest if self._is_archived(digest, content) else self.new.put_bytes(content)

    def open(self, digest: str) -> BinaryIO:
        return self._where(digest).open(digest)

    def open_parts(self, digest: str) -> BinaryIO:
        return self._where(digest).open_parts(digest)

    def read(self, digest: str) -> bytes:
        return self._where(digest).read(digest)

    def local(self, digest: str, folder: Path) -> Path:
        return self._where(digest).local(digest, folder if self.new.has(digest) else self.fetched)

    def verify(self, digest: str) -> None:
        self._where(digest).verify(digest)

    def delete(self, digest: str) -> None:
        """Takes back what is not archived yet."""
        self.new.delete(digest)

    def digests(self) -> Iterator[str]:
        """What is not archived yet."""
        return self.new.digests()

    def commit(self) -> None:
        """Moves what is new into the archive."""
        for digest in list(self.digests()):
            if self._whole.get(digest, True):
                self.archived.put_file(self.new.path(digest))
            else:
                self.archived.mend(digest, self.new.path(digest))
                self._whole[digest] = True

    def mend(self, digest: str, path: Path) -> None:
        self.new.mend(digest, path)

    def _is_archived(self, digest: str, source: bytes | Path) -> bool:
        return self._whole.get(digest, True) and self.archived.holds(digest, source)

    def _where(self, digest: str) -> Store:
        return self.new if self.new.has(digest) else self.archived

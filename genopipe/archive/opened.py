"""An archive, open: its objects, its manifests and the ledger of them, in a folder or a bucket."""

from __future__ import annotations

import difflib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genopipe.archive.ledger import Ledger
from genopipe.archive.manifests import READABLE, VERSION, Manifest, canonical, damaged, other_version
from genopipe.errors import BadInput
from genopipe.outputs import make_folder, temporary_folder
from genopipe.store import SEALED, FolderStore, Location, SealedFiles, inside, open_files, open_store, seal

MARKER = "archive.json"
_HEX = frozenset("0123456789abcdef")


class Archive:
    """An archive in a folder or a bucket: its objects and its manifests."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self.store = open_store(root)
        self.files = self.store.files
        self.ledger = Ledger(root, self.files)

    @classmethod
    def existing(cls, root: Location) -> Archive:
        """Opens an archive for reading. Raises BadInput where there is none, or one of a newer version."""
        archive = cls(root)
        if archive.files.found(MARKER) is None:
            raise BadInput(
                "there is no archive here",
                wanted="a folder or a bucket written by `genopipe archive put`",
                do="Check --archive, or put a file first.",
                path=root,
            )
        archive._check_version()
        return archive

    @classmethod
    def make(cls, root: Location) -> Archive:
        """Opens an archive for writing, a new one where there is none."""
        archive = cls(root)
        if archive.files.found(MARKER) is None:
            sealed = {"encrypted": True} if isinstance(archive.files, SealedFiles) else {}
            archive.files.add(MARKER, canonical({"archive": VERSION, **sealed}))
        archive._check_version()
        return archive

    @classmethod
    def create(cls, root: Location, *, encrypt: bool) -> Archive:
        """Makes a new archive. Raises BadInput where there is one, BadConfiguration without keys to encrypt to."""
        if open_files(root).found(MARKER) is not None:
            raise BadInput("there is an archive here already", wanted="an empty place", do="Choose another place.", path=root)
        if encrypt:
            seal(root)
        return cls.make(root)

    def manifests(self) -> list[Manifest]:
        """All manifests that count, by sample, name and version. Raises BadInput for one that is damaged or of a newer version."""
        self.ledger.refresh()
        return self.ledger.manifests()

    def add(self, manifest: Manifest) -> None:
        """Writes a manifest; from then on the file is archived."""
        self.files.add(manifest.file, manifest.encode())
        self.ledger.insert(manifest)

    def mend(self, manifest: Manifest) -> None:
        """Writes a manifest that the ledger knows again, where its own file is damaged."""
        content = manifest.encode()
        with suppress(FileNotFoundError):  # forgotten meanwhile
            if self.files.read(manifest.file) != content:
                self.files.replace(manifest.file, content)

    def document(self, name: str) -> dict[str, Any]:
        """A small JSON file of the archive. Raises BadInput for one that is damaged."""
        try:
            document: dict[str, Any] = json.loads(self.files.read(name))
        except ValueError as error:
            raise damaged(inside(self.root, name), "this cannot be read as JSON") from error
        return document

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder: on the archive's own disk where it has one, elsewhere where nothing may lie there as plain text.

        It is locked as long as it is used, so that no collection takes it for what a killed put left.
        """
        parent = make_folder(self.store.root / "partial") if isinstance(self.store, FolderStore) else None
        with temporary_folder(parent) as folder:
            lock = os.open(folder, os.O_RDONLY)
            try:
                with suppress(OSError):  # no locks here: then a collection takes no folder for left
                    fcntl.flock(lock, fcntl.LOCK_SH)
                yield folder
            finally:
                os.close(lock)

    def find(self, wanted: str) -> Manifest:
        """The manifest of a digest (or its beginning, at least 8 digits), a name or SAMPLE/NAME; the last version of a name.

        Raises BadInput when there is none, or the name is that of several samples' files that differ.
        """
        self.ledger.refresh()
        sample, _, name = wanted.rpartition("/")
        by_name = self.ledger.manifests("name = ? OR (sample = ? AND name = ?)", wanted, sample, name)
        prefix = wanted.lower() if len(wanted) >= 8 and _HEX.issuperset(wanted.lower()) else None
        found = by_name or (self.ledger.manifests("digest GLOB ?", f"{prefix}*") if prefix else [])
        last = {(m.sample, m.name) if by_name else m.digest: m for m in found}
        if len({m.digest for m in last.values()}) > 1:
            raise self._ambiguous(wanted, found)
        if not found:
            raise self._unknown(wanted)
        return found[-1]

    def _check_version(self) -> None:
        place = inside(self.root, MARKER)
        try:
            mark = json.loads(self.files.read(MARKER))
            version, encrypted = mark["archive"], mark.get("encrypted", False)
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(place, "this is no mark of an archive") from error
        if version not in READABLE:
            raise other_version(place, version)
        if encrypted and not isinstance(self.files, SealedFiles):
            raise damaged(place, f"the archive is encrypted, but {SEALED} is not there")

    def _unknown(self, wanted: str) -> BadInput:
        near = difflib.get_close_matches(
            wanted, [name for (name,) in self.ledger.rows("SELECT DISTINCT name FROM counting ORDER BY name")], 1
        )
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return BadInput(
            f"nothing is archived as {wanted!r}",
            wanted="a name, SAMPLE/NAME or a digest from `genopipe archive list`",
            do="List the archive and take a name from there." + hint,
            path=self.root,
        )

    def _ambiguous(self, wanted: str, found: list[Manifest]) -> BadInput:
        choices = ", ".join(sorted({f"{m.sample}/{m.name}" if m.sample else m.digest[:12] for m in found}))
        return BadInput(f"{wanted!r} is several files", wanted=f"one of {choices}", do="Give SAMPLE/NAME or the digest.", path=self.root)

"""Encryption at rest: files whose content is written as Crypt4GH to the site's public keys, and read with its secret key.

A sealed file is called NAME.SIZE-DIGEST-KEYS.c4gh, with the size of its content, the SHA-256 of its ciphertext and the mark of the keys it
is written to, so that it can be listed and verified without any key. It can be read at any place: each segment of 64 kB is encrypted and
authenticated by itself. Only objects and the catalogue are sealed; manifests say what there is to those who hold no key, and name files,
samples and digests.

`sealed.json` holds the mark of the keys that count. To exchange keys is to change that, and then to write each file anew with another
header: its segments stay as they are. Whoever writes looks at the mark once more when a file is there, and takes it back where keys were
exchanged meanwhile; so whoever exchanges keys, and lists the files after changing the mark, misses none.

Source: GA4GH Crypt4GH file encryption standard 1.0.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from genopipe.errors import BadConfiguration, BadInput
from genopipe.outputs import temporary_folder
from genopipe.store.crypt4gh_files import SEGMENT_BYTES, Segments, encrypt, header_of, opened_packets
from genopipe.store.files import CHUNK_BYTES, Files, Found, Location, damaged, file_digest, size_of
from genopipe.store.keys import PUBLIC, mark_of, public_keys, secret_keys
from genopipe.store.objects import Objects, inside, object_name

SEALED = "sealed.json"
"""The file by which a store is known to be encrypted."""
FOLDERS = ("objects/", "catalogue/")
_NAME = re.compile(r"(.+)\.(\d+)-([0-9a-f]{64})(?:-([0-9a-f]{16}))?\.c4gh")
"""Files of archives that were made before keys could be exchanged have no mark."""


class SealedFiles:
    """Files in another place, those of objects and of the catalogue encrypted. A `Files`."""

    def __init__(self, files: Files) -> None:
        self.files = files

    @property
    def place(self) -> Location:
        return self.files.place

    def listed(self, folder: str) -> Iterator[Found]:
        last = None
        for found in self.files.listed(folder):
            sealed = _NAME.fullmatch(found.name)
            name, size = (sealed[1], int(sealed[2])) if sealed else (found.name, found.size)
            if name != last:
                yield Found(name, size, found.modified)
            last = name

    def found(self, name: str) -> Found | None:
        if not name.startswith(FOLDERS):
            return self.files.found(name)
        return next((found for found in self.listed(name) if found.name == name), None)

    def read(self, name: str) -> bytes:
        with self.open(name) as source:
            return source.read()

    def open(self, name: str) -> BinaryIO:
        if not name.startswith(FOLDERS):
            return self.files.open(name)
        try:
            return io.BufferedReader(Segments(lambda: self.unsealed(name), inside(self.place, name)), SEGMENT_BYTES)
        except FileNotFoundError:
            return self.files.open(name)  # of an archive that is just being encrypted

    def add(self, name: str, source: bytes | Path) -> bool:
        """Of two writers of a sealed name both are kept until one is removed: their content is the same."""
        if not name.startswith(FOLDERS):
            return self.files.add(name, source)
        return not self._stored(name) and self._write(name, source)

    def replace(self, name: str, source: bytes | Path) -> None:
        if not name.startswith(FOLDERS):
            self.files.replace(name, source)
            return
        old = self._stored(name)
        self._write(name, source)
        for stored in old:
            self.files.delete(stored)

    def delete(self, name: str) -> None:
        for stored in self._stored(name) if name.startswith(FOLDERS) else [name]:
            self.files.delete(stored)

    def is_sealed(self, name: str) -> bool:
        """False for a file that is not encrypted yet."""
        return name not in self._stored(name)

    def intact(self, name: str) -> bool:
        """True when the ciphertext has its digest; no key is needed."""
        return any(self._has_its_digest(stored) for stored in self._stored(name))

    def unsealed(self, name: str) -> tuple[BinaryIO, list[bytes]]:
        """The ciphertext, open where its segments begin, and the packets of its header.

        Raises FileNotFoundError, BadInput for a damaged file, BadConfiguration for a key that does not open it.
        """
        fault: Exception = FileNotFoundError(name)
        for stored in chain.from_iterable(self._stored(name) for _ in range(2)):  # it may be written anew to other keys just now
            if stored == name:
                continue
            try:
                return self._unsealed(stored)
            except (BadConfiguration, FileNotFoundError) as error:
                fault = error
        raise fault

    def mark(self) -> str | None:
        """The mark of the keys that count; None for an archive that was made before there were marks."""
        try:
            mark: str | None = json.loads(self.files.read(SEALED)).get("keys")
        except (ValueError, AttributeError):
            raise BadInput(
                "this cannot be read",
                wanted='{"keys":MARK}',
                do="Restore this file from a copy of the archive.",
                path=inside(self.place, SEALED),
            ) from None
        return mark

    def to_other_keys(self, mark: str | None = None) -> list[str]:
        """The files that are not, or not only, written to the keys of a mark, or to those that count; no key is needed."""
        mark = mark or self.mark()
        listed = (found.name for folder in FOLDERS for found in self.files.listed(folder))
        return sorted({sealed[1] if (sealed := _NAME.fullmatch(name)) else name for name in listed if mark and not _has_mark(name, mark)})

    def exchange_keys(self) -> None:
        """From now on the public keys at hand count: nothing is written to others any more."""
        public = public_keys()
        self.files.replace(SEALED, sealed_mark(public))
        self._public = public

    def rekey(self, name: str) -> None:
        """Writes a file anew to the keys that count; nothing happens to one that is already, or is not there.

        Raises BadInput for a damaged file, BadConfiguration for a secret key that does not open it; then it stays as it was.
        """
        mark = mark_of(self._public)
        stored = self._stored(name)
        if name in stored:
            self.replace(name, self.read(name))
            return
        while old := [each for each in stored if not _has_mark(each, mark)]:
            if len(old) == len(stored):
                with suppress(FileNotFoundError):  # gone since it was listed
                    self._reseal(name, old[0])
            else:
                for each in old:
                    self.files.delete(each)
            stored = self._stored(name)

    def check_keys(self) -> None:
        """Raises BadConfiguration where the public keys at hand are not those that count."""
        _ = self._public
        self._check(self._public)

    @cached_property
    def _public(self) -> list[bytes]:
        public = public_keys()
        self._check(public)
        return public

    @cached_property
    def _secret(self) -> list[bytes]:
        return secret_keys()

    def _check(self, public: list[bytes]) -> None:
        if self.mark() not in (None, mark_of(public)):
            raise BadConfiguration(
                "the public keys given are not those of this archive",
                wanted=f"in {PUBLIC} all keys that the archive is written to, and no other",
                do="Mend it, or exchange the keys of the archive with `genopipe archive rekey`.",
                path=self.place,
                key=PUBLIC,
            )

    def _stored(self, name: str) -> list[str]:
        """The files of a name: sealed, also several while keys are exchanged, or not encrypted yet."""
        return [found.name for found in self.files.listed(name) if found.name == name or _name_of(found.name) == name]

    def _has_its_digest(self, stored: str) -> bool:
        digest = hashlib.sha256()
        with self.files.open(stored) as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
        sealed = _NAME.fullmatch(stored)
        return sealed is not None and digest.hexdigest() == sealed[3]

    def _unsealed(self, stored: str) -> tuple[BinaryIO, list[bytes]]:
        place = inside(self.place, stored)
        source = self.files.open(stored)
        try:
            return source, opened_packets(source, self._secret, place)
        except (BadConfiguration, BadInput):
            source.close()
            if not self._has_its_digest(stored):
                raise damaged(place) from None
            raise

    def _write(self, name: str, source: bytes | Path) -> bool:
        with temporary_folder() as folder:
            sealed = folder / "sealed"
            with open(sealed, "wb") as target, io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as plain:
                encrypt(plain, target, self._public)
            return self._add(name, size_of(source), sealed)

    def _reseal(self, name: str, stored: str) -> None:
        """Another header before the same segments."""
        sealed = _NAME.fullmatch(stored)
        assert sealed is not None, "a file that is not encrypted is written by `replace`"
        source, packets = self._unsealed(stored)
        with temporary_folder() as folder, source:
            anew, digest = folder / "sealed", hashlib.sha256()
            with open(anew, "wb") as target:
                target.write(header_of(packets, self._public))
                header_bytes = source.tell()
                source.seek(0)
                digest.update(source.read(header_bytes))
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
            if digest.hexdigest() != sealed[3]:
                raise damaged(inside(self.place, stored))
            self._add(name, int(sealed[2]), anew)

    def _add(self, name: str, size: int, sealed: Path) -> bool:
        """Adds a sealed file. Raises BadConfiguration, and there is none, where keys were exchanged meanwhile."""
        stored = f"{name}.{size}-{file_digest(sealed)}-{mark_of(self._public)}.c4gh"
        added = self.files.add(stored, sealed)
        try:
            self._check(self._public)
        except BadConfiguration:
            self.files.delete(stored)
            raise
        return added


class SealedObjects(Objects):
    """Objects in sealed files; to verify them needs no key."""

    files: SealedFiles

    def verify(self, digest: str) -> None:
        name = self._present(digest).name
        if not self.files.is_sealed(name):
            super().verify(digest)
        elif not self.files.intact(name):
            raise damaged(inside(self.files.place, object_name(digest)))

    def rekey(self, digest: str) -> None:
        """Writes an object anew to the keys that count, also one that is not encrypted yet. Raises as `SealedFiles.rekey`."""
        name = object_name(digest)
        if self.files.is_sealed(name):
            self.files.rekey(name)
            return
        with temporary_folder() as folder:
            self.files.replace(name, self.local(digest, folder))


def sealed_mark(public: list[bytes]) -> bytes:
    """What `sealed.json` says."""
    return json.dumps({"keys": mark_of(public)}, separators=(",", ":")).encode() + b"\n"


def _name_of(stored: str) -> str | None:
    sealed = _NAME.fullmatch(stored)
    return sealed[1] if sealed else None


def _has_mark(stored: str, mark: str) -> bool:
    sealed = _NAME.fullmatch(stored)
    return sealed is not None and sealed[4] == mark

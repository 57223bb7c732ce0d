"""Encryption at rest: files whose content is written as Crypt4GH to the site's public keys, and read with its secret key.

A sealed file is called NAME.SIZE-DIGEST.c4gh, with the size of its content and the SHA-256 of its ciphertext, so that it can be listed and
verified without any key. It can be read at any place: each segment of 64 kB is encrypted and authenticated by itself. Only objects and the
catalogue are sealed; manifests say what there is to those who hold no key, and name files, samples and digests.

Source: GA4GH Crypt4GH file encryption standard 1.0.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from genopipe.errors import BadConfiguration
from genopipe.store.files import CHUNK_BYTES, Files, Found, Location, damaged, size_of
from genopipe.store.keys import SECRET, public_keys, secret_key
from genopipe.store.objects import Objects, inside, object_name

SEALED = ("objects/", "catalogue/")
SEGMENT_BYTES = 65536
_CIPHER_BYTES = SEGMENT_BYTES + 28
_NAME = re.compile(r"(.+)\.(\d+)-([0-9a-f]{64})\.c4gh")


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
        if not name.startswith(SEALED):
            return self.files.found(name)
        return next((found for found in self.listed(name) if found.name == name), None)

    def read(self, name: str) -> bytes:
        with self.open(name) as source:
            return source.read()

    def open(self, name: str) -> BinaryIO:
        if not name.startswith(SEALED):
            return self.files.open(name)
        stored = self._stored(name)
        if stored is None:
            raise FileNotFoundError(name)
        try:
            return io.BufferedReader(_Segments(self.files.open(stored), self._secret, inside(self.place, stored)), SEGMENT_BYTES)
        except BadConfiguration:
            if self.intact(name):
                raise
            raise damaged(inside(self.place, stored)) from None

    def add(self, name: str, source: bytes | Path) -> bool:
        """Of two writers of a sealed name both are kept until one is removed: their content is the same."""
        if not name.startswith(SEALED):
            return self.files.add(name, source)
        return self._stored(name) is None and self._write(name, source)

    def replace(self, name: str, source: bytes | Path) -> None:
        if not name.startswith(SEALED):
            self.files.replace(name, source)
            return
        old = list(self._all_stored(name))
        self._write(name, source)
        for stored in old:
            self.files.delete(stored)

    def delete(self, name: str) -> None:
        for stored in list(self._all_stored(name)) if name.startswith(SEALED) else [name]:
            self.files.delete(stored)

    def intact(self, name: str) -> bool:
        """True when the ciphertext has its digest; no key is needed."""
        stored = self._stored(name)
        if stored is None:
            return False
        digest = hashlib.sha256()
        with self.files.open(stored) as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
        sealed = _NAME.fullmatch(stored)
        return sealed is not None and digest.hexdigest() == sealed[3]

    @cached_property
    def _public(self) -> list[bytes]:
        return public_keys()

    @cached_property
    def _secret(self) -> bytes:
        return secret_key()

    def _all_stored(self, name: str) -> Iterator[str]:
        return (found.name for found in self.files.listed(f"{name}.") if (match := _NAME.fullmatch(found.name)) and match[1] == name)

    def _stored(self, name: str) -> str | None:
        return next(self._all_stored(name), None)

    def _write(self, name: str, source: bytes | Path) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            sealed = Path(folder) / "sealed"
            with open(sealed, "wb") as target, io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as plain:
                _seal(plain, target, self._public)
            with open(sealed, "rb") as written:
                digest = hashlib.file_digest(written, "sha256").hexdigest()
            return self.files.add(f"{name}.{size_of(source)}-{digest}.c4gh", sealed)


class SealedObjects(Objects):
    """Objects in sealed files; to verify them needs no key."""

    files: SealedFiles

    def verify(self, digest: str) -> None:
        if not self.files.intact(self._present(digest).name):
            raise damaged(inside(self.files.place, object_name(digest)))


class _Segments(io.RawIOBase):
    """The content of a sealed file as a raw stream; what is read is decrypted and authenticated, nothing else is fetched."""

    def __init__(self, source: BinaryIO, secret: bytes, place: Location) -> None:
        from crypt4gh.header import deconstruct

        self._source, self._place, self._at = source, place, 0
        try:
            self._keys, _ = deconstruct(source, [(0, secret, None)])
        except ValueError as error:
            source.close()
            if "No supported encryption method" in str(error):
                raise _wrong_key(place) from None
            raise damaged(place) from None
        self._start = source.tell()
        cipher = source.seek(0, os.SEEK_END) - self._start
        whole, rest = divmod(cipher, _CIPHER_BYTES)
        self._size = whole * SEGMENT_BYTES + max(rest - 28, 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        first, last = self._at // SEGMENT_BYTES, (end - 1) // SEGMENT_BYTES
        self._source.seek(self._start + first * _CIPHER_BYTES)
        cipher = self._source.read((last - first + 1) * _CIPHER_BYTES)
        plain = b"".join(self._opened(cipher[at : at + _CIPHER_BYTES]) for at in range(0, len(cipher), _CIPHER_BYTES))
        taken = plain[self._at - first * SEGMENT_BYTES :][: end - self._at]
        if len(taken) != end - self._at:
            raise damaged(self._place)
        buffer[: len(taken)] = taken
        self._at = end
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _opened(self, cipher: bytes) -> bytes:
        from crypt4gh.lib import decrypt_block

        segment = bytearray(SEGMENT_BYTES)
        try:
            size = decrypt_block(segment, cipher, self._keys) if len(cipher) > _CIPHER_BYTES - SEGMENT_BYTES else 0
        except ValueError:
            raise damaged(self._place) from None
        return bytes(segment[:size])


def _seal(plain: BinaryIO, target: BinaryIO, recipients: list[bytes]) -> None:
    """Encrypts to all recipients, from a key pair that is used once."""
    from crypt4gh.lib import encrypt

    secret = os.urandom(32)
    encrypt([(0, secret, recipient) for recipient in recipients], plain, target)


def _wrong_key(place: Location) -> BadConfiguration:
    return BadConfiguration(
        "the secret key does not open this object",
        wanted="the secret key of one of the public keys it was written to",
        do=f"Check {SECRET}.",
        path=place,
        key=SECRET,
    )

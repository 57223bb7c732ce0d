"""The deflate encoders whose exact bytes the archive can make again, and the check that they still make them.

A gzip or BGZF file is kept as its plain content plus the name of the encoder and level that wrote it. That holds only while the library at
hand writes the same bytes, and those change between versions and builds. So a fixed text is compressed at every level of a library and the
digest of all results compared: at a put with the digests known to this version of genopipe, at a get with the one in the manifest. ISA-L is
left out on purpose, as its bytes depend on the processor; what matches it finds is told by our own search, which makes no bytes but is the
base of corrections (`genopipe.archive.corrections`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import deflate
from zlib_ng import zlib_ng

from genopipe.archive.deflate_tokens import Tokens, read_stream
from genopipe.archive.igzip_tokens import SLOTS, igzip_tokens
from genopipe.errors import BadEnvironment

KNOWN_VECTORS = {
    "igzip": "e1c44dabdceac637e8ead70b253e04481aa37dec31255ce4c8994df1e289cef8",
    "libdeflate": "5f4e92492362cf41c6ac726cb6aa0d3b5437bbddb74d36012a7982feb86ce6e9",
    "zlib": "b2b99c9bd05632217fb84a856f1bda6fcf574771ae918fff1a9eb7b58de9edfe",
    "zlib-ng": "04cc63a8753111433e88374ad56486dba7c01f8ec74153908356d96a68515edc",
}
"""For each library, the digest of what its known version makes of `_vector_text`."""

_RAW_DEFLATE = -15


class DeflateStream(Protocol):
    """Makes one raw deflate stream from pieces."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


_STREAMING: dict[str, Callable[..., DeflateStream]] = {"zlib": zlib.compressobj, "zlib-ng": zlib_ng.compressobj}


@dataclass(frozen=True, slots=True)
class Encoder:
    """A deflate library at one setting; `memory_level` is zlib's memLevel and 0 for libdeflate and igzip."""

    library: str
    level: int
    memory_level: int = 0

    @property
    def streams(self) -> bool:
        """True when the encoder takes a stream of any length in pieces."""
        return self.library in _STREAMING

    @property
    def foretells_streams(self) -> bool:
        """True when the encoder tells the tokens of a part of a stream."""
        return self.streams or not self.makes_blocks

    @property
    def makes_blocks(self) -> bool:
        """True when the encoder makes bytes, not only tokens."""
        return self.library != "igzip"

    def tokens(self, payload: bytes, before: bytes = b"") -> Tokens:
        """The matches and literals of the payload, as in `genopipe.archive.deflate_tokens`; of a stream behind what stood `before`."""
        if not self.makes_blocks:
            return igzip_tokens(payload, self.level, before)
        if not before:
            return read_stream(self.block(payload), len(payload)).token
        stream = self.stream(before)
        return read_stream(stream.compress(payload) + stream.flush(), len(payload)).token

    def block(self, payload: bytes) -> bytes:
        """One raw deflate stream of the whole payload."""
        if self.library == "libdeflate":
            return bytes(deflate.deflate_compress(payload, self.level))
        stream = self.stream()
        return stream.compress(payload) + stream.flush()

    def stream(self, before: bytes = b"") -> DeflateStream:
        """A raw deflate stream to be fed in pieces, behind what stood `before`."""
        assert self.streams
        settings = (self.level, zlib.DEFLATED, _RAW_DEFLATE, self.memory_level, zlib.Z_DEFAULT_STRATEGY)
        return _STREAMING[self.library](*settings, *([before] if before else []))


def encoders() -> Iterator[Encoder]:
    """All encoders that make bytes and whose vectors hold here, the likely ones first."""
    libdeflate = [Encoder("libdeflate", level) for level in (6, 5, 7, 8, 9, 1, 2, 3, 4, 10, 11, 12)]
    common = [Encoder("zlib", level, 8) for level in (6, 5, 9, 1, 2, 3, 4, 7, 8, 0)]
    rare = [Encoder("zlib", level, 9) for level in (6, 5, 9, 1, 2, 3, 4, 7, 8)]
    other = [Encoder("zlib-ng", level, memory) for memory in (8, 9) for level in (6, 5, 9, 1, 2, 3, 4, 7, 8)]
    yield from _trusted(libdeflate + common + rare + other)


def foretellers() -> Iterator[Encoder]:
    """Encoders that corrections may start from."""
    own = [Encoder("igzip", level) for level in SLOTS]
    yield from _trusted([*own, *(encoder for encoder in encoders() if encoder.level and encoder.memory_level < 9)])


def _trusted(given: list[Encoder]) -> Iterator[Encoder]:
    return (encoder for encoder in given if vector(encoder.library) == KNOWN_VECTORS[encoder.library])


def check_vector(library: str, recorded: str) -> None:
    """Raises BadEnvironment when the library no longer makes the bytes it made when a file was archived."""
    if library not in KNOWN_VECTORS:
        raise BadEnvironment(
            f"this file needs the encoder {library!r}",
            wanted=f"one of {', '.join(sorted(KNOWN_VECTORS))}",
            do="Use the version of genopipe that archived the file.",
        )
    if vector(library) != recorded:
        raise BadEnvironment(
            f"the {library} here makes other bytes than the one that archived this file",
            wanted=f"a {library} whose test vector is {recorded[:12]}",
            do="Install the versions in genopipe's lock file, or get the file with the version of genopipe that archived it.",
        )


@cache
def vector(library: str) -> str:
    """SHA-256 of the fixed text compressed at every level, hex."""
    digest = hashlib.sha256()
    for setting in _settings(library):
        digest.update(setting.block(_vector_text()) if setting.makes_blocks else setting.tokens(_vector_text()).astype("<i4").tobytes())
    return digest.hexdigest()


def _settings(library: str) -> list[Encoder]:
    if library == "igzip":
        return [Encoder(library, level) for level in SLOTS]
    if library == "libdeflate":
        return [Encoder(library, level) for level in range(1, 13)]
    return [Encoder(library, level, memory) for level in range(10) for memory in (8, 9)]


@cache
def _vector_text() -> bytes:
    """32 kB between order and noise: letters of a SHA-256 counter stream, repeated in part with changes."""
    noise = b"".join(hashlib.sha256(i.to_bytes(4, "little")).digest() for i in range(512))
    bases = bytes(b"ACGT"[byte & 3] for byte in noise[:8192])
    changed = bytes(b"ACGTN"[byte % 5] if byte < 12 else base for base, byte in zip(bases, noise[8192:], strict=True))
    return bases + noise[:1024] + changed + noise[:7168].hex().encode()

"""The deflate encoders whose exact bytes the archive can make again, and the check that they still make them.

A gzip or BGZF file is kept as its plain content plus the name of the encoder and level that wrote it. That holds only while the library at
hand writes the same bytes, and those change between versions and builds. So a fixed text is compressed at every level of a library and the
digest of all results compared: at a put with the digests known to this version of genopipe, at a get with the one in the manifest. ISA-L is
left out on purpose: its bytes depend on the processor.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import deflate

from genopipe.errors import BadEnvironment

KNOWN_VECTORS = {
    "libdeflate": "5f4e92492362cf41c6ac726cb6aa0d3b5437bbddb74d36012a7982feb86ce6e9",
    "zlib": "b2b99c9bd05632217fb84a856f1bda6fcf574771ae918fff1a9eb7b58de9edfe",
}
"""For each library, the digest of what its known version makes of `_vector_text`."""

_RAW_DEFLATE = -15


class DeflateStream(Protocol):
    """Makes one raw deflate stream from pieces."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """A deflate library at one setting; `memory_level` is zlib's memLevel and 0 for libdeflate."""

    library: str
    level: int
    memory_level: int = 0

    @property
    def streams(self) -> bool:
        """True when the encoder takes a stream of any length in pieces."""
        return self.library == "zlib"

    def block(self, payload: bytes) -> bytes:
        """One raw deflate stream of the whole payload."""
        if self.library == "libdeflate":
            return bytes(deflate.deflate_compress(payload, self.level))
        stream = self.stream()
        return stream.compress(payload) + stream.flush()

    def stream(self) -> DeflateStream:
        """A raw deflate stream to be fed in pieces."""
        assert self.streams
        return zlib.compressobj(self.level, zlib.DEFLATED, _RAW_DEFLATE, self.memory_level)


def encoders() -> Iterator[Encoder]:
    """All encoders whose vectors hold here, the likely ones first."""
    libdeflate = [Encoder("libdeflate", level) for level in (6, 5, 7, 8, 9, 1, 2, 3, 4, 10, 11, 12)]
    common = [Encoder("zlib", level, 8) for level in (6, 5, 9, 1, 2, 3, 4, 7, 8, 0)]
    rare = [Encoder("zlib", level, 9) for level in (6, 5, 9, 1, 2, 3, 4, 7, 8)]
    for encoder in libdeflate + common + rare:
        if vector(encoder.library) == KNOWN_VECTORS[encoder.library]:
            yield encoder


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
    if library == "libdeflate":
        settings = [Encoder(library, level) for level in range(1, 13)]
    else:
        settings = [Encoder(library, level, memory) for level in range(10) for memory in (8, 9)]
    digest = hashlib.sha256()
    for setting in settings:
        digest.update(setting.block(_vector_text()))
    return digest.hexdigest()


@cache
def _vector_text() -> bytes:
    """32 kB between order and noise: letters of a SHA-256 counter stream, repeated in part with changes."""
    noise = b"".join(hashlib.sha256(i.to_bytes(4, "little")).digest() for i in range(512))
    bases = bytes(b"ACGT"[byte & 3] for byte in noise[:8192])
    changed = bytes(b"ACGTN"[byte % 5] if byte < 12 else base for base, byte in zip(bases, noise[8192:], strict=True))
    return bases + noise[:1024] + changed + noise[:7168].hex().encode()

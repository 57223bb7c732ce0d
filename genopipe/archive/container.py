"""Gzip and BGZF around a content: found out at a put, laid around the same content again at a get.

`unwrap` reads a file once: its members (headers, sizes, checksums) are checked, the plain content is handed on in pieces, and a sample of
the compressed bytes is tried against every encoder. What comes out is a recipe: the headers, where members begin, and the encoder that
wrote them, or the nearest one, with corrections (`genopipe.archive.nearest`). `wrap` turns content and recipe into
the file. A recipe is a promise only after the restored file had the digest of the original; that check is the caller's.

Source: RFC 1952 (gzip); SAM/BAM format specification, section 4.1 (BGZF).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.archive.corrections import Block, Corrected
from genopipe.archive.deflate_tokens import NotDeflate
from genopipe.archive.encoders import Encoder, encoders
from genopipe.archive.gzip_corrections import CorrectedStreams, Segments
from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE, PAYLOAD, compress_block

PIECE_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 20
_TRIED_BYTES = 1 << 16
MOST_HEADERS = 4096
"""A gzip file of more members whose headers differ is kept as it is."""
MOST_AT_ONCE = 64 << 20
"""Bytes of a member that an encoder may be given which takes no pieces."""

OWN_ENCODER = Encoder("libdeflate", 6)
OWN_ENCODERS = (OWN_ENCODER, Encoder("libdeflate", 1))
"""What genopipe writes with: results, and alignments."""


_MAGIC = b"\x1f\x8b\x08"
_BGZF_HEADER = 18
TAIL = struct.Struct("<II")
_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a gzip file is laid around its content.

    kind         "bgzf" or "gzip"
    encoder      what wrote every member, or what the corrections start from
    header       the header of every member, or the one they share; of BGZF without the block size
    size         (members) int64: plain bytes of each member
    end_of_file  BGZF: whether the mark of the end is there
    corrections  a file as `genopipe.archive.corrections` or, of gzip, `gzip_corrections` writes; None where the encoder makes all
    padding      of gzip: zero bytes behind the last member
    """

    kind: str
    encoder: Encoder
    header: tuple[bytes, ...]
    size: NDArray[np.int64]
    end_of_file: bool
    corrections: Path | None = None
    padding: int = 0


def own_recipe(size: int) -> Recipe:
    """How genopipe itself lays BGZF around `size` bytes."""
    sizes = np.full(-(-size // PAYLOAD), PAYLOAD, np.int64)
    sizes[-1:] = size - PAYLOAD * (len(sizes) - 1)
    return Recipe("bgzf", OWN_ENCODER, (compress_block(b"")[:16],), sizes, True)


@dataclass(slots=True)
class Unwrapped:
    """What `unwrap` learns; complete once its pieces are used up.

    recipes  to be tried in order, none when no encoder fits
    recipe   makes one of an encoder; None where there can be none
    sample   content and deflate stream of some BGZF blocks, or of the beginning of a gzip file
    """

    kind: str = "plain"
    recipes: list[Recipe] = field(default_factory=list)
    recipe: Callable[..., Recipe] | None = None
    sample: list[Block] = field(default_factory=list)


def container_kind(path: Path) -> str:
    """ "bgzf", "gzip" or "plain", by the first bytes."""
    with open(path, "rb") as source:
        start = source.read(_BGZF_HEADER)
    if start[:3] != _MAGIC:
        return "plain"
    return "bgzf" if _is_bgzf_header(start) else "gzip"


def unwrap(path: Path, found: Unwrapped) -> Iterator[bytes]:
    """The plain content in pieces; fills `found`. Raises BadInput for gzip that is cut short or damaged."""
    found.kind = container_kind(path)
    with open(path, "rb", buffering=PIECE_BYTES) as source:
        if found.kind == "bgzf":
            yield from _unwrap_bgzf(path, source, found)
        elif found.kind == "gzip":
            yield from _unwrap_gzip(path, source, found)
        else:
            while piece := source.read(PIECE_BYTES):
                yield piece


def wrap(plain: Iterable[bytes], recipe: Recipe | None) -> Iterator[bytes]:
    """The file's bytes in pieces, from its plain content in pieces; without a recipe the content is the file."""
    if recipe is None:
        yield from plain
        return
    blocks = _wrap_bgzf if recipe.kind == "bgzf" else _wrap_gzip
    try:
        yield from blocks(_Pieces(plain), recipe)
    except NotDeflate:
        raise RecipeFailed("the corrections are not those of this content") from None


def _is_bgzf_header(start: bytes) -> bool:
    """Only the usual header of 18 bytes with the single extra field BC; rarer ones count as plain gzip."""
    return len(start) == _BGZF_HEADER and start[3] == 4 and start[10:16] == b"\x06\x00BC\x02\x00"


def bgzf_blocks(path: Path, source: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The header of each block, the rest of it, and its content. Raises BadInput for what is cut short or damaged."""
    offset = 0
    while start := source.read(_BGZF_HEADER):
        if not _is_bgzf_header(start):
            raise _damaged(path, f"byte {offset} does not begin a BGZF block")
        size = struct.unpack_from("<H", start, 16)[0] + 1
        rest = source.read(size - _BGZF_HEADER)
        if len(rest) != size - _BGZF_HEADER or len(rest) < TAIL.size:
            raise _damaged(path, f"the file is cut short inside the block at byte {offset}")
        yield start, rest, _inflate_block(path, rest, offset)
        offset += size


def _unwrap_bgzf(path: Path, source: BinaryIO, found: Unwrapped) -> Iterator[bytes]:
    sizes: list[int] = []
    sample: list[Block] = []
    header, uniform = b"", True
    last = b""
    for start, rest, payload in bgzf_blocks(path, source):  # the blocks 0, 1, 2, 4, 8, ... are the sample
        header = header or start[:16]
        uniform &= start[:16] == header
        if len(sizes) & (len(sizes) - 1) == 0 and payload:
            sample.append((payload, rest[: -TAIL.size]))
        sizes.append(len(payload))
        last = start + rest
        yield payload
    ended = last == END_OF_FILE
    if not ended and path.suffix == ".bam":
        raise _damaged(path, f"the file ends at byte {source.tell()} without the end-of-file block")
    if uniform:
        size = np.array(sizes[:-1] if ended else sizes, np.int64)
        found.sample, found.recipe = sample, partial(Recipe, "bgzf", header=(header,), size=size, end_of_file=ended)
        fitting = (encoder for encoder in encoders() if all(encoder.block(payload) == deflated for payload, deflated in sample))
        found.recipes = [found.recipe(encoder=encoder) for encoder in fitting]


def _inflate_block(path: Path, rest: bytes, offset: int) -> bytes:
    checksum, length = TAIL.unpack_from(rest, len(rest) - TAIL.size)
    try:
        payload = bytes(isal_zlib.decompress(rest[: -TAIL.size], _RAW_DEFLATE, bufsize=1 << 16))
    except isal_zlib.error as error:  # type: ignore[misc]
        raise _damaged(path, f"the block at byte {offset} cannot be inflated") from error
    if len(payload) != length or isal_zlib.crc32(payload) != checksum:
        raise _damaged(path, f"the block at byte {offset} does not match its checksum")
    return payload


def _wrap_bgzf(pieces: _Pieces, recipe: Recipe) -> Iterator[bytes]:
    header = recipe.header[0]
    with ExitStack() as stack:
        maker = Corrected(recipe.encoder, stack.enter_context(open(recipe.corrections, "rb"))) if recipe.corrections else recipe.encoder
        for size in recipe.size:
            payload = pieces.take(int(size))
            deflated = maker.block(payload)
            total = _BGZF_HEADER + len(deflated) + TAIL.size
            if total > 1 << 16:
                raise RecipeFailed(f"a block of {size} bytes does not fit")
            yield header + struct.pack("<H", total - 1) + deflated + TAIL.pack(isal_zlib.crc32(payload), len(payload))
    if recipe.end_of_file:
        yield END_OF_FILE


class RecipeFailed(Exception):
    """The recipe cannot be followed with this content."""


def _unwrap_gzip(path: Path, source: BinaryIO, found: Unwrapped) -> Iterator[bytes]:
    headers: list[bytes] = []
    sizes: list[int] = []
    trial = _Trial()
    reader = MemberReader(path, source)
    while reader.more():
        header = reader.header()
        if not header:
            break
        headers.append(headers[0] if headers and header == headers[0] else header)
        sizes.append(0)
        for piece in reader.member(trial if len(headers) == 1 else None):
            sizes[-1] += len(piece)
            yield piece
    shared = headers[:1] if len(set(headers)) == 1 else headers
    if len(shared) <= MOST_HEADERS:
        size = np.array(sizes, np.int64)
        found.recipe = partial(Recipe, "gzip", header=tuple(shared), size=size, end_of_file=False, padding=reader.padding)
        found.sample = [(bytes(trial.plain), bytes(trial.deflated))]
        found.recipes = [found.recipe(encoder=encoder) for encoder in trial.fitting(sizes)]


class MemberReader:
    """Reads the members of a gzip file one after another; `padding` counts the zeros behind the last, once they were seen."""

    def __init__(self, path: Path, source: BinaryIO) -> None:
        self.path, self.source = path, source
        self.rest = b""
        self.padding = 0

    def more(self) -> bool:
        self._fill(1)
        return bool(self.rest)

    def header(self) -> bytes:
        """The bytes of a member's header; empty when only zero padding is left."""
        self._fill(1 << 18)
        if self.rest[:3] != _MAGIC:
            if self._only_zeros():
                return b""
            raise _damaged(self.path, "something that is no gzip member follows one")
        end = self._header_end()
        header, self.rest = self.rest[:end], self.rest[end:]
        return header

    def member(self, trial: _Trial | Segments | None) -> Iterator[bytes]:
        """The content of the member whose header was read, in pieces."""
        inflater = zlib.decompressobj(_RAW_DEFLATE)
        checksum = length = 0
        while not inflater.eof:
            if not self.more():
                raise _cut_short(self.path)
            compressed = inflater.unconsumed_tail or self.rest
            try:
                piece = inflater.decompress(compressed)
            except zlib.error as error:
                raise _damaged(self.path, f"the gzip data cannot be inflated ({error})") from error
            self.rest = inflater.unused_data
            if trial:
                trial.see(piece, compressed[: len(compressed) - len(self.rest)])
            checksum, length = zlib.crc32(piece, checksum), length + len(piece)
            if piece:
                yield piece
        self._check_tail(checksum, length)

    def _check_tail(self, checksum: int, length: int) -> None:
        self._fill(TAIL.size)
        if len(self.rest) < TAIL.size:
            raise _cut_short(self.path)
        if TAIL.unpack_from(self.rest) != (checksum, length & 0xFFFFFFFF):
            raise _damaged(self.path, "the gzip data does not match its checksum")
        self.rest = self.rest[TAIL.size :]

    def _header_end(self) -> int:
        """Where the header of RFC 1952, section 2.3 ends in `rest`."""
        flags, end = self.rest[3] if len(self.rest) > 3 else 0, 10
        if flags & 4:
            end += 2 + int.from_bytes(self.rest[10:12], "little")
        for text in (8, 16):
            if flags & text:
                end = self.rest.find(b"\0", end) + 1 or len(self.rest) + 1
        end += 2 if flags & 2 else 0
        if end > len(self.rest):
            raise _cut_short(self.path)
        return end

    def _only_zeros(self) -> bool:
        piece = self.rest
        while piece and not piece.strip(b"\0"):
            self.padding += len(piece)
            piece = self.source.read(PIECE_BYTES)
        return not piece

    def _fill(self, n: int) -> None:
        while len(self.rest) < n and (piece := self.source.read(1 << 16)):
            self.rest += piece


class _Trial:
    """The start of the first member, plain and deflated, to try encoders on."""

    def __init__(self) -> None:
        self.plain = bytearray()
        self.deflated = bytearray()

    def see(self, plain: bytes, deflated: bytes) -> None:
        if len(self.plain) < SAMPLE_BYTES:
            self.plain += plain
            self.deflated += deflated

    def fitting(self, sizes: list[int]) -> list[Encoder]:
        """The encoders that write such a start, of members of these sizes; those that take no pieces are tried where all are small."""
        if sizes[0] == len(self.plain):
            plain = bytes(self.plain)
            return [encoder for encoder in encoders() if encoder.block(plain) == self.deflated]
        at_once = max(sizes) <= MOST_AT_ONCE
        return [encoder for encoder in encoders() if (encoder.streams or at_once) and self._begins(encoder)]

    def _begins(self, encoder: Encoder) -> bool:
        """True when the encoder begins as the member does, piece by piece; where it takes none, all but the end, where it may differ."""
        if not encoder.streams:
            deflated = encoder.block(bytes(self.plain))
            return self.deflated.startswith(deflated[: len(deflated) // 4])
        stream, at = encoder.stream(), 0
        for first in range(0, len(self.plain), _TRIED_BYTES):
            deflated = stream.compress(bytes(self.plain[first : first + _TRIED_BYTES]))
            if self.deflated[at : at + len(deflated)] != deflated:
                return False
            at += len(deflated)
        return True


def _wrap_gzip(pieces: _Pieces, recipe: Recipe) -> Iterator[bytes]:
    with ExitStack() as stack:
        file = stack.enter_context(open(recipe.corrections, "rb")) if recipe.corrections else None
        corrected = CorrectedStreams(recipe.encoder, file) if file else None
        headers = recipe.header if len(recipe.header) > 1 else recipe.header * len(recipe.size)
        for header, size in zip(headers, recipe.size, strict=True):
            yield header
            checksum = 0
            for plain, deflated in corrected.stream(pieces.take) if corrected else _streamed(pieces, int(size), recipe.encoder):
                checksum = zlib.crc32(plain, checksum)
                yield deflated
            yield TAIL.pack(checksum, int(size) & 0xFFFFFFFF)
    for first in range(0, recipe.padding, PIECE_BYTES):
        yield bytes(min(recipe.padding - first, PIECE_BYTES))


def _streamed(pieces: _Pieces, size: int, encoder: Encoder) -> Iterator[tuple[bytes, bytes]]:
    """The next content and its deflate stream, in pieces."""
    if not encoder.streams:
        payload = pieces.take(size)
        yield payload, encoder.block(payload)
        return
    stream = encoder.stream()
    for piece in pieces.each(size):
        yield piece, stream.compress(piece)
    yield b"", stream.flush()


class _Pieces:
    """Content in pieces of any size, handed out in wanted sizes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._source = iter(pieces)
        self._piece = memoryview(b"")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        return b"".join(self.each(size))

    def each(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in pieces. Raises RecipeFailed when the content ends before."""
        while size:
            if not self._piece:
                try:
                    self._piece = memoryview(next(self._source))
                except StopIteration:
                    raise RecipeFailed(f"the content is {size} bytes short") from None
                continue
            piece, self._piece = self._piece[:size], self._piece[size:]
            size -= len(piece)
            yield bytes(piece)

    def at_end(self) -> bool:
        """True when nothing is left."""
        return not self._piece and not any(self._source)


def _cut_short(path: Path) -> BadInput:
    return _damaged(path, "the gzip data ends before its end mark")


def _damaged(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="whole, intact gzip data", do="Copy or write the file again, then archive it.", path=path)

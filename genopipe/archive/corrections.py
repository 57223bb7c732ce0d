"""What tells a BGZF file's deflate streams from those of the nearest encoder at hand, where none makes them exactly.

Of a BGZF block that the encoder does not make, the tokens are compared with those of the encoder, place by place: the match that it has
there, or the rest of one, is foretold; the tokens that are not foretold are listed. Code tables are kept as they are: many encoders write
one table again and again. What cannot be told so is kept deflated. The blocks of a group are packed together. Other gzip:
`genopipe.archive.gzip_corrections`.

Source: RFC 1951; the idea is that of preflate (D. Steinke, https://github.com/deus-libri/preflate).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.deflate_tokens import STORED, NotDeflate, Numbers, Stream, Tokens, read_stream, written_stream
from genopipe.archive.encoders import Encoder
from genopipe.kernels.compiled import allocating, kernel

GROUP = 256
"""BGZF blocks that are packed together."""
_SAME, _TOLD, _KEPT = range(3)
HOW, KEPT_SIZE, KEPT_BYTES, N_BLOCKS, KIND, COUNT, BITS, HEAD, N_MISSED, GAP, MISSED = STREAMS = range(11)
_TYPES = ("u1", "<u4", "u1", "<u2", "u1", "<u4", "<u2", "u1", "<u4", "<u4", "<i4")
_SIZES = struct.Struct(f"<{1 + len(STREAMS)}I")
_LEVEL = 19

Block = tuple[bytes, bytes]
"""The plain content of a BGZF block and its deflate stream."""


class Noted:
    """Streams of numbers that are written group by group."""

    def __init__(self) -> None:
        self._parts: list[list[NDArray[Any]]] = [[] for _ in STREAMS]

    def add(self, stream: int, number: int) -> None:
        """Adds a number to a stream."""
        self._parts[stream].append(np.array([number]))

    def add_kept(self, deflated: bytes) -> None:
        """Adds bytes as they are."""
        self.add(KEPT_SIZE, len(deflated))
        self._parts[KEPT_BYTES].append(np.frombuffer(deflated, np.uint8))

    def add_blocks(self, blocks: Stream, foretold: Tokens) -> None:
        """Adds deflate blocks as what is not foretold of them."""
        missed = _misses(foretold, blocks.token, blocks.kind, blocks.count)
        self.add(N_BLOCKS, len(blocks.kind))
        self.add(N_MISSED, len(missed))
        arrays: dict[int, NDArray[Any]] = {KIND: blocks.kind, COUNT: blocks.count, BITS: blocks.bits, HEAD: blocks.head}
        arrays |= {GAP: np.diff(missed, prepend=-1) - 1, MISSED: blocks.token[missed]}
        for stream, array in arrays.items():
            self._parts[stream].append(array)

    def packed(self, level: int = _LEVEL) -> bytes:
        """The streams, compressed by zstd."""
        streams = [np.concatenate([np.empty(0, dtype), *part]).astype(dtype) for dtype, part in zip(_TYPES, self._parts, strict=True)]
        frame = zstandard.ZstdCompressor(level=level).compress(b"".join(map(_planes, streams)))
        return _SIZES.pack(len(frame), *map(len, streams)) + frame


class Source:
    """The streams again, a group at a time. Raises NotDeflate where they have fewer numbers than they should."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream: list[NDArray[Any]] = [np.empty(0, dtype) for dtype in _TYPES]

    def number(self, stream: int) -> int:
        """The next number of a stream."""
        return int(self.take(stream, 1)[0])

    def take(self, stream: int, n: int) -> NDArray[Any]:
        """The next numbers of a stream."""
        if stream == HOW and not len(self._stream[HOW]):
            self._stream = _unpacked(self._file)
        taken, self._stream[stream] = np.split(self._stream[stream], [n])
        if len(taken) < n:
            raise NotDeflate
        return taken

    def blocks(self, foretold: Tokens) -> Stream:
        """The next deflate blocks."""
        n_blocks, n_missed = self.number(N_BLOCKS), self.number(N_MISSED)
        kind, count, bits = (self.take(stream, n_blocks).astype(np.int64) for stream in (KIND, COUNT, BITS))
        head = self.take(HEAD, int(((bits + 7) // 8).sum()))
        place = np.cumsum(self.take(GAP, n_missed).astype(np.int64) + 1) - 1
        token = np.zeros(int(count[kind != STORED].sum()), np.int32)
        _tell(foretold, (place, self.take(MISSED, n_missed)), (kind, count), token)
        return Stream(token, kind, count, bits, head)


def write_corrections(blocks: Iterable[Block], encoder: Encoder, path: Path) -> None:
    """Writes what makes each deflate stream of its plain content."""
    with open(path, "wb") as target:
        group: list[Block] = []
        for block in blocks:
            group.append(block)
            if len(group) == GROUP:
                target.write(packed(group, encoder, _LEVEL))
                group = []
        target.write(packed(group, encoder, _LEVEL))


def packed(blocks: list[Block], encoder: Encoder, level: int) -> bytes:
    """The corrections of one group, compressed by zstd."""
    noted = Noted()
    for plain, deflated in blocks:
        _note(plain, deflated, encoder, noted)
    return noted.packed(level)


class Corrected:
    """An encoder with its corrections: makes the blocks in the order in which they were noted."""

    def __init__(self, encoder: Encoder, file: BinaryIO) -> None:
        self._encoder, self._source = encoder, Source(file)

    def block(self, plain: bytes) -> bytes:
        """The deflate stream of the next block. Raises NotDeflate where the corrections are not those of this content."""
        how = self._source.number(HOW)
        if how == _SAME:
            return self._encoder.block(plain)
        if how == _KEPT:
            return self._source.take(KEPT_BYTES, self._source.number(KEPT_SIZE)).tobytes()
        return written_stream(self._source.blocks(foretold(self._encoder.tokens(plain), len(plain))), plain)


def _note(plain: bytes, deflated: bytes, encoder: Encoder, noted: Noted) -> None:
    """Adds what makes one block to the streams."""
    if encoder.makes_blocks and encoder.block(plain) == deflated:
        noted.add(HOW, _SAME)
        return
    try:
        stream = read_stream(deflated, len(plain))
        told = written_stream(stream, plain) == deflated
    except NotDeflate:
        told = False
    noted.add(HOW, _TOLD if told else _KEPT)
    if told:
        noted.add_blocks(stream, foretold(encoder.tokens(plain), len(plain)))
    else:
        noted.add_kept(deflated)


def foretold(token: Tokens, size: int) -> Tokens:
    """(bytes) the token that an encoder has at each place, or what is left there of one that began before."""
    out = np.zeros(size, np.int32)
    _spread(token, out)
    return out


def _planes(stream: NDArray[Any]) -> bytes:
    """The lowest byte of each number, then the next."""
    return np.ascontiguousarray(stream.view(np.uint8).reshape(-1, stream.itemsize).T).tobytes()


def _unpacked(source: BinaryIO) -> list[NDArray[Any]]:
    """The streams of the next group. Raises NotDeflate where none follows."""
    head = source.read(_SIZES.size)
    if len(head) < _SIZES.size:
        raise NotDeflate
    size, *counts = _SIZES.unpack(head)
    byte = np.frombuffer(zstandard.ZstdDecompressor().decompress(source.read(size)), np.uint8)
    streams, at = [], 0
    for dtype, n in zip(map(np.dtype, _TYPES), counts, strict=True):
        planes = byte[at : at + n * dtype.itemsize].reshape(dtype.itemsize, n)
        streams.append(np.ascontiguousarray(planes.T).view(dtype).reshape(n))
        at += n * dtype.itemsize
    return streams


@kernel
def _spread(token: Tokens, out: Tokens) -> None:
    at = 0
    for value in token:
        length = max(1, value >> 16)
        for i in range(min(length, len(out) - at)):
            if length - i >= 3:
                out[at + i] = (length - i) << 16 | (value & 0xFFFF)
        at += length


@allocating
def _misses(foretold: Tokens, token: Tokens, kind: Numbers, count: Numbers) -> Numbers:
    """Which tokens are not the foretold ones."""
    missed = np.empty(len(token), np.int64)
    at = i = n = 0
    for b in range(len(kind)):
        if kind[b] == STORED:
            at += count[b]
            continue
        for _ in range(count[b]):
            if at >= len(foretold) or foretold[at] != token[i]:
                missed[n] = i
                n += 1
            at += max(1, token[i] >> 16)
            i += 1
    return missed[:n].copy()


@kernel
def _tell(foretold: Tokens, missed: tuple[Numbers, Tokens], blocks: tuple[Numbers, Numbers], out: Tokens) -> None:
    """Fills `out` with the tokens; places beyond those foretold have literals."""
    place, value = missed
    kind, count = blocks
    at = n = used = 0
    for b in range(len(kind)):
        if kind[b] == STORED:
            at += count[b]
            continue
        for _ in range(count[b]):
            if used < len(place) and place[used] == n:
                out[n] = value[used]
                used += 1
            elif at < len(foretold):
                out[n] = foretold[at]
            at += max(1, out[n] >> 16)
            n += 1

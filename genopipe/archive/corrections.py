"""What tells a BGZF file's deflate streams from those of the nearest encoder at hand, where none makes them exactly.

Of a block that the encoder does not make, the tokens are compared with those of the encoder, place by place: the match that it has there,
or the rest of one, is foretold; the tokens that are not foretold are listed. Code tables are kept as they are: many encoders write one
table again and again. What cannot be told so is kept deflated. The blocks of a group are packed together.

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
_HOW, _KEPT_SIZE, _KEPT_BYTES, _N_BLOCKS, _KIND, _COUNT, _BITS, _HEAD, _N_MISSED, _GAP, _MISSED = STREAMS = range(11)
_TYPES = ("u1", "<u2", "u1", "<u2", "u1", "<u4", "<u2", "u1", "<u4", "<u2", "<i4")
_SIZES = struct.Struct(f"<{1 + len(STREAMS)}I")
_LEVEL = 19

Block = tuple[bytes, bytes]
"""The plain content of a BGZF block and its deflate stream."""
Parts = list[list[NDArray[Any]]]


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
    parts: Parts = [[] for _ in STREAMS]
    for plain, deflated in blocks:
        _note(plain, deflated, encoder, parts)
    streams = [np.concatenate([np.empty(0, dtype), *part]).astype(dtype) for dtype, part in zip(_TYPES, parts, strict=True)]
    frame = zstandard.ZstdCompressor(level=level).compress(b"".join(map(_planes, streams)))
    return _SIZES.pack(len(frame), *map(len, streams)) + frame


class Corrected:
    """An encoder with its corrections: makes the blocks in the order in which they were noted."""

    def __init__(self, encoder: Encoder, source: BinaryIO) -> None:
        self._encoder, self._source = encoder, source
        self._stream: list[NDArray[Any]] = [np.empty(0, dtype) for dtype in _TYPES]

    def block(self, plain: bytes) -> bytes:
        """The deflate stream of the next block. Raises NotDeflate where the corrections are not those of this content."""
        if not len(self._stream[_HOW]):
            self._stream = _unpacked(self._source)
        how = self._number(_HOW)
        if how == _SAME:
            return self._encoder.block(plain)
        if how == _KEPT:
            return self._take(_KEPT_BYTES, self._number(_KEPT_SIZE)).tobytes()
        n_blocks, n_missed = self._number(_N_BLOCKS), self._number(_N_MISSED)
        kind, count, bits = (self._take(stream, n_blocks).astype(np.int64) for stream in (_KIND, _COUNT, _BITS))
        head = self._take(_HEAD, int(((bits + 7) // 8).sum()))
        place = np.cumsum(self._take(_GAP, n_missed).astype(np.int64) + 1) - 1
        token = np.zeros(len(plain), np.int32)
        used = _told(_foretold(self._encoder, plain), place, self._take(_MISSED, n_missed), token)
        return written_stream(Stream(token[:used], kind, count, bits, head), plain)

    def _take(self, stream: int, n: int) -> NDArray[Any]:
        taken, self._stream[stream] = np.split(self._stream[stream], [n])
        if len(taken) < n:
            raise NotDeflate
        return taken

    def _number(self, stream: int) -> int:
        return int(self._take(stream, 1)[0])


def _note(plain: bytes, deflated: bytes, encoder: Encoder, parts: Parts) -> None:
    """Adds what makes one block to the streams."""
    if encoder.makes_blocks and encoder.block(plain) == deflated:
        parts[_HOW].append(np.array([_SAME]))
        return
    try:
        stream = read_stream(deflated, len(plain))
        missed = _misses(_foretold(encoder, plain), stream.token)
        told = (stream.kind != STORED).all() and written_stream(stream, plain) == deflated
    except NotDeflate:
        told = False
    parts[_HOW].append(np.array([_TOLD if told else _KEPT]))
    if not told:
        parts[_KEPT_SIZE].append(np.array([len(deflated)]))
        parts[_KEPT_BYTES].append(np.frombuffer(deflated, np.uint8))
        return
    parts[_N_BLOCKS].append(np.array([len(stream.kind)]))
    for which, array in ((_KIND, stream.kind), (_COUNT, stream.count), (_BITS, stream.bits), (_HEAD, stream.head)):
        parts[which].append(array)
    parts[_N_MISSED].append(np.array([len(missed)]))
    parts[_GAP].append(np.diff(missed, prepend=-1) - 1)
    parts[_MISSED].append(stream.token[missed])


def _foretold(encoder: Encoder, plain: bytes) -> Tokens:
    """(bytes) the token that the encoder has at each place, or what is left there of one that began before."""
    out = np.zeros(len(plain), np.int32)
    _spread(encoder.tokens(plain), out)
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
def _misses(foretold: Tokens, token: Tokens) -> Numbers:
    """Which tokens are not the foretold ones."""
    missed = np.empty(len(token), np.int64)
    at = n = 0
    for i in range(len(token)):
        if at >= len(foretold) or foretold[at] != token[i]:
            missed[n] = i
            n += 1
        at += max(1, token[i] >> 16)
    return missed[:n].copy()


@kernel
def _told(foretold: Tokens, place: Numbers, missed: Tokens, out: Tokens) -> int:
    """Fills `out` with the tokens; gives how many there are."""
    at = n = used = 0
    while at < len(foretold):
        if used < len(place) and place[used] == n:
            out[n] = missed[used]
            used += 1
        else:
            out[n] = foretold[at]
        at += max(1, out[n] >> 16)
        n += 1
    return n

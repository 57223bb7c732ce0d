"""What tells the deflate streams of a gzip file from those of the nearest encoder at hand, where none makes them exactly.

A stream may be long: it is cut between deflate blocks into segments of some megabytes of content. The encoder is asked for the tokens of
each segment, behind the 32 kB before it, and what differs is kept as for BGZF (`genopipe.archive.corrections`). GNU gzip has zlib's tokens
and cuts its blocks otherwise; pigz compresses pieces of 128 kB on their own.

Source: RFC 1951, RFC 1952.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from genopipe.archive.corrections import HOW, KEPT_SIZE, Noted, Source, foretold
from genopipe.archive.deflate_tokens import STORED, NotDeflate, Stream, read_blocks, written_blocks
from genopipe.archive.encoders import Encoder

SEGMENT_BYTES = 4 << 20
"""Content after which a segment is cut."""
WINDOW = 1 << 15
_LONGEST_BLOCK = 64 << 20
_MORE, _LAST = range(2)


class Segments:
    """Writes the corrections of streams that are seen in pieces."""

    def __init__(self, encoder: Encoder, target: BinaryIO) -> None:
        self._encoder, self._target = encoder, target
        self._begin()

    def _begin(self) -> None:
        self._plain = self._deflated = self._before = b""
        self._bit, self._last, self._next = 0, False, SEGMENT_BYTES

    def see(self, plain: bytes, deflated: bytes) -> None:
        """The next pieces of content and stream. Raises NotDeflate for a stream whose blocks are too long to be held."""
        self._plain, self._deflated = self._plain + plain, self._deflated + deflated
        if len(self._plain) >= self._next:
            if not self._cut() and len(self._deflated) > _LONGEST_BLOCK:
                raise NotDeflate
            self._next = len(self._plain) + SEGMENT_BYTES

    def end(self) -> None:
        """The stream ends here. Raises NotDeflate where it does not."""
        while not self._last:
            if not self._cut():
                raise NotDeflate
        self._begin()

    def _cut(self) -> bool:
        """Writes the blocks that are whole; false where there are none."""
        blocks, end, last = read_blocks(self._deflated, self._bit, len(self._plain))
        size = content_size(blocks)
        if not len(blocks.kind) or size > len(self._plain):
            return False
        noted = Noted()
        noted.add(HOW, _LAST if last else _MORE)
        noted.add(KEPT_SIZE, size)
        noted.add_blocks(blocks, foretold(self._encoder.tokens(self._plain[:size], self._before), size))
        self._target.write(noted.packed())
        self._before = (self._before + self._plain[:size])[-WINDOW:]
        self._plain, self._deflated, self._bit, self._last = self._plain[size:], self._deflated[end // 8 :], end & 7, last
        return True


class CorrectedStreams:
    """An encoder with its corrections: makes the streams in the order in which they were seen."""

    def __init__(self, encoder: Encoder, file: BinaryIO) -> None:
        self._encoder, self._source = encoder, Source(file)

    def stream(self, take: Callable[[int], bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Content and stream in pieces; `take` gives the next content. Raises NotDeflate where the corrections are not those of it."""
        before, begun, last = b"", (0, 0), False
        while not last:
            last = self._source.number(HOW) == _LAST
            plain = take(self._source.number(KEPT_SIZE))
            blocks = self._source.blocks(foretold(self._encoder.tokens(plain, before), len(plain)))
            deflated, begun = written_blocks(blocks, plain, begun, final=last)
            before = (before + plain)[-WINDOW:]
            yield plain, deflated


def share(plain: bytes, deflated: bytes, encoder: Encoder) -> float:
    """Bytes of corrections for each byte of a stream, told by its beginning. Raises NotDeflate where that has no whole block."""
    blocks, end, _ = read_blocks(deflated, 0, len(plain))
    if not len(blocks.kind):
        raise NotDeflate
    size, noted = content_size(blocks), Noted()
    noted.add_blocks(blocks, foretold(encoder.tokens(plain[:size]), size))
    return len(noted.packed(1)) / (end // 8)


def content_size(blocks: Stream) -> int:
    """Bytes of what the blocks hold."""
    return int(np.maximum(blocks.token >> 16, 1).sum() + blocks.count[blocks.kind == STORED].sum())

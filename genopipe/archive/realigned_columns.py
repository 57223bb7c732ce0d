"""The streams of realigned reads in a file: some batches make a group, in which each stream is compressed by itself.

A group is the number of its streams and batches (uint32 each), and for each stream its number (uint16), its size, its compressed size
(uint32 each; 0 for a stream of zeros), and its bytes. Besides the streams of `genopipe.archive.realigned_records` there are three that say
which records of the pool a batch is about: how many, and how many rows each has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import zstandard

from genopipe.archive.plain_bam import Bytes, Offsets
from genopipe.archive.realigned_records import ALL_STREAMS, Streams, far_values
from genopipe.archive.rearranged import Numbers

N_POOL, COUNT, COUNT_FAR = range(ALL_STREAMS, ALL_STREAMS + 3)
_HEAD = struct.Struct("<II")
_STREAM = struct.Struct("<HII")
_LEVEL = 19
_FAR = 255


class Group:
    """The streams of some batches, before they are compressed. `size` is in bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._stream: dict[int, list[bytes]] = {}

    def add(self, times: Numbers, streams: dict[int, bytes]) -> None:
        """Adds a batch: how many rows each record of the pool has, and what is noted of them."""
        counts = {
            N_POOL: np.array([len(times)], "<i8").tobytes(),
            COUNT: np.minimum(times, _FAR).astype(np.uint8).tobytes(),
            COUNT_FAR: times[times >= _FAR].astype("<i8").tobytes(),
        }
        for stream, content in (counts | streams).items():
            self._stream.setdefault(stream, []).append(content)
            self.size += len(content)

    def write(self, target: BinaryIO) -> None:
        """Writes the streams."""
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        plain = {stream: b"".join(pieces) for stream, pieces in sorted(self._stream.items())}
        target.write(_HEAD.pack(sum(map(bool, plain.values())), len(self._stream.get(N_POOL, []))))
        for stream, content in plain.items():
            if content:
                packed = compressor.compress(content) if np.frombuffer(content, np.uint8).any() else b""
                target.write(_STREAM.pack(stream, len(content), len(packed)) + packed)


class BatchStreams(Streams):
    """The streams of a group, read batch by batch."""

    def times(self) -> Numbers:
        """How many rows each record of the pool's next batch has."""
        n = int.from_bytes(self.take(N_POOL, 8).tobytes(), "little")
        return far_values(self.take(COUNT, n), lambda size: self.take(COUNT_FAR, size))


def groups(source: BinaryIO) -> Iterator[tuple[int, BatchStreams]]:
    """The number of batches and the streams of each group."""
    while head := source.read(_HEAD.size):
        n_streams, n_batches = _HEAD.unpack(head)
        at: Offsets = np.zeros(COUNT_FAR + 1, np.int64)
        parts: list[Bytes] = [np.empty(0, np.uint8)]
        end = 0
        for _ in range(n_streams):
            stream, size, packed = _STREAM.unpack(source.read(_STREAM.size))
            content = zstandard.ZstdDecompressor().decompress(source.read(packed), max_output_size=size) if packed else bytes(size)
            parts.append(np.frombuffer(content, np.uint8))
            at[stream], end = end, end + size
        yield n_batches, BatchStreams(np.concatenate(parts), at)

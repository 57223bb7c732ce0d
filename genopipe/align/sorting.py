"""Records in any order come out sorted, within a given amount of memory.

Records are collected in one arena. When it is full they are sorted and written, in compressed chunks, to a file in a temporary folder: a
run. At the end the runs and what is left in the arena are merged. Equal keys keep the order in which they came, and runs follow each other
in that order, so the result does not depend on how much memory there was.

Merging takes, again and again, the run whose loaded chunk ends first; everything up to that end is known for all runs and can go out.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.kernels.stretches import gathered
from genopipe.outputs import make_folder, writing
from genopipe.progress import log

CHUNK = 1 << 21
"""Bytes of records that are handed on, or compressed, at a time."""

_INDEX_BITS = 30
_FIRST_ROOM = 1 << 16
_HEAD = struct.Struct("<qqq")


@dataclass(frozen=True, slots=True)
class Held:
    """Records in memory, in the order in which they came.

    record, start, ordinal  as in `Chunk`
    order   (records) int64: their rows, sorted
    key     (records) int64: the keys, sorted
    """

    record: NDArray[np.uint8]
    start: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    order: NDArray[np.int64]
    key: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sorted records.

    record   (bytes) uint8
    start    (records + 1) int64: where each begins in `record`
    key      (records) int64: what they are sorted by
    ordinal  (records) int64: ordinal of the read each is of
    """

    record: NDArray[np.uint8]
    start: NDArray[np.int64]
    key: NDArray[np.int64]
    ordinal: NDArray[np.int64]


Order = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Gives the rows of keys in ascending order, equal ones as they come."""


def order_of(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of keys below 2**34, in order."""
    packed = (key.astype(np.uint64) << np.uint64(_INDEX_BITS)) | np.arange(len(key), dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64((1 << _INDEX_BITS) - 1)).astype(np.int64)


class Sorter:
    """Takes records with `add`, gives them sorted with `chunks`; spills to `folder` what exceeds `memory` bytes."""

    def __init__(self, folder: Path, *, memory: int, order: Order = order_of) -> None:
        self._folder, self._order = folder, order
        self._arena = np.empty(memory, np.uint8)
        self._start = np.zeros(_FIRST_ROOM, np.int64)
        self._key = np.empty(_FIRST_ROOM, np.int64)
        self._ordinal = np.empty(_FIRST_ROOM, np.int64)
        self._n = 0
        self._runs: list[Path] = []

    def add(self, record: NDArray[np.uint8], start: NDArray[np.int64], key: NDArray[np.int64], ordinal: NDArray[np.int64]) -> None:
        """Adds records, as in `Chunk`; keys are below 2**34."""
        used = int(self._start[self._n])
        if used + len(record) > len(self._arena) and self._n:
            self._spill()
            used = 0
        if len(record) > len(self._arena):
            self._arena = np.empty(len(record), np.uint8)
        self._make_room(len(key))
        self._arena[used : used + len(record)] = record
        self._start[self._n + 1 : self._n + len(key) + 1] = start[1:] + used
        self._key[self._n : self._n + len(key)] = key
        self._ordinal[self._n : self._n + len(key)] = ordinal
        self._n += len(key)

    def chunks(self) -> Iterator[Chunk]:
        """All records, sorted. Call once, after the last `add`."""
        if not self._runs:
            yield from self._sorted_arena()
            return
        log.info("merging %d sorted runs", len(self._runs) + 1)
        yield from _merge([*(_read_run(run) for run in self._runs), self._sorted_arena()])

    def held(self) -> Held | None:
        """All records where they are, with their order; None where some were spilled. Call once, in the place of `chunks`."""
        if self._runs:
            return None
        rows = slice(self._n)
        order = self._order(self._key[rows])
        return Held(self._arena, self._start[: self._n + 1], self._ordinal[rows], order, self._key[order])

    def _make_room(self, n: int) -> None:
        while self._n + n + 1 > len(self._key):
            columns = self._start, self._key, self._ordinal
            self._start, self._key, self._ordinal = (np.concatenate((array, np.zeros_like(array))) for array in columns)

    def _sorted_arena(self) -> Iterator[Chunk]:
        order = self._order(self._key[: self._n])
        end = np.cumsum(self._start[order + 1] - self._start[order])
        first = 0
        while first < self._n:
            before = int(end[first - 1]) if first else 0
            last = max(int(np.searchsorted(end, before + CHUNK, "right")), first + 1)
            rows = order[first:last]
            yield _chunk(self._arena, self._start, rows, self._key[rows], self._ordinal[rows])
            first = last

    def _spill(self) -> None:
        path = self._folder / f"run-{len(self._runs)}"
        with writing(path), open(path, "wb") as out:
            for chunk in self._sorted_arena():
                _write_chunk(out, chunk)
        self._runs.append(path)
        log.info("sorted run %d written: %d records", len(self._runs), self._n)
        self._n = 0


@contextmanager
def temporary_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output` that is gone afterwards."""
    make_folder(output.parent)
    with writing(output):
        folder = Path(tempfile.mkdtemp(prefix=f".sorting-{output.name}-", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _chunk(
    record: NDArray[np.uint8], start: NDArray[np.int64], rows: NDArray[np.int64], key: NDArray[np.int64], ordinal: NDArray[np.int64]
) -> Chunk:
    return Chunk(*gathered(record, start, rows), key, ordinal)


def _write_chunk(out: BinaryIO, chunk: Chunk) -> None:
    plain = b"".join(array.tobytes() for array in (chunk.start, chunk.key, chunk.ordinal, chunk.record))
    packed = isal_zlib.compress(plain, level=1)
    out.write(_HEAD.pack(len(chunk.key), len(packed), len(chunk.record)))
    out.write(packed)


def _read_run(path: Path) -> Iterator[Chunk]:
    with open(path, "rb") as file:
        while head := file.read(_HEAD.size):
            n, packed, _ = _HEAD.unpack(head)
            plain = np.frombuffer(isal_zlib.decompress(file.read(packed)), np.uint8)
            numbers = plain[: 8 * (3 * n + 1)].view(np.int64)
            yield Chunk(plain[8 * (3 * n + 1) :], numbers[: n + 1], numbers[n + 1 : 2 * n + 1], numbers[2 * n + 1 :])


class _Cursor:
    """The loaded chunk of one run and how much of it has gone out."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self.chunks = chunks
        self.chunk: Chunk | None = None
        self.done = 0
        self.load()

    def load(self) -> None:
        self.chunk, self.done = next(self.chunks, None), 0

    def take(self, last: int) -> Chunk:
        """Rows `done` to `last`."""
        assert self.chunk is not None
        rows = slice(self.done, last)
        start = self.chunk.start[self.done : last + 1]
        self.done = last
        return Chunk(self.chunk.record[start[0] : start[-1]], start - start[0], self.chunk.key[rows], self.chunk.ordinal[rows])


def _merge(runs: list[Iterator[Chunk]]) -> Iterator[Chunk]:
    cursors = [cursor for cursor in map(_Cursor, runs) if cursor.chunk is not None]
    while cursors:
        ends = [int(cursor.chunk.key[-1]) for cursor in cursors if cursor.chunk is not None]
        first = ends.index(min(ends))
        parts = [_known_part(cursor, ends[first], before=number <= first) for number, cursor in enumerate(cursors)]
        yield _joined([part for part in parts if len(part.key)])
        cursors[first].load()
        cursors = [cursor for cursor in cursors if cursor.chunk is not None]


def _known_part(cursor: _Cursor, end: int, *, before: bool) -> Chunk:
    """Rows up to `end`; runs behind the one that ends there must wait with keys equal to it, for that run may have more of them."""
    assert cursor.chunk is not None
    return cursor.take(int(np.searchsorted(cursor.chunk.key, end, "right" if before else "left")))


def _joined(parts: list[Chunk]) -> Chunk:
    if len(parts) == 1:
        return parts[0]
    key = np.concatenate([part.key for part in parts])
    ordinal = np.concatenate([part.ordinal for part in parts])
    size = np.concatenate([np.diff(part.start) for part in parts])
    order = np.argsort(key, kind="stable")
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    return _chunk(np.concatenate([part.record for part in parts]), start, order, key[order], ordinal[order])

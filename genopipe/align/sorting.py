"""Records in any order come out sorted, within a given amount of memory.

Records stay in memory where they were made. When these are too many they are sorted and written, in compressed chunks, to a file in a
temporary folder: a run. At the end, what is in memory is sorted, or all runs are merged. Records of equal keys are in the order of
the reads they are of, those of one read as they came, and runs follow each other in that order: the result depends neither on how much
memory there was nor on how many records came at once.

What comes out is cut into parts, each of which a worker makes by itself. Runs are cut where some of their chunks begin: by key, of equal
ones by run and chunk, so that records of one key, however many, are cut too. A part loads the chunks of each run that reach into it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe import outputs
from genopipe.align.workers import Workers
from genopipe.kernels.stretches import address, collected, gathered
from genopipe.outputs import writing
from genopipe.progress import log

CHUNK = 1 << 12
"""Records that are handed on, or compressed, at a time."""

_INDEX_BITS = 30
_BYTES_BESIDE = 64
"""Bytes of memory that a record takes beside its own while it is sorted."""

_COPIES = 4
"""How often a record of a part is in memory while it is merged."""

_HEAD = struct.Struct("<qq")


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

Part = Callable[[], Chunk]
"""Makes a chunk, in any thread."""


def order_of(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of keys below 2**34, in order."""
    packed = (key.astype(np.uint64) << np.uint64(_INDEX_BITS)) | np.arange(len(key), dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64((1 << _INDEX_BITS) - 1)).astype(np.int64)


class Sorter:
    """Takes records with `add`, gives them sorted with `parts`; spills to `folder` what exceeds `memory` bytes."""

    def __init__(self, folder: Path, workers: Workers, *, memory: int, order: Order = order_of) -> None:
        self._folder, self.workers, self._memory, self._order = folder, workers, memory, order
        self._held: list[Chunk] = []
        self._bytes = 0
        self._runs: list[_Run] = []

    def add(self, chunk: Chunk) -> None:
        """Adds records of the next reads, in any order, which nobody changes afterwards; keys are below 2**34."""
        size = len(chunk.record) + _BYTES_BESIDE * len(chunk.key)
        if self._held and self._bytes + size > self._memory:
            self._spill()
        self._held.append(chunk)
        self._bytes += size

    def parts(self) -> Iterator[Part]:
        """What makes all records, sorted, part after part. Call once, after the last `add`."""
        if not self._runs:
            yield from self._sorted()
            return
        self._spill()
        log.info("merging %d sorted runs", len(self._runs))
        yield from _merged(self._runs)

    @property
    def parts_at_once(self) -> int:
        """How many parts there is memory for: of runs, one has as many chunks as there are runs, and some of another in each of them."""
        size = max((run.largest for run in self._runs), default=0) * _COPIES * 2 * len(self._runs)
        return min(self.workers.threads, self._memory // max(size, 1))

    def _sorted(self) -> Iterator[Part]:
        held, self._held = self._held, []
        if not held:
            return
        columns = self.workers.in_order(_columns, held)
        key, at, size, ordinal = self.workers.in_order(np.concatenate, zip(*columns, strict=True))
        order = self._order(key)
        for first in range(0, len(order), CHUNK):
            yield partial(_collected, held, order[first : first + CHUNK], (at, size), key, ordinal)

    def _spill(self) -> None:
        path = self._folder / f"run-{len(self._runs)}"
        run = _Run(path, len(self._runs))
        with writing(path), open(path, "wb") as out:
            for key, n_bytes, packed in self.workers.in_order(_packed, self._sorted()):
                run.note(key, out.tell(), n_bytes)
                _write_chunk(out, packed)
        self._runs.append(run)
        log.info("sorted run %d written", len(self._runs))
        self._bytes = 0


def temporary_folder(output: Path) -> AbstractContextManager[Path]:
    """A folder beside `output` that is gone afterwards."""
    return outputs.temporary_folder(outputs.make_folder(output.parent), prefix=f".sorting-{output.name}-")


def _columns(chunk: Chunk) -> tuple[NDArray[np.int64], ...]:
    """Keys, addresses, sizes and ordinals of records, those of one read together, so that it does not matter which reads came at once."""
    rows = np.argsort(chunk.ordinal, kind="stable")
    return chunk.key[rows], address(chunk.record) + chunk.start[:-1][rows], np.diff(chunk.start)[rows], chunk.ordinal[rows]


def _collected(
    held: list[Chunk],
    rows: NDArray[np.int64],
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
    key: NDArray[np.int64],
    ordinal: NDArray[np.int64],
) -> Chunk:
    """Some rows of what is held, whose records lie at these places in memory; `held` is there to keep them."""
    at, size = place
    return Chunk(*collected(at[rows], size[rows]), key[rows], ordinal[rows])


def _packed(part: Part) -> tuple[int, int, bytes]:
    """The first key of a part, its bytes, and all of it compressed."""
    chunk = part()
    plain = b"".join(array.data for array in (chunk.start, chunk.key, chunk.ordinal, chunk.record))
    packed = isal_zlib.compress(plain, level=1)
    return int(chunk.key[0]), len(plain), _HEAD.pack(len(chunk.key), len(packed)) + packed


def _write_chunk(out: BinaryIO, packed: bytes) -> None:
    out.write(packed)


class _Border(NamedTuple):
    """Where a part begins: with a chunk of a run, and of the other runs behind the records of its first key, or before them if the run
    comes later."""

    key: int
    run: int
    chunk: int

    def side(self, run: int) -> Literal["left", "right"]:
        """On which side of the key another run is cut."""
        return "right" if run < self.run else "left"


class _Run:
    """A file of sorted chunks, and the key that each begins with."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self._offset: list[int] = []
        self.key: list[int] = []
        self.largest = 0

    def note(self, key: int, offset: int, n_bytes: int) -> None:
        """Notes the next chunk: its first key, where it stands, and the bytes it takes in memory."""
        self.key.append(key)
        self._offset.append(offset)
        self.largest = max(self.largest, n_bytes)

    def between(self, start: _Border, end: _Border) -> Chunk | None:
        """The records from one border to another; None where there are none."""
        is_start, is_end = start.run == self._number, end.run == self._number
        first = start.chunk if is_start else max(self._chunks_before(start) - 1, 0)
        last = end.chunk if is_end else self._chunks_before(end)
        if first >= last:
            return None
        chunk = _chained(list(self._load(first, last)))
        row = 0 if is_start else int(np.searchsorted(chunk.key, start.key, start.side(self._number)))
        end_row = len(chunk.key) if is_end else int(np.searchsorted(chunk.key, end.key, end.side(self._number)))
        return _slice(chunk, row, end_row)

    def _chunks_before(self, border: _Border) -> int:
        """How many chunks begin before a border of another run."""
        return int(np.searchsorted(self.key, border.key, border.side(self._number)))

    def _load(self, first: int, last: int) -> Iterator[Chunk]:
        with open(self._path, "rb") as file:
            file.seek(self._offset[first])
            for _ in range(first, last):
                n, packed = _HEAD.unpack(file.read(_HEAD.size))
                plain = np.frombuffer(isal_zlib.decompress(file.read(packed)), np.uint8)
                numbers = plain[: 8 * (3 * n + 1)].view(np.int64)
                yield Chunk(plain[8 * (3 * n + 1) :], numbers[: n + 1], numbers[n + 1 : 2 * n + 1], numbers[2 * n + 1 :])


def _merged(runs: list[_Run]) -> Iterator[Part]:
    """What makes the records of all runs: parts that begin with a chunk in so many of them as there are runs."""
    chunks = sorted(_Border(key, number, i) for number, run in enumerate(runs) for i, key in enumerate(run.key))
    ends = _Border(-1, len(runs), 0), _Border(np.iinfo(np.int64).max, -1, 0)
    for start, end in pairwise((ends[0], *chunks[len(runs) :: len(runs)], ends[1])):
        yield partial(_merge, runs, start, end)


def _merge(runs: list[_Run], start: _Border, end: _Border) -> Chunk:
    """The records from one border to another, those of equal keys in the order of the runs."""
    chunk = _chained([chunk for run in runs if (chunk := run.between(start, end)) is not None])
    order = np.argsort(chunk.key, kind="stable")
    return Chunk(*gathered(chunk.record, chunk.start, order), chunk.key[order], chunk.ordinal[order])


def _chained(chunks: list[Chunk]) -> Chunk:
    """The records of at least one chunk, one after another."""
    size = np.concatenate([np.diff(chunk.start) for chunk in chunks])
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    record, key, ordinal = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("record", "key", "ordinal"))
    return Chunk(record, start, key, ordinal)


def _slice(chunk: Chunk, first: int, last: int) -> Chunk:
    start = chunk.start[first : last + 1]
    return Chunk(chunk.record[start[0] : start[-1]], start - start[0], chunk.key[first:last], chunk.ordinal[first:last])

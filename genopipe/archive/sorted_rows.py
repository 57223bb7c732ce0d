"""Rows of numbers that do not fit memory: kept as they come, or sorted, and joined by sorting.

Both lie in temporary files without a name, so that nothing stays behind when a process is killed. Sorting collects 16 MB of rows at a time,
sorts them by their bytes (radix), writes them as a run, and merges the runs by a heap: memory is some 64 MB for a table that is filled,
and as much for one that is read, however many rows there are. All columns count, the first most; so the result does not depend on how the
rows fell into runs.

Source: Knuth, The Art of Computer Programming 3, sections 5.2.5 (radix), 5.4.1 (merging) and 6.5 (tables joined by sorting).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import allocating, inner, kernel

RUN_BYTES = 16 << 20
MERGE_BYTES = 64 << 20
CHUNK = 1 << 16
"""Rows that are given at a time; all chunks but the last have as many."""

ASKS = np.uint64(3 << 62)
"""Marks, in the second column, a row that asks for the value of its key; the place that asks is below."""

_STRETCH = 1 << 18

Rows = NDArray[np.uint64]


def pieces(n: int) -> Iterator[tuple[int, int]]:
    """Where each `CHUNK` of n rows begins and ends."""
    return ((first, min(first + CHUNK, n)) for first in range(0, n, CHUNK))


class Column:
    """Rows of numbers in the order in which they came, in a file that goes with its last reference."""

    def __init__(self, folder: Path, dtype: type[np.generic], width: int = 1) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed with the last reference
        self._dtype, self._width = np.dtype(dtype), width
        self.n = 0

    def __len__(self) -> int:
        return self.n

    def __del__(self) -> None:
        self._file.close()

    def add(self, rows: NDArray[Any]) -> None:
        """Keeps (rows) or (rows, width) numbers."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self.n += len(rows)

    def read(self, first: int, n: int) -> NDArray[Any]:
        """At most n rows from `first` on: (rows), or (rows, width) where there are several columns."""
        self._file.flush()
        size = self._dtype.itemsize * self._width
        rows = np.frombuffer(_read(self._file.fileno(), first * size, min(n, self.n - first) * size), self._dtype)
        return rows if self._width == 1 else rows.reshape(-1, self._width)

    def chunks(self) -> Iterator[NDArray[Any]]:
        """All rows, `CHUNK` at a time."""
        yield from (self.read(first, end - first) for first, end in pieces(self.n))


class SortedRows:
    """Rows of `width` numbers, added in any order, that come back sorted as often as is asked."""

    def __init__(self, folder: Path, width: int) -> None:
        self._kept, self._width = Column(folder, np.uint64, width), width
        self._ends = [0]
        self._held: list[Rows] = []
        self._n_held = 0

    def __len__(self) -> int:
        return len(self._kept) + self._n_held

    def add(self, *columns: NDArray[Any]) -> None:
        """Adds rows, given as columns."""
        if not len(columns[0]):
            return
        self._held.append(np.column_stack([column.astype(np.uint64, copy=False) for column in columns]))
        self._n_held += len(columns[0])
        if 8 * self._width * self._n_held >= RUN_BYTES:
            self._kept.add(self._sorted())
            self._ends.append(len(self._kept))
            self._held, self._n_held = [], 0

    def chunks(self, *others: SortedRows) -> Iterator[Rows]:
        """All rows of this table, and of others as wide, sorted together, `CHUNK` at a time."""
        yield from _merged([run for table in (self, *others) for run in table._runs()], self._width)

    def _sorted(self) -> Rows:
        rows = np.concatenate(self._held)
        self._held = []
        return _by_bytes(rows)

    def _runs(self) -> list[_Run]:
        runs = [self._run(first, end) for first, end in zip(self._ends, self._ends[1:], strict=False)]
        if self._n_held:
            rows = self._sorted()
            self._held = [rows]
            runs.append(_Run(len(rows), lambda first, n: rows[first : first + n]))
        return runs

    def _run(self, first: int, end: int) -> _Run:
        return _Run(end - first, lambda at, n: self._kept.read(first + at, min(n, end - first - at)).reshape(-1, self._width))


@dataclass(frozen=True, slots=True)
class _Run:
    """Sorted rows; `read` gives some from a place on."""

    n: int
    read: Callable[[int, int], Rows]


def by_place(table: SortedRows, n: int, folder: Path) -> Column:
    """Of a table of places and values, the value of each place from 0 to n, -1 for those that are not there. No place comes twice."""
    out, at = Column(folder, np.int64), 0
    for chunk in table.chunks():
        place, value = chunk.T.astype(np.int64)
        while len(place):
            end = min(int(place[-1]) + 1, at + _STRETCH)
            here = int(np.searchsorted(place, end))
            part = np.full(end - at, -1)
            part[place[:here] - at] = value[:here]
            out.add(part)
            place, value, at = place[here:], value[here:], end
    for first in range(at, n, _STRETCH):
        out.add(np.full(min(_STRETCH, n - first), -1))
    return out


def answers(table: SortedRows, n: int, folder: Path) -> Column:
    """For each of n places the value of its key, the least where there are several, -1 where there is none.

    table  keys and values, and keys with `ASKS` and a place; values are below 2**62
    """
    answered, state = SortedRows(folder, 2), np.zeros(3, np.uint64)
    for chunk in table.chunks():
        out = np.empty_like(chunk)
        answered.add(*out[: _answer(chunk, state, out)].T)
    return by_place(answered, n, folder)


def _read(file: int, at: int, size: int) -> bytearray:
    """`os.pread` gives two gigabytes at most, and may give less."""
    out = bytearray(size)
    view, done = memoryview(out), 0
    while done < size:
        done += os.preadv(file, [view[done:]], at + done)
    return out


def _merged(runs: list[_Run], width: int) -> Iterator[Rows]:
    if len(runs) == 1:
        yield from (runs[0].read(first, end - first) for first, end in pieces(runs[0].n))
        return
    n_each = max(16, MERGE_BYTES // (8 * width * max(1, len(runs))))
    block = np.empty((len(runs), n_each, width), np.uint64)
    taken, at, end = [0] * len(runs), np.zeros(len(runs), np.int64), np.zeros(len(runs), np.int64)

    def fill(r: int) -> None:
        rows = runs[r].read(taken[r], min(n_each, runs[r].n - taken[r]))
        block[r, : len(rows)] = rows
        taken[r], at[r], end[r] = taken[r] + len(rows), 0, len(rows)

    for r in range(len(runs)):
        fill(r)
    heap = np.lexsort(block[:, 0].T[::-1])  # sorted, so a heap
    out, filled = np.empty((CHUNK, width), np.uint64), 0
    while len(heap):
        filled = _merge(block, at, end, heap, out, filled)
        if at[heap[0]] == end[heap[0]]:
            fill(heap[0])
            if not end[heap[0]]:
                heap[0], heap = heap[-1], heap[:-1]
            _settle(block, at, heap)
        if filled == CHUNK:
            yield out
            out, filled = np.empty((CHUNK, width), np.uint64), 0
    if filled:
        yield out[:filled]


def _by_bytes(rows: Rows) -> Rows:
    spare = np.empty_like(rows)
    return spare if _radix(rows, spare) else rows


@allocating
def _radix(rows: Rows, spare: Rows) -> bool:
    """Sorts rows by all their bytes, the last first; bytes that are all alike cost nothing. True when the result lies in `spare`."""
    n, width = rows.shape
    count = np.zeros((8 * width, 256), np.int64)
    for i in range(n):
        for column in range(width):
            value = rows[i, column]
            for byte in range(8):
                count[8 * column + byte, (value >> np.uint64(8 * byte)) & np.uint64(255)] += 1
    source, target, moved = rows, spare, False
    for k in range(8 * width):
        column, shift = width - 1 - k // 8, np.uint64(8 * (k % 8))
        number = count[8 * column + k % 8]
        if number.max() == n:
            continue
        place = np.cumsum(number) - number
        for i in range(n):
            digit = (source[i, column] >> shift) & np.uint64(255)
            for j in range(width):
                target[place[digit], j] = source[i, j]
            place[digit] += 1
        source, target, moved = target, source, not moved
    return moved


@kernel
def _merge(block: Any, at: Any, end: Any, heap: Any, out: Rows, filled: int) -> int:
    """Moves rows from the least run on until `out` is full or the first run of the heap is used up; gives how many rows `out` has."""
    while filled < len(out):
        least = heap[0]
        for column in range(block.shape[2]):
            out[filled, column] = block[least, at[least], column]
        filled += 1
        at[least] += 1
        if at[least] == end[least]:
            break
        _sink(block, at, heap)
    return filled


@kernel
def _settle(block: Any, at: Any, heap: Any) -> None:
    """Brings the first run of a heap to its place."""
    _sink(block, at, heap)


@inner
def _sink(block: Any, at: Any, heap: Any) -> None:
    parent = 0
    while 2 * parent + 1 < len(heap):
        child = 2 * parent + 1
        if child + 1 < len(heap) and _less(block, at, heap[child + 1], heap[child]):
            child += 1
        if not _less(block, at, heap[child], heap[parent]):
            break
        heap[parent], heap[child] = heap[child], heap[parent]
        parent = child


@inner
def _less(block: Any, at: Any, one: int, other: int) -> bool:
    for column in range(block.shape[2]):
        left, right = block[one, at[one], column], block[other, at[other], column]
        if left != right:
            return bool(left < right)
    return False


@kernel
def _answer(chunk: Rows, state: Rows, out: Rows) -> int:
    """Fills `out` with places and values; gives how many. `state` is the present key, its value, and whether it has one."""
    n = 0
    for i in range(len(chunk)):
        if chunk[i, 1] < ASKS:
            if state[2] == 0 or state[0] != chunk[i, 0]:
                state[0], state[1], state[2] = chunk[i, 0], chunk[i, 1], 1
        elif state[2] == 1 and state[0] == chunk[i, 0]:
            out[n, 0], out[n, 1] = chunk[i, 1] & ~ASKS, state[1]
            n += 1
    return n

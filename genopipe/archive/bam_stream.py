"""A plain BAM in pieces: its header, then batches of whole records as they lie in the file.

Source: SAM/BAM format specification, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

CORE_BYTES = 32
"""Fixed bytes of a record after its block_size."""
BATCH_BYTES = 8 << 20

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


class NotBam(Exception):
    """The bytes are not BAM as this reader understands it; the caller keeps them in another form."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole records. byte: (bytes) uint8; start: (records + 1) int64, where each record's block_size begins."""

    byte: Bytes
    start: Offsets

    def __len__(self) -> int:
        return len(self.start) - 1

    def part(self, first: int, last: int) -> Batch:
        """The records first to last."""
        return Batch(self.byte, self.start[first : last + 1])


class PlainBam:
    """A BAM in pieces of plain bytes: first the header, then batches of records."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.header = self._read_header()

    def batches(self) -> Iterator[Batch]:
        """All records. Raises NotBam for bytes that are no records, also after the last one."""
        while self._grow() or self._rest:
            byte = np.frombuffer(self._rest, np.uint8)
            start, used = _record_starts(byte)
            if used < 0 or (used == 0 and not self._grow()):
                raise NotBam("bytes that are no records")
            if used:
                yield Batch(byte[:used], start)
                self._rest = self._rest[used:]

    def _read_header(self) -> bytes:
        self._need(8)
        if self._rest[:4] != b"BAM\1":
            raise NotBam("no BAM magic")
        end = 8 + self._int32(4)
        self._need(end + 4)
        n_references, end = self._int32(end), end + 4
        for _ in range(n_references):
            self._need(end + 4)
            end += 8 + self._int32(end)
        self._need(end)
        header, self._rest = self._rest[:end], self._rest[end:]
        return header

    def _int32(self, at: int) -> int:
        value = int.from_bytes(self._rest[at : at + 4], "little", signed=True)
        if value < 0:
            raise NotBam("a negative length in the header")
        return value

    def _need(self, size: int) -> None:
        while len(self._rest) < size:
            if not self._grow():
                raise NotBam("the header is cut short")

    def _grow(self) -> bool:
        pieces = [self._rest]
        size = 0
        while size < BATCH_BYTES and (piece := next(self._pieces, b"")):
            pieces.append(piece)
            size += len(piece)
        self._rest = b"".join(pieces)
        return size > 0


class Records:
    """Batches cut anew: as many records at a time as are asked for."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = iter(batches)
        self._batch = Batch(np.empty(0, np.uint8), np.zeros(1, np.int64))

    def take(self, n: int) -> Batch:
        """The next n records in a batch of their own. Raises NotBam where there are fewer."""
        parts = []
        while n:
            if not len(self._batch):
                self._batch = self._next()
            parts.append(self._batch.part(0, min(n, len(self._batch))))
            self._batch = self._batch.part(len(parts[-1]), len(self._batch))
            n -= len(parts[-1])
        return joined(parts)

    def at_end(self) -> bool:
        """True when no record is left."""
        return not len(self._batch) and next(self._batches, None) is None

    def _next(self) -> Batch:
        batch = next(self._batches, None)
        if batch is None:
            raise NotBam("fewer records than there should be")
        return batch


def joined(batches: list[Batch]) -> Batch:
    """The records of several batches in one."""
    size = [np.diff(batch.start) for batch in batches]
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *size]))))
    byte = [batch.byte[batch.start[0] : batch.start[-1]] for batch in batches]
    return Batch(np.concatenate([np.empty(0, np.uint8), *byte]), start)


def all_covered(batch: Batch, covered: NDArray[np.bool_]) -> bool:
    """True when each record lies on a contig that is `covered`, or on none."""
    return bool(_all_covered(batch.byte, batch.start, covered))


@njit(cache=True, nogil=True)
def int32(byte: Bytes, at: int) -> int:
    """The little-endian int32 at `at`."""
    return int(np.int32(byte[at] | np.uint32(byte[at + 1]) << 8 | np.uint32(byte[at + 2]) << 16 | np.uint32(byte[at + 3]) << 24))


@njit(cache=True, nogil=True)
def whole(value: Any) -> int:
    """A number of any width as int64; `int` would leave a byte unsigned, and sums of that with others become floats."""
    return np.int64(value)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _record_starts(byte: Bytes) -> tuple[Offsets, int]:
    """Where whole records begin, and the bytes they take; -1 when something is no record."""
    n, at = 0, 0
    while at + 4 <= len(byte):
        size = int32(byte, at)
        if size < CORE_BYTES:
            return np.zeros(1, np.int64), -1
        if at + 4 + size > len(byte):
            break
        at += 4 + size
        n += 1
    start = np.empty(n + 1, np.int64)
    at = 0
    for i in range(n):
        start[i] = at
        at += 4 + int32(byte, at)
    start[n] = at
    return start, at


@njit(cache=True, nogil=True)
def _all_covered(byte: Bytes, start: Offsets, covered: NDArray[np.bool_]) -> bool:
    for r in range(len(start) - 1):
        contig = int32(byte, start[r] + 4)
        if contig >= 0 and (contig >= len(covered) or not covered[contig]):
            return False
    return True

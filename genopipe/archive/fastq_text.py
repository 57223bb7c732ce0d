"""FASTQ as text: found row by row, keyed by name and content, and written again.

A row is four lines. Its header is a read name, up to the first blank and without /1 or /2, and a rest, which may be empty. Keys are hashes:
of the name, and of name, bases and qualities together. Alignments have the same keys (`genopipe.archive.pool_reads`), so that rows and
records find each other without strings in memory.

Source: Cock et al. 2010, doi:10.1093/nar/gkp1137 (FASTQ).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

BATCH_BYTES = 8 << 20
LONGEST_NAME = 254

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

_NEWLINE = 10
_HASH_START = np.uint64(14695981039346656037)
_HASH_FACTOR = np.uint64(1099511628211)


class NotFastq(Exception):
    """Text that is no FASTQ of the usual form; the caller keeps it in another form."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Whole rows of FASTQ text.

    byte      (bytes) uint8: the text
    line      (4 * rows + 1) int64: where each line begins
    name_end  (rows) int64: where each read name ends; the rest of the header follows
    """

    byte: Bytes
    line: Offsets
    name_end: Offsets

    def __len__(self) -> int:
        return len(self.name_end)

    def part(self, first: int, last: int) -> Rows:
        """The rows first to last."""
        return Rows(self.byte, self.line[4 * first : 4 * last + 1], self.name_end[first:last])


class FastqText:
    """A FASTQ in pieces of plain text, cut into batches of rows.

    `ends_with_newline` and `repeats_header` (third lines hold the header again) are known once all batches are used up.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.ends_with_newline = True
        self.repeats_header: bool | None = None

    def batches(self) -> Iterator[Rows]:
        """All rows. Raises NotFastq at the first thing that does not fit."""
        rest = b""
        for text in self._texts():
            byte = np.frombuffer(rest + text, np.uint8)
            newline = np.flatnonzero(byte == _NEWLINE)
            n_lines = len(newline) // 4 * 4
            line = np.concatenate((np.zeros(1, np.int64), newline[:n_lines] + 1))
            if n_lines:
                yield self._checked(byte, line)
            rest = byte[line[-1] :].tobytes()
        if rest:
            raise NotFastq("the last row has not four lines")

    def _texts(self) -> Iterator[bytes]:
        pending: list[bytes] = []
        size, last = 0, b"\n"
        for piece in self._pieces:
            pending.append(piece)
            size, last = size + len(piece), piece[-1:] or last
            if size >= BATCH_BYTES:
                yield b"".join(pending)
                pending, size = [], 0
        self.ends_with_newline = last == b"\n"
        yield b"".join(pending) + (b"" if self.ends_with_newline else b"\n")

    def _checked(self, byte: Bytes, line: Offsets) -> Rows:
        rows = Rows(byte, line, np.empty((len(line) - 1) // 4, np.int64))
        repeats = _check_rows(byte, line, rows.name_end)
        if repeats < 0 or (self.repeats_header is not None and self.repeats_header != bool(repeats)):
            raise NotFastq("a row of another form")
        self.repeats_header = bool(repeats)
        return rows


def row_keys(rows: Rows) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(rows) hashes of the names, and of names with bases and qualities."""
    name, content = np.empty(len(rows), np.uint64), np.empty(len(rows), np.uint64)
    _row_keys(rows.byte, rows.line, rows.name_end, name, content)
    return name, content


def rests(rows: Rows) -> bytes:
    """What follows the name in each header, a line each."""
    out = np.empty(int(rows.line[-1] - rows.line[0]), np.uint8)
    return out[: _rests(rows.byte, rows.line, rows.name_end, out)].tobytes()


@njit(cache=True, nogil=True)
def hash_bytes(value: np.uint64, byte: Bytes, start: int, end: int) -> np.uint64:
    """FNV-1a, continued from `value`. Source: draft-eastlake-fnv."""
    for i in range(start, end):
        value = (value ^ np.uint64(byte[i])) * _HASH_FACTOR
    return value


@njit(cache=True, nogil=True)
def hash_name(byte: Bytes, start: int, end: int) -> np.uint64:
    """The key of a read name."""
    return hash_bytes(_HASH_START, byte, start, end)


@njit(cache=True, nogil=True)
def _check_rows(byte: Bytes, line: Offsets, name_end: Offsets) -> int:
    """Fills `name_end`. 1 when third lines repeat the header, 0 when they are empty, -1 when a row does not fit."""
    repeats = -1
    for r in range(len(name_end)):
        header, bases, third, qualities, end = line[4 * r], line[4 * r + 1], line[4 * r + 2], line[4 * r + 3], line[4 * r + 4]
        if byte[header] != ord("@") or byte[third] != ord("+") or third - bases != end - qualities:
            return -1
        full = 1 if qualities - third > 2 else 0
        if r and full != repeats:
            return -1
        repeats = full
        if full and qualities - third != bases - header:
            return -1
        for i in range(1, bases - header if full else 0):
            if byte[header + i] != byte[third + i]:
                return -1
        for i in range(qualities, end - 1):
            if byte[i] < 33 or byte[i] > 126:
                return -1
        at = header + 1
        while at < bases - 1 and byte[at] != ord(" ") and byte[at] != ord("\t"):
            at += 1
        if at - header > 3 and byte[at - 2] == ord("/") and (byte[at - 1] == ord("1") or byte[at - 1] == ord("2")):
            at -= 2
        if at == header + 1 or at - header - 1 > LONGEST_NAME:
            return -1
        name_end[r] = at
    return repeats


@njit(cache=True, nogil=True)
def _row_keys(byte: Bytes, line: Offsets, name_end: Offsets, name: NDArray[np.uint64], content: NDArray[np.uint64]) -> None:
    for r in range(len(name_end)):
        name[r] = hash_name(byte, line[4 * r] + 1, name_end[r])
        value = hash_bytes(name[r], byte, line[4 * r + 1], line[4 * r + 2] - 1)
        content[r] = hash_bytes(value, byte, line[4 * r + 3], line[4 * r + 4] - 1)


@njit(cache=True, nogil=True)
def _rests(byte: Bytes, line: Offsets, name_end: Offsets, out: Bytes) -> int:
    at = 0
    for r in range(len(name_end)):
        for i in range(name_end[r], line[4 * r + 1]):
            out[at] = byte[i]
            at += 1
    return at

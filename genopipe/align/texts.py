"""FASTQ text to be parsed by many threads or on a GPU: the inflated text of one file or of two, cut where the same records end in both.

A record counts as four lines here; whether it is one, the parser sees. Where a file cannot be cut so (it is damaged, ends inside a record,
or has fewer records than the other), the text ends early, with a `Text` of nothing: the reads from there on are left to the parser of whole
files, which says what is wrong. Each file is inflated by a thread of its own, the blocks of bgzip by several. What is inflated is copied
once, into memory that was used before, behind what is left of the text before.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import is_bgzf
from genopipe.formats.bgzf_runs import inflated_in_threads
from genopipe.formats.inflate import STANDARD_INPUT, inflated
from genopipe.kernels.bits import popcount
from genopipe.kernels.compiled import kernel
from genopipe.kernels.words import equal64
from genopipe.threads import threads_of_generator

_NEW_LINE = 10
_LAST_PIECE = 1 << 12
_ROOM_BEFORE = 1 << 20
"""Bytes before the text of a block, for what is left of the one before."""

_Item = TypeVar("_Item")


class Lane(NamedTuple):
    """The files of a lane of FASTQ, and whether its reads are mates."""

    number: int
    files: tuple[Path, ...]
    paired: bool

    def can_be_read_twice(self) -> bool:
        """Whether the parser of the CPU can begin the files anew."""
        return all(path != STANDARD_INPUT and path.is_file() for path in self.files)


@dataclass(frozen=True, slots=True)
class Text:
    """Whole records, as many of each file; none where the parser of whole files is to go on.

    text        for each file (bytes) uint8
    lane        number of the lane
    first_read  reads of the lane before these
    n_reads     how many these are
    paired      as in `model.Reads`; a text of one file then holds mates in turn
    """

    text: tuple[NDArray[np.uint8], ...]
    lane: int
    first_read: int
    n_reads: int
    paired: bool


def ahead(items: Iterator[_Item], n: int = 1) -> Iterator[_Item]:
    """The items, made by another thread, up to n of them before they are asked for."""
    with threads_of_generator(1) as pool:
        waiting = deque(pool.submit(next, items, None) for _ in range(n))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item


@contextmanager
def in_background(work: Callable[[Callable[[int], None]], None]) -> Iterator[Callable[[], None]]:
    """Work done by another thread while this lasts, which ends when it is done; work is given up where this fails.

    `work` is to tell now and then how much it has done. What is given, asked now and then, raises the error of work that has failed.
    """
    given_up = threading.Event()

    def told(n: int) -> None:
        if given_up.is_set():
            raise CancelledError

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work, told)

        def check() -> None:
            if done.done():
                done.result()

        try:
            yield check
        except BaseException:
            given_up.set()
            raise
        done.result()


def texts_of(lane: Lane, *, first_read: int, size: int, threads: int) -> Iterator[Text]:
    """The text of a lane from a read on, about `size` bytes at a time; ends with a `Text` of nothing if anything is odd."""
    files = [_File(path, max(size // len(lane.files), 1), threads) for path in lane.files]
    together = 2 if lane.paired and len(files) == 1 else 1
    try:
        for file in files:
            file.skip(first_read // len(files))
        while n := min(file.fill() for file in files) // together * together:
            if not all(file.has_record(n - 1) for file in files):
                break
            yield Text(tuple(file.take(n) for file in files), lane.number, first_read, n * len(files), lane.paired)
            first_read += n * len(files)
        odd = any(file.odd() for file in files)
    except BadInput:
        odd = True
    if odd:
        yield Text((), lane.number, first_read, 0, lane.paired)


class _File:
    """The text of one file that is not taken yet."""

    def __init__(self, path: Path, size: int, threads: int) -> None:
        self._size = size
        self._blocks = ahead(_blocks(path, size, threads))
        self._text = np.empty(0, np.uint8)
        self._n_lines = 0
        self._ended = False

    def fill(self) -> int:
        """Whole records in hand: those of `size` bytes of text or more, unless the file ends before."""
        while not self._ended and (len(self._text) < self._size or self._n_lines < 8):
            self._read_on()
        return self._n_lines // 4

    def has_record(self, number: int) -> bool:
        """Whether a record in hand begins like one, and is not four empty lines of the end of the file."""
        return bool(self._text[self._end_of(4 * number)] == ord("@"))

    def take(self, n_records: int) -> NDArray[np.uint8]:
        """The text of the first records in hand."""
        end = self._end_of(4 * n_records)
        text, self._text = self._text[:end], self._text[end:]
        self._n_lines -= 4 * n_records
        return text

    def skip(self, n_records: int) -> None:
        """Goes on behind so many records. Raises BadInput where there are none."""
        while n_records and (n := min(self.fill(), n_records)):
            self.take(n)
            n_records -= n

    def odd(self) -> bool:
        """Whether there is more than empty lines."""
        return bool(self.fill()) or bool(self._text.tobytes().strip(b"\r\n"))

    def _read_on(self) -> None:
        block, rest = next(self._blocks, None), self._text
        if block is None:
            self._ended = True
            if len(rest) and rest[-1] != _NEW_LINE:
                self._text, self._n_lines = np.append(rest, np.uint8(_NEW_LINE)), self._n_lines + 1
            self._drop_empty_lines()
            return
        self._n_lines += block.n_lines
        if len(rest) > _ROOM_BEFORE:
            self._text = np.concatenate((rest, block.text[_ROOM_BEFORE:]))
            return
        first = _ROOM_BEFORE - len(rest)
        block.text[first:_ROOM_BEFORE] = rest
        self._text = block.text[first:]

    def _drop_empty_lines(self) -> None:
        """Drops, at the end of a file, empty lines that cannot be of a record: less than four, or without a header."""
        while (end := self._end_of(self._n_lines // 4 * 4)) < len(self._text) and not self._text[end:].tobytes().strip(b"\r\n"):
            self._text, self._n_lines = self._text[:end], self._n_lines // 4 * 4
        while self._n_lines >= 4 and not self._text[self._end_of(self._n_lines - 4) :].tobytes().strip(b"\r\n"):
            self._text, self._n_lines = self._text[: self._end_of(self._n_lines - 4)], self._n_lines - 4

    def _end_of(self, n_lines: int) -> int:
        """Where the first lines in hand end: found from the end of the text, near which it is."""
        behind, piece = self._n_lines - n_lines, _LAST_PIECE
        while True:
            first = max(len(self._text) - piece, 0)
            line = np.flatnonzero(self._text[first:] == _NEW_LINE)
            if len(line) > behind:
                return first + int(line[-1 - behind]) + 1
            if not first:
                return 0
            piece *= 4


class _Block(NamedTuple):
    """Text behind `_ROOM_BEFORE` bytes that are free, and the line feeds in it."""

    text: NDArray[np.uint8]
    n_lines: int


class _Lent:
    """Memory that goes back to where it came from when nothing refers to it any more."""

    def __init__(self, memory: NDArray[np.uint8], free: deque[NDArray[np.uint8]]) -> None:
        self._memory, self._free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._memory)


def _blocks(path: Path, size: int, threads: int) -> Iterator[_Block]:
    """The content of a file, `size` bytes at a time."""
    free: deque[NDArray[np.uint8]] = deque()

    def room() -> NDArray[np.uint8]:
        return np.asarray(_Lent(free.pop() if free else np.empty(_ROOM_BEFORE + size, np.uint8), free))

    text, n_lines, end = room(), 0, _ROOM_BEFORE
    for piece in _inflated(path, threads):
        left = np.frombuffer(piece, np.uint8)
        while len(left):
            now = left[: len(text) - end]
            text[end : end + len(now)] = now
            n_lines += _line_feeds(now)
            left, end = left[len(now) :], end + len(now)
            if end == len(text):
                yield _Block(text, n_lines)
                text, n_lines, end = room(), 0, _ROOM_BEFORE
    if end > _ROOM_BEFORE:
        yield _Block(text[:end], n_lines)


@kernel
def _line_feeds(text):
    n = np.int64(0)
    whole = len(text) // 64 * 64
    for i in range(0, whole, 64):
        n += np.int64(popcount(equal64(text, i, _NEW_LINE)))
    for i in range(whole, len(text)):
        n += text[i] == _NEW_LINE
    return n


def _inflated(path: Path, threads: int) -> Iterator[bytes]:
    if threads > 1 and is_bgzf(path):
        return inflated_in_threads(path, threads)
    return inflated(path)

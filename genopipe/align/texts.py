"""FASTQ text to be parsed by many threads or on a GPU: the inflated text of one file or of two, cut where the same records end in both.

A record counts as four lines here; whether it is one, the parser sees. Where a file cannot be cut so (it is damaged, ends inside a record,
or has fewer records than the other), the text ends early, with a `Text` of nothing: the reads from there on are left to the parser of whole
files, which says what is wrong. Each file is inflated by a thread of its own, the blocks of bgzip by several, each to where its text is to
stand: in memory that was used before, which a GPU may copy from, with room in front for what is left of the text before.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import is_bgzf
from genopipe.formats.bgzf_runs import MOST_CONTENT, Run, inflate_into, runs
from genopipe.formats.inflate import STANDARD_INPUT, inflated
from genopipe.kernels.bits import popcount
from genopipe.kernels.compiled import kernel
from genopipe.kernels.words import equal64
from genopipe.threads import threads_of_generator

_NEW_LINE = 10
_LAST_PIECE = 1 << 12
_ROOM_BEFORE = 1 << 20
"""Bytes before the text of a block, for what is left of the one before."""

_RUN = 1 << 22
"""Bytes that a thread inflates at a time, at most."""

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


Memory = Callable[[int], NDArray[np.uint8]]
"""Gives memory of so many bytes."""


def of_program(n_bytes: int) -> NDArray[np.uint8]:
    """Memory as any other."""
    return np.empty(n_bytes, np.uint8)


class Cutting(NamedTuple):
    """About how many bytes of text there are to be at a time, at most; threads that inflate bgzip; memory where text is to stand."""

    size: int
    threads: int
    memory: Memory = of_program


def texts_of(lane: Lane, *, first_read: int, cutting: Cutting) -> Iterator[Text]:
    """The text of a lane from a read on; ends with a `Text` of nothing if anything is odd."""
    files = [_File(path, cutting._replace(size=max(cutting.size // len(lane.files), 1))) for path in lane.files]
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

    def __init__(self, path: Path, cutting: Cutting) -> None:
        self._cutting = cutting
        self._blocks = ahead(_blocks(path, cutting))
        self._text = np.empty(0, np.uint8)
        self._n_lines = 0
        self._ended = False

    def fill(self) -> int:
        """Whole records in hand: those of a block and what is left of the one before, or of that alone where it is much."""
        while not self._ended and (len(self._text) < min(self._cutting.size // 2, _ROOM_BEFORE) or self._n_lines < 8):
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
            self._text = self._cutting.memory(len(rest) + len(block.text) - _ROOM_BEFORE)
            self._text[: len(rest)], self._text[len(rest) :] = rest, block.text[_ROOM_BEFORE:]
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


class _Memory:
    """Room for blocks: that of blocks which nobody has any more, or new one."""

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self._free: deque[NDArray[np.uint8]] = deque()

    def room(self) -> NDArray[np.uint8]:
        """Room for `size` bytes of text."""
        memory = self._free.pop() if self._free else self._cutting.memory(_ROOM_BEFORE + self._cutting.size)
        return np.asarray(_Lent(memory, self._free))


def _blocks(path: Path, cutting: Cutting) -> Iterator[_Block]:
    """The content of a file, about `size` bytes at a time."""
    if cutting.threads > 1 and is_bgzf(path):
        return _blocks_of_bgzip(path, cutting._replace(size=max(cutting.size, MOST_CONTENT)))
    return _blocks_of_one_thread(path, cutting)


def _blocks_of_one_thread(path: Path, cutting: Cutting) -> Iterator[_Block]:
    memory = _Memory(cutting)
    text, n_lines, end = memory.room(), 0, _ROOM_BEFORE
    for piece in inflated(path):
        left = np.frombuffer(piece, np.uint8)
        while len(left):
            now = left[: len(text) - end]
            text[end : end + len(now)] = now
            n_lines += _line_feeds(now)
            left, end = left[len(now) :], end + len(now)
            if end == len(text):
                yield _Block(text, n_lines)
                text, n_lines, end = memory.room(), 0, _ROOM_BEFORE
    if end > _ROOM_BEFORE:
        yield _Block(text[:end], n_lines)


class _Filling:
    """A block that threads inflate runs into."""

    def __init__(self, text: NDArray[np.uint8]) -> None:
        self._text, self._end = text, _ROOM_BEFORE
        self._lines: list[Future[int]] = []

    @property
    def left(self) -> int:
        """Bytes that there is room for."""
        return len(self._text) - self._end

    def add(self, run: Run, path: Path, pool: ThreadPoolExecutor) -> None:
        """Has a thread inflate it behind the others."""
        first, self._end = self._end, self._end + run.size
        self._lines.append(pool.submit(_filled, run, self._text[first : self._end], path))

    def filled(self) -> _Block:
        """The block, when all is there."""
        n_lines = sum(line.result() for line in self._lines)
        return _Block(self._text[: self._end], n_lines)


def _blocks_of_bgzip(path: Path, cutting: Cutting) -> Iterator[_Block]:
    """The same, while the next block is filled."""
    memory = _Memory(cutting)
    with threads_of_generator(cutting.threads) as pool:
        before, filling = None, _Filling(memory.room())
        for run in runs(path, lambda: min(_RUN, filling.left)):  # noqa: B023  of the block that is filled by then
            if run.size > filling.left:
                if before is not None:
                    yield before.filled()
                before, filling = filling, _Filling(memory.room())
            filling.add(run, path, pool)
        if before is not None:
            yield before.filled()
        yield filling.filled()


def _filled(run: Run, out: NDArray[np.uint8], path: Path) -> int:
    """Inflates a run; gives how many lines end in it."""
    inflate_into(run, out, path)
    return int(_line_feeds(out))


@kernel
def _line_feeds(text):
    n = np.int64(0)
    whole = len(text) // 64 * 64
    for i in range(0, whole, 64):
        n += np.int64(popcount(equal64(text, i, _NEW_LINE)))
    for i in range(whole, len(text)):
        n += text[i] == _NEW_LINE
    return n

"""Windows that are looked at here and settled by worker processes: where a device makes the looks, which only this process may use.

The workers are forked before the device is asked for, so that they inherit nothing of it; what they go by comes to them once calling
begins. A few threads look at some windows each, a little ahead. What is seen goes into memory that is shared, without a file, and that is
used again when the window is done; where it lies there, and the text that comes of it, go through the worker's pipe. Where a worker has so
many reads and haplotypes to compare that it is worth it, it asks this process, where a thread for each worker has the device do it; the
arrays go over and back by memory that the two share.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import Pipe
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.far_looks import AT_ONCE, Looker, Seen, look_of
from genopipe.call.looks import Calling, Window, looks
from genopipe.call.pool import MOST_OPEN, workers
from genopipe.call.window_text import WindowText, written
from genopipe.call.windows import settled
from genopipe.device import in_use, out_of_memory
from genopipe.kernels.pairhmm import ask_elsewhere, likelihoods

_LOOKERS = 3
"""Threads that look: they wait for the device most of the time."""
_BORDER = 64
"""Arrays begin at multiples of it."""
_LARGE = 1 << 23
"""Bytes of memory that is kept for the next object; more is given back."""
_WORKER, _SEEN = 40 << 20, 3 << 20
"""Bytes of a worker besides what it inherits, and of a window that it settles."""


_Laid = list[tuple[int, int]]
"""An object in shared memory: where each of its arrays begins and ends, and its pickle without these."""


def memory_of(n: int) -> int:
    """Bytes that so many workers take, and what lies there for them, of reads at 30x."""
    return n * _WORKER + _places(n) * _SEEN


def _places(n: int) -> int:
    """Windows that are looked at and not yet settled, or looked at now, at most."""
    return MOST_OPEN * n + 1 + (_LOOKERS + 1) * AT_ONCE


class _Shared:
    """Memory for an object that this process lays down, and a worker takes up without a copy."""

    def __init__(self) -> None:
        self._file = os.memfd_create("genopipe")

    def lay(self, value: object) -> _Laid:
        """Writes `value`."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
        laid, end = [], 0
        for data in (*(buffer.raw() for buffer in buffers), memoryview(pickled)):
            start = -(-end // _BORDER) * _BORDER
            end = start + data.nbytes
            laid.append((start, end))
        if os.fstat(self._file).st_size < end:
            os.ftruncate(self._file, end)
        for data, (start, _) in zip((*(buffer.raw() for buffer in buffers), memoryview(pickled)), laid, strict=True):
            self._write(data, start)
        return laid

    def _write(self, data: memoryview, start: int) -> None:
        """Without a mapping, of which each page would be looked up at its first use."""
        while data:
            n = os.pwrite(self._file, data, start)
            data, start = data[n:], start + n

    def take(self, laid: _Laid) -> Any:
        """What was laid down; its arrays may be written to, and nobody else sees that."""
        memory = memoryview(mmap.mmap(self._file, laid[-1][1], mmap.MAP_PRIVATE))
        *buffers, pickled = (memory[start:end] for start, end in laid)
        return pickle.loads(pickled, buffers=buffers)

    def clear(self) -> None:
        """What was laid down is not asked for any more."""
        if os.fstat(self._file).st_size > _LARGE:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        os.close(self._file)


class _Asking:
    """How a worker asks this process, and gets its answer: a pipe, and memory that both share."""

    def __init__(self) -> None:
        self.here, self.there = Pipe()
        self.shared = _Shared()

    def answer(self) -> None:
        """What a thread of this process does until the worker ends."""
        while True:
            try:
                asked = self.here.recv()
            except (EOFError, OSError):
                return
            try:
                answer = self._costs(*self.shared.take(asked))
            except MemoryError:
                self.here.send(out_of_memory())
            except Exception as error:
                self.here.send(error)
            else:
                self.here.send(self.shared.lay(answer))

    def likelihoods(self, *given: Any) -> NDArray[np.int32]:
        """What `pairhmm.likelihoods` gives, by asking."""
        self.there.send(self.shared.lay(given))
        answer = self.there.recv()
        if isinstance(answer, Exception):
            raise answer
        costs: NDArray[np.int32] = self.shared.take(answer).copy()
        return costs

    @staticmethod
    def _costs(reads: Any, haplotypes: Any, pair_read: NDArray[np.int64], pair_haplotype: NDArray[np.int64]) -> NDArray[np.int32]:
        return likelihoods(reads, haplotypes, pair_read=pair_read, pair_haplotype=pair_haplotype)


class _Handed(NamedTuple):
    """A window, what is seen of it, and what all windows are called by."""

    window: Window
    place: int
    seen: _Laid
    calling: _Laid


class Settlers:
    """Worker processes that settle what is looked at here."""

    def __init__(self, n: int) -> None:
        self._calling, self._known = _Shared(), list[Calling]()
        self._places = [_Shared() for _ in range(_places(n))]
        self._free = deque(range(len(self._places)))
        self._asking = [_Asking() for _ in range(n)]
        self._numbers, given = os.pipe()
        os.write(given, np.arange(n, dtype=np.uint16).tobytes())
        os.close(given)
        self.spread: Callable[[Iterable[_Handed]], Iterator[tuple[_Handed, WindowText]]]

    @contextmanager
    def answers(self) -> Iterator[Callable[[], None]]:
        """Gives what begins to answer the workers, once these are there; it ends when they do, which is to be before this ends."""
        threads = [Thread(target=each.answer) for each in self._asking]

        def begin() -> None:
            for each, thread in zip(self._asking, threads, strict=True):
                each.there.close()
                thread.start()

        try:
            yield begin
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    @contextmanager
    def texts(self, calling: Calling, windows: Sequence[Window]) -> Iterator[Iterator[tuple[Window, WindowText]]]:
        """Gives each window with what it adds to the files, in order."""
        to_look_with: dict[str, Any] = dict.fromkeys(("genome", "bam", "read_groups"))
        laid, gpu = self._calling.lay(replace(calling, **to_look_with)), in_use()
        assert gpu is not None
        looker = Looker(gpu, calling)

        def look(some: Sequence[Window], places: Sequence[int]) -> list[_Handed]:
            seen = zip(some, places, looker.seen(some), strict=True)
            return [_Handed(window, place, self._places[place].lay(each), laid) for window, place, each in seen]

        with ThreadPoolExecutor(_LOOKERS) as pool:
            try:
                yield self._settled(self.spread(self._handed(lambda *given: pool.submit(look, *given), windows)))
            finally:
                pool.shutdown(cancel_futures=True)

    def _settled(self, found: Iterator[tuple[_Handed, WindowText]]) -> Iterator[tuple[Window, WindowText]]:
        """The same, with the memory of each given back."""
        for handed, text in found:
            self._places[handed.place].clear()
            self._free.append(handed.place)
            yield handed.window, text

    def settle(self, handed: _Handed) -> WindowText:
        """What a worker does with a window."""
        if not self._known:
            self._begin(handed.calling)
        calling, window, seen = self._known[0], handed.window, self._places[handed.place].take(handed.seen)
        found = [look_of(calling, window, seen)] if isinstance(seen, Seen) else looks(calling, window, seen)
        del seen
        return written(calling, window, settled(calling, window, found))

    def _begin(self, calling: _Laid) -> None:
        """Takes up what windows are called by, and the next way to ask; lets go of those of others, so that each ends with its worker."""
        self._known.append(self._calling.take(calling))
        number = int.from_bytes(os.read(self._numbers, 2), sys.byteorder)
        for i, each in enumerate(self._asking):
            each.here.close()
            if i != number:
                each.there.close()
        ask_elsewhere(self._asking[number].likelihoods)

    def close(self) -> None:
        os.close(self._numbers)
        for shared in (self._calling, *self._places, *(each.shared for each in self._asking)):
            shared.close()
        for each in self._asking:
            each.here.close()

    def _handed(
        self, begin: Callable[[Sequence[Window], list[int]], Future[list[_Handed]]], windows: Sequence[Window]
    ) -> Iterator[_Handed]:
        ahead: deque[Future[list[_Handed]]] = deque()
        for first in range(0, len(windows), AT_ONCE):
            some = windows[first : first + AT_ONCE]
            ahead.append(begin(some, [self._free.popleft() for _ in some]))
            if len(ahead) > _LOOKERS:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


@contextmanager
def settlers(n: int) -> Iterator[Settlers]:
    """Starts `n` of them. To be entered before a device is asked for, and before any thread is started."""
    made = Settlers(n)
    try:
        with made.answers() as begin, workers(made.settle, n) as made.spread:
            begin()
            yield made
    finally:
        made.close()

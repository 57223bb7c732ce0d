"""Streams, events and memory of a card that works as late, or as early, as CUDA allows.

What is given to a stream is queued. It is done when the host waits for it (with all that it waits for itself), or earlier, where the seed
says so: seed 0 does nothing before it must; 1 leaves the default stream behind and lets all others hurry, 2 is the reverse; others are
random. Memory is handed out full of nonsense, written when its turn comes, and again when nobody holds it: whoever else still reads it
finds that. It is used again on the stream that took it (CuPy's MemoryPool), page-locked memory at once (PinnedMemoryPool). Whatever the
seed, work that shares bytes must be ordered (`late_order`); every call after a fault raises AssertionError.

Source: CUDA C++ Programming Guide, Asynchronous Concurrent Execution; CuPy 14.2, cupy/cuda/memory.pyx and pinned_memory.pyx.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.cuda.checked import UNWRITTEN
from tests.cuda.late_order import Accesses, Clock, later

LET_GO = 0x5A
_UNIT = 512
_HURRY = (0.0, 0.05, 0.3, 1.0)

Work = Callable[[], object]


class Mark(NamedTuple):
    """A place in the queue of a stream: it is reached when so much of that is done; `clock` is what is done then."""

    queue: Queue
    number: int
    clock: Clock

    def is_reached(self) -> bool:
        return self.queue.n_done >= self.number


class Queue:
    """The work of a stream, and of it what is left: something to do, or a mark of another queue to wait for."""

    def __init__(self, name: int, hurry: float) -> None:
        self.name, self.hurry = name, hurry
        self.left: deque[Work | Mark] = deque()
        self.n_given = self.n_done = 0
        self.clock: Clock = {}

    def mark(self) -> Mark:
        return Mark(self, self.n_given, {**self.clock, self.name: self.n_given})

    def can_go_on(self) -> bool:
        return bool(self.left) and not (isinstance(self.left[0], Mark) and not self.left[0].is_reached())


class Card:
    """The queues of a card, and the thread that is at work on one of them."""

    def __init__(self, seed: int) -> None:
        self._random, self._seed, self._busy = Random(seed), seed, False
        self.lock = threading.RLock()
        self.queues: list[Queue] = []
        self.accesses, self.known = Accesses(), Clock()

    def queue(self) -> Queue:
        """Another one; the first is the default stream's."""
        with self.lock:
            usual = {0: 0.0, 1: float(len(self.queues) > 0), 2: float(not self.queues)}
            self.queues.append(Queue(len(self.queues), usual.get(self._seed, self._random.choice(_HURRY))))
            return self.queues[-1]

    def give(self, queue: Queue, work: Work | Mark, *, what: str = "", reads: Sequence[Any] = (), writes: Sequence[Any] = ()) -> None:
        """Queues work that reads and writes these arrays; others, and this, may go on."""
        with self.lock:
            queue.left.append(work)
            queue.n_given += 1
            queue.clock = later(later(queue.clock, self.known), work.clock if isinstance(work, Mark) else {})
            at = queue.name, queue.n_given
            self.accesses.touch(reads, queue.clock, at, writes=False, what=what)
            self.accesses.touch(writes, queue.clock, at, writes=True, what=what)
            self._complain()
            # memory that is let go of by what is being done gives work, too
            if not self._busy:
                for each in self._random.sample(self.queues, len(self.queues)):
                    while each.can_go_on() and self._random.random() < each.hurry:
                        self._go_on(each)

    def wait(self, mark: Mark) -> None:
        """Does what is needed to reach a mark: from now on the host knows that it is done."""
        with self.lock:
            self._reach(mark)
            self.known = later(self.known, mark.clock)
            self._complain()

    def _reach(self, mark: Mark) -> None:
        while not mark.is_reached():
            first = mark.queue.left[0]
            if isinstance(first, Mark):
                self._reach(first)
            self._go_on(mark.queue)

    def wait_for_all(self) -> None:
        with self.lock:
            for queue in self.queues:
                self.wait(queue.mark())

    def _complain(self) -> None:
        # faults of memory that is let go of are found where an error would be lost
        if self.accesses.faults and not self._busy:
            raise AssertionError(self.accesses.faults[0])

    def _go_on(self, queue: Queue) -> None:
        work = queue.left.popleft()
        self._busy = True
        try:
            if not isinstance(work, Mark):
                work()
        finally:
            self._busy = False
            queue.n_done += 1


class Memory:
    """Bytes of the card, to be used again on the same stream when nobody holds this."""

    def __init__(self, pool: Pool, queue: Queue, n_bytes: int) -> None:
        self._pool, self._queue = pool, queue
        self._whole = pool.taken(queue, n_bytes)
        self.bytes = self._whole[:n_bytes]
        self._pool.card.give(self._queue, partial(self.bytes.fill, UNWRITTEN), what="what used the memory before", writes=[self.bytes])

    def __del__(self) -> None:
        if sys.is_finalizing():
            return
        with suppress(AssertionError):
            self._pool.card.give(self._queue, partial(self.bytes.fill, LET_GO), what="what uses the memory next", writes=[self.bytes])
        self._pool.free[self._queue].append(self._whole)


class Pool:
    """Memory of the card that was let go of, by the queue that it was taken for."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.free: dict[Queue, list[NDArray[np.uint8]]] = {}

    def malloc(self, queue: Queue, n_bytes: int) -> Memory:
        return Memory(self, queue, n_bytes)

    def taken(self, queue: Queue, n_bytes: int) -> NDArray[np.uint8]:
        """The smallest free piece that is large enough, the last one let go of such, or a new one."""
        with self.card.lock:
            free = self.free.setdefault(queue, [])
            fitting = [i for i, piece in enumerate(free) if n_bytes <= len(piece) <= max(2 * n_bytes, _UNIT)]
            return free.pop(min(reversed(fitting), key=lambda i: len(free[i]))) if fitting else _new(self.card, n_bytes)

    def free_bytes(self) -> int:
        with self.card.lock:
            return sum(len(piece) for pieces in self.free.values() for piece in pieces)


class Locked:
    """Page-locked memory of the host: what is let go of is the next one's at once, whoever still copies to or from it."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._free: dict[int, list[NDArray[np.uint8]]] = {}
        self._starts: list[int] = []
        self._held: dict[int, NDArray[np.uint8]] = {}

    def empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array in it."""
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        size = max(_UNIT, 1 << (n_bytes - 1).bit_length())
        with self._card.lock:
            free = self._free.setdefault(size, [])
            whole = free.pop() if free else self._another(size)
        whole[:] = UNWRITTEN
        owner = (ctypes.c_uint8 * size).from_buffer(whole)
        weakref.finalize(owner, self._let_go, whole).atexit = False
        return np.ndarray(shape, dtype, buffer=owner)

    def has(self, array: NDArray[Any]) -> bool:
        """Whether an array lies there."""
        at = array.ctypes.data
        with self._card.lock:
            i = bisect_right(self._starts, at) - 1
            return i >= 0 and at < self._starts[i] + len(self._held[self._starts[i]])

    def as_copied(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array that a copy begins or ends in. The copy does not keep it: what lies here is used again, and so told apart."""
        if not self.has(array):
            return array
        bytes_ = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
        return np.frombuffer(bytes_, array.dtype, array.size).reshape(array.shape)

    def _another(self, size: int) -> NDArray[np.uint8]:
        whole = _new(self._card, size)
        self._held[whole.ctypes.data] = whole
        self._starts = sorted(self._held)
        return whole

    def _let_go(self, whole: NDArray[np.uint8]) -> None:
        whole[:] = LET_GO
        with self._card.lock:
            self._card.accesses.check_let_go(whole, self._card.known)
            self._free[len(whole)].append(whole)


def _new(card: Card, n_bytes: int) -> NDArray[np.uint8]:
    made = np.empty(max(n_bytes + _UNIT - 1, _UNIT) // _UNIT * _UNIT, np.uint8)
    with card.lock:
        card.accesses.know(made)
    return made

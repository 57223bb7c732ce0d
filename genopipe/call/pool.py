"""Work spread over processes, its results in order.

Work on windows holds the interpreter's lock half of the time, so threads could not share it; worker processes do. They are forked, so that
they see all that the work goes by (genome, model, reads packed in memory, loaded kernels) without a copy. Each has a pipe, over which small
items go to it and small results come back; who is free gets the next item, so results come in any order and wait here for their turn.
Where a device does the heavy part, which only this process may use, threads do the work instead.

A worker ends when its pipe does, so also when this process is killed. Signals that mean the whole program reach this process alone, which
then tells the workers to end by one of their own.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from genopipe.device import in_use
from genopipe.errors import BadEnvironment
from genopipe.threads import threads_of_generator

Item = TypeVar("Item")
Result = TypeVar("Result")

_FORK = multiprocessing.get_context("fork")
_OF_ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_END = signal.SIGUSR1
_AT_A_TIME = 2
"""Items that a worker has: the next one while a result is taken."""
MOST_OPEN = 4
"""Items a worker that are given and not yet passed on."""


@contextmanager
def in_order(items: Sequence[Item], work: Callable[[Item], Result], threads: int) -> Iterator[Iterator[tuple[Item, Result]]]:
    """Gives each item with its result, in order; of those ahead a few are worked on. No thread may be started before.

    Raises what the work raises, at its place; BadEnvironment where a worker is killed.
    """
    n = min(threads, len(items) - 1)
    if n < 2:
        yield ((item, work(item)) for item in items)
    elif in_use() is not None:
        yield _in_threads(items, work, n)
    else:
        rest = iter(items)
        first = [(item, work(item)) for item in islice(rest, 1)]  # the workers inherit the kernels that it loads
        with workers(work, n) as spread:
            yield chain(first, spread(rest))


def _in_threads(items: Iterable[Item], work: Callable[[Item], Result], threads: int) -> Iterator[tuple[Item, Result]]:
    with threads_of_generator(threads) as pool:
        queue: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            queue.append((item, pool.submit(work, item)))
            if len(queue) > 2 * threads:
                first, future = queue.popleft()
                yield first, future.result()
        while queue:
            first, future = queue.popleft()
            yield first, future.result()


@contextmanager
def workers(work: Callable[[Item], Result], n: int) -> Iterator[Callable[[Iterable[Item]], Iterator[tuple[Item, Result]]]]:
    """Starts `n` worker processes, which end with the context, and gives what spreads items over them.

    Items and results are pickled. Raises BadEnvironment where a process cannot be started.
    """
    started: list[_Worker[Item, Result]] = []
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_ALL)  # the workers inherit it
        try:
            for _ in range(n):
                started.append(_Worker(work, [worker.pipe for worker in started]))
        except OSError as error:
            raise _no_process(len(started), n, error) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield lambda items: _spread(iter(items), started)
    finally:
        for worker in started:
            worker.stop()
        for worker in started:
            worker.process.join()


class _Task(Generic[Item, Result]):
    """An item; and, once it is there, the result, or the error that came of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.error: Exception | None = None
        self.result: Any = None

    def taken(self) -> tuple[Item, Result]:
        if self.error is not None:
            raise self.error
        return self.item, self.result


class _Worker(Generic[Item, Result]):
    """A process, the end of its pipe that is ours, and what it was given to do."""

    def __init__(self, work: Callable[[Item], Result], others: list[Connection]) -> None:
        self.tasks: deque[_Task[Item, Result]] = deque()
        self.pipe, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=_serve, args=(work, theirs, [*others, self.pipe]), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, task: _Task[Item, Result]) -> None:
        self.tasks.append(task)
        try:
            self.pipe.send(task.item)
        except OSError:
            raise self._ended() from None

    def take(self) -> None:
        try:
            error, result = self.pipe.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        task = self.tasks.popleft()
        task.is_done, task.error, task.result = True, error, result

    def stop(self) -> None:
        self.pipe.close()
        if self.process.exitcode is None and self.process.pid is not None:
            os.kill(self.process.pid, _END)

    def _ended(self) -> BadEnvironment:
        self.process.join()
        code = self.process.exitcode or 0
        return BadEnvironment(
            f"a worker process was ended by {signal.Signals(-code).name}" if code < 0 else f"a worker process ended with code {code}",
            wanted="all of them until the work is done",
            do="Perhaps memory ran out: give fewer --threads or more memory, and run again.",
            key="--threads",
        )


def _spread(rest: Iterator[Item], among: list[_Worker[Item, Result]]) -> Iterator[tuple[Item, Result]]:
    tasks: deque[_Task[Item, Result]] = deque()
    _hand_out(rest, among, tasks)
    while tasks:
        while not tasks[0].is_done:
            ready = wait([worker.pipe for worker in among if worker.tasks])
            for worker in among:
                if worker.pipe in ready:
                    worker.take()
            _hand_out(rest, among, tasks)
        yield tasks.popleft().taken()
        _hand_out(rest, among, tasks)


def _hand_out(rest: Iterator[Item], among: list[_Worker[Item, Result]], tasks: deque[_Task[Item, Result]]) -> None:
    """Gives items to those that have the fewest."""
    for n in range(_AT_A_TIME):
        for worker in among:
            if len(worker.tasks) == n and len(tasks) < MOST_OPEN * len(among):
                for item in rest:
                    tasks.append(_Task(item))
                    worker.give(tasks[-1])
                    break


def _serve(work: Callable[[Any], Any], pipe: Connection, not_mine: list[Connection]) -> None:
    """What a worker does, until its pipe ends."""
    for other in not_mine:
        other.close()
    signal.signal(_END, lambda *_: sys.exit())
    gc.freeze()  # looking through what is inherited would copy it
    try:
        while True:
            item = pipe.recv()
            pipe.send(_answer(work, item))
    except (EOFError, BrokenPipeError):
        return


def _answer(work: Callable[[Any], Any], item: object) -> tuple[Exception | None, object]:
    try:
        return None, work(item)
    except Exception as error:
        error.add_note(traceback.format_exc())
        return error, None


def _no_process(i: int, n: int, error: OSError) -> BadEnvironment:
    return BadEnvironment(
        f"worker process {i + 1} of {n} cannot be started ({error.strerror})",
        wanted="memory and permission for one process a thread",
        do="Give fewer --threads, or raise the limit of processes (`ulimit -u`).",
        key="--threads",
    )

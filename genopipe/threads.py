"""Threads that work for a generator, and end with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads_of_generator(n: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads, which are waited for when the generator ends or fails, but not when it is closed; what has not begun is dropped.

    Who closes it may be the garbage collector: in any thread, at any point, and so where a lock is held that a thread needs to end.
    """
    pool, wait = ThreadPoolExecutor(n), True
    try:
        yield pool
    except GeneratorExit:
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)

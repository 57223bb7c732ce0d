"""A pool of threads whose results come in the order of what they were given, whatever order they are ready in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


class Workers:
    """So many threads; a context manager that ends them."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends the threads, whether or not anybody works on."""
        self.pool.shutdown(cancel_futures=True)

    def in_order(self, work: Callable[[_Given], _Result], items: Iterable[_Given], *, most_ahead: int | None = None) -> Iterator[_Result]:
        """Results of `work` in the order of `items`, at most so many of them before they are asked for: one for each thread, and one."""
        most = self.threads if most_ahead is None else most_ahead
        queue: deque[Future[_Result]] = deque()
        try:
            for item in items:
                queue.append(self.pool.submit(work, item))
                if len(queue) > most:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            for future in queue:
                future.cancel()

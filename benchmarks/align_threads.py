"""What of a run of `genopipe align` only one thread can do at a time; the arguments are those of the command.

    benchmarks/align_threads.py align --reference REF ... --threads N

Prints JSON: CPU-seconds of the whole process after its start (`cpu_seconds`), of the main thread (`main_thread`), and of all threads
outside of compiled kernels, compression and inflation (`outside_kernels`): only there may a thread hold the interpreter's lock. Some of
that is NumPy's, which lets the lock go, and what telling the time costs; so the last figure is an upper bound.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import deflate
from isal.igzip import IGzipFile
from numba.core.dispatcher import Dispatcher

from genopipe.align import run
from genopipe.cli import genopipe as command

_one_at_a_time = threading.Lock()
_without_lock = [0.0]


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose CPU time counts as such without the lock."""

    @wraps(function)
    def run(*given: Any, **named: Any) -> Any:
        before = time.thread_time()
        try:
            return function(*given, **named)
        finally:
            with _one_at_a_time:
                _without_lock[0] += time.thread_time() - before

    return run


def time_kernels(modules: list[Any]) -> None:
    """Has all kernels, compression and inflation timed that Python calls."""
    for module in modules:
        for key, value in list(vars(module).items()):
            if isinstance(value, Dispatcher):
                setattr(module, key, timed(value))
    for module, name in ((deflate, "deflate_compress"), (deflate, "crc32"), (IGzipFile, "read1")):
        setattr(module, name, timed(getattr(module, name)))


def main() -> None:
    time_kernels([module for name, module in sys.modules.items() if name.startswith(run.__name__.split(".")[0])])
    before, before_main = time.process_time(), time.thread_time()
    command(sys.argv[1:], standalone_mode=False)
    taken, of_main = time.process_time() - before, time.thread_time() - before_main
    print(json.dumps({"cpu_seconds": taken, "main_thread": of_main, "outside_kernels": taken - _without_lock[0]}))


if __name__ == "__main__":
    main()

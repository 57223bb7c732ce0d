"""Work in the background is done when its time ends, tells at once that it failed, and is given up where what goes on beside it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from genopipe.align.texts import in_background

Told = Callable[[int], None]


def test_work_is_done_at_the_end() -> None:
    done: list[int] = []
    with in_background(lambda told: done.append(1)):
        pass
    assert done == [1]


def test_its_error_is_raised_at_the_end() -> None:
    def full(told: Told) -> None:
        raise OSError("disk full")

    beside = []
    with pytest.raises(OSError, match="disk full"), in_background(full):
        beside.append(1)
    assert beside == [1]


def test_its_error_is_told_as_soon_as_it_is_asked_for() -> None:
    """Nothing is told as long as there is none."""
    going_on = threading.Event()

    def full(told: Told) -> None:
        going_on.wait(10)
        raise OSError("disk full")

    n_steps = 0
    with pytest.raises(OSError, match="disk full"), in_background(full) as check:
        check()
        going_on.set()
        while n_steps < 1000:
            n_steps += 1
            check()
            threading.Event().wait(0.01)
    assert n_steps < 1000


def test_it_is_given_up_where_the_rest_fails() -> None:
    steps, failed = threading.Semaphore(0), threading.Event()
    n_done = []

    def long(told: Told) -> None:
        steps.release()
        failed.wait(10)
        while len(n_done) < 1000:
            n_done.append(1)
            told(1)
            failed.wait(0.001)

    with pytest.raises(ValueError, match="no calls"), in_background(long):
        steps.acquire()
        threading.Timer(0.05, failed.set).start()
        raise ValueError("no calls")
    assert 0 < len(n_done) < 1000

"""Threads of a generator end with it, and nobody who closes it waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from genopipe.threads import threads_of_generator


def numbers(held_up: Event, done: list[int], fails: bool) -> Iterator[int]:
    """0, while a thread is held up; fails behind it, if it is to."""
    begun = Event()

    def work() -> None:
        begun.set()
        held_up.wait()
        done.append(1)

    with threads_of_generator(1) as pool:
        pool.submit(work)
        behind = pool.submit(done.append, 2)
        assert begun.wait(60)
        yield 0
        held_up.set()
        if fails:
            raise ValueError("it fails")
        behind.result()


@pytest.mark.timeout(60)
def test_whoever_closes_a_generator_does_not_wait() -> None:
    """The garbage collector may, where a lock is held that the thread needs; what has not begun is dropped."""
    held_up, done = Event(), list[int]()
    made = numbers(held_up, done, False)
    assert next(made) == 0
    made.close()  # type: ignore[attr-defined]
    assert not done
    held_up.set()


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_a_generator_is_that_of_its_threads(fails: bool) -> None:
    held_up, done = Event(), list[int]()
    made = numbers(held_up, done, fails)
    next(made)
    with pytest.raises(ValueError if fails else StopIteration):
        next(made)
    assert done[0] == 1

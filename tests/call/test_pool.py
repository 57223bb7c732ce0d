"""Worker processes: results in order whatever they take, errors whole, and nobody left behind whatever ends them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest

from genopipe.call.pool import in_order, workers
from genopipe.errors import BadEnvironment, BadInput


@pytest.fixture(autouse=True)
def nobody_is_left_behind() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


def of_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def slowly(item: int) -> tuple[int, int, bytes]:
    """Takes now longer, now shorter, and gives now more than a pipe holds."""
    time.sleep(Random(item).choice([0, 0, 0.02]))
    return item * item, os.getpid(), bytes(Random(item).choice([10, 1 << 20]))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_results_come_in_order(threads: int) -> None:
    """Each item by one process, and by as many of them as there are threads; the first one here."""
    with in_order(range(40), slowly, threads) as found:
        given = list(found)
    assert [(item, result[0]) for item, result in given] == [(item, item * item) for item in range(40)]
    makers = {result[1] for _, result in given[1:]}
    assert makers == {os.getpid()} if threads == 1 else len(makers) == threads and os.getpid() not in makers
    assert given[0][1][1] == os.getpid()


@pytest.mark.parametrize("n_items", [0, 1, 2])
def test_a_few_items_start_no_process(n_items: int) -> None:
    with in_order(range(n_items), slowly, 8) as found:
        assert [(item, result[1]) for item, result in found] == [(item, os.getpid()) for item in range(n_items)]


def test_workers_see_what_is_here_without_a_copy() -> None:
    """A large array that the work reads is in no worker's own memory."""
    large = np.ones(1 << 24, np.int64)

    def look(item: int) -> tuple[int, int]:
        total = int(large[item::2].sum())
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return total, sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) << 10

    with workers(look, 2) as spread:
        for _, (total, private) in spread(range(2)):
            assert total == 1 << 23 and private < large.nbytes // 4


def test_only_a_few_items_are_asked_for_ahead() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1_000):
            asked.append(item)
            yield item

    with workers(abs, 3) as spread:
        for item, _ in spread(items()):
            assert len(asked) <= item + 1 + 4 * 3


def failing(item: int) -> int:
    if item == 5:
        time.sleep(0.1)
        raise BadInput("a base is missing", wanted="four", do="Copy it again.", path="x.bam", line=7, key="base")
    if item == 6:
        raise OSError(5, "no such luck", "y.bam")
    return item


def test_an_error_comes_whole_and_in_its_place() -> None:
    """Behind the results before it, and however early an item behind it fails; with the place in the code for who looks for it."""
    seen = []
    with pytest.raises(BadInput) as told, in_order(range(7), failing, 2) as found:
        for item, _ in found:
            seen.append(item)
    error = told.value
    assert seen == [0, 1, 2, 3, 4]
    assert str(error) == "x.bam:7: base: a base is missing; wanted four. Copy it again."
    assert [error.came, error.wanted, error.do] == ["a base is missing", "four", "Copy it again."]
    assert [error.path, error.line, error.key] == ["x.bam", 7, "base"]
    assert "in failing" in error.__notes__[0]


def test_errors_of_the_system_come_too() -> None:
    with pytest.raises(OSError, match="no such luck") as told, in_order([1, 2, 6], failing, 2) as found:
        list(found)
    assert told.value.filename == "y.bam"


@pytest.mark.parametrize(
    "end, message",
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "--threads: a worker process was ended by SIGKILL; wanted all of them"),
        (lambda: os._exit(3), "a worker process ended with code 3; .* give fewer --threads or more memory"),
    ],
)
def test_a_worker_that_is_killed_is_told(end: Callable[[], object], message: str) -> None:
    """At once, though others are busy for long."""

    def work(item: int) -> int:
        if item == 3:
            end()
        if item > 3:
            time.sleep(60)
        return item

    with pytest.raises(BadEnvironment, match=message), in_order(range(100), work, 3) as found:
        list(found)


def test_a_worker_that_is_killed_while_it_waits_is_told() -> None:
    others = of_children(os.getpid())  # such as servers that other tests use
    with workers(abs, 2) as spread, pytest.raises(BadEnvironment, match="SIGKILL"):
        for child in set(of_children(os.getpid())) - set(others):
            os.kill(child, signal.SIGKILL)
        list(spread(range(4)))


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three: the first one is ended."""
    fork, left = os.fork, [1]

    def no_more() -> int:
        if not left:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left.pop()
        return fork()

    monkeypatch.setattr(os, "fork", no_more)
    message = "--threads: worker process 2 of 3 cannot be started .*temporarily unavailable.*; .* Give fewer --threads"
    with pytest.raises(BadEnvironment, match=message), in_order(range(9), abs, 3):
        pass


def test_who_has_enough_ends_the_workers_in_the_middle_of_their_work(tmp_path: Path) -> None:
    """They go as one who is told to: what they have made for themselves is cleared away."""

    def work(item: int) -> int:
        mark = tmp_path / str(os.getpid())
        if item < 2:
            return item
        try:
            mark.touch()
            time.sleep(60)
        finally:
            mark.unlink()
        return item

    with in_order(range(9), work, 2) as found:
        assert [next(found), next(found)] == [(0, 0), (1, 1)]
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert not list(tmp_path.iterdir())


PROGRAM = """
import sys, time
import click
from genopipe import cli
from genopipe.call.pool import in_order

def work(item):
    time.sleep(0.05)
    return item

@click.command()
def endless(**_):
    with in_order(range(1_000_000), work, 3) as found:
        for item, _ in found:
            print(item, flush=True)

cli.genopipe = endless
sys.argv[1:] = []
cli.main()
"""


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[str]]:
    """A program of our command line at work, with its three workers, a group of its own as in a terminal."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=pipe, stderr=pipe, text=True, start_new_session=True) as program:
        assert program.stdout is not None
        for _ in range(9):
            assert program.stdout.readline()
        yield program
        program.kill()


@pytest.mark.parametrize(
    "stop, code, told",
    [
        (lambda pid: os.killpg(pid, signal.SIGINT), 130, "interrupted"),
        (lambda pid: os.killpg(pid, signal.SIGTERM), 130, "interrupted"),
        (lambda pid: os.kill(pid, signal.SIGTERM), 130, "interrupted"),
        (lambda pid: os.kill(pid, signal.SIGKILL), -9, ""),
    ],
    ids=["Ctrl-C", "SIGTERM to all", "SIGTERM", "SIGKILL"],
)
def test_nobody_outlives_the_program(endless: subprocess.Popen[str], stop: Callable[[int], None], code: int, told: str) -> None:
    """However it is ended: nothing but one word is told, and its workers are gone."""
    family = of_children(endless.pid)
    assert len(family) == 3
    stop(endless.pid)
    output = endless.communicate(timeout=30)
    assert (endless.returncode, output[1].strip()) == (code, told)
    wait_until(lambda: not any(map(is_alive, family)))

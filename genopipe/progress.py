"""How long work tells what it is doing: a rich progress bar on a terminal, plain log lines everywhere else.

Data goes to files; everything here goes to standard error.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger("genopipe")

SECONDS_BETWEEN_LINES = 10.0


def counted(n: int, things: str) -> str:
    """The number with what is counted: 1 contig, 25 contigs."""
    return f"{n:,} {things.removesuffix('s') if n == 1 else things}"


class Progress(Protocol):
    """Counts work done."""

    def advance(self, n: int = 1) -> None: ...


class _Lines:
    """Progress as log lines, at most one in `SECONDS_BETWEEN_LINES`."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.started = self.told = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        if n and now - self.told >= SECONDS_BETWEEN_LINES:
            self.told = now
            self.tell(now)

    def tell(self, now: float) -> None:
        seconds = max(now - self.started, 1e-9)
        rate = self.done / seconds
        pace = f"{rate:,.0f} a second" if rate >= 1 else f"in {seconds:,.0f} s"
        text = f"{self.what}: {counted(self.done, self.unit)}, {pace}"
        if self.total and self.done:
            text += f", {100 * self.done / self.total:.0f} %, {max(self.total - self.done, 0) / max(rate, 1e-9):,.0f} s to go"
        log.info(text)


class _Bar:
    """Progress as one task of a rich bar."""

    def __init__(self, bar, task) -> None:  # type: ignore[no-untyped-def]
        self.bar, self.task = bar, task

    def advance(self, n: int = 1) -> None:
        self.bar.advance(self.task, n)


@contextmanager
def progress(what: str, *, total: int | None = None, unit: str = "reads") -> Iterator[Progress]:
    """A counter for one piece of long work; call its `advance(n)` from any thread."""
    if not sys.stderr.isatty():
        lines = _Lines(what, total, unit)
        yield lines
        lines.tell(time.monotonic())
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        yield _Bar(bar, bar.add_task(what, total=total))

"""Which work on a card comes before which, and whether two pieces of it touch the same bytes without such an order.

Work comes before what its own queue is given later, before what waits for a mark behind it, and before all that is given after the host has
waited for it. Two pieces of work that share bytes, one of which writes them, must be so ordered, whatever the order in which they are done
this time; memory that is let go of counts as written.

Source: L. Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, 1978; C. J. Fidge and F. Mattern, vector clocks, 1988.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Any, NamedTuple

from numpy.lib.array_utils import byte_bounds

Clock = dict[int, int]
"""Of each queue that something is known of, how much of it is done."""


def later(clock: Clock, other: Clock) -> Clock:
    """What is done when both are."""
    return clock | {queue: max(number, clock.get(queue, 0)) for queue, number in other.items()}


class _Access(NamedTuple):
    low: int
    high: int
    queue: int
    number: int
    writes: bool
    what: str


class Accesses:
    """Who has touched which bytes of the memory that is known here."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._end: dict[int, int] = {}
        self._last: dict[int, list[_Access]] = {}
        self.faults: list[str] = []

    def know(self, memory: Any) -> None:
        """Memory, in one piece, that arrays will lie in."""
        start = memory.ctypes.data
        insort(self._starts, start)
        self._end[start], self._last[start] = start + memory.nbytes, []

    def touch(self, arrays: Iterable[Any], clock: Clock, at: tuple[int, int], *, writes: bool, what: str) -> None:
        """Work at a place (queue, number) that comes after `clock` reads or writes these arrays."""
        for array in arrays:
            start = self._start_of(array)
            if start is not None:
                low, high = byte_bounds(array)
                self._check(self._last[start], _Access(low, high, *at, writes, what), clock)

    def check_let_go(self, memory: Any, clock: Clock) -> None:
        """Memory that is used for something else from now on, by the host."""
        start = memory.ctypes.data
        for each in self._last[start]:
            if clock.get(each.queue, 0) < each.number:
                self.faults.append(f"page-locked memory is let go of, and nobody has waited for {each.what}")
        self._last[start] = []

    def _start_of(self, array: Any) -> int | None:
        at = array.ctypes.data
        i = bisect_right(self._starts, at) - 1
        return self._starts[i] if array.size and i >= 0 and at < self._end[self._starts[i]] else None

    def _check(self, last: list[_Access], new: _Access, clock: Clock) -> None:
        kept = []
        for old in last:
            overlaps = old.low < new.high and new.low < old.high
            is_before = old.queue == new.queue or clock.get(old.queue, 0) >= old.number
            if overlaps and not is_before and (old.writes or new.writes):
                self.faults.append(f"nothing orders {old.what} and {new.what}, which share {'written' if new.writes else 'read'} bytes")
            # what is before this, and needs no order that this does not need, can be forgotten
            is_covered = new.low <= old.low and old.high <= new.high and is_before and (new.writes or not old.writes)
            if not (overlaps and is_covered):
                kept.append(old)
        last[:] = [*kept, new]

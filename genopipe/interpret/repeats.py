"""Whether an insertion or deletion lies in a tandem repeat, by the bases around it."""

from __future__ import annotations

from genopipe.interpret.hgvs import Change
from genopipe.interpret.normalise import Fetch

LEAST_UNITS = 3
"""Units in a row, without the inserted ones, that make a repeat."""
WIDEST = 60


def in_repeat(change: Change, fetch: Fetch) -> bool:
    """True where the shortest unit of the inserted or deleted bases stands `LEAST_UNITS` times in a row there."""
    moved = change.inserted or fetch(change.start, change.end)
    if (change.start == change.end) == (not change.inserted) or len(moved) > WIDEST:
        return False
    unit = _unit(moved)
    size = len(unit)
    left = fetch(change.start - LEAST_UNITS * len(moved), change.start)
    right = fetch(change.start, change.start + (LEAST_UNITS + 1) * len(moved))
    return _repeated(left[::-1], unit[::-1], size) + _repeated(right, unit, size) >= LEAST_UNITS


def _unit(text: str) -> str:
    """The shortest word that gives the text when it is repeated."""
    size = next(size for size in range(1, len(text) + 1) if len(text) % size == 0 and text[:size] * (len(text) // size) == text)
    return text[:size]


def _repeated(text: str, unit: str, size: int) -> int:
    """How many times in a row the text begins with the unit."""
    count = 0
    while text[count * size : (count + 1) * size] == unit:
        count += 1
    return count

"""Events: the differences between a haplotype and the reference, and how sequences and events turn into one another.

An event replaces `ref_length` reference bases at `position` by `alt` (base codes): a base by another one (1 and 1), or, for an indel, one
side is empty. Indels stand as far left as the reference lets them. A haplotype is a sorted tuple of events that do not overlap; the empty
tuple is the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genopipe.kernels.assembly import line_up

_REPEAT_SIGHT = 120
_LONGEST_UNIT = 24
_SHORTEST_REPEAT = 10


class Event(NamedTuple):
    """A difference from the reference; 0-based, without an anchor base."""

    position: int
    ref_length: int
    alt: bytes

    @property
    def end(self) -> int:
        return self.position + self.ref_length

    @property
    def is_indel(self) -> bool:
        return self.ref_length != len(self.alt)

    @property
    def site(self) -> tuple[int, bool]:
        """Events of the same site are alleles of one record."""
        return self.position, self.is_indel


Haplotype = tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a contig: codes of the bases from `start` on."""

    start: int
    base: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.base)

    def cut(self, start: int, end: int) -> Stretch:
        """The part between two contig positions, as far as it lies inside."""
        start, end = max(start, self.start), min(end, self.end)
        return Stretch(start, self.base[start - self.start : end - self.start])


def left_aligned(event: Event, stretch: Stretch, *, floor: int | None = None) -> Event:
    """The same indel as far left as the stretch (or `floor`) lets it go."""
    low = max(stretch.start if floor is None else floor, stretch.start)
    position, base, start = event.position, stretch.base, stretch.start
    if event.ref_length and not event.alt:
        while position > low and base[position - 1 - start] == base[position - 1 + event.ref_length - start]:
            position -= 1
        return Event(position, event.ref_length, b"")
    alt = event.alt
    if not event.ref_length:
        while position > low and base[position - 1 - start] == alt[-1]:
            alt = alt[-1:] + alt[:-1]
            position -= 1
    return Event(position, event.ref_length, alt)


def spread(event: Event, stretch: Stretch) -> tuple[int, int]:
    """Where the event may stand without changing the sequence: first and one past the last base it can touch."""
    at = event.position - stretch.start
    base, shift = stretch.base, 0
    unit = base[at : at + event.ref_length] or event.alt
    if event.is_indel:
        behind = at + event.ref_length
        while behind + shift < len(base) and base[behind + shift] == unit[shift % len(unit)]:
            shift += 1
    return event.position, event.end + shift


def repeat_at(position: int, stretch: Stretch, *, reach: int = 6) -> tuple[int, int]:
    """Start and end of the widest tandem repeat, of three units or more, within `reach` bases of a place; else the place itself.

    Repeats are seen as far as `_REPEAT_SIGHT` bases on either side.
    """
    first = max(position - _REPEAT_SIGHT, stretch.start)
    base = np.frombuffer(stretch.cut(first, position + _REPEAT_SIGHT).base, np.uint8)
    widest = position, position
    for unit in range(1, _LONGEST_UNIT + 1):
        same = (base[unit:] == base[:-unit]) & (base[unit:] < 4)
        bounds = np.flatnonzero(np.diff(same, prepend=False, append=False)).reshape(-1, 2)
        for low, high in (bounds + first).tolist():
            near = low - reach <= position <= high + unit + reach
            if near and high - low >= max(2 * unit, _SHORTEST_REPEAT - unit) and high + unit - low > widest[1] - widest[0]:
                widest = low, high + unit
    return widest


def compatible(event: Event, haplotype: Haplotype) -> bool:
    """True where the event can be added: it neither overlaps nor adjoins an indel of the haplotype."""
    for other in haplotype:
        touching = event.is_indel and other.is_indel and event.position <= other.end and other.position <= event.end
        if touching or (event.position < other.end and other.position < event.end):
            return False
        if event.position == other.position and event.ref_length == other.ref_length:
            return False
    return True


def with_event(haplotype: Haplotype, event: Event) -> Haplotype:
    """The haplotype with the event, in place of those that it cannot stand beside."""
    kept = [other for other in haplotype if compatible(event, (other,))]
    return tuple(sorted([*kept, event]))


def without_event(haplotype: Haplotype, event: Event) -> Haplotype:
    return tuple(other for other in haplotype if other != event)


def spell(haplotype: Haplotype, stretch: Stretch) -> bytes:
    """Codes of the haplotype over the stretch."""
    parts, at = [], stretch.start
    for event in haplotype:
        parts += [stretch.base[at - stretch.start : event.position - stretch.start], event.alt]
        at = event.end
    return b"".join([*parts, stretch.base[at - stretch.start :]])


def events_of(sequence: bytes, stretch: Stretch) -> Haplotype:
    """The events that turn the stretch into the sequence, by the best global alignment."""
    reference = stretch.base
    head = _shared(reference, sequence)
    tail = min(_shared(reference[::-1], sequence[::-1]), min(len(reference), len(sequence)) - head)
    old, new = reference[head : len(reference) - tail], sequence[head : len(sequence) - tail]
    if not old and not new:
        return ()
    found: list[Event] = []
    floor = stretch.start
    for event in _raw_events(old, new, stretch.start + head):
        placed = left_aligned(event, stretch, floor=floor) if event.is_indel else event
        found.append(placed)
        floor = placed.end + (1 if placed.is_indel else 0)
    return tuple(found)


def _shared(one: bytes, two: bytes) -> int:
    n = min(len(one), len(two))
    if one[:n] == two[:n]:
        return n
    return next(i for i in range(n) if one[i] != two[i])


def _raw_events(old: bytes, new: bytes, start: int) -> Iterable[Event]:
    if not old or not new:
        return [Event(start, len(old), new)]
    steps = np.empty(len(old) + len(new), np.uint8)
    n = line_up(np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8), steps)
    return _events_of_steps(steps[:n].tobytes(), old, new, start)


def _events_of_steps(steps: bytes, old: bytes, new: bytes, start: int) -> Iterator[Event]:
    i = j = at = 0
    while at < len(steps):
        step, length = steps[at], 1
        if step == 0:
            if old[i] != new[j]:
                yield Event(start + i, 1, new[j : j + 1])
            i, j = i + 1, j + 1
        else:
            while at + length < len(steps) and steps[at + length] == step:
                length += 1
            if step == 1:
                yield Event(start + i, 0, new[j : j + length])
                j += length
            else:
                yield Event(start + i, length, b"")
                i += length
        at += length

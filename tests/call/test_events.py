"""Events: left alignment, spelling, and the way back from a sequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.events import Event, Stretch, compatible, events_of, left_aligned, repeat_at, spell, spread, with_event, without_event

CODES = st.lists(st.integers(0, 2), min_size=12, max_size=30).map(bytes)


@given(CODES, st.integers(4, 8), st.integers(1, 4))
def test_a_deletion_moves_left_without_changing_the_sequence(base, position, length):
    stretch, event = Stretch(50, base), Event(50 + position, length, b"")
    moved = left_aligned(event, stretch)
    assert spell((moved,), stretch) == spell((event,), stretch)
    assert moved.position == 50 or base[moved.position - 51] != base[moved.end - 51]


@given(CODES, st.integers(4, 8), st.lists(st.integers(0, 2), min_size=1, max_size=4).map(bytes))
def test_an_insertion_moves_left_without_changing_the_sequence(base, position, letters):
    stretch, event = Stretch(50, base), Event(50 + position, 0, letters)
    moved = left_aligned(event, stretch)
    assert spell((moved,), stretch) == spell((event,), stretch)
    assert moved.position == 50 or base[moved.position - 51] != moved.alt[-1]


@given(CODES, CODES)
def test_events_spell_the_sequence_they_came_from(base, sequence):
    stretch = Stretch(7, base)
    assert spell(events_of(sequence, stretch), stretch) == sequence


def test_an_event_is_found_as_far_left_as_it_goes():
    stretch = Stretch(0, bytes([3, 0, 1, 1, 1, 1, 2, 0, 3, 2]))
    assert events_of(bytes([3, 0, 1, 1, 1, 2, 0, 3, 2]), stretch) == (Event(2, 1, b""),)
    assert events_of(bytes([3, 0, 1, 1, 1, 1, 1, 2, 0, 0, 2]), stretch) == (Event(2, 0, b"\1"), Event(8, 1, b"\0"))


def test_the_spread_covers_the_repeat():
    stretch = Stretch(10, bytes([3, 0, 1, 0, 1, 0, 2]))
    assert spread(Event(11, 2, b""), stretch) == (11, 16)
    assert spread(Event(11, 0, b"\0\1"), stretch) == (11, 16)
    assert spread(Event(12, 1, b"\2"), stretch) == (12, 13)


def test_what_can_stand_together():
    deletion, snv = Event(10, 4, b""), Event(12, 1, b"\1")
    assert not compatible(snv, (deletion,))
    assert not compatible(Event(14, 0, b"\1"), (deletion,))
    assert compatible(Event(15, 1, b"\1"), (deletion,))
    assert not compatible(Event(12, 1, b"\2"), (snv,))
    assert with_event((deletion,), snv) == (snv,)
    assert without_event((deletion, Event(20, 1, b"\1")), deletion) == (Event(20, 1, b"\1"),)


def test_a_repeat_is_seen_from_either_end():
    stretch = Stretch(10, bytes([3, 0, 2, 2] + [0, 1, 3] * 4 + [2, 2, 1, 0, 3]))
    assert repeat_at(14, stretch) == repeat_at(26, stretch) == repeat_at(28, stretch) == (14, 26)
    assert repeat_at(14, Stretch(10, bytes([3, 0, 2, 2] + [0, 1, 3] * 2 + [2, 2, 1, 0, 3]))) == (14, 14)

"""Read structures and OverrideCycles say which cycles are what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.read_structure import RunRead, parse_override_cycles, parse_read_structure, whole_reads

READS = (RunRead(151, False), RunRead(10, True), RunRead(10, True, True), RunRead(151, False))


def told(segments) -> list[tuple[str, int, int, int]]:  # type: ignore[no-untyped-def]
    return [(segment.kind, segment.start, segment.end, segment.read) for segment in segments]


def test_a_read_structure_is_cut_into_its_operations() -> None:
    assert told(parse_read_structure("25T8B4M21T")) == [("Y", 0, 25, 0), ("I", 25, 33, 1), ("U", 33, 37, 2), ("Y", 37, 58, 3)]


@pytest.mark.parametrize("text", ["", "T", "25", "25T8", "25X", "0T", "25t", "-5T", "25T 8B", "٣T"])
def test_what_is_no_read_structure_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"--read-structure: .* is no read structure; wanted numbers of cycles"):
        parse_read_structure(text)


@given(st.text("0123456789TBMSX", max_size=12))
def test_any_text_is_a_read_structure_or_refused(text: str) -> None:
    try:
        segments = parse_read_structure(text)
    except BadInput:
        return
    letter = {"Y": "T", "I": "B", "U": "M", "N": "S"}
    parts = text.replace("T", "T ").replace("B", "B ").replace("M", "M ").replace("S", "S ").split()
    assert [f"{len(segment)}{letter[segment.kind]}" for segment in segments] == [f"{int(part[:-1])}{part[-1]}" for part in parts]


def test_masks_are_in_the_direction_of_the_sheet_for_reads_of_the_other_strand() -> None:
    segments = parse_override_cycles("Y151;I8N2;N2I8;U7N1Y143", READS)
    assert told(segments)[1:5] == [("I", 151, 159, 1), ("N", 159, 161, 1), ("I", 161, 169, 2), ("N", 169, 171, 2)]
    assert told(segments)[5:] == [("U", 171, 178, 3), ("N", 178, 179, 3), ("Y", 179, 322, 3)]


def test_a_star_is_the_rest_of_a_read() -> None:
    assert told(parse_override_cycles("Y*;I8N*;I*;Y*", READS))[:3] == [("Y", 0, 151, 0), ("I", 151, 159, 1), ("N", 159, 161, 1)]


@pytest.mark.parametrize(
    "mask, message",
    [
        ("Y151;I10;Y151", "3 masks for 4 reads"),
        ("Y150;I10;I10;Y151", "mask Y150 has 150 cycles and the read 151"),
        ("Y152;I10;I10;Y151", "mask Y152 has 152 cycles and the read 151"),
        ("Y151;Y10;I10;Y151", "mask Y10 gives Y cycles to an index"),
        ("I151;I10;I10;Y151", "mask I151 gives I cycles to a read"),
        ("Y151;I10;I10;X151", "mask 'X151' is not made of"),
        ("Y*N*;I10;I10;Y151", "is not made of"),
        ("Y151;;I10;Y151", "is not made of"),
    ],
)
def test_a_mask_that_does_not_fit_says_why(mask: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_override_cycles(mask, READS)


@given(st.text("YIUN0123456789*;", max_size=30))
def test_any_mask_fits_every_cycle_or_is_refused(mask: str) -> None:
    try:
        segments = parse_override_cycles(mask, READS)
    except ValueError:
        return
    assert sum(map(len, segments)) == sum(map(len, whole_reads(READS)))

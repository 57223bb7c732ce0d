"""Identifiers of alleles, against published ones and against every spelling of the same change."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from genopipe.interpret.normalise import Fetch
from genopipe.interpret.vrs import allele_id, normalised


def fetch_of(sequence: str, offset: int = 0) -> Fetch:
    """The bases of `sequence`, which begins at `offset` of an otherwise unknown contig."""
    return lambda start, end: "".join(sequence[i - offset] if 0 <= i - offset < len(sequence) else "N" for i in range(start, end))


@pytest.mark.parametrize(
    "refget, position, ref, alt, around, offset, expected",
    [
        # specification, validation/alleles.yaml: rs7412 of GRCh38, and an insertion into CTCCTCCT of chromosome 1
        ("SQ.IIB53T8CNeJJdUqzn9V_JnRtQadwWCbl", 44908821, "C", "T", "C", 44908821, "0AePZIWZUNsUlQTamyLrjm2HWUw2opLt"),
        ("SQ.Ya6Rs7DHhDeg7YaOSg1EoNi3U_nQ9SvO", 40819438, "C", "CTCC", "CTCCTCCT", 40819438, "Oop4kjdTtKcg1kiZjIJAAR3bp7qi4aNT"),
        # of public variant records: a dinucleotide gained, and one lost
        ("SQ.dLZ15tNO1Ur0IcGjwc3Sdi_0A6Yf4zm7", 50150039, "A", "AGC", "AGC", 50150039, "5-m9wM6WTY5osPxLFg1_bITsOwSoMFui"),
        ("SQ.Ya6Rs7DHhDeg7YaOSg1EoNi3U_nQ9SvO", 150509934, "CTC", "C", "CTCTC", 150509934, "mkLU2yL862kqFSvsTsB_JhSg8Cvg88BG"),
    ],
)
def test_published_identifiers(refget: str, position: int, ref: str, alt: str, around: str, offset: int, expected: str) -> None:
    assert allele_id(refget, position, ref, alt, fetch=fetch_of(around, offset), length=248_956_422) == f"ga4gh:VA.{expected}"


@pytest.mark.parametrize(
    "position, ref, alt, expected",
    [
        (2, "A", "G", (2, 3, {"type": "LiteralSequenceExpression", "sequence": "G"})),
        (1, "CA", "C", (2, 5, {"type": "ReferenceLengthExpression", "length": 2, "repeatSubunitLength": 1})),
        (4, "AT", "A", (5, 6, {"type": "ReferenceLengthExpression", "length": 0, "repeatSubunitLength": 1})),
        (4, "A", "AA", (2, 5, {"type": "ReferenceLengthExpression", "length": 4, "repeatSubunitLength": 1})),
        (5, "T", "TC", (6, 6, {"type": "LiteralSequenceExpression", "sequence": "C"})),
        (5, "T", "TGC", (6, 7, {"type": "LiteralSequenceExpression", "sequence": "GCG"})),
        (5, "TG", "TAC", (6, 7, {"type": "LiteralSequenceExpression", "sequence": "AC"})),
    ],
)
def test_alleles_are_justified_as_the_specification_says(
    position: int, ref: str, alt: str, expected: tuple[int, int, dict[str, object]]
) -> None:
    sequence = "GCAAATGT"
    assert normalised(position, ref, alt, fetch=fetch_of(sequence), length=len(sequence)) == expected


@settings(max_examples=300)
@given(st.text("AC", min_size=2, max_size=12), st.integers(0, 11), st.integers(0, 11), st.text("AC", max_size=4))
def test_every_spelling_of_a_change_has_the_same_identifier(sequence: str, start: int, end: int, alt: str) -> None:
    """All replacements of a stretch by another that make the same sequence are one allele; other sequences are other alleles."""
    start, end = sorted((min(start, len(sequence)), min(end, len(sequence))))
    changed = sequence[:start] + alt + sequence[end:]
    assume(changed != sequence)
    spellings = {
        normalised_id(sequence, first, last, changed)
        for first in range(len(sequence) + 1)
        for last in range(first, len(sequence) + 1)
        if changed.startswith(sequence[:first]) and changed.endswith(sequence[last:]) and len(changed) >= first + len(sequence) - last
    }
    assert len(spellings) == 1
    other = changed + "G"
    assert normalised_id(sequence, 0, len(sequence), other) not in spellings


def normalised_id(sequence: str, first: int, last: int, changed: str) -> str:
    alt = changed[first : len(changed) - (len(sequence) - last)]
    return allele_id("SQ.x", first, sequence[first:last], alt, fetch=fetch_of(sequence), length=len(sequence))

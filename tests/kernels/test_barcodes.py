"""Barcodes are given to samples as the plain rule does, also through the table of barcodes seen before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.sample_sheet import Sample, SampleSheet
from genopipe.ingest.barcodes import matching
from genopipe.ingest.layout import Layout
from genopipe.kernels.barcodes import assign
from tests.oracles.demultiplex import letters, mismatches, picard_sample_of, sample_of

LENGTHS = (5, 18)


def calls_of(reads: list[str]) -> np.ndarray:
    return np.array([[255 if base == "N" else 120 | "ACGT".index(base) for base in read] for read in reads], np.uint8)


def layout() -> Layout:
    return Layout((), (np.arange(LENGTHS[0]), np.arange(LENGTHS[0], sum(LENGTHS))), ())


def assigned(barcodes: list[tuple[str, str]], limits: list[tuple[int, int]], reads: list[str], *, by_picard: bool = False) -> list[int]:
    samples = [Sample(i, f"S{i}", None, pair, mismatches=limit) for i, (pair, limit) in enumerate(zip(barcodes, limits, strict=True))]
    made = matching(
        samples, [layout()] * len(samples), [False, False], SampleSheet(Path("s.csv"), tuple(samples), by_picard=by_picard), None
    )
    sample, n = np.empty(len(reads), np.int32), np.empty(len(reads), np.int32)
    assign(calls_of(reads), made.column, made.word_of, made.barcodes, sample, n)
    return sample.tolist()


bases = st.text("ACGT", min_size=sum(LENGTHS), max_size=sum(LENGTHS))


@st.composite
def mutated(draw: st.DrawFn, barcodes: list[str]) -> str:
    read = list(draw(st.sampled_from(barcodes)))
    for at in draw(st.lists(st.integers(0, len(read) - 1), max_size=4)):
        read[at] = draw(st.sampled_from("ACGTN"))
    return "".join(read)


@settings(max_examples=60)
@given(st.data())
def test_reads_are_given_to_samples_as_the_plain_rule_does(data: st.DataObject) -> None:
    barcodes = data.draw(st.lists(bases, min_size=1, max_size=5, unique=True))
    limits = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in barcodes]
    pairs = [(barcode[: LENGTHS[0]], barcode[LENGTHS[0] :]) for barcode in barcodes]
    reads = data.draw(st.lists(mutated(barcodes), min_size=1, max_size=20))
    try:
        found = assigned(pairs, limits, reads)
    except BadInput:
        assert any(
            all(mismatches(a, b) <= x + y for a, b, x, y in zip(pairs[i], pairs[j], limits[i], limits[j], strict=True))
            for i in range(len(pairs))
            for j in range(i)
        )
        return
    assert found == [sample_of((read[: LENGTHS[0]], read[LENGTHS[0] :]), pairs, limits) for read in reads]


@settings(max_examples=60)
@given(st.data())
def test_with_picards_files_the_nearest_barcode_is_taken(data: st.DataObject) -> None:
    barcodes = data.draw(st.lists(bases, min_size=1, max_size=5, unique=True))
    pairs = [(barcode[: LENGTHS[0]], barcode[LENGTHS[0] :]) for barcode in barcodes]
    reads = data.draw(st.lists(mutated(barcodes), min_size=1, max_size=20))
    found = assigned(pairs, [(0, 0)] * len(pairs), reads, by_picard=True)
    assert found == [picard_sample_of(read, barcodes) for read in reads]


def test_the_table_of_barcodes_seen_holds_more_of_them_than_it_has_places() -> None:
    rng = np.random.default_rng(3)
    barcodes = [letters(row) for row in rng.integers(120, 124, (4, sum(LENGTHS)))]
    pairs = [(barcode[: LENGTHS[0]], barcode[LENGTHS[0] :]) for barcode in barcodes]
    reads = [letters(row) for row in rng.integers(120, 124, (70_000, sum(LENGTHS)))] + barcodes
    assert assigned(pairs, [(1, 1)] * 4, reads)[-4:] == [0, 1, 2, 3]


def test_samples_that_a_read_could_both_belong_to_are_named() -> None:
    with pytest.raises(BadInput, match=r"the barcodes of S0 \(AAAAA\+C+, line 0\) and S1 \(AAAAT\+C+G, line 1\) collide"):
        assigned([("AAAAA", "C" * 18), ("AAAAT", "C" * 17 + "G")], [(1, 1)] * 2, ["A" * 23])

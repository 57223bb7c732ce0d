"""Duplicates are found by their ends and the best stays, with any amount of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align.duplicates import SIGNATURE, Finder, Metrics, flag_records, write_metrics

Row = tuple[int, int, int]


def find(folder: Path, rows: list[Row], memory: int) -> tuple[set[int], Metrics]:
    finder = Finder(folder, memory=memory)
    signature = np.array([(*row, 2 * i) for i, row in enumerate(rows)], SIGNATURE)
    for first in range(0, len(rows), 5):
        finder.add(signature[first : first + 5])
    bits, metrics = finder.find(2 * len(rows), "L")
    return {read for read in range(2 * len(rows)) if bits[read >> 3] >> (read & 7) & 1}, metrics


def by_definition(rows: list[Row]) -> set[int]:
    """Every read of a pair with a better or earlier equal pair; every lone read beside a pair or a better or earlier lone read."""
    found = set()
    pair_ends = {end for low, high, _ in rows if high >= 0 for end in (low, high)}
    for i, (low, high, quality) in enumerate(rows):
        beaten = any(
            (low, high) == other[:2] and (other[2] > quality or (other[2] == quality and j < i)) for j, other in enumerate(rows) if j != i
        )
        if high >= 0 and beaten:
            found |= {2 * i, 2 * i + 1}
        elif high < 0 and (beaten or low in pair_ends):
            found.add(2 * i)
    return found


row = st.tuples(st.integers(0, 4), st.integers(-1, 4), st.integers(0, 3)).map(lambda r: r if r[1] < 0 else (min(r[:2]), max(r[:2]), r[2]))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(row, max_size=30), memory=st.sampled_from([1 << 20, 100]))
def test_duplicates_equal_the_definition(tmp_path_factory: pytest.TempPathFactory, rows: list[Row], memory: int) -> None:
    assert find(tmp_path_factory.mktemp("ends"), rows, memory)[0] == by_definition(rows)


def test_counts(tmp_path: Path) -> None:
    _, metrics = find(tmp_path, [(1, 9, 50), (1, 9, 60), (1, -1, 30), (4, -1, 30)], 1 << 20)
    assert metrics == Metrics("L", single_reads=2, pairs=2, unmapped_reads=2, single_duplicates=1, pair_duplicates=1)


def test_the_flag_is_set_in_the_bytes() -> None:
    record = np.zeros(80, np.uint8)
    flag_records(record, np.array([0, 40, 80]), np.array([3, 4]), np.array([0b10000], np.uint8))
    assert np.flatnonzero(record).tolist() == [59]
    assert int(record[59]) << 8 == 1024


def test_metrics_have_the_columns_of_picard(tmp_path: Path) -> None:
    write_metrics(Metrics("L", 2, 4, 1, 1, 2), tmp_path / "x.tsv")
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines[3] == "## METRICS CLASS\tpicard.sam.DuplicationMetrics"
    assert dict(zip(lines[4].split("\t"), lines[5].split("\t"), strict=True))["PERCENT_DUPLICATION"] == "0.500000"

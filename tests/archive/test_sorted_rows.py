"""Rows come back sorted however little memory there is, and leave no file behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive import sorted_rows
from genopipe.archive.sorted_rows import ASKS, Column, SortedRows, answers, by_place

NUMBER = st.integers(0, 5) | st.integers(0, 2**64 - 1)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of a few rows, merged from blocks of a few more."""
    monkeypatch.setattr(sorted_rows, "RUN_BYTES", 100)
    monkeypatch.setattr(sorted_rows, "MERGE_BYTES", 1)
    monkeypatch.setattr(sorted_rows, "CHUNK", 7)
    yield


@settings(max_examples=60)
@given(width=st.integers(1, 3), data=st.data())
def test_rows_come_back_sorted(width: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracle: sorted."""
    folder = tmp_path_factory.mktemp("rows")
    rows = data.draw(st.lists(st.tuples(*[NUMBER] * width), max_size=60))
    cut = data.draw(st.integers(0, len(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "RUN_BYTES", data.draw(st.sampled_from([1, 100, 64 << 20])))
        patch.setattr(sorted_rows, "MERGE_BYTES", 1)
        patch.setattr(sorted_rows, "CHUNK", data.draw(st.sampled_from([1, 7, 1 << 16])))
        tables = SortedRows(folder, width), SortedRows(folder, width)
        for table, part in zip(tables, (rows[:cut], rows[cut:]), strict=True):
            for first in range(0, len(part), 5):
                table.add(*np.array(part[first : first + 5], np.uint64).T)
        found = [[tuple(row) for chunk in tables[0].chunks(*others) for row in chunk.tolist()] for others in ((), tables[1:], tables[1:])]
    assert found == [sorted(rows[:cut]), sorted(rows), sorted(rows)]
    assert len(tables[0]) == cut
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("little_memory")
def test_all_chunks_but_the_last_are_full(tmp_path: Path) -> None:
    table, column = SortedRows(tmp_path, 2), Column(tmp_path, np.int64)
    for first in range(0, 300, 3):
        table.add(np.arange(first, first + 3), np.zeros(3))
        column.add(np.arange(first, first + 3))
    assert [len(chunk) for chunk in table.chunks()] == [len(chunk) for chunk in column.chunks()] == [7] * 42 + [6]
    assert np.concatenate(list(column.chunks())).tolist() == list(range(300))
    assert column.read(299, 9).tolist() == [299]


@settings(max_examples=40)
@given(values=st.dictionaries(st.integers(0, 60), st.integers(0, 2**60)), more=st.integers(0, 9), stretch=st.sampled_from([1, 7, 1 << 18]))
def test_places_without_a_value_are_told(values: dict[int, int], more: int, stretch: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("rows")
    table, n = SortedRows(folder, 2), max(values, default=-1) + 1 + more
    table.add(np.array(list(values)), np.array(list(values.values())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "_STRETCH", stretch)
        patch.setattr(sorted_rows, "CHUNK", 5)
        found = [value for chunk in by_place(table, n, folder).chunks() for value in chunk.tolist()]
    assert found == [values.get(place, -1) for place in range(n)]


@settings(max_examples=40)
@given(
    known=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**61))),
    asked=st.lists(st.integers(0, 9)),
    chunk=st.sampled_from([1, 3, 999]),
)
def test_a_key_that_asks_gets_its_least_value(
    known: list[tuple[int, int]], asked: list[int], chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    table = SortedRows(folder, 2)
    table.add(*np.array(known, np.uint64).reshape(-1, 2).T)
    table.add(np.array(asked, np.uint64), ASKS | np.arange(len(asked), dtype=np.uint64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "CHUNK", chunk)
        found = [value for part in answers(table, len(asked), folder).chunks() for value in part.tolist()]
    assert found == [min((value for key, value in known if key == wanted), default=-1) for wanted in asked]

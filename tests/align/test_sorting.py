"""Sorting gives one order however little memory there is, and a full disk is told."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align import sorting
from genopipe.errors import BadEnvironment

Row = tuple[int, int, bytes]


def sort(folder: Path, batches: list[list[tuple[int, bytes]]], memory: int) -> list[Row]:
    """Key, ordinal and bytes of all records in the order they come out."""
    sorter = sorting.Sorter(folder, memory=memory)
    n = 0
    for batch in batches:
        start = np.concatenate(([0], np.cumsum([len(record) for _, record in batch]))).astype(np.int64)
        record, key = np.frombuffer(b"".join(r for _, r in batch), np.uint8), np.array([key for key, _ in batch], np.int64)
        sorter.add(record, start, key, np.arange(n, n + len(batch)))
        n += len(batch)
    return [
        (int(chunk.key[i]), int(chunk.ordinal[i]), chunk.record[chunk.start[i] : chunk.start[i + 1]].tobytes())
        for chunk in sorter.chunks()
        for i in range(len(chunk.key))
    ]


def expected(batches: list[list[tuple[int, bytes]]]) -> list[Row]:
    records = [record for batch in batches for record in batch]
    return [(key, ordinal, record) for ordinal, (key, record) in sorted(enumerate(records), key=lambda item: (item[1][0], item[0]))
            for key, record in [records[ordinal]]]  # fmt: skip


record = st.tuples(st.integers(0, 6) | st.just(1 << 33), st.binary(min_size=1, max_size=9))


@settings(max_examples=100, deadline=None)
@given(batches=st.lists(st.lists(record, min_size=1, max_size=20), max_size=12), memory=st.integers(10, 400))
def test_order_does_not_depend_on_memory(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, bytes]]], memory: int
) -> None:
    assert sort(tmp_path_factory.mktemp("sort"), batches, memory) == expected(batches)


def test_runs_of_many_chunks_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "CHUNK", 200)
    rng = np.random.default_rng(1)
    batches = [[(int(key), b"%d" % key) for key in rng.integers(0, 500, 300)] for _ in range(10)]
    assert sort(tmp_path, batches, 3000) == expected(batches)
    assert len(list(tmp_path.iterdir())) > 2


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sorting, "_write_chunk", full)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        sort(tmp_path, [[(1, b"abc")]] * 9, 10)

"""Sorting gives one order however little memory there is, and a full disk is told."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align import sorting
from genopipe.align.workers import Workers
from genopipe.errors import BadEnvironment
from genopipe.kernels.stretches import gathered

Row = tuple[int, int, bytes]


def sort(folder: Path, batches: list[list[tuple[int, bytes]]], memory: int) -> list[Row]:
    """Key, ordinal and bytes of all records in the order they come out."""
    with Workers(2) as workers:
        sorter = sorting.Sorter(folder, workers, memory=memory)
        n = 0
        for batch in batches:
            start = np.concatenate(([0], np.cumsum([len(record) for _, record in batch]))).astype(np.int64)
            record, key = np.frombuffer(b"".join(r for _, r in batch), np.uint8), np.array([key for key, _ in batch], np.int64)
            sorter.add(sorting.Chunk(record, start, key, np.arange(n, n + len(batch))))
            n += len(batch)
        chunks = [part() for part in sorter.parts()]
        assert 0 <= sorter.parts_at_once <= 2 and all(len(chunk.key) for chunk in chunks)
    return [
        (int(chunk.key[i]), int(chunk.ordinal[i]), chunk.record[chunk.start[i] : chunk.start[i + 1]].tobytes())
        for chunk in chunks
        for i in range(len(chunk.key))
    ]


def expected(batches: list[list[tuple[int, bytes]]]) -> list[Row]:
    records = [record for batch in batches for record in batch]
    return [(key, ordinal, record) for ordinal, (key, record) in sorted(enumerate(records), key=lambda item: (item[1][0], item[0]))
            for key, record in [records[ordinal]]]  # fmt: skip


record = st.tuples(st.integers(0, 6) | st.just(1 << 33), st.binary(min_size=1, max_size=9))


@settings(max_examples=100)
@given(batches=st.lists(st.lists(record, min_size=1, max_size=20), max_size=12), memory=st.integers(100, 8000), chunk=st.integers(1, 9))
def test_order_does_not_depend_on_memory(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, bytes]]], memory: int, chunk: int
) -> None:
    """Nor on where runs are cut, which is within records of one key too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "CHUNK", chunk)
        assert sort(tmp_path_factory.mktemp("sort"), batches, memory) == expected(batches)


@settings(max_examples=50)
@given(reads=st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 3)), min_size=1, max_size=40), size=st.integers(1, 50))
def test_what_follows_a_read_stands_behind_it_however_many_come_at_once(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int | None]], size: int
) -> None:
    """A batch has the keys of its reads first, then those of what follows some of them."""
    with Workers(1) as workers:
        sorter = sorting.Sorter(tmp_path_factory.mktemp("sort"), workers, memory=1 << 20)
        for first in range(0, len(reads), size):
            batch = list(enumerate(reads[first : first + size], first))
            rows = [(key, read, 0) for read, (key, _) in batch] + [(other, read, 1) for read, (_, other) in batch if other is not None]
            key, read, kind = np.array(rows, np.int64).T
            sorter.add(sorting.Chunk(kind.astype(np.uint8), np.arange(len(rows) + 1), key, read))
        chunks = [part() for part in sorter.parts()]
    found = [row for chunk in chunks for row in zip(chunk.key.tolist(), chunk.ordinal.tolist(), chunk.record.tolist(), strict=True)]
    assert found == sorted(found) and len(found) == sum(1 + (other is not None) for _, other in reads)


@pytest.mark.parametrize("most", [500, 1], ids=["many keys", "one key"])
def test_runs_of_many_chunks_are_merged_a_few_chunks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    loaded = []
    monkeypatch.setattr(sorting, "CHUNK", 20)
    monkeypatch.setattr(sorting, "gathered", lambda record, start, rows: loaded.append(len(rows)) or gathered(record, start, rows))
    rng = np.random.default_rng(1)
    batches = [[(int(key), b"%d" % key) for key in rng.integers(0, most, 300)] for _ in range(10)]
    assert sort(tmp_path, batches, 60_000) == expected(batches)
    n_runs = len(list(tmp_path.iterdir()))
    assert n_runs > 2 and len(loaded) >= 3000 // 20 // n_runs and max(loaded) <= 20 * 2 * n_runs


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sorting, "_write_chunk", full)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        sort(tmp_path, [[(1, b"abc")]] * 9, 10)

"""Duplicates are found by their ends and the best stays, with any amount of memory; the metrics are those of Picard."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from genopipe.align import duplicates
from genopipe.align.duplicates import HALF_PAIRS, OPTICAL_PAIRS, PAIRS, SINGLE, Finder, by_ends, flag_records
from genopipe.align.duplication_metrics import Metrics, library_size, metrics_of, write_metrics
from genopipe.align.fragment_ends import LONE, NO_MATE, NO_SPOT, SIGNATURE, UNJUDGED, Libraries
from genopipe.align.workers import Workers
from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup


def spot(tile: int, x: int, y: int) -> int:
    return tile << 44 | x << 22 | y


def find(folder: Path, rows: list[tuple[int, int, int, int]], memory: int = 1 << 20) -> tuple[list[int], list[int]]:
    """Duplicate ordinals and counts; rows are low, high, spot, quality, and their reads 2i and 2i + 1."""
    with Workers(2) as workers:
        finder = Finder(folder, workers, memory=memory, pixels=100)
        for i, (low, high, where, quality) in enumerate(rows):
            finder.add(by_ends(np.array([(low, high, where, 2 * i, 2 * i + (high >= 0), quality, 0)], SIGNATURE)))
        bits, count = finder.find(2 * len(rows), 1)
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist(), count[0].tolist()


ROWS = [
    (1, 9, NO_SPOT, 50),
    (1, 9, NO_SPOT, 60),
    (1, LONE, NO_SPOT, 90),
    (4, LONE, NO_SPOT, 30),
    (4, LONE, NO_SPOT, 31),
    (9, LONE, NO_SPOT, 10),
    (12, UNJUDGED, NO_SPOT, 5),
    (12, LONE, NO_SPOT, 80),
    (1, 7, NO_SPOT, 1),
]


@pytest.mark.parametrize(("memory", "part"), [(1 << 20, 1 << 20), (1 << 20, 48), (4 * 5000, 1)], ids=["whole", "in parts", "on disk"])
def test_the_best_pair_stays_and_a_lone_read_beside_a_pair_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, part: int
) -> None:
    monkeypatch.setattr(duplicates, "_PART_BYTES", part)
    found, count = find(tmp_path, ROWS, memory)
    assert found == [0, 1, 4, 6, 10, 14]
    assert (count[SINGLE], count[PAIRS], count[OPTICAL_PAIRS], count[HALF_PAIRS]) == (4, 1, 0, 0)


def test_of_equally_good_copies_the_smallest_spot_stays_and_then_the_first(tmp_path: Path) -> None:
    assert find(tmp_path, [(1, 9, spot(2, 0, 0), 5), (1, 9, spot(1, 9, 9), 5)])[0] == [0, 1]
    assert find(tmp_path, [(1, 9, NO_SPOT, 5), (1, 9, NO_SPOT, 5)])[0] == [2, 3]


def test_optical_duplicates_are_linked_in_chains_on_one_tile(tmp_path: Path) -> None:
    spots = [spot(1, 1000, 1000), spot(1, 1090, 1000), spot(1, 1180, 1090), spot(1, 1180, 1191), spot(2, 1000, 1000), NO_SPOT]
    _, count = find(tmp_path, [(1, 9, where, 5) for where in spots])
    assert (count[PAIRS], count[OPTICAL_PAIRS]) == (5, 2)


def test_a_read_whose_mate_has_no_named_place_is_counted_with_the_pairs(tmp_path: Path) -> None:
    with Workers(1) as workers:
        finder = Finder(tmp_path, workers, memory=1 << 20)
        finder.add(by_ends(np.array([(1, LONE, NO_SPOT, 0, NO_MATE, 9, 0), (1, LONE, NO_SPOT, 1, NO_MATE, 8, 0)], SIGNATURE)))
        bits, count = finder.find(2, 1)
    assert (bits.tolist(), count[0].tolist()) == ([2], [0, 0, 0, 1])


def test_the_flag_is_set_in_the_bytes_and_taken_from_others() -> None:
    record = np.zeros(80, np.uint8)
    record[19] = 0xFF
    flag_records(record, np.array([0, 40, 80]), np.array([3, 4]), np.array([0b10000], np.uint8))
    assert (record[19], record[59], record.sum()) == (0xFB, 4, 0xFB + 4)


def test_the_size_of_a_library_solves_its_equation() -> None:
    size = library_size(1_000_000, 900_000)
    assert size is not None
    assert 900_000 / size == pytest.approx(1 - math.exp(-1_000_000 / size), rel=1e-6)
    assert library_size(10, 10) is None


def test_metrics_have_the_columns_of_picard_and_the_largest_library_first(tmp_path: Path) -> None:
    examined = np.array([[0, 0, 0, 0], [2, 8, 1, 3], [0, 20, 0, 0]])
    metrics = metrics_of(("empty", "L", "M"), examined, np.array([[0, 0, 0, 0], [1, 2, 1, 0], [0, 0, 0, 0]]))
    assert metrics[1] == Metrics("L", 2, 4, 3, 1, 1, 2, 1)
    write_metrics(metrics, "S1", tmp_path / "x.tsv")
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert "picard.sam.markduplicates" in lines[1].lower() and lines[1].endswith("INPUT=S1")
    assert lines[3] == "## METRICS CLASS\tpicard.sam.DuplicationMetrics"
    row = dict(zip(lines[4].split("\t"), lines[6].split("\t"), strict=True))
    assert row["PERCENT_DUPLICATION"] == "0.500000"
    assert row["READ_PAIR_OPTICAL_DUPLICATES"] == "1"
    assert lines[5].split("\t")[0] == "M" and lines[5].endswith("\t")


def test_more_libraries_than_can_be_numbered_are_refused() -> None:
    groups = [ReadGroup(str(i), "S", f"L{i}", "ILLUMINA") for i in range(512)]
    with pytest.raises(BadInput, match="the header names 513 libraries"):
        Libraries.of(groups)

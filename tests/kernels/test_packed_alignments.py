"""Packed reads come back as what they were, against alignments written down read by read."""

from __future__ import annotations

import errno
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genopipe.errors import BadEnvironment
from genopipe.formats import held_alignments
from genopipe.formats.held_alignments import AlignmentStore
from genopipe.kernels.packed_alignments import Levels, Placed, Sequenced, pack
from genopipe.model import Alignments, Contig

CONTIGS = (Contig("one", 0, 1000, "", ""), Contig("two", 1024, 3000, "", ""))
GAPS = ((), ((4, 3), (0, 20), (1, 2), (0, 9)), ((0, 11), (2, 30), (0, 15), (4, 8)), ((0, 9), (3, 40), (0, 4), (1, 1), (0, 8)))
"""CIGARs of places with gaps; the first stands for one without."""


def name_hash(chance: NDArray[np.uint64]) -> list[int]:
    """The hashes of which these are h ^ h >> 29, bits from the top down."""
    found = []
    for value in chance.tolist():
        h = 0
        for bit in range(63, -1, -1):
            h |= ((value >> bit & 1) ^ (h >> bit + 29 & 1)) << bit
        found.append(h)
    return found


def some_reads(
    rng: np.random.Generator, n: int, qualities: list[int], *, paired: bool
) -> tuple[Sequenced, Placed, list[list[tuple[int, int]]]]:
    """Reads and places, some without one, and the CIGAR of each."""
    length, columns, cigars, gapped = [], [], [], []
    for _ in range(n):
        gaps = GAPS[int(rng.integers(0, len(GAPS)))]
        clips, matched = rng.choice([0, 0, 5, 31], 2).tolist(), int(rng.integers(1, 200))
        cigar = list(gaps) or [(4, clips[0])] * (clips[0] > 0) + [(0, matched)] + [(4, clips[1])] * (clips[1] > 0)
        length.append(sum(count for operation, count in cigar if operation in (0, 1, 4)))
        span = sum(count for operation, count in cigar if operation in (0, 2, 3))
        contig = CONTIGS[int(rng.integers(0, 2))]
        start = contig.start + int(rng.integers(0, contig.length - span))
        at, n_operations = sum(map(len, gapped)), len(gaps)
        gapped.append(gaps)
        cigars.append(cigar)
        columns.append((start, start + span, *clips, n_operations, at))
    base_start = np.concatenate(([0], np.cumsum(length)))
    base = rng.choice(5 + 10, base_start[-1], p=[0.24] * 4 + [0.04 / 11] * 11).astype(np.uint8)
    sequenced = Sequenced(
        base, rng.choice(qualities, len(base)).astype(np.uint8), base_start, rng.integers(0, 1 << 63, n).astype(np.uint64) * 2
    )
    start, end, clip_start, clip_end, operations, offset = (np.array(column) for column in zip(*columns, strict=True))
    bytes_ = [rng.integers(0, high, n).astype(np.uint8) for high in (61, 2 if paired else 1, 2)]
    cigar = np.array([count << 4 | operation for gaps in gapped for operation, count in gaps], np.uint32)
    types = (np.int32, np.int32, np.int32, np.int64)
    rest = (column.astype(kind) for column, kind in zip((clip_start, clip_end, operations, offset), types, strict=True))
    return sequenced, Placed(rng.integers(-1, 3, n).astype(np.int32), *bytes_, start, end, *rest, cigar), cigars


def wanted(
    reads: Sequenced, placed: Placed, cigars: list[list[tuple[int, int]]], *, paired: bool, contig: Contig
) -> list[dict[str, object]]:
    """What is to come back of the reads on a contig, by position."""
    rows = []
    for read in np.argsort(placed.start, kind="stable").tolist():
        if placed.slot[read] < 0 or not contig.start <= placed.start[read] < contig.start + contig.length:
            continue
        mine = slice(reads.base_start[read], reads.base_start[read + 1])
        base, quality = (array[mine].tolist() for array in (reads.base, reads.quality))
        base = [min(code, 4) for code in base]
        quality = [value if value < 94 else 20 for value in quality]
        flag = 16 * int(placed.reverse[read])
        if placed.reverse[read]:
            base, quality = [3 - code if code < 4 else 4 for code in reversed(base)], quality[::-1]
        if paired:
            mate = read ^ 1
            flag += 1 + 2 * int(placed.proper[read]) + (128 if read % 2 else 64)
            flag += 8 if placed.slot[mate] < 0 else 32 * int(placed.reverse[mate])
        position, end = int(placed.start[read]) - contig.start, int(placed.end[read]) - contig.start
        row = {"position": position, "end": end, "flag": flag, "mapping_quality": int(placed.quality[read]), "read": read}
        rows.append(row | {"cigar": [count << 4 | kind for kind, count in cigars[read]], "base": base, "quality": quality})
    return rows


def told(reads: Alignments) -> list[dict[str, object]]:
    """Alignments row by row."""
    plain = ("position", "end", "flag", "mapping_quality", "name_hash")
    rows = []
    for i in range(len(reads)):
        row = {name: getattr(reads, name).tolist()[i] for name in plain}
        for name, start in (("cigar", reads.cigar_start), ("base", reads.base_start), ("quality", reads.base_start)):
            row[name] = getattr(reads, name)[start[i] : start[i + 1]].tolist()
        rows.append(row)
    return rows


QUALITIES = ([30], [2, 11, 25, 37], [2, 11, 25, 37, 40], list(range(2, 42)), [12, 255], [0, 93, 94])


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(1, 30), st.sampled_from(QUALITIES), st.booleans(), st.integers(0, 60))
def test_what_is_packed_comes_back(tmp_path_factory, seed, n, qualities, paired, least):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    reads, placed, cigars = some_reads(rng, 2 * n, qualities, paired=paired)
    levels = Levels()
    store = AlignmentStore(tmp_path_factory.getbasetemp(), levels, memory=1 << 20)
    store.add(pack(reads, placed, levels, paired=paired, first_ordinal=5), 5, 2 * n)
    duplicates = rng.choice(2 * n, n // 3, replace=False)
    bits = np.zeros(2 * n + 8, np.uint8)
    bits[duplicates + 5] = 1
    held = store.held(CONTIGS, 300, np.packbits(bits, bitorder="little"))
    hashes = name_hash(reads.chance)
    for number, contig in enumerate(CONTIGS):
        first, last = sorted(rng.integers(0, contig.length + 1, 2).tolist())
        found = [row for piece in held.pieces(number, start=first, end=last, min_mapping_quality=least) for row in told(piece)]
        expected = [
            {**row, "name_hash": hashes[read]}
            for row in wanted(reads, placed, cigars, paired=paired, contig=contig)
            for read in [row.pop("read")]
            if row["position"] < last and row["end"] > first and row["mapping_quality"] >= least and read not in duplicates  # type: ignore[operator]
        ]
        assert found == expected


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("memory", [1 << 30, 8_000, 0])
def test_batches_in_any_order_in_memory_and_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: int, in_order: bool) -> None:
    """Whatever fits in memory, stretches are those of all reads in the order of their ordinals; small pieces joined give the same.

    Batches that come in order are sorted together, two or so at a time.
    """
    monkeypatch.setattr(held_alignments, "SEGMENT", 3_000)
    rng = np.random.default_rng(2)
    made = [some_reads(rng, 20, [2, 11, 25, 37], paired=True) for _ in range(12)]
    levels, expected = Levels(), []
    store = AlignmentStore(tmp_path, levels, memory=memory)
    for number in range(12) if in_order else rng.permutation(12).tolist():
        reads, placed, _ = made[number]
        store.add(pack(reads, placed, levels, paired=True, first_ordinal=20 * number), 20 * number, 20)
    held = store.held(CONTIGS, 300, np.zeros(30, np.uint8))
    for contig in CONTIGS:
        rows = [(row["position"], number, row) for number, each in enumerate(made) for row in wanted(*each, paired=True, contig=contig)]
        expected.append([row for *_, row in sorted(rows, key=lambda row: row[:2])])
    n_files, n_blocks = len(list(tmp_path.iterdir())), len(held.here.blocks)
    assert n_blocks == (6 if in_order else 10)
    assert {1 << 30: n_files == 0, 8_000: 0 < n_files < n_blocks, 0: n_files == n_blocks}[memory]
    for size in (1, 10, 1 << 15):
        monkeypatch.setattr(held_alignments, "PIECE", size)
        for number, contig in enumerate(CONTIGS):
            found = [row for piece in held.pieces(number, start=0, end=contig.length, min_mapping_quality=0) for row in told(piece)]
            assert [{**row, "name_hash": 0} for row in found] == [{name: row.get(name, 0) for name in found[0]} for row in expected[number]]


def test_levels_keep_their_codes() -> None:
    """What was met first keeps two bits, up to sixteen have four, and what does not fit is kept as it is."""
    levels = Levels()
    assert [levels.width(met) for met in ([2, 37], [11, 25], [37, 40], [2, 11], range(2, 60), [255])] == [2, 2, 4, 2, 8, 4]
    for width in (2, 4):
        assert levels.table()[levels.code(width)[[2, 11, 25, 37]]].tolist() == [2, 11, 25, 37]
    assert levels.code(8)[[0, 93, 94, 255]].tolist() == [0, 93, 20, 20]
    assert [field.name for field in fields(Alignments)][:2] == ["position", "end"]


def test_a_disk_that_is_full_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(file: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(held_alignments.os, "posix_fallocate", full)
    reads, placed, _ = some_reads(np.random.default_rng(1), 10, [30], paired=False)
    levels = Levels()
    with pytest.raises(BadEnvironment, match=r"packed-0: .*space"):
        store = AlignmentStore(tmp_path, levels, memory=0)
        store.add(pack(reads, placed, levels, paired=False, first_ordinal=0), 0, 10)
        store.held(CONTIGS, 300, np.zeros(2, np.uint8))

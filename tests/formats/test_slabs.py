"""Reads in bounded memory: what plain counting by blocks keeps and cuts, whatever the pieces that the reads come in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.formats import slabs as module
from genopipe.formats.slabs import joined, no_reads, slabs, taken, thinned
from genopipe.kernels.thinning import mixed
from genopipe.model import Alignments

BLOCK, LONGEST, END = 256, 120, 5_000


def invented(seed, n):
    """Reads of 20 to 120 bases with one or two operations, a quarter of them crowded in one place."""
    rng = np.random.default_rng(seed)
    position = np.sort(np.concatenate((rng.integers(0, END, n), rng.integers(2_000, 2_100, n // 3))))
    length, operations = rng.integers(20, LONGEST, len(position)), rng.integers(1, 3, len(position))
    starts = [np.concatenate(([0], np.cumsum(sizes))) for sizes in (operations, length)]
    return Alignments(
        position,
        position + length,
        rng.integers(0, 99, len(position)).astype(np.uint16),
        rng.integers(0, 60, len(position)).astype(np.uint8),
        rng.integers(0, 1 << 63, len(position)).astype(np.uint64),
        rng.integers(0, 1 << 32, starts[0][-1]).astype(np.uint32),
        starts[0],
        rng.integers(0, 4, starts[1][-1]).astype(np.uint8),
        rng.integers(0, 60, starts[1][-1]).astype(np.uint8),
        starts[1],
    )


def rows(reads):
    """Every read with all that is told of it."""
    return [
        (int(reads.position[i]), int(reads.end[i]), int(reads.flag[i]), int(reads.mapping_quality[i]), int(reads.name_hash[i]),
         reads.cigar[reads.cigar_start[i] : reads.cigar_start[i + 1]].tolist(),
         reads.base[reads.base_start[i] : reads.base_start[i + 1]].tolist(),
         reads.quality[reads.base_start[i] : reads.base_start[i + 1]].tolist())
        for i in range(len(reads))
    ]  # fmt: skip


def pieces(reads, size):
    return [taken(reads, np.arange(i, min(i + size, len(reads)))) for i in range(0, len(reads), size)]


def whole_blocks(reads):
    bounds = np.searchsorted(reads.position, np.arange(0, END + BLOCK, BLOCK))
    parts = [taken(reads, np.arange(a, b)) for a, b in pairwise(bounds)]
    return [part for part in parts if len(part)]


def left(reads, most_depth):
    """The reads whose mixed name hash is in the share of all hashes that the block has room for."""
    bases: dict = {}
    for row in rows(reads):
        bases[row[0] // BLOCK] = bases.get(row[0] // BLOCK, 0) + len(row[6])
    hashes = mixed(reads.name_hash).tolist()
    return [
        row
        for row, value in zip(rows(reads), hashes, strict=True)
        if bases[row[0] // BLOCK] <= most_depth * BLOCK or value * bases[row[0] // BLOCK] <= most_depth * BLOCK << 64
    ]


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(0, 700), st.integers(1, 30), st.integers(1, 60), st.sampled_from((1_000, 9_000, 1 << 22)))
def test_what_is_left_has_the_wanted_depth(seed, n, most_depth, size, most_open):
    reads = invented(seed, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_OPEN", most_open)
        found = list(thinned(pieces(reads, size), most_depth))
    assert rows(joined(found)) == left(reads, most_depth)
    ends = [int(part.position[-1]) // BLOCK for part in found if len(part)]
    assert ends == sorted(set(ends))


def test_thinning_keeps_about_the_wanted_depth():
    reads = invented(1, 9_000)
    kept = joined(list(thinned([reads], 40)))
    for block in range(1, END // BLOCK):
        inside = kept.position // BLOCK == block
        assert np.diff(kept.base_start)[inside].sum() / BLOCK == pytest.approx(40, rel=0.3)


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(0, 700), st.integers(1, 20_000), st.integers(0, 900), st.integers(1, 5))
def test_slabs_hold_every_read_over_them_and_the_margin(seed, n, most_bases, margin, size):
    reads = invented(seed, n)
    parts = whole_blocks(reads)
    given_parts = [joined(parts[i : i + size]) for i in range(0, len(parts), size)]
    start = 700
    found = list(slabs(given_parts, start=start, end=END, margin=margin, most_bases=most_bases))
    assert [slab.start for slab in found] == [start, *(slab.end for slab in found[:-1])]
    assert found[-1].end == END
    for slab in found:
        over = [row for row in rows(reads) if (slab.end == END or row[0] < slab.end + margin) and row[1] > slab.start - margin]
        assert [row for row in rows(slab.reads) if row[1] > slab.start - margin] == over
    for slab in found[:-1]:
        assert slab.end % BLOCK == 0
        begun = [end - position for position, end, *_ in rows(reads) if slab.start <= position < slab.end]
        before = [end - position for position, end, *_ in rows(reads) if slab.start <= position < slab.end - BLOCK]
        assert sum(before) <= most_bases < sum(begun)


def test_few_reads_are_one_slab():
    reads = invented(2, 50)
    (slab,) = slabs([reads], start=0, end=END, margin=700, most_bases=len(reads.base))
    assert (slab.start, slab.end, rows(slab.reads)) == (0, END, rows(reads))
    (empty,) = slabs([], start=0, end=END, margin=700, most_bases=1)
    assert (empty.start, empty.end, len(empty.reads)) == (0, END, 0)
    assert len(no_reads()) == 0


def test_a_crowd_does_not_pile_up_in_memory(monkeypatch):
    """Of many reads that begin on one base no more than wanted are held, with what came last."""
    monkeypatch.setattr(module, "_MOST_OPEN", 20_000)
    held = []
    taken_before = module.taken
    monkeypatch.setattr(module, "taken", lambda reads, row: held.append(len(reads.base)) or taken_before(reads, row))
    crowd = [taken_before(invented(seed, 300), np.arange(300)) for seed in range(40)]
    for part in crowd:
        part.position[:] = 1_000
    assert sum(len(part.base) for part in crowd) > 40 * 20_000 / 2
    kept = joined(list(thinned(crowd, 10)))
    assert rows(kept) == left(joined(crowd), 10)
    assert max(held) < 60_000

"""The pileup against a plain count, and mates that count once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.kernels.pileup import FIT, MIN_BASE_QUALITY, MISFIT, MIXED, Pileup, cut, gather, mark_sites, pile
from genopipe.model import Alignments
from tests.oracles import pileup as oracle

CIGARS = (
    [(0, 12)],
    [(4, 5), (0, 8)],
    [(0, 4), (1, 3), (0, 5)],
    [(0, 5), (2, 4), (0, 5)],
    [(5, 2), (0, 6), (4, 6)],
    [(0, 3), (3, 6), (0, 4)],
)


def alignments(reads, names=None):
    """Model arrays of `(position, reverse, mapping quality, cigar, bases, qualities)` tuples."""
    start = lambda column: np.concatenate(([0], np.cumsum([len(read[column]) for read in reads]))).astype(np.int64)  # noqa: E731
    end = [read[0] + sum(n for op, n in read[3] if op in (0, 2, 3)) for read in reads]
    return Alignments(
        np.array([read[0] for read in reads], np.int64),
        np.array(end, np.int64),
        np.array([16 * read[1] for read in reads], np.uint16),
        np.array([read[2] for read in reads], np.uint8),
        np.array(names or range(len(reads)), np.uint64),
        np.array([n << 4 | op for read in reads for op, n in read[3]], np.uint32),
        start(3),
        np.concatenate([np.array(read[4], np.uint8) for read in reads]),
        np.concatenate([np.array(read[5], np.uint8) for read in reads]),
        start(4),
    )


@st.composite
def some_reads(draw):
    reads = []
    for _ in range(draw(st.integers(1, 12))):
        cigar = draw(st.sampled_from(CIGARS))
        n = sum(length for op, length in cigar if op in (0, 1, 4))
        bases = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
        qualities = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
        reads.append((draw(st.integers(90, 140)), draw(st.booleans()), draw(st.sampled_from([5, 20, 60])), cigar, bases, qualities))
    return sorted(reads, key=lambda read: read[0])


@settings(max_examples=60)
@given(some_reads())
def test_counts_and_depth(reads):
    reference = np.arange(50, dtype=np.uint8) % 4
    pileup = pile(alignments(reads), reference, 100)
    count, depth = oracle.counts(reads, MIN_BASE_QUALITY)
    for i in range(50):
        assert pileup.depth[i] == depth.get(100 + i, 0)
        assert pileup.count[i].tolist() == [count.get((100 + i, column // 2, column % 2), 0) for column in range(8)]


@settings(max_examples=60)
@given(some_reads())
def test_gathered_bases(reads):
    reads_array, site = alignments(reads), np.array([95, 100, 104, 111, 130], np.int64)
    out = np.empty((500, 3), np.int64)
    n = gather(reads_array.position, reads_array.cigar, reads_array.cigar_start, reads_array.base_start, site, out)
    wanted = []
    for row, read in enumerate(reads):
        offset_at = dict(oracle.aligned(read[0], read[3])[0])
        wanted += [
            (s, row, int(reads_array.base_start[row]) + offset_at[place]) for s, place in enumerate(site.tolist()) if place in offset_at
        ]
    assert sorted(map(tuple, out[:n].tolist())) == sorted(wanted)


def test_the_fit_adds_a_cost_for_every_base():
    read = (10, False, 60, [(0, 2)], [0, 3], [30, 30])
    pileup = pile(alignments([read, read]), np.array([0, 1], np.uint8), 10)
    assert pileup.fit.tolist() == [[2 * FIT[30], 2 * MIXED[30], 2 * MISFIT[30]], [2 * MISFIT[30], 2 * MIXED[30], 2 * FIT[30]]]


def test_indels_and_clips_are_noted():
    reads = [
        (10, False, 60, [(4, 6), (0, 5), (1, 2), (0, 5)], [0] * 18, [30] * 18),
        (12, False, 60, [(0, 3), (2, 4), (0, 5)], [1] * 8, [30] * 8),
    ]
    pileup = pile(alignments(reads), np.zeros(40, np.uint8), 0)
    assert pileup.indel.tolist() == [[0, 15, 11, 2], [1, 15, 3, -4]]
    assert np.flatnonzero(pileup.clipped).tolist() == [10]
    assert np.flatnonzero(pileup.deleted).tolist() == [15, 16, 17, 18]


def test_mates_that_agree_count_once():
    mates = [(10, False, 60, [(0, 4)], [0, 1, 2, 3], [30] * 4), (12, True, 60, [(0, 4)], [2, 3, 0, 1], [35] * 4)]
    pileup = pile(alignments(mates, names=[7, 7]), np.zeros(8, np.uint8), 10)
    assert pileup.depth.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert pileup.count.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert pileup.quality.tolist() == [30, 30, 0, 0, 35, 35, 35, 35]
    assert pileup.mate.tolist() == [1, 0]


def test_mates_that_differ_weaken_each_other():
    mates = [(10, False, 60, [(0, 2)], [0, 1], [30, 30]), (10, True, 60, [(0, 2)], [1, 1], [37, 37])]
    pileup = pile(alignments(mates, names=[7, 7]), np.zeros(2, np.uint8), 10)
    assert pileup.quality.tolist() == [0, 0, 7, 37]


def test_reads_are_cut_by_where_their_bases_lie():
    """A soft-clipped base lies where it would without a gap, an inserted one where it is inserted."""
    reads = alignments([(100, False, 60, [(4, 5), (0, 10), (1, 3), (0, 10), (4, 2)], [0] * 30, [30] * 30)])
    out = np.empty((1, 4), np.int64)
    cut(np.zeros(1, np.int64), reads.position, reads.cigar, reads.cigar_start, 97, 112, out)
    assert out.tolist() == [[2, 5 + 10 + 3 + 2, 95, 122]]


def some_counts():
    """A pileup of random counts around the limits, its reference, and the limits."""
    rng = np.random.default_rng(6)
    n, none = 4_000, np.zeros(0, np.int64)
    count = rng.choice([0, 0, 1, 2, 3, 20], (n, 8)).astype(np.int32)
    depth, clipped = rng.integers(0, 60, n).astype(np.int32), rng.integers(0, 12, n).astype(np.int32)
    piled = Pileup(100, count, depth, 0 * depth, clipped, np.zeros((n, 3), np.int64), none.reshape(0, 4), none.astype(np.uint8), none)
    return piled, rng.integers(0, 5, n).astype(np.uint8), {"min_support": 2, "shares": (0.12, 0.15)}


def test_marked_sites_are_those_with_enough_that_differs():
    """Against the definition, site by site."""
    piled, reference, limits = some_counts()
    mark = mark_sites(piled, reference, **limits)
    n_bases, n_clips = 0, 0
    for site, here in enumerate(reference.tolist()):
        of_code = [int(piled.count[site, 2 * code : 2 * code + 2].sum()) for code in range(4)]
        differing = sum(n for code, n in enumerate(of_code) if code != here)
        enough = [code for code, n in enumerate(of_code) if code != here and n >= 2 and n >= 0.12 * sum(of_code)]
        expected = sum(1 << code for code in enough) if here < 4 and differing >= 2 else 0
        clipped = piled.clipped[site] >= max(3, 0.15 * piled.depth[site])
        assert mark[site] == expected + 16 * clipped
        n_bases, n_clips = n_bases + (expected > 0), n_clips + int(clipped)
    assert 100 < n_bases < 4_000 and 100 < n_clips < 4_000

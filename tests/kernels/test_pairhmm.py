"""The pair-HMM: lanes against the recurrence, and the speed of the lanes."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.kernels import pairhmm
from tests.oracles import pairhmm as oracle


def flat(rows, kind):
    start = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    return np.concatenate([np.asarray(row, kind) for row in rows]), start


def simulated(n, *, read=(1, 150), haplotype=(151, 220), seed=1):
    """Reads cut from haplotypes, with errors, unknown bases and some deletions."""
    rng = np.random.default_rng(seed)
    reads, qualities, haplotypes, gaps = [], [], [], []
    for k in range(n):
        sequence = rng.integers(0, 4, rng.integers(*haplotype))
        m = rng.integers(*read)
        first = rng.integers(0, len(sequence) - m + 1)
        piece = sequence[first : first + m].copy()
        wrong = rng.random(m) < 0.03
        piece[wrong] = rng.integers(0, 5, wrong.sum())
        if m > 20 and k % 3 == 0:
            piece = np.delete(piece, [m // 2, m // 2 + 1])
        reads.append(piece)
        qualities.append(rng.choice([2, 11, 25, 37], len(piece)))
        haplotypes.append(sequence)
        gaps.append(rng.choice([1e-4, 3e-5, 1e-3], len(sequence)))
    base, read_start = flat(reads, np.uint8)
    other, haplotype_start = flat(haplotypes, np.uint8)
    return (base, flat(qualities, np.uint8)[0], read_start), (other, flat(gaps, np.float32)[0], haplotype_start)


def forward(reads, haplotypes, pair_read, pair_haplotype):
    total = np.empty(len(pair_read), np.float32)
    pairhmm.forward(*reads, *haplotypes, pair_read, pair_haplotype, pairhmm.MATCH, pairhmm.MISMATCH, total)
    return total


def expected(reads, haplotypes, read, haplotype):
    r, h = slice(*reads[2][read : read + 2]), slice(*haplotypes[2][haplotype : haplotype + 2])
    likelihood = oracle.forward(reads[0][r], reads[1][r], haplotypes[0][h], haplotypes[1][h])
    return oracle.milli_phred(likelihood, h.stop - h.start) if likelihood > 1e-60 else pairhmm.WORST


def test_lanes_follow_the_recurrence():
    reads, haplotypes = simulated(90, read=(1, 60), haplotype=(60, 90))
    pair = np.arange(90)
    got = pairhmm.likelihoods(reads, haplotypes, pair_read=pair, pair_haplotype=pair)
    assert max(abs(int(cost) - expected(reads, haplotypes, k, k)) for k, cost in enumerate(got)) <= 1


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 60))
def test_any_read_and_haplotype_follow_the_recurrence(read, haplotype, quality):
    reads = (np.array(read, np.uint8), np.full(len(read), quality, np.uint8), np.array([0, len(read)]))
    haplotypes = (np.array(haplotype, np.uint8), np.full(len(haplotype), 1e-3, np.float32), np.array([0, len(haplotype)]))
    zero = np.zeros(1, np.int64)
    (got,) = pairhmm.likelihoods(reads, haplotypes, pair_read=zero, pair_haplotype=zero)
    assert abs(int(got) - expected(reads, haplotypes, 0, 0)) <= 1


def test_a_cost_does_not_depend_on_the_other_pairs():
    reads, haplotypes = simulated(70)
    pair_read, pair_haplotype = (grid.ravel() for grid in np.meshgrid(np.arange(70), np.arange(5)))
    together = pairhmm.likelihoods(reads, haplotypes, pair_read=pair_read, pair_haplotype=pair_haplotype)
    for k in (0, 33, 349):
        alone = pairhmm.likelihoods(reads, haplotypes, pair_read=pair_read[k : k + 1], pair_haplotype=pair_haplotype[k : k + 1])
        assert alone[0] == together[k]


def test_no_pairs_have_no_costs():
    reads, haplotypes = simulated(1)
    nothing = np.zeros(0, np.int64)
    assert len(pairhmm.likelihoods(reads, haplotypes, pair_read=nothing, pair_haplotype=nothing)) == 0


def test_a_hopeless_pair_gets_the_worst_cost():
    reads = (np.zeros(150, np.uint8), np.full(150, 60, np.uint8), np.array([0, 150]))
    haplotypes = (np.ones(20, np.uint8), np.full(20, 1e-6, np.float32), np.array([0, 20]))
    zero = np.zeros(1, np.int64)
    assert pairhmm.likelihoods(reads, haplotypes, pair_read=zero, pair_haplotype=zero)[0] == pairhmm.WORST


def test_lanes_are_five_times_faster_than_the_scalar_recurrence():
    reads, haplotypes = simulated(512, read=(90, 100), haplotype=(130, 150))
    pair = np.arange(512)

    def best(function):
        out, fastest = np.empty(512, np.float32), 9.0
        for _ in range(4):
            begun = time.thread_time()
            function(*reads, *haplotypes, pair, pair, pairhmm.MATCH, pairhmm.MISMATCH, out)
            fastest = min(fastest, time.thread_time() - begun)
        return fastest

    assert best(oracle.scalar) > 5 * best(pairhmm.forward)

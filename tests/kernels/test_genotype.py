"""Costs of fragments and of pairs of haplotypes against the definition in double precision."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genopipe.kernels.genotype import copy_pieces, fragment_costs, pair_costs
from tests.oracles import genotype as oracle


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 90_000), st.integers(0, 90_000)), min_size=1, max_size=20))
def test_pair_costs(rows):
    got = pair_costs(np.array(rows, np.int64))
    for a in range(3):
        for b in range(3):
            assert abs(got[a, b] - oracle.pair_cost(rows, a, b)) <= 2 * len(rows)


def test_the_order_of_fragments_does_not_matter():
    rows = np.random.default_rng(1).integers(0, 60_000, (50, 4))
    assert np.array_equal(pair_costs(rows), pair_costs(rows[::-1]))


pieces = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60_000), *3 * [st.integers(0, 90_000)]), min_size=1, max_size=12)


@given(pieces, st.lists(st.integers(0, 2), min_size=1, max_size=4), st.tuples(st.integers(0, 50_000), st.integers(0, 50_000)))
def test_a_fragment_costs_what_its_pieces_do_above_their_best_haplotype_and_no_more_than_it_may(rows, wanted, most):
    """Pieces of up to four fragments, each with a cap and its costs with three haplotypes (the reference's first); some are asked for."""
    fragment, cap = (np.array([row[i] for row in rows], np.int64) for i in range(2))
    cost, out = np.array([row[2:] for row in rows], np.int32), np.zeros((4, len(wanted) + 1), np.int64)
    fragment_costs(cost, np.array([0, *wanted]), cap, fragment, most, out)
    for name in range(4):
        total = [sum(min(row[2 + h] - min(row[2:]), row[1]) for row in rows if row[0] == name) for h in (0, *wanted)]
        best = min(total[1:])
        limit = best + most[0 if total[0] <= best else 1]
        assert out[name, 1:].tolist() == [min(each, limit) for each in total[1:]]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 10), st.integers(0, 60)), max_size=6))
def test_pieces_of_reads_lie_one_behind_the_other(rows):
    base, quality = np.arange(30, dtype=np.uint8), np.arange(30, dtype=np.uint8) * 2
    first, cap = np.array([row[0] for row in rows], np.int64), np.array([row[2] for row in rows], np.uint8)
    start = np.cumsum([0, *(row[1] for row in rows)])
    bases, qualities = np.empty(start[-1], np.uint8), np.empty(start[-1], np.uint8)
    copy_pieces(first, cap, base, quality, start, bases, qualities)
    assert bases.tolist() == [i for at, length, _ in rows for i in range(at, at + length)]
    assert qualities.tolist() == [min(2 * i, most) for at, length, most in rows for i in range(at, at + length)]

"""Costs of pairs of haplotypes against the definition in double precision."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.kernels.genotype import pair_costs
from tests.oracles import genotype as oracle


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 90_000), st.integers(0, 90_000)), min_size=1, max_size=20))
def test_pair_costs(rows):
    got = pair_costs(np.array(rows, np.int64))
    for a in range(3):
        for b in range(3):
            assert abs(got[a, b] - oracle.pair_cost(rows, a, b)) <= 2 * len(rows)


def test_the_order_of_fragments_does_not_matter():
    rows = np.random.default_rng(1).integers(0, 60_000, (50, 4))
    assert np.array_equal(pair_costs(rows), pair_costs(rows[::-1]))

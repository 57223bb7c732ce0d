"""Bad ends of reads are masked where the plain rule says."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genopipe.kernels.read_tails import mask_tails
from tests.oracles.demultiplex import letters, tail_start

call = st.builds(lambda quality, base: quality << 2 | base, st.sampled_from([2, 10, 14, 15, 29, 30, 40]), st.integers(0, 3))
mostly_g = st.builds(lambda quality, base: quality << 2 | base, st.sampled_from([2, 29, 40]), st.sampled_from([2] * 12 + [0]))


@settings(max_examples=200)
@given(st.lists(call | st.just(255), min_size=1, max_size=40) | st.lists(mostly_g, min_size=10, max_size=60))
@example([40 << 2 | 2] * 15 + [2 << 2] * 3)
@example([40 << 2] * 5)
def test_tails_are_masked_where_the_plain_rule_says(read: list[int]) -> None:
    calls = np.array([read], np.uint8)
    mask_tails(calls, 0, len(read))
    start = tail_start([2 if each == 255 else each >> 2 for each in read], letters(read))
    wanted = [each if at < start or each == 255 else 2 << 2 | (each & 3) for at, each in enumerate(read)]
    assert calls[0].tolist() == wanted


def test_only_the_columns_asked_for_are_looked_at() -> None:
    calls = np.full((2, 6), 2 << 2 | 1, np.uint8)
    calls[:, :3] = 40 << 2
    mask_tails(calls, 0, 3)
    assert (calls[:, :3] == 40 << 2).all()

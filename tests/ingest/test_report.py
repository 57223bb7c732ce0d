"""The page shows what was measured, without the saw teeth of rounding."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import pytest

from genopipe.ingest.report import gc_shares


def binomial(length: int, reads: int) -> list[int]:
    """Reads by rounded GC percentage when every base is G or C with probability one half."""
    percents = [0] * 101
    for gc in range(length + 1):
        percents[(200 * gc + length) // (2 * length)] += reads * comb(length, gc) // 2**length
    return percents


@pytest.mark.parametrize("length", [36, 75, 100, 101, 150, 151, 250])
def test_the_gc_curve_of_random_reads_has_one_summit(length: int) -> None:
    points = gc_shares(binomial(length, 10**6), [[length - 1, 5], [length, 10**6]])
    heights = [share for _, share in points]
    summit = heights.index(max(heights))
    assert points[summit][0] == pytest.approx(50, abs=2)
    rising, falling = heights[: summit + 1], heights[summit:]
    assert all(a <= b * 1.35 for a, b in pairwise(rising) if b > 0.002)
    assert all(b <= a * 1.35 for a, b in pairwise(falling) if a > 0.002)
    assert max(heights) < 1.2 * comb(length, length // 2) / 2**length * (length + 1) / 101


def test_reads_without_bases_have_no_gc_curve() -> None:
    assert gc_shares([0] * 101, [[0, 3]]) == []

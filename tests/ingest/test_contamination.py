"""Contamination is found where it was mixed in, and the likelihood is that of the paper, term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genopipe.ingest import contamination
from genopipe.ingest.contamination import estimate_contamination


def mixture(share: float, *, sites: int = 2000, depth: float = 30, error: float = 0.002, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Allele counts of reads drawn from two people at sites of random frequency: reference, alternative, other, frequency."""
    draw = np.random.default_rng(seed)
    frequency = draw.uniform(0.05, 0.95, sites)
    own, foreign = draw.binomial(2, frequency), draw.binomial(2, frequency)
    reads = draw.poisson(depth, sites)
    counts = np.zeros((sites, 3), np.int64)
    for i in range(sites):
        genotype = np.where(draw.random(reads[i]) < share, foreign[i], own[i])
        shown = (draw.random(reads[i]) < genotype / 2).astype(int)
        wrong = draw.random(reads[i]) < error
        shown[wrong] = np.where(draw.random(wrong.sum()) < 1 / 3, 1 - shown[wrong], 2)
        counts[i] = np.bincount(shown, minlength=3)
    return counts[:, 0], counts[:, 1], counts[:, 2], frequency


@pytest.mark.parametrize("share", [0, 0.01, 0.02, 0.05, 0.1, 0.3])
def test_a_mixture_is_found_with_its_share(share: float) -> None:
    found = estimate_contamination(*mixture(share))
    assert found is not None
    assert found.fraction == pytest.approx(share, abs=max(0.002, 0.08 * share))
    assert found.low - 0.001 <= share <= found.high + 0.001
    assert found.error == pytest.approx(0.002, rel=0.3)


def test_shallow_and_few_sites_widen_the_interval_around_the_truth() -> None:
    found = estimate_contamination(*mixture(0.05, sites=400, depth=8))
    assert found is not None
    assert found.low < 0.05 < found.high
    assert found.high - found.low > 0.02


def test_too_few_sites_tell_nothing() -> None:
    assert estimate_contamination(*mixture(0.05, sites=99)) is None


def test_sites_where_reads_pile_up_are_left_out() -> None:
    reference, alternative, other, frequency = mixture(0)
    reference[:20], alternative[:20] = 900, 60
    found = estimate_contamination(reference, alternative, other, frequency)
    assert found is not None and found.fraction <= 0.001 and found.sites <= 1980


def slow_likelihood(share: float, reference: int, alternative: int, frequency: float, error: float) -> float:
    """Jun et al. 2012, equation 1, for one site."""
    prior = [(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2]
    total = 0.0
    for own in range(3):
        for foreign in range(3):
            probability = prior[own] * prior[foreign]
            for is_alternative in [True] * alternative + [False] * reference:
                of_own = (own if is_alternative else 2 - own) / 2
                of_foreign = (foreign if is_alternative else 2 - foreign) / 2
                true = (1 - share) * of_own + share * of_foreign
                probability *= true * (1 - error) + (1 - true) * error / 3
            total += probability
    return math.log(total)


def test_the_likelihood_is_that_of_the_paper() -> None:
    reference, alternative, frequency = np.array([10, 3, 0]), np.array([0, 4, 7]), np.array([0.1, 0.5, 0.8])
    for share in (0.0, 0.03, 0.4):
        expected = sum(
            slow_likelihood(share, int(r), int(a), float(f), 0.01) for r, a, f in zip(reference, alternative, frequency, strict=True)
        )
        assert contamination._log_likelihood(share, reference, alternative, frequency, 0.01) == pytest.approx(expected)

"""From costs to genotypes, and from events to records."""

from __future__ import annotations

import math

import numpy as np

from genopipe.call.events import Event, Stretch
from genopipe.call.sites import choose, fisher_phred, genotypes, normalised, record_alleles


def test_genotypes_stand_in_the_order_of_the_specification():
    assert genotypes(3, 2) == ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    assert genotypes(2, 1) == ((0,), (1,))
    assert genotypes(2, 0) == ((),)


def test_the_best_posterior_is_chosen():
    choice = choose({(0, 0): 60_000, (0, 1): 0, (1, 1): 25_000}, [30_000])
    assert (choice.genotype, choice.genotype_quality, choice.quality) == ((0, 1), 25, 30)


def test_a_prior_can_keep_the_reference():
    choice = choose({(0, 0): 20_000, (0, 1): 0, (1, 1): 90_000}, [30_000])
    assert (choice.genotype, choice.quality) == ((0, 0), 0)


def test_likelihoods_begin_at_zero():
    assert normalised([2_500, 1_000, 30_000_000]) == (2, 0, 9_999)


def test_alleles_of_a_site_share_one_reference_allele():
    stretch = Stretch(100, bytes([0, 1, 2, 3, 3, 0]))
    events = [Event(102, 0, bytes([3])), Event(102, 1, b""), Event(102, 2, b"")]
    assert record_alleles(events, stretch) == (101, ("CGT", "CTGT", "CT", "C"))
    assert record_alleles([Event(102, 1, bytes([0])), Event(102, 1, bytes([1]))], stretch) == (102, ("G", "A", "C"))


def test_strand_bias_is_fishers_exact_test():
    """The tea tasting of Fisher (3 and 1 over 1 and 3): p = 34/70; and a table without any freedom."""
    assert fisher_phred(3, 1, 1, 3) == round(-10 * np.log10(34 / 70))
    assert fisher_phred(15, 7, 0, 8) == round(-10 * np.log10(2 * math.comb(22, 7) / math.comb(30, 15)))
    assert fisher_phred(0, 0, 5, 9) == 0
    assert fisher_phred(400, 0, 0, 400) > 200

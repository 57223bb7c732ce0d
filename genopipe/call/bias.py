"""How the reads of the alternative alleles differ from those of the reference: strand, place in the read, mapping quality.

Errors come from one strand, from the ends of reads, or from reads that belong elsewhere; variants from all of them alike. A read counts for
the allele that its fragment clearly shows, by its base on the first base of the record; of overlapping mates the one whose base counts.
Ranks are compared by the test of Mann and Whitney: its z is 0 where both groups lie alike, negative where the alternative alleles lie
lower. All is summed in whole numbers and divided at the end, so that every machine writes the same digits.

Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947), the statistic U; Lehmann, Nonparametrics (1975), section 1.4, its
variance with ties. Names and meanings are those of GATK's annotations; MPOS is that of its Mutect2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from genopipe.call.simple import bases_on
from genopipe.call.sites import Bias, Site, shown_in
from genopipe.call.view import View
from genopipe.kernels.site_reads import VALUES, count_values, middle_values, rank_counts


def tell_bias(view: View, sites: list[Site]) -> None:
    """Tells the sites (sorted) how the reads over them lie."""
    if not sites:
        return
    reads = view.reads
    entry = bases_on(reads, np.array([site.position for site in sites], np.int64))
    shape = len(sites), max(len(site.alleles) for site in sites), VALUES
    mapping, place, square = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros((len(sites), 2), np.int64)
    lying = (view.pileup.quality, reads.mapping_quality, reads.base_start, reads.name_hash)
    count_values(entry, *lying, *shown_in(sites), mapping, place, square)
    means = [math.sqrt(total / n) if n else None for total, n in square.tolist()]
    told = zip(sites, means, rank_sums(mapping), rank_sums(place), medians(place), strict=True)
    for site, mean, mapping_rank, place_rank, ends in told:
        site.bias = Bias(mean, mapping_rank, place_rank, ends[1 : len(site.alleles)])


def rank_sums(count: NDArray[np.int64]) -> list[float | None]:
    """For each site of `count` (sites, alleles, values): z of the values of the alternative alleles against those of the reference, None
    where one of the groups is not there, or all values are the same."""
    numbers = np.empty((len(count), 4), np.int64)
    rank_counts(count, numbers)
    return [_z(n, m, twice_u, ties) for n, m, twice_u, ties in numbers.tolist()]


def _z(n: int, m: int, twice_u: int, ties: int) -> float | None:
    """Standard score of U in groups of n and m, where `ties` is the sum of t^3 - t over the values that t reads have."""
    total = n + m
    spread = n * m * (total**3 - total - ties)
    return (twice_u - n * m) * math.sqrt(3 * total * (total - 1) / spread) if spread else None


def medians(count: NDArray[np.int64]) -> list[tuple[int | None, ...]]:
    """For each site and allele of `count` (sites, alleles, values) the lower median, None where there is no value."""
    middle = np.empty((len(count), count.shape[1]), np.int64)
    middle_values(count, middle)
    rows: list[list[int]] = middle.tolist()
    return [tuple(None if m < 0 else m for m in each) for each in rows]


def strand_odds(a: int, b: int, c: int, d: int) -> float:
    """Logarithm of the symmetric odds ratio of reads a, b of the reference and c, d of the alternatives on the forward and reverse strand,
    low where only the reference lies on one strand.

    Source: documentation of GATK, StrandOddsRatio.
    """
    a, b, c, d = a + 1, b + 1, c + 1, d + 1
    odds = (a * a * d * d + b * b * c * c) * min(a, b) * max(c, d)
    return math.log(odds / (a * b * c * d * max(a, b) * min(c, d)))

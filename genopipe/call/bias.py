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
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, repeat

import numpy as np
from numpy.typing import NDArray

from genopipe.call.simple import bases_on
from genopipe.call.sites import Bias, Site
from genopipe.call.view import View

_VALUES = 256
"""Values that are told apart; a larger one counts as the largest."""


def with_bias(view: View, sites: list[Site]) -> list[Site]:
    """The sites (sorted), with how the reads over them lie."""
    if not sites:
        return []
    reads = view.reads
    entry = bases_on(reads, np.array([site.position for site in sites], np.int64))
    entry = entry[view.pileup.quality[entry[:, 2]] > 0]
    row, read, base = entry[np.argsort(entry[:, 0], kind="stable")].T
    mapping = reads.mapping_quality[read].astype(np.int64)
    place = base - reads.base_start[read]
    near = np.minimum(place, reads.base_start[read + 1] - base - 1)
    allele = np.fromiter(_alleles(sites, row, reads.name_hash[read]), np.int64, len(row))
    shape = len(sites), max(len(site.alleles) for site in sites)
    by_mapping, by_place = (_counts(shape, row, allele, value) for value in (mapping, near))
    told = zip(_quadratic_means(row, mapping, len(sites)), rank_sums(by_mapping), rank_sums(by_place), medians(by_place), strict=True)
    return [
        replace(site, bias=Bias(mean, mapping_rank, place_rank, ends[1 : len(site.alleles)]))
        for site, (mean, mapping_rank, place_rank, ends) in zip(sites, told, strict=True)
    ]


def _alleles(sites: list[Site], row: NDArray[np.int64], name_hash: NDArray[np.uint64]) -> Iterator[int]:
    """The allele that the fragment of each read over each site shows, -1 for none."""
    names, bounds = name_hash.tolist(), np.searchsorted(row, np.arange(len(sites) + 1)).tolist()
    for site, (first, last) in zip(sites, pairwise(bounds), strict=True):
        shown = dict(zip(*site.shown, strict=True)) if site.shown is not None else {}
        yield from map(shown.get, names[first:last], repeat(-1))


def _counts(shape: tuple[int, int], row: NDArray[np.int64], allele: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int64]:
    """(sites, alleles, values) int64: how many reads of each allele have each value."""
    shows = allele >= 0
    index = (row[shows] * shape[1] + allele[shows]) * _VALUES + np.minimum(value[shows], _VALUES - 1)
    return np.bincount(index, minlength=shape[0] * shape[1] * _VALUES).reshape(*shape, _VALUES)


def _quadratic_means(row: NDArray[np.int64], value: NDArray[np.int64], n: int) -> Iterator[float | None]:
    total, count = np.bincount(row, value * value, minlength=n), np.bincount(row, minlength=n)
    return (math.sqrt(a / b) if b else None for a, b in zip(total.tolist(), count.tolist(), strict=True))


def rank_sums(count: NDArray[np.int64]) -> list[float | None]:
    """For each site of `count` (sites, alleles, values): z of the values of the alternative alleles against those of the reference, None
    where one of the groups is not there, or all values are the same."""
    reference, alternative = count[:, 0], count[:, 1:].sum(axis=1)
    below = np.cumsum(reference, axis=1) - reference
    twice_u = (alternative * (2 * below + reference)).sum(axis=1)
    tied = reference + alternative
    ties = (tied**3 - tied).sum(axis=1)
    columns = reference.sum(axis=1), alternative.sum(axis=1), twice_u, ties
    return [_z(*numbers) for numbers in zip(*(column.tolist() for column in columns), strict=True)]


def _z(n: int, m: int, twice_u: int, ties: int) -> float | None:
    """Standard score of U in groups of n and m, where `ties` is the sum of t^3 - t over the values that t reads have."""
    total = n + m
    spread = n * m * (total**3 - total - ties)
    return (twice_u - n * m) * math.sqrt(3 * total * (total - 1) / spread) if spread else None


def medians(count: NDArray[np.int64]) -> list[tuple[int | None, ...]]:
    """For each site and allele of `count` (sites, alleles, values) the lower median, None where there is no value."""
    total = count.sum(axis=2)
    middle = (2 * np.cumsum(count, axis=2) >= total[:, :, None]).argmax(axis=2)
    return [tuple(None if not n else m for n, m in zip(*pair, strict=True)) for pair in zip(total.tolist(), middle.tolist(), strict=True)]


def strand_odds(a: int, b: int, c: int, d: int) -> float:
    """Logarithm of the symmetric odds ratio of reads a, b of the reference and c, d of the alternatives on the forward and reverse strand,
    low where only the reference lies on one strand.

    Source: documentation of GATK, StrandOddsRatio.
    """
    a, b, c, d = a + 1, b + 1, c + 1, d + 1
    odds = (a * a * d * d + b * b * c * c) * min(a, b) * max(c, d)
    return math.log(odds / (a * b * c * d * max(a, b) * min(c, d)))

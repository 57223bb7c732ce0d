"""Genotypes of single sites from their bases alone: sums of costs by base, and the alleles and genotype that they are least for.

What a genotype costs is a sum over bases that depends only on how many copies have each base, so the sums by base are all that is needed.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), section 2.2.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.pileup import FIT, MISFIT, MIXED

MOST_ALLELES = 3
"""The reference and two others."""
MOST_GENOTYPES = 10
"""Those of so many alleles and any other one."""
COST = np.stack((MISFIT, MIXED, FIT), axis=1)
"""(qualities, 3): milli-phred of a base that no copy, one, or both have."""


class Rule(NamedTuple):
    """How often an allele must be shown to be tried, in fragments and as a share of all; what it costs, and from what QUAL a site is told
    (milli-phred); and the highest GQ and PL."""

    min_support: int
    min_share: float
    prior: int
    least: int
    most_quality: int
    most_likelihood: int


class Genotyped(NamedTuple):
    """What is told of each site; of one that is like the reference only that it has no allele.

    alleles     (sites) int64: how many, 0 where the reference explains the bases as well
    allele      (sites, `MOST_ALLELES`) int64: code of each, the reference first
    genotype    (sites, 2) int64: allele of either copy, the lower one first; the same twice with one copy
    quality     (sites, 2) int64: GQ and QUAL
    likelihood  (sites, `MOST_GENOTYPES`) int64: PL in the order of the VCF specification
    """

    alleles: NDArray[np.int64]
    allele: NDArray[np.int64]
    genotype: NDArray[np.int64]
    quality: NDArray[np.int64]
    likelihood: NDArray[np.int64]


@kernel
def add_bases(row, base, quality, reverse, table, count, cost):
    """Adds bases to the sites they lie on: to `count` (sites, 4, 2) int64 by code and strand, to `cost` (sites, 4, 3) int64 by code."""
    for i in range(len(row)):
        count[row[i], base[i], np.int64(reverse[i])] += 1
        for copies in range(3):
            cost[row[i], base[i], copies] += table[quality[i], copies]


def genotyped(count: NDArray[np.int64], cost: NDArray[np.int64], reference: NDArray[np.uint8], *, ploidy: int, rule: Rule) -> Genotyped:
    """The genotypes of the sites whose bases `add_bases` has added; `reference` (sites) has their codes."""
    widths = MOST_ALLELES, 2, 2, MOST_GENOTYPES
    out = Genotyped(np.zeros(len(reference), np.int64), *(np.zeros((len(reference), width), np.int64) for width in widths))
    _genotype_all(count, cost, reference, ploidy, rule, out)
    return out


@inner
def _cost(cost, allele, n, a, b):
    """Milli-phred of the bases given copies with alleles a and b; allele n is any base that is none of the others."""
    total = 0
    for code in range(4):
        shown = n
        for number in range(n):
            if allele[number] == code:
                shown = number
        total += cost[code, (shown == a) + (shown == b)]
    return total


@inner
def _often_shown(count, reference, rule, allele):
    """Fills in the reference and the commonest others, as far as they are shown often enough; of equals the lower code first."""
    total = 0
    for code in range(4):
        total += count[code, 0] + count[code, 1]
    n = 1
    allele[0] = reference
    while n < MOST_ALLELES:
        best, most = -1, 0
        for code in range(4):
            shown = count[code, 0] + count[code, 1]
            new = code != reference and not (n == 2 and code == allele[1])
            if new and shown > most and shown >= rule.min_support and shown >= rule.min_share * total:
                best, most = code, shown
        if best < 0:
            break
        allele[n] = best
        n += 1
    return n


@inner
def _choose(cost, allele, n, ploidy, rule, genotype, quality):
    """Fills in the genotype of the lowest posterior cost, of equals the first, and its qualities."""
    best = second = reference = alternative = np.int64(1) << 62
    for a in range(n):
        for b in range(a, n if ploidy == 2 else a + 1):
            price = _cost(cost, allele, n, a, b) + rule.prior * ((a > 0) + (b > a))
            if price < best:
                second, best = best, price
                genotype[0], genotype[1] = a, b
            elif price < second:
                second = price
            if b == 0:
                reference = price
            else:
                alternative = min(alternative, price)
    quality[0] = min((second - best + 500) // 1000, rule.most_quality)
    quality[1] = max((reference - alternative + 500) // 1000, 0)


@inner
def _keep_used(allele, n, genotype):
    """Leaves the reference and the alleles of the genotype; gives how many these are."""
    kept = 1
    for number in range(1, n):
        if number == genotype[0] or number == genotype[1]:
            allele[kept] = allele[number]
            kept += 1
    return kept


@inner
def _fill_likelihoods(cost, allele, n, ploidy, most, likelihood):
    """PL of all genotypes of the n alleles and any other one: phred above the lowest, `most` at most."""
    g, low = 0, np.int64(1) << 62
    for b in range(n + 1):
        for a in range(0 if ploidy == 2 else b, b + 1):
            likelihood[g] = _cost(cost, allele, n, a, b)
            low = min(low, likelihood[g])
            g += 1
    for i in range(g):
        likelihood[i] = min((likelihood[i] - low + 500) // 1000, most)


@kernel
def _genotype_all(count, cost, reference, ploidy, rule, out):
    for site in range(len(reference)):
        allele, genotype, quality = out.allele[site], out.genotype[site], out.quality[site]
        n, tried = _often_shown(count[site], reference[site], rule, allele), 0
        while n > 1 and n != tried:
            tried = n
            _choose(cost[site], allele, n, ploidy, rule, genotype, quality)
            n = _keep_used(allele, n, genotype)
        out.alleles[site] = n if n > 1 and quality[1] * 1000 >= rule.least else 0
        if out.alleles[site]:
            _fill_likelihoods(cost[site], allele, n, ploidy, rule.most_likelihood, out.likelihood[site])

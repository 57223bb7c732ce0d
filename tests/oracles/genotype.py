"""Genotype likelihoods in double precision, straight from the definition."""

from __future__ import annotations

import math


def pair_cost(costs, first, second):
    """Milli-phred of all fragments given two haplotypes, each the origin of a fragment with chance one half."""
    chance = lambda cost: 10 ** (-cost / 10_000)  # noqa: E731
    return sum(-10_000 * math.log10((chance(row[first]) + chance(row[second])) / 2) for row in costs)


def base_cost(bases, genotype):
    """Milli-phred of `(base, quality)` pairs given the alleles of a genotype; a wrong base is any of the other three alike."""
    total = 0.0
    for base, quality in bases:
        error = 10 ** (-quality / 10)
        total += -10_000 * math.log10(sum(1 - error if base == allele else error / 3 for allele in genotype) / len(genotype))
    return total


def trio(father, mother, child, *, population, new):
    """Best triple and the phred of no new allele, diploid, two alleles, by enumeration of transmissions; likelihoods as PL."""
    genotypes = [(0, 0), (0, 1), (1, 1)]
    best = {}
    for f in range(3):
        for m in range(3):
            for c in range(3):
                ways = sum(tuple(sorted((a, b))) == genotypes[c] for a in genotypes[f] for b in genotypes[m])
                cost = 1000 * (father[f] + mother[m] + child[c]) + population * bool(f or m)
                best[f, m, c] = (cost + (new if not ways else -10_000 * math.log10(ways / 4)), ways == 0)
    chosen = min(best, key=lambda triple: best[triple][0])
    inherited = min(cost for cost, is_new in best.values() if not is_new)
    fresh = min(cost for cost, is_new in best.values() if is_new)
    shares = [10 ** ((min(inherited, fresh) - cost) / 10_000) for cost in (inherited, fresh)]
    return chosen, -10 * math.log10(max(shares[0] / sum(shares), 1e-30))

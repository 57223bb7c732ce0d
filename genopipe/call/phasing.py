"""Phasing: which alleles of neighbouring heterozygous sites stand on the same chromosome copy, by the fragments that show both.

Every fragment that shows an allele of two sites votes for one of the two ways to put their alleles on the copies. Sites are joined, the
surest pair first, as long as the votes are enough and agree; what is joined is a phase set, named by its first site. Only sites that pass
and are given together (those of one cell of the grid) are joined. The order of the copies means nothing from one set to another; the
first site of a set has its lower allele first.

Source: Edge, Bafna, Bansal, HapCUT2, Genome Research 27 (2017), for sites as a graph whose edges are the fragments' votes; its tree of the
surest edges is by Kruskal, Proceedings of the American Mathematical Society 7 (1956).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations

from genopipe.call.sites import Site

_LEAST_LEAD = 2
"""Votes by which one way must lead the other."""
_LEAST_SHARE = 0.75
"""Share of the votes that it must have."""


def phased(sites: list[Site]) -> list[Site]:
    """The same sites; those in a phase set of two and more have it, and the genotype in the order of the copies."""
    votes = pair_votes(sites)
    turned = joined(len(sites), votes)
    members: dict[int, list[int]] = defaultdict(list)
    for row, (root, _) in enumerate(turned):
        members[root].append(row)
    out = list(sites)
    for rows in members.values():
        for row in rows if len(rows) > 1 else ():
            low, high = sorted(sites[row].genotype)
            flipped = turned[row][1] != turned[rows[0]][1]
            out[row] = replace(sites[row], genotype=(high, low) if flipped else (low, high), phase_set=sites[rows[0]].position)
    return out


def pair_votes(sites: list[Site]) -> dict[tuple[int, int], tuple[int, int]]:
    """By pair of rows: fragments that show both lower or both higher alleles, and those that show one of each."""
    seen: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for row, site in enumerate(sites):
        if site.filters or site.shown is None or len(set(site.genotype)) != 2:
            continue
        low, high = sorted(site.genotype)
        for fragment, allele in zip(*site.shown, strict=True):
            if allele in (low, high):
                seen[fragment].append((row, allele == high))
    votes: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for shown in seen.values():
        for (first, one), (second, other) in combinations(shown, 2):
            votes[first, second][one != other] += 1
    return {pair: (together, apart) for pair, (together, apart) in votes.items()}


def joined(n: int, votes: dict[tuple[int, int], tuple[int, int]]) -> list[tuple[int, bool]]:
    """For each of n sites the root of its set, and whether its alleles are turned around against the root's."""
    root: list[tuple[int, bool]] = [(row, False) for row in range(n)]

    def find(row: int) -> tuple[int, bool]:
        turned = False
        while root[row][0] != row:
            row, turned = root[row][0], turned != root[row][1]
        return row, turned

    for (first, second), (together, apart) in sorted(votes.items(), key=lambda item: (-abs(item[1][0] - item[1][1]), item[0])):
        if abs(together - apart) < _LEAST_LEAD or max(together, apart) < _LEAST_SHARE * (together + apart):
            continue
        (a, a_turned), (b, b_turned) = find(first), find(second)
        if a != b:
            root[b] = a, (a_turned != b_turned) != (apart > together)
    return [find(row) for row in range(n)]

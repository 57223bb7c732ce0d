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

import numpy as np
from numpy.typing import NDArray

from genopipe.call.sites import Site, shown_in
from genopipe.kernels import votes

_LEAST_LEAD = 2
"""Votes by which one way must lead the other."""
_LEAST_SHARE = 0.75
"""Share of the votes that it must have."""


def phase(sites: list[Site]) -> None:
    """Tells the sites of phase sets of two and more which one they are in, and puts their genotypes in the order of its copies."""
    turned = joined(len(sites), pair_votes(sites))
    members: dict[int, list[int]] = defaultdict(list)
    for row, (root, _) in enumerate(turned):
        members[root].append(row)
    for rows in members.values():
        for row in rows if len(rows) > 1 else ():
            low, high = sorted(sites[row].genotype)
            flipped = turned[row][1] != turned[rows[0]][1]
            sites[row].genotype, sites[row].phase_set = (high, low) if flipped else (low, high), sites[rows[0]].position


def pair_votes(sites: list[Site]) -> NDArray[np.int64]:
    """(pairs, 4) int64, sorted: two rows, fragments that show both lower or both higher alleles, and those that show one of each."""
    rows = [row for row, site in enumerate(sites) if not site.filters and site.shown is not None and len(set(site.genotype)) == 2]
    if not rows:
        return np.empty((0, 4), np.int64)
    some = [sites[row] for row in rows]
    name, allele, start = shown_in(some)
    of_site = np.column_stack((rows, [sorted(site.genotype) for site in some]))
    row, low, high = np.repeat(of_site, np.diff(start), axis=0).T
    either = (allele == low) | (allele == high)
    return votes.pair_votes(name[either], row[either], (allele == high)[either])


def joined(n: int, pairs: NDArray[np.int64]) -> list[tuple[int, bool]]:
    """For each of n sites the root of its set, and whether its alleles are turned around against the root's."""
    root: list[tuple[int, bool]] = [(row, False) for row in range(n)]

    def find(row: int) -> tuple[int, bool]:
        turned = False
        while root[row][0] != row:
            row, turned = root[row][0], turned != root[row][1]
        return row, turned

    together, apart = pairs[:, 2], pairs[:, 3]
    lead = abs(together - apart)
    agreed = (lead >= _LEAST_LEAD) & (np.maximum(together, apart) >= _LEAST_SHARE * (together + apart))
    surest = np.argsort(-lead, kind="stable")
    for first, second, same, other in pairs[surest[agreed[surest]]].tolist():
        (a, a_turned), (b, b_turned) = find(first), find(second)
        if a != b:
            root[b] = a, (a_turned != b_turned) != (other > same)
    return [find(row) for row in range(n)]

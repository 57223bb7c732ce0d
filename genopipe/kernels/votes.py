"""Votes of fragments on how the alleles of two sites stand together: one for each pair of sites that a fragment shows."""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import kernel


def pair_votes(name: NDArray[np.uint64], site: NDArray[np.int64], higher: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(pairs, 4) int64, sorted: two sites, fragments that show both lower or both higher alleles of them, and those that show one of each.

    What fragments show is given by their name hashes, the site (sorted), and whether it is the higher of the site's two alleles.
    """
    order = np.argsort(name, kind="stable")
    n_sites = int(site.max(initial=-1)) + 1
    shown = name[order], site[order], higher[order]
    vote = np.empty(_vote(*shown, n_sites, np.empty(0, np.int64)), np.int64)
    _vote(*shown, n_sites, vote)
    kind, n = np.unique(vote, return_counts=True)
    pair, row = np.unique(kind >> 1, return_inverse=True)
    out = np.zeros((len(pair), 4), np.int64)
    out[:, 0], out[:, 1] = np.divmod(pair, max(n_sites, 1))
    out[row, 2 + (kind & 1)] = n
    return out


@kernel
def _vote(name, site, higher, n_sites, out):
    """Fills `out` with a number for each vote, twice that of the pair and one more where the alleles differ; gives how many there are.

    When `out` is too short nothing more is written but the count goes on.
    """
    n = first = 0
    for second in range(len(name)):
        while name[first] != name[second]:
            first += 1
        for other in range(first, second):
            if n < len(out):
                out[n] = 2 * (site[other] * n_sites + site[second]) + (higher[other] != higher[second])
            n += 1
    return n

"""Reference blocks of a gVCF: runs of bases without a record that are about equally sure.

How sure a base is, is GQ from its fit to the reference; a block tells the lowest depth, GQ and PL over its bases. So that this says little
less than each base would, GQ differs in a block by no more than one read makes, or a tenth; beyond `settings.block_quality` it is all the
same. Blocks end at records, at unknown reference bases, and at the ends of what is given (a window of the absolute grid).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.call.settings import Settings
from genopipe.call.sites import MAX_LIKELIHOOD, MAX_QUALITY, Site
from genopipe.call.view import View
from genopipe.kernels.even_runs import even_runs


@dataclass(frozen=True, slots=True)
class Block:
    """Bases `start` to `end` with the reference genotype; `likelihood` over the reference and any other allele."""

    start: int
    end: int
    reference: str
    genotype_quality: int
    depth: int
    likelihood: tuple[int, ...]
    ploidy: int


def reference_blocks(view: View, sites: list[Site], *, span: tuple[int, int, int], settings: Settings) -> list[Block]:
    """The blocks of bases start to end, with ploidy: the three numbers of `span`."""
    start, end, ploidy = span
    pileup, reference = view.pileup, view.reference
    here = slice(start - pileup.start, end - pileup.start)
    quality = reference_quality(pileup.fit[here], ploidy)
    free = reference[here] < 4
    for site in sites:
        free[max(site.position - start, 0) : max(site.end - start, 0)] = False
    even = np.minimum(quality, settings.block_quality)
    rows = even_runs(even, free, step=settings.block_step, percent=settings.block_percent)
    if not len(rows):
        return []
    columns: list[NDArray[np.integer[Any]]] = [*_likelihoods(pileup.fit[here], ploidy), quality, pileup.depth[here]]
    between = rows.ravel()[: -1 if rows[-1, 1] == len(quality) else None]
    lowest = zip(*(np.minimum.reduceat(column, between)[::2].tolist() for column in columns), strict=True)
    letter = "ACGTN"
    return [
        Block(start + a, start + b, letter[reference[a + start - pileup.start]], row[-2], row[-1], tuple(row[:-2]), ploidy)
        for (a, b), row in zip(rows.tolist(), lowest, strict=True)
    ]


def reference_quality(fit: NDArray[np.int64], ploidy: int) -> NDArray[np.int64]:
    """GQ of the reference genotype at each base."""
    other = np.minimum(fit[:, 1], fit[:, 2]) if ploidy == 2 else fit[:, 2]
    return np.clip((other - fit[:, 0] + 500) // 1000, 0, MAX_QUALITY)


def _likelihoods(fit: NDArray[np.int64], ploidy: int) -> list[NDArray[np.int64]]:
    """PL of each base, genotype by genotype."""
    costs = [fit[:, 0], fit[:, 1], fit[:, 2]] if ploidy == 2 else [fit[:, 0], fit[:, 2]]
    low = costs[0]
    for cost in costs[1:]:
        low = np.minimum(low, cost)
    return [np.minimum((cost - low + 500) // 1000, MAX_LIKELIHOOD) for cost in costs]

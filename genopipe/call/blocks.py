"""Reference blocks of a gVCF: runs of bases without a record that are about equally sure.

How sure a base is, is GQ from its fit to the reference; a block tells the lowest depth, GQ and PL over its bases. So that this says little
less than each base would, GQ differs in a block by no more than one read makes, or a tenth; beyond `settings.block_quality` it is all the
same. Blocks end at records, at unknown reference bases, and at the ends of what is given (a window of the absolute grid). Where haplotypes
were compared, the fit goes by these: what differs there in reads that are aligned wrongly speaks for no variant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genopipe.call.genotypes import ReferenceFit
from genopipe.call.regions import Region
from genopipe.call.settings import Settings
from genopipe.call.sites import MAX_LIKELIHOOD, MAX_QUALITY, Site
from genopipe.call.view import View
from genopipe.kernels import reference_blocks as kernels

_NEVER = 1 << 40


@dataclass(frozen=True, slots=True)
class Blocks:
    """Runs of bases with the reference genotype, in order.

    start, end  (blocks) int64
    reference   (blocks) uint8: code of the first base
    least       (blocks, 2 + genotypes) int64: the lowest depth, GQ, and PL of each genotype of the reference and any other allele
    ploidy      copies in all of them
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    reference: NDArray[np.uint8]
    least: NDArray[np.int64]
    ploidy: int

    def beginning_in(self, start: int, end: int) -> Blocks:
        """The blocks that begin in bases start to end."""
        inside = slice(*np.searchsorted(self.start, (start, end)))
        return Blocks(self.start[inside], self.end[inside], self.reference[inside], self.least[inside], self.ploidy)


def reference_blocks(view: View, sites: list[Site], *, span: tuple[int, int, int], settings: Settings) -> Blocks:
    """The blocks of bases start to end, with ploidy: the three numbers of `span`."""
    start, end, ploidy = span
    here = slice(start - view.pileup.start, end - view.pileup.start)
    fit, reference = view.pileup.fit[here], view.reference[here]
    quality = reference_quality(fit, ploidy)
    free = reference < 4
    for site in sites:
        free[max(site.position - start, 0) : max(site.end - start, 0)] = False
    even = np.minimum(quality, settings.block_quality)
    run = kernels.even_runs(even, free, step=settings.block_step, percent=settings.block_percent)
    least = np.empty((len(run), kernels.LIKELIHOOD + ploidy + 1), np.int64)
    kernels.least_of(run, view.pileup.depth[here], quality, fit if ploidy == 2 else fit[:, ::2], MAX_LIKELIHOOD, least)
    return Blocks(run[:, 0] + start, run[:, 1] + start, reference[run[:, 0]], least, ploidy)


def refitted(view: View, regions: list[Region], told: list[ReferenceFit], settings: Settings) -> View:
    """The view with the fit that haplotypes tell: in reach of the regions nothing fits better than the reference but what was tried."""
    fit, start = view.pileup.fit.copy(), view.pileup.start
    reached = [(region.start - settings.reach, region.end + settings.reach) for region in regions]
    bounds = np.clip(np.array(reached, np.int64).reshape(-1, 2) - start, 0, len(fit))
    begun, ended = (np.cumsum(np.bincount(bound, minlength=len(fit) + 1)[:-1]) for bound in bounds.T)
    inside = np.flatnonzero(begun > ended)
    fit[inside] = np.maximum(fit[inside] - fit[inside, :1], 0)
    tried = np.array([each for each in told if start <= each.position < start + len(fit)], np.int64).reshape(-1, 3)
    row = tried[:, 0] - start
    fit[row] = 0, _NEVER, _NEVER
    np.minimum.at(fit, row, tried * (0, 1, 1))
    return replace(view, pileup=replace(view.pileup, fit=fit))


def reference_quality(fit: NDArray[np.int64], ploidy: int) -> NDArray[np.uint8]:
    """(bases) uint8: GQ of the reference genotype at each base, by `fit` (bases, 3) of the pileup."""
    quality = np.empty(len(fit), np.uint8)
    kernels.reference_quality(fit, ploidy, MAX_QUALITY, quality)
    return quality

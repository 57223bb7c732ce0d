"""Simple sites: single bases that differ, with nothing else around, settled from the bases at the place alone.

For every genotype of the alleles the costs of all bases are added; a base costs little if both copies have it, half if one has it, and its
error if none has. Mates over the same base count once; the mapping quality caps the base quality.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), section 2.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, Stretch
from genopipe.call.settings import Settings
from genopipe.call.sites import Site, choose, genotypes, normalised, record_alleles, shown_by, strand_counts
from genopipe.call.view import View
from genopipe.kernels.pileup import FIT, MIN_BASE_QUALITY, MISFIT, MIXED, gather
from genopipe.model import Alignments


def simple_sites(view: View, *, position: NDArray[np.int64], ploidy: int, settings: Settings) -> list[Site]:
    """The records of the sites among `position` (sorted) whose best genotype has an alternative allele."""
    reads, pileup = view.reads, view.pileup
    entry = bases_on(reads, position)
    quality = np.minimum(pileup.quality[entry[:, 2]], reads.mapping_quality[entry[:, 1]]).astype(np.int64)
    counted = (quality >= MIN_BASE_QUALITY) & (reads.base[entry[:, 2]] < 4)
    entry, quality = entry[counted], quality[counted]
    base, reverse = reads.base[entry[:, 2]].astype(np.int64), (reads.flag[entry[:, 1]] & 16) > 0
    name = reads.name_hash[entry[:, 1]]
    order = np.argsort(entry[:, 0], kind="stable")
    bounds = np.searchsorted(entry[order, 0], np.arange(len(position) + 1))
    found = []
    for row, place in enumerate(position.tolist()):
        here = order[bounds[row] : bounds[row + 1]]
        site = _site(place, base[here], quality[here], reverse[here], stretch=view.stretch, ploidy=ploidy, settings=settings)
        if site is not None:
            found.append(replace(site, shown=shown_by(name[here], _alleles(site, base[here]))))
    return found


def _alleles(site: Site, base: NDArray[np.int64]) -> NDArray[np.int64]:
    """The allele number of each base, -1 for a base that is none."""
    number = np.full(4, -1, np.int64)
    number[["ACGT".index(allele) for allele in site.alleles]] = np.arange(len(site.alleles))
    return number[base]


def bases_on(reads: Alignments, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """(entries, 3) int64: row of the site in `position` (sorted), read, and index of the base, of every read base on a site."""
    room = 1 << 14
    while True:
        out = np.empty((room, 3), np.int64)
        n = gather(reads.position, reads.cigar, reads.cigar_start, reads.base_start, position, out)
        if n <= room:
            return out[:n]
        room = n


def _site(
    position: int,
    base: NDArray[np.int64],
    quality: NDArray[np.int64],
    reverse: NDArray[np.bool_],
    *,
    stretch: Stretch,
    ploidy: int,
    settings: Settings,
) -> Site | None:
    reference = stretch.base[position - stretch.start]
    count = np.bincount(base, minlength=4)
    enough = max(settings.min_support, settings.min_snv_share * len(base))
    alternatives = sorted(
        (code for code in range(4) if code != reference and count[code] >= enough), key=lambda code: (-count[code], code)
    )[:2]
    while alternatives:
        codes = [reference, *alternatives]
        cost = genotype_costs(base, quality, codes, ploidy=ploidy)
        called = {genotype: value for genotype, value in cost.items() if max(genotype) < len(codes)}
        choice = choose(called, [settings.snv_prior] * len(alternatives))
        used = [code for i, code in enumerate(alternatives, 1) if i in choice.genotype]
        if used == alternatives:
            break
        alternatives = used
    if not alternatives or choice.quality * 1000 < settings.min_emitted:
        return None
    _, alleles = record_alleles([Event(position, 1, bytes([code])) for code in alternatives], stretch)
    shown = np.full(len(base), -1, np.int64)
    for allele, code in enumerate(codes):
        shown[base == code] = allele
    depths = tuple(int((shown == allele).sum()) for allele in range(len(codes)))
    strands = strand_counts(shown, reverse)
    likelihood = normalised(list(cost.values()))
    return Site(position, alleles, choice.genotype, likelihood, choice.genotype_quality, choice.quality, len(base), depths, strands, False)


def genotype_costs(base: NDArray[np.int64], quality: NDArray[np.int64], codes: list[int], *, ploidy: int) -> dict[tuple[int, ...], int]:
    """Milli-phred of every genotype of the alleles `codes` and, last, any other base."""
    allele = np.full(4, len(codes), np.int64)
    allele[codes] = np.arange(len(codes))
    shown = allele[base]
    fit, mixed, misfit = FIT[quality], MIXED[quality], MISFIT[quality]
    costs = {}
    for genotype in genotypes(len(codes) + 1, ploidy):
        copies = sum((shown == one).astype(np.int64) for one in genotype)
        cost = np.where(copies == ploidy, fit, np.where(copies == 0, misfit, mixed))
        costs[genotype] = int(cost.sum())
    return costs

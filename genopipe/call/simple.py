"""Simple sites: single bases that differ, with nothing else around, settled from the bases at the place alone.

For every genotype of the alleles the costs of all bases are added; a base costs little if both copies have it, half if one has it, and its
error if none has. Mates over the same base count once; the mapping quality caps the base quality.

Source: Li, A statistical framework for SNP calling, Bioinformatics 27 (2011), section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, Stretch
from genopipe.call.settings import Settings
from genopipe.call.sites import Choice, Site, choose, genotypes, normalised, record_alleles, shown_by, strand_counts
from genopipe.call.view import View
from genopipe.kernels.pileup import FIT, MIN_BASE_QUALITY, MISFIT, MIXED, gather
from genopipe.model import Alignments

Costs = dict[tuple[int, ...], int]
"""Milli-phred by genotype."""


@dataclass(frozen=True, slots=True)
class _Column:
    """The bases that count at one place: quality (phred), code, strand, and name hash of the fragment of each."""

    position: int
    quality: NDArray[np.int64]
    base: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    name: NDArray[np.uint64]


def simple_sites(view: View, *, position: NDArray[np.int64], ploidy: int, settings: Settings) -> list[Site]:
    """The records of the sites among `position` (sorted) whose best genotype has an alternative allele."""
    reads, pileup = view.reads, view.pileup
    entry = bases_on(reads, position)
    entry = entry[np.argsort(entry[:, 0], kind="stable")]
    quality = np.minimum(pileup.quality[entry[:, 2]], reads.mapping_quality[entry[:, 1]]).astype(np.int64)
    counted = (quality >= MIN_BASE_QUALITY) & (reads.base[entry[:, 2]] < 4)
    row, read, at = entry[counted].T
    quality, base, reverse, name = quality[counted], reads.base[at].astype(np.int64), (reads.flag[read] & 16) > 0, reads.name_hash[read]
    bounds = np.searchsorted(row, np.arange(len(position) + 1)).tolist()
    found = []
    for place, (first, last) in zip(position.tolist(), pairwise(bounds), strict=True):
        here = slice(first, last)
        column = _Column(place, quality[here], base[here], reverse[here], name[here])
        site = _site(column, view.stretch, ploidy=ploidy, settings=settings)
        if site is not None:
            found.append(site)
    return found


def bases_on(reads: Alignments, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """(entries, 3) int64: row of the site in `position` (sorted), read, and index of the base, of every read base on a site."""
    room = 1 << 14
    while True:
        out = np.empty((room, 3), np.int64)
        n = gather(reads.position, reads.cigar, reads.cigar_start, reads.base_start, position, out)
        if n <= room:
            return out[:n]
        room = n


def _site(column: _Column, stretch: Stretch, *, ploidy: int, settings: Settings) -> Site | None:
    """The record of a place, None where the reference is as good."""
    genotyped = _genotyped(column, stretch.base[column.position - stretch.start], ploidy=ploidy, settings=settings)
    if genotyped is None:
        return None
    codes, cost, choice = genotyped
    if choice.quality * 1000 < settings.min_emitted:
        return None
    _, alleles = record_alleles([Event(column.position, 1, bytes([code])) for code in codes[1:]], stretch)
    shown = np.full(len(column.base), -1, np.int64)
    for allele, code in enumerate(codes):
        shown[column.base == code] = allele
    return Site(
        column.position,
        alleles,
        choice.genotype,
        normalised(list(cost.values())),
        choice.genotype_quality,
        choice.quality,
        len(column.base),
        tuple(int((shown == allele).sum()) for allele in range(len(codes))),
        strand_counts(shown, column.reverse),
        False,
        shown=shown_by(column.name, shown),
    )


def _genotyped(column: _Column, reference: int, *, ploidy: int, settings: Settings) -> tuple[list[int], Costs, Choice] | None:
    """Codes of the alleles of the best genotype, reference first, the costs of all genotypes, and the choice; None for the reference."""
    alternatives = _often_shown(column.base, reference, settings)
    while alternatives:
        codes = [reference, *alternatives]
        cost = genotype_costs(column.base, column.quality, codes, ploidy=ploidy)
        called = {genotype: value for genotype, value in cost.items() if max(genotype) < len(codes)}
        choice = choose(called, [settings.snv_prior] * len(alternatives))
        used = [code for i, code in enumerate(alternatives, 1) if i in choice.genotype]
        if used == alternatives:
            return codes, cost, choice
        alternatives = used
    return None


def _often_shown(base: NDArray[np.int64], reference: int, settings: Settings) -> list[int]:
    """The two commonest bases other than the reference, as far as they are shown often enough."""
    count = np.bincount(base, minlength=4).tolist()
    enough = max(settings.min_support, settings.min_snv_share * len(base))
    found = [code for code in range(4) if code != reference and count[code] >= enough]
    return sorted(found, key=lambda code: (-count[code], code))[:2]


def genotype_costs(base: NDArray[np.int64], quality: NDArray[np.int64], codes: list[int], *, ploidy: int) -> Costs:
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

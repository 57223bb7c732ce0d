"""Simple sites: single bases that differ, with nothing else around, settled from the bases at the place alone.

For every genotype of the alleles the costs of all bases are added; a base costs little if both copies have it, half if one has it, and its
error if none has. Mates over the same base count once; the mapping quality caps the base quality. All sites of a view are settled at once,
column by column (`genopipe.kernels.simple_sites`); those that differ become records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.call.settings import Settings
from genopipe.call.sites import MAX_LIKELIHOOD, MAX_QUALITY, Site
from genopipe.call.view import View
from genopipe.kernels.pileup import MIN_BASE_QUALITY, gather
from genopipe.kernels.simple_sites import COST, MOST_ALLELES, Genotyped, Rule, add_bases, genotyped
from genopipe.model import BASES, Alignments

_LETTERS = BASES.decode()


def simple_sites(view: View, *, position: NDArray[np.int64], ploidy: int, settings: Settings) -> list[Site]:
    """The records of the sites among `position` (sorted) whose best genotype has an alternative allele."""
    reads = view.reads
    row, read, at = bases_on(reads, position).T
    quality = np.minimum(view.pileup.quality[at], reads.mapping_quality[read])
    counted = (quality >= MIN_BASE_QUALITY) & (reads.base[at] < 4)
    row, read, base, quality = row[counted], read[counted], reads.base[at[counted]], quality[counted]
    reference = view.reference[position - view.stretch.start]
    quality = np.where(base == reference[row], np.minimum(quality, settings.reference_cap // 1000), quality).astype(np.uint8)
    count, cost = np.zeros((len(position), 4, 2), np.int64), np.zeros((len(position), 4, 3), np.int64)
    add_bases(row, base, quality, (reads.flag[read] & 16) > 0, COST, count, cost)
    told = genotyped(count, cost, reference, ploidy=ploidy, rule=_rule(settings))
    sites = _records(told, position, count, ploidy)
    _show(sites, told, row, base, reads.name_hash[read])
    return sites


def bases_on(reads: Alignments, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """(entries, 3) int64: row of the site in `position` (sorted), read, and index of the base, of every read base on a site."""
    room = 1 << 14
    while True:
        out = np.empty((room, 3), np.int64)
        n = gather(reads.position, reads.cigar, reads.cigar_start, reads.base_start, position, out)
        if n <= room:
            return out[:n]
        room = n


def _rule(settings: Settings) -> Rule:
    return Rule(settings.min_support, settings.min_snv_share, settings.snv_prior, settings.min_emitted, MAX_QUALITY, MAX_LIKELIHOOD)


def _records(told: Genotyped, position: NDArray[np.int64], count: NDArray[np.int64], ploidy: int) -> list[Site]:
    """The records of the sites that have alleles, but for the fragments that show these."""
    rows = np.flatnonzero(told.alleles)
    used = np.arange(MOST_ALLELES) < told.alleles[rows, None]
    strands = count[rows[:, None], told.allele[rows]] * used[:, :, None]
    by_strand = np.concatenate((strands[:, 0], strands[:, 1:].sum(axis=1)), axis=1)
    of_genotypes = (told.genotype[rows, :ploidy], told.likelihood[rows], *told.quality[rows].T)
    of_bases = (count[rows].sum(axis=(1, 2)), strands.sum(axis=2), by_strand)
    sites = []
    for place, n, code, genotype, likelihood, sure, quality, depth, depths, strand in zip(
        *map(np.ndarray.tolist, (position[rows], told.alleles[rows], told.allele[rows], *of_genotypes, *of_bases)), strict=True
    ):
        alleles = tuple(_LETTERS[each] for each in code[:n])
        likelihoods = tuple(likelihood[: (n + 1) * (n + 2) // 2 if ploidy == 2 else n + 1])
        sites.append(Site(place, alleles, tuple(genotype), likelihoods, sure, quality, depth, tuple(depths[:n]), tuple(strand), False))
    return sites


def _show(sites: list[Site], told: Genotyped, row: NDArray[np.int64], base: NDArray[np.uint8], name: NDArray[np.uint64]) -> None:
    """Gives the records the fragments of the bases that show one of their alleles."""
    number = np.full((len(told.alleles), 4), -1, np.int64)
    for allele in range(MOST_ALLELES):
        has = np.flatnonzero(told.alleles > allele)
        number[has, told.allele[has, allele]] = allele
    shown = number[row, base]
    order = np.argsort(row, kind="stable")
    order = order[shown[order] >= 0]
    name, shown = name[order], shown[order]
    first, last = (np.searchsorted(row[order], np.flatnonzero(told.alleles), side=side).tolist() for side in ("left", "right"))
    for site, a, b in zip(sites, first, last, strict=True):
        site.shown = name[a:b], shown[a:b]

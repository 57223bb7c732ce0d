"""Genotypes of the sites of a region, from the costs of its haplotypes.

The two best haplotypes are kept, and at one site after the other every allele is put on either of them; the cost of a genotype is that of
the better way to put its two alleles on the two haplotypes. So the other sites of the region are held at their best while one is judged.
A deletion of one haplotype that lies over the site is an allele there too; the deletion itself is told by its own record. Events that were
tried and are on neither are put there likewise, and tell how sure the reference is at their place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, with_event
from genopipe.call.haplotypes import Search, lying_over, site_alleles, with_allele
from genopipe.call.settings import Settings
from genopipe.call.sites import DELETED, Site, choose, genotypes, normalised, record_alleles, shown_by, strand_counts
from genopipe.kernels.genotype import pair_costs

_CLEAR = 3_000
"""Milli-phred by which the best allele must lead for a fragment to show it."""


class ReferenceFit(NamedTuple):
    """By how much (milli-phred) one and two copies of an event cost more than the best haplotypes; `position` is that of its record."""

    position: int
    one: int
    two: int


def region_sites(search: Search, settings: Settings) -> list[Site]:
    """The records of one region."""
    found = [_site(search, site, events, lying_over(search, site), settings) for site, events in site_alleles(search).items()]
    return [site for site in found if site is not None]


def region_fits(search: Search, settings: Settings) -> list[ReferenceFit]:
    """How the events stand that were tried and are on neither of the best haplotypes."""
    known, taken = search.evidence.column, {event for haplotype in search.pair for event in haplotype}
    tried = [(event, [with_event(haplotype, event) for haplotype in search.pair]) for event in search.prior if event not in taken]
    told = [(event.position - event.is_indel, both) for event, both in tried if all(haplotype in known for haplotype in both)]
    haplotypes = [*search.pair, *(haplotype for _, both in told for haplotype in both)]
    cost = search.evidence.fragment_costs(haplotypes, settings)
    pair = pair_costs(cost) if search.ploidy == 2 else cost.sum(axis=0)[:, None].repeat(len(haplotypes), axis=1)
    fits = []
    for i, (position, _) in enumerate(told, 1):
        first, second = 2 * i, 2 * i + 1
        one, two = min(pair[first, 1], pair[0, second]), pair[first, second]
        fits.append(ReferenceFit(position, int(one - pair[0, 1]), int(two - pair[0, 1])))
    return fits


def _site(search: Search, site: tuple[int, bool], events: list[Event], over: list[Event], settings: Settings) -> Site | None:
    choices = (None, *events, *over)
    first, second = ([with_allele(haplotype, site, event, over) for event in choices] for haplotype in search.pair)
    cost = search.evidence.fragment_costs(first + second, settings)
    n = len(choices)
    allele_cost = np.minimum(cost[:, :n], cost[:, n:])
    called = _genotype_costs(cost, n, search.ploidy)
    choice = choose(called, [*(search.prior[event] for event in events), *(0 for _ in over)])
    if choice.quality * 1000 < settings.min_emitted or not any(0 < allele <= len(events) for allele in choice.genotype):
        return None
    position, alleles = record_alleles(events, search.evidence.stretch)
    alleles += (DELETED,) * len(over)
    here = _over(search, position, position + len(alleles[0]))
    shown = np.where(here, _shown(allele_cost), -1)
    depths = tuple(np.bincount(shown + 1, minlength=n + 1)[1:].tolist())
    strands = strand_counts(shown[search.evidence.fragment], search.evidence.reverse)
    likelihood = normalised(_with_any_other(called, allele_cost, search.ploidy))
    names = shown_by(search.evidence.name_hash, shown)
    quality, best = choice.quality, choice.genotype
    return Site(position, alleles, best, likelihood, choice.genotype_quality, quality, int(here.sum()), depths, strands, True, shown=names)


def _genotype_costs(cost: NDArray[np.int64], n: int, ploidy: int) -> dict[tuple[int, ...], int]:
    if ploidy == 1:
        return {(allele,): int(cost[:, allele].sum()) for allele in range(n)}
    pair = pair_costs(cost)
    return {(a, b): int(min(pair[a, n + b], pair[b, n + a])) for a, b in genotypes(n, 2)}


def _with_any_other(called: dict[tuple[int, ...], int], allele_cost: NDArray[np.int64], ploidy: int) -> list[int]:
    """Costs of all genotypes, those with an allele that was not seen included: it fits each fragment as badly as the worst allele seen."""
    with_other = np.concatenate((allele_cost, allele_cost.max(axis=1, keepdims=True)), axis=1)
    pair = pair_costs(with_other)
    alone = with_other.sum(axis=0)
    rough = {genotype: int(pair[genotype] if ploidy == 2 else alone[genotype]) for genotype in genotypes(with_other.shape[1], ploidy)}
    best = min(called, key=lambda genotype: (called[genotype], genotype))
    return [called[g] if g in called else called[best] + max(rough[g] - rough[best], 0) for g in genotypes(with_other.shape[1], ploidy)]


def _over(search: Search, start: int, end: int) -> NDArray[np.bool_]:
    """Which fragments lie over any base of a span."""
    evidence = search.evidence
    over = np.zeros(evidence.n_fragments, bool)
    over[evidence.fragment[(evidence.span[:, 0] < end) & (evidence.span[:, 1] > start)]] = True
    return over


def _shown(allele_cost: NDArray[np.int64]) -> NDArray[np.int64]:
    """The allele each fragment clearly shows, or -1."""
    ordered = np.sort(allele_cost, axis=1)
    return np.where(ordered[:, 1] - ordered[:, 0] >= _CLEAR, np.argmin(allele_cost, axis=1), -1)

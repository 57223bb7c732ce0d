"""Which pair of haplotypes explains the reads of a region best, found by trying.

The first haplotypes are the reference, each event that the alignments show, and each detour that assembly finds. Then, round by round, the
events are put on and taken off the two best haplotypes, one at a time and, when that helps no more, two at a time, until no change makes
the pair better. An event costs its prior once, wherever it stands. `settle` leaves, besides the best pair, the costs of every allele on
either of them, so that genotypes of single sites can be told; none of these makes a better pair, so that the sites of a region agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, Haplotype, Stretch, compatible, events_of, spread, with_event, without_event
from genopipe.call.evidence import Evidence, judge
from genopipe.call.settings import Settings
from genopipe.kernels.assembly import detours
from genopipe.kernels.genotype import pair_costs

_ROUNDS = 7
_MANY_EVENTS = 8
_MANY_UNITS = 5


@dataclass(slots=True)
class Search:
    """The state of one region: known events with their priors, and the best pair of the `judged` first haplotypes of the evidence."""

    evidence: Evidence
    ploidy: int
    prior: dict[Event, int]
    pair: tuple[Haplotype, Haplotype] = ((), ())
    judged: int = 0
    done: bool = False

    def choose(self, settings: Settings) -> None:
        """Takes the best pair of all haplotypes that are judged now."""
        if self.judged < len(self.evidence.column):
            self.pair, self.judged = best_pair(self, settings), len(self.evidence.column)


def settle(evidences: list[Evidence], *, ploidy: int, settings: Settings) -> list[Search]:
    """The best pair of haplotypes of each region; with ploidy 1 both are the same one."""
    searches, work = [], []
    for evidence in evidences:
        first = _first_haplotypes(evidence, settings)
        events = list(dict.fromkeys(event for haplotype in first for event in haplotype))
        searches.append(Search(evidence, ploidy, {event: event_prior(event, evidence.stretch, settings) for event in events}))
        work.append((evidence, first))
    judge(work)
    for _ in range(_ROUNDS):
        running = [search for search in searches if not search.done]
        judge([(search.evidence, _improve(search, settings)) for search in running])
    for search in searches:
        search.choose(settings)
    _vary(searches, settings)
    return searches


def _vary(searches: list[Search], settings: Settings) -> None:
    """Judges the alleles of each best pair on either haplotype; where that finds a better pair, those of the better one."""
    for _ in range(_ROUNDS):
        judge([(search.evidence, list(variations(search))) for search in searches])
        before = [search.pair for search in searches]
        for search in searches:
            search.choose(settings)
        searches = [search for search, pair in zip(searches, before, strict=True) if search.pair != pair]
    judge([(search.evidence, list(variations(search))) for search in searches])


def event_prior(event: Event, stretch: Stretch, settings: Settings) -> int:
    """Cost of an event: the rate of heterozygous sites in human genomes, higher for indels in long tandem repeats."""
    if not event.is_indel:
        return settings.snv_prior
    low, high = spread(event, stretch)
    unit = max(abs(event.ref_length - len(event.alt)), 1)
    return settings.repeat_prior if (high - low) >= _MANY_UNITS * unit else settings.indel_prior


def best_pair(search: Search, settings: Settings) -> tuple[Haplotype, Haplotype]:
    """The pair of judged haplotypes with the lowest cost; of equal ones the first in order of their events."""
    haplotypes = sorted(search.evidence.column)
    cost = search.evidence.fragment_costs(haplotypes, settings)
    if search.ploidy == 1:
        alone = cost.sum(axis=0) + [sum(search.prior[event] for event in haplotype) for haplotype in haplotypes]
        best = haplotypes[int(np.argmin(alone))]
        return best, best
    total = pair_costs(cost) + _pair_priors(haplotypes, search.prior)
    row, column = divmod(int(np.argmin(total)), len(haplotypes))
    return haplotypes[row], haplotypes[column]


def _pair_priors(haplotypes: list[Haplotype], prior: dict[Event, int]) -> NDArray[np.int64]:
    events = list(prior)
    row = {event: i for i, event in enumerate(events)}
    has = np.zeros((len(haplotypes), len(events)), np.int64)
    for i, haplotype in enumerate(haplotypes):
        for event in haplotype:
            has[i, row[event]] = 1
    weight = np.array([prior[event] for event in events], np.int64)
    alone = has @ weight
    return alone[:, None] + alone[None, :] - (has * weight) @ has.T


def _first_haplotypes(evidence: Evidence, settings: Settings) -> list[Haplotype]:
    found: dict[Haplotype, None] = {(): None}
    for event in evidence.region.events[: settings.max_events]:
        if evidence.stretch.start < event.position and event.end < evidence.stretch.end:
            found[(event,)] = None
    for haplotype in _assembled(evidence, settings):
        if len({event for h in found for event in h} | set(haplotype)) <= settings.max_events:
            found[haplotype] = None
    return list(found)


def _assembled(evidence: Evidence, settings: Settings) -> Iterable[Haplotype]:
    """Haplotypes with one detour each, best supported first, that lie inside the stretch and touch the core."""
    stretch, reference = evidence.stretch, np.frombuffer(evidence.stretch.base, np.uint8)
    shown = np.where(evidence.quality >= 10, evidence.base, 4).astype(np.uint8)
    base = np.concatenate((reference, shown))
    start = np.concatenate(([0], evidence.piece_start + len(reference)))
    support = max(settings.min_support, int(settings.min_indel_share * evidence.n_fragments))
    spelled: dict[bytes, int] = {}
    for k in settings.kmers:
        for detour in detours(base, start, k=k, min_support=support):
            sequence = stretch.base[: detour.leave] + detour.base + stretch.base[detour.join :]
            spelled[sequence] = max(spelled.get(sequence, 0), detour.support)
    found = {events_of(sequence, stretch): support for sequence, support in spelled.items()}
    found = {h: support for h, support in found.items() if h and stretch.start < h[0].position and h[-1].end < stretch.end}
    return sorted(found, key=lambda haplotype: (-found[haplotype], haplotype))


def _improve(search: Search, settings: Settings) -> list[Haplotype]:
    """The neighbours of the best pair that are not judged yet; none ends the search."""
    search.choose(settings)
    new = _unjudged(search, 1) or (_unjudged(search, 2) if len(search.prior) <= _MANY_EVENTS else [])
    search.done = not new
    return new


def _unjudged(search: Search, n_changes: int) -> list[Haplotype]:
    """The haplotypes that `n_changes` events tell from one of the best pair, as far as they are not judged."""
    new: dict[Haplotype, None] = {}
    for haplotype in search.pair:
        for events in combinations(search.prior, n_changes):
            changed = haplotype
            for event in events:
                changed = without_event(changed, event) if event in changed else with_event(changed, event)
            if changed not in search.evidence.column:
                new[changed] = None
    return list(new)


def site_alleles(search: Search) -> dict[tuple[int, bool], list[Event]]:
    """The events of the best pair by site."""
    sites: dict[tuple[int, bool], list[Event]] = {}
    for event in sorted({event for haplotype in search.pair for event in haplotype}):
        sites.setdefault(event.site, []).append(event)
    return sites


def lying_over(search: Search, site: tuple[int, bool]) -> list[Event]:
    """The deletion of one of the best haplotypes that begins before the record of a site and lies over its first base."""
    first = site[0] - site[1]
    over = {event for haplotype in search.pair for event in haplotype if event.site != site and event.position <= first < event.end}
    return sorted(event for event in over if event.is_indel and not all(event in haplotype for haplotype in search.pair))[:1]


def variations(search: Search) -> Iterable[Haplotype]:
    """Both best haplotypes with every allele of every site of either."""
    for site, events in site_alleles(search).items():
        over = lying_over(search, site)
        for haplotype in search.pair:
            yield from (with_allele(haplotype, site, event, over) for event in (None, *events, *over))


def with_allele(haplotype: Haplotype, site: tuple[int, bool], event: Event | None, over: list[Event]) -> Haplotype:
    """The haplotype with this event (None: the reference) at a site, in place of whatever it has there or lies over it."""
    bare = tuple(other for other in haplotype if other.site != site and other not in over)
    if event is None:
        return bare
    return with_event(bare, event) if not compatible(event, bare) else tuple(sorted((*bare, event)))

"""One window of the absolute grid, from what is looked at to sites and blocks.

The window is seen with padding on both sides and gives only what begins inside it, so that neighbours agree and a window does not depend on
what else is called. Order: simple sites by their bases; regions by haplotypes; reference blocks of the rest; phase sets. Where it is looked
at slab by slab, blocks and phase sets are made of all of them. The whole cell is always looked at and what begins in the wanted part is
kept, so that records are the same wherever a region is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.bias import tell_bias
from genopipe.call.blocks import Blocks, reference_blocks, refitted
from genopipe.call.coverage import Coverage, measure, measure_targets
from genopipe.call.evidence import gather_evidence
from genopipe.call.features import FEATURES, site_features
from genopipe.call.filters import fail_by_trees, failed_thresholds
from genopipe.call.genotypes import ReferenceFit, region_fits, region_sites
from genopipe.call.haplotypes import settle
from genopipe.call.looks import Calling, Look, Window, looks
from genopipe.call.mitochondria import low_shares, marked
from genopipe.call.phasing import phase
from genopipe.call.ploidy import is_mitochondrial, ploidy_spans
from genopipe.call.settings import Settings
from genopipe.call.simple import simple_sites
from genopipe.call.sites import Site
from genopipe.call.view import View, columns_of, joined_columns


class Tried(NamedTuple):
    """How many simple sites were settled and regions compared, and how many of these by a part of their fragments, or of their events."""

    simple: int = 0
    regions: int = 0
    deep: int = 0
    crowded: int = 0


@dataclass(slots=True)
class Found:
    """What a window gives: sites and blocks that begin in it, both sorted, the blocks by span; its coverage, what was tried, and, if
    wanted, the features of its sites (sites, features) int64."""

    sites: list[Site]
    blocks: list[Blocks]
    coverage: Coverage
    tried: Tried
    features: NDArray[np.int64]


Span = tuple[int, int, int]
"""Start and end of bases, and how many copies they are called in."""


def call_window(calling: Calling, window: Window) -> Found:
    """Sites and (if wanted) blocks of one window."""
    return settled(calling, window, looks(calling, window))


def settled(calling: Calling, window: Window, looks: Iterable[Look]) -> Found:
    """Sites and blocks of a window by what was looked at of it; each look is let go of before the next is asked for."""
    spans = [(max(a, window.cell[0]), min(b, window.cell[1]), copies) for a, b, copies in ploidy_spans(window.contig, calling.sex)]
    near: dict[Span, list[Site]] = {span: [] for span in spans if span[0] < span[1]}
    found = Found([], [], Coverage(), Tried(), np.empty((0, len(FEATURES)), np.int64))
    # mapped, so that no name holds a look
    parts = list(map(partial(_settle, found, near, calling, window), looks))
    whole = joined_columns(parts)
    for span, sites in near.items():
        if calling.with_blocks:
            found.blocks.append(reference_blocks(whole, sites, span=span, settings=calling.settings))
        _add_coverage(found.coverage, whole, sites, span, calling, window)
    _judge(calling, window, found)
    _keep_wanted(found, window)
    return found


def _settle(found: Found, near: dict[Span, list[Site]], calling: Calling, window: Window, look: Look) -> View:
    """Adds the records of a look to what is found, and those of each span and of regions that reach into it to `near`; gives its view
    without reads, the fit put right."""
    found.tried = Tried(*(a + b for a, b in zip(found.tried, _tried(calling, window, look), strict=True)))
    new, fits = list[Site](), list[ReferenceFit]()
    for span, known in near.items():
        every, told = _near(look, span, calling.settings)
        if is_mitochondrial(window.contig):
            every = _with_mixtures(every, calling, look, span)
        sites = [site for site in every if look.start <= site.position < look.end]
        fits.extend(told)
        known.extend(sites)
        new.extend(site for site in sites if span[0] <= site.position < span[1])
    tell_bias(look.here, new)
    found.sites.extend(new)
    if calling.with_features or calling.forest is not None:
        found.features = np.concatenate((found.features, site_features(look.here, new)))
    return refitted(columns_of(look.here, look.start, look.end), look.regions, fits, calling.settings)


def _with_mixtures(near: list[Site], calling: Calling, look: Look, span: Span) -> list[Site]:
    """The mitochondrial records, and those of alleles of low share."""
    mixtures = low_shares(look.here, near, span=span[:2], settings=calling.settings)
    ordered = sorted([*near, *mixtures], key=lambda site: (site.position, site.alleles))
    return [marked(site, calling.model.depth) for site in ordered]


def _add_coverage(coverage: Coverage, whole: View, near: list[Site], span: Span, calling: Calling, window: Window) -> None:
    """Adds the coverage of what is wanted of the span; `near` holds the neighbours' sites too: a deletion that begins before a bound keeps
    its bases out of what is behind."""
    start, end = max(span[0], window.start), min(span[1], window.end)
    if start < end:
        seen, each = measure(whole, near, span=(start, end, span[2]), settings=calling.settings)
        coverage.counts += seen.counts
        coverage.uncallable.extend(seen.uncallable)
        if calling.targets is not None:
            coverage.targets.append(measure_targets(each, calling.targets.over(window.contig.name, start, end), start))


def _judge(calling: Calling, window: Window, found: Found) -> None:
    """Tells the sites which filters they fail, and phase sets; mitochondrial ones have neither trees nor phase."""
    for site in found.sites:
        site.filters = failed_thresholds(site, calling.settings)
    if is_mitochondrial(window.contig):
        return
    if calling.forest is not None:
        fail_by_trees(found.sites, found.features, calling.forest)
    phase(found.sites)


def _keep_wanted(found: Found, window: Window) -> None:
    """Leaves what begins in the wanted part of the window; which fragments show it is no longer needed, and at great depth much."""
    inside = [window.start <= site.position < window.end for site in found.sites]
    found.sites[:] = compress(found.sites, inside)
    for site in found.sites:
        site.shown = None
    found.features = found.features[np.array(inside[: len(found.features)], bool)]
    found.blocks[:] = [blocks.beginning_in(window.start, window.end) for blocks in found.blocks]


def _tried(calling: Calling, window: Window, look: Look) -> Tried:
    """Counts of what begins in the cell, as far as it is looked at."""
    cell, pileup, settings = window.cell, look.here.pileup, calling.settings
    low, high = max(look.start, cell[0]), min(look.end, cell[1])
    regions = [region for region in look.regions if low <= region.start < high]
    simple = np.count_nonzero((look.simple >= low) & (look.simple < high))
    most = [int(pileup.depth[max(region.start - pileup.start, 0) : region.end - pileup.start].max(initial=0)) for region in regions]
    deep = sum(n > settings.max_fragments for n in most)
    return Tried(int(simple), len(regions), deep, sum(len(region.events) > settings.max_events for region in regions))


def _near(look: Look, span: Span, settings: Settings) -> tuple[list[Site], list[ReferenceFit]]:
    """The records of the simple sites in the span and of all regions that reach into it; and what was tried in the span."""
    here, simple = look.here, look.simple
    start, end, ploidy = max(span[0], look.start), min(span[1], look.end), span[2]
    inside = simple[(simple >= start) & (simple < end)]
    found = simple_sites(here, position=inside, ploidy=ploidy, settings=settings)
    longest = int((here.reads.end - here.reads.position).max(initial=0)) + 2 * settings.longest_region
    near = [region for region in look.regions if region.end + settings.flank > start and region.start - settings.flank < end]
    evidences = [gather_evidence(here, region, longest=longest, settings=settings) for region in near]
    searches = settle([e for e in evidences if len(e.fragment)], ploidy=ploidy, settings=settings)
    for search in searches:
        found += region_sites(search, settings)
    fits = [fit for search in searches for fit in region_fits(search, settings) if span[0] <= fit.position < span[1]]
    return _without_repeats(sorted(found, key=lambda site: (site.position, site.alleles))), fits


def _without_repeats(sites: list[Site]) -> list[Site]:
    """Two regions may meet: of records with the same alleles at the same place the better one stays."""
    kept: dict[tuple[int, tuple[str, ...]], Site] = {}
    for site in sites:
        key = site.position, site.alleles
        if key not in kept or site.quality > kept[key].quality:
            kept[key] = site
    return list(kept.values())

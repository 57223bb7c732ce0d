"""One window of the absolute grid, from reads to sites and blocks.

The window is seen with padding on both sides and gives only what begins inside it, so that neighbours agree and a window does not depend on
what else is called. Order: reads, pileup, candidates; simple sites by their bases; regions by haplotypes; reference blocks of the rest;
phase sets. Where reads lie so deep that they are too many at once, the first steps go slab by slab, each seen with padding likewise, and
blocks and phase sets are made of all of them. The whole cell is always looked at and what begins in the wanted part is kept, so that
records are the same wherever a region is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.bias import with_bias
from genopipe.call.blocks import Blocks, reference_blocks
from genopipe.call.coverage import Coverage, measure, measure_targets
from genopipe.call.evidence import gather_evidence
from genopipe.call.features import FEATURES, site_features
from genopipe.call.filters import by_trees, failed_thresholds
from genopipe.call.forest import Forest
from genopipe.call.genotypes import region_sites
from genopipe.call.haplotypes import settle
from genopipe.call.mitochondria import low_shares, marked
from genopipe.call.model import Model
from genopipe.call.phasing import phased
from genopipe.call.ploidy import Sex, is_mitochondrial, ploidy_spans
from genopipe.call.recalibration import recalibrated
from genopipe.call.regions import Region, find_regions
from genopipe.call.settings import Settings
from genopipe.call.simple import simple_sites
from genopipe.call.sites import Site
from genopipe.call.targets import Targets
from genopipe.call.view import View, columns_of, joined_columns, view
from genopipe.formats.bam_index import Bam
from genopipe.formats.bam_reader import read_pieces
from genopipe.formats.genome import fetch
from genopipe.formats.slabs import Slab, slabs, thinned
from genopipe.model import Alignments, Contig, Genome

Candidates = tuple[list[Region], NDArray[np.int64]]
"""Regions, and the positions of simple sites."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where reads come from: a BAM and the sample's read groups; what was learnt of them; the intervals whose coverage is wanted too; a
    learnt filter in place of the thresholds; and whether the features that one goes by are wanted."""

    bam: Bam
    read_groups: NDArray[np.uint64] | None
    model: Model
    targets: Targets | None = None
    forest: Forest | None = None
    with_features: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Bases `start` to `end` of a contig, a cell of the grid as far as it is wanted; `bam_contig` is the contig's row in the BAM."""

    contig: Contig
    bam_contig: int | None
    cell: tuple[int, int]
    start: int
    end: int


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


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked at, and how: bases `start` to `end` of the padded cell, in a view that has padding of its own."""

    source: Source
    window: Window
    settings: Settings
    start: int
    end: int
    here: View


Span = tuple[int, int, int]
"""Start and end of bases, and how many copies they are called in."""


def call_window(source: Source, genome: Genome, window: Window, *, sex: Sex | None, settings: Settings, with_blocks: bool = False) -> Found:
    """Sites and (if wanted) blocks of one window."""
    spans = [(max(a, window.cell[0]), min(b, window.cell[1]), copies) for a, b, copies in ploidy_spans(window.contig, sex)]
    near: dict[Span, list[Site]] = {span: [] for span in spans if span[0] < span[1]}
    found = Found([], [], Coverage(), Tried(), np.empty((0, len(FEATURES)), np.int64))
    # mapped, so that the reads of one look are gone before those of the next come
    looks = list(map(partial(_settled, found, near), _looks(source, genome, window, settings)))
    whole = replace(looks[0], end=looks[-1].end, here=joined_columns([look.here for look in looks]))
    for span, sites in near.items():
        if with_blocks:
            found.blocks.append(reference_blocks(whole.here, sites, span=span, settings=settings))
        _add_coverage(found.coverage, whole, sites, span)
    found.sites[:] = _judged(whole, found)
    _keep_wanted(found, window)
    return found


def _settled(found: Found, near: dict[Span, list[Site]], look: _Look) -> _Look:
    """Adds the records of a look to what is found, and those of each span and of regions that reach into it to `near`; gives the look
    without its reads."""
    candidates = find_regions(look.here, settings=look.settings)
    found.tried = Tried(*(a + b for a, b in zip(found.tried, _tried(look, candidates), strict=True)))
    new: list[Site] = []
    for span, known in near.items():
        sites = [site for site in _sites_of(look, candidates, span) if look.start <= site.position < look.end]
        known.extend(sites)
        new.extend(site for site in sites if span[0] <= site.position < span[1])
    found.sites.extend(with_bias(look.here, new))
    if look.source.with_features or look.source.forest is not None:
        found.features = np.concatenate((found.features, site_features(look.here, new)))
    return replace(look, here=columns_of(look.here, look.start, look.end))


def _sites_of(look: _Look, candidates: Candidates, span: Span) -> list[Site]:
    """The records of the span, and of regions that reach into it."""
    near = _sites_near(look, candidates, span)
    if not is_mitochondrial(look.window.contig):
        return near
    mixtures = low_shares(look.here, near, span=span[:2], settings=look.settings)
    ordered = sorted([*near, *mixtures], key=lambda site: (site.position, site.alleles))
    return [marked(site, look.source.model.depth) for site in ordered]


def _add_coverage(coverage: Coverage, look: _Look, near: list[Site], span: Span) -> None:
    """Adds the coverage of what is wanted of the span; `near` holds the neighbours' sites too: a deletion that begins before a bound keeps
    its bases out of what is behind."""
    start, end = max(span[0], look.window.start), min(span[1], look.window.end)
    if start < end:
        seen, each = measure(look.here, near, span=(start, end, span[2]), settings=look.settings)
        coverage.counts += seen.counts
        coverage.uncallable.extend(seen.uncallable)
        targets = look.source.targets
        if targets is not None:
            coverage.targets.append(measure_targets(each, targets.over(look.window.contig.name, start, end), start))


def _judged(look: _Look, found: Found) -> list[Site]:
    """The sites with the filters they fail, and phase sets; mitochondrial ones have neither trees nor phase."""
    forest = look.source.forest
    sites = [replace(site, filters=failed_thresholds(site, look.settings)) for site in found.sites]
    if is_mitochondrial(look.window.contig):
        return sites
    return phased(sites if forest is None else by_trees(sites, found.features, forest))


def _keep_wanted(found: Found, window: Window) -> None:
    """Leaves what begins in the wanted part of the window; which fragments show it is no longer needed, and at great depth much."""
    inside = [window.start <= site.position < window.end for site in found.sites]
    found.sites[:] = [replace(site, shown=None) for site in compress(found.sites, inside)]
    found.features = found.features[np.array(inside[: len(found.features)], bool)]
    found.blocks[:] = [blocks.beginning_in(window.start, window.end) for blocks in found.blocks]


def _tried(look: _Look, candidates: Candidates) -> Tried:
    """Counts of what begins in the cell, as far as it is looked at."""
    cell, pileup, settings = look.window.cell, look.here.pileup, look.settings
    low, high = max(look.start, cell[0]), min(look.end, cell[1])
    regions = [region for region in candidates[0] if low <= region.start < high]
    simple = np.count_nonzero((candidates[1] >= low) & (candidates[1] < high))
    most = [int(pileup.depth[max(region.start - pileup.start, 0) : region.end - pileup.start].max(initial=0)) for region in regions]
    deep = sum(n > settings.max_fragments for n in most)
    return Tried(int(simple), len(regions), deep, sum(len(region.events) > settings.max_events for region in regions))


def _looks(source: Source, genome: Genome, window: Window, settings: Settings) -> Iterator[_Look]:
    """The padded cell in one look, or in several, each with padding of its own, where its reads are too many."""
    cell, padding = window.cell, settings.padding
    low, high = max(cell[0] - padding, 0), min(cell[1] + padding, window.contig.length)
    pieces = thinned(_pieces(source, window, low, high, settings), _most_depth(source, window, settings))

    def look(slab: Slab) -> _Look:
        start, end = max(slab.start - padding, low), min(slab.end + padding, high)
        reads = recalibrated(slab.reads, source.model.quality_tables)
        here = view(reads, fetch(genome, window.contig.name, start, end), start, gap_rate=source.model.gap_chance)
        first, last = slab.start == cell[0], slab.end == cell[1]
        return _Look(source, window, settings, low if first else slab.start, high if last else slab.end, here)

    return map(look, slabs(pieces, start=cell[0], end=cell[1], margin=padding, most_bases=settings.most_bases))


def _pieces(source: Source, window: Window, low: int, high: int, settings: Settings) -> Iterator[Alignments]:
    if window.bam_contig is None:
        return iter(())
    quality, groups = settings.min_mapping_quality, source.read_groups
    return read_pieces(source.bam, window.bam_contig, start=low, end=high, min_mapping_quality=quality, read_groups=groups)


def _most_depth(source: Source, window: Window, settings: Settings) -> int:
    return settings.most_mitochondrial_depth if is_mitochondrial(window.contig) else source.model.depth_cap


def _sites_near(look: _Look, candidates: Candidates, span: Span) -> list[Site]:
    """The records of the simple sites in the span and of all regions that reach into it."""
    here, settings, (regions, simple) = look.here, look.settings, candidates
    start, end, ploidy = max(span[0], look.start), min(span[1], look.end), span[2]
    inside = simple[(simple >= start) & (simple < end)]
    found = simple_sites(here, position=inside, ploidy=ploidy, settings=settings)
    longest = int((here.reads.end - here.reads.position).max(initial=0)) + 2 * settings.longest_region
    near = [region for region in regions if region.end + settings.flank > start and region.start - settings.flank < end]
    evidences = [gather_evidence(here, region, longest=longest, settings=settings) for region in near]
    for search in settle([e for e in evidences if len(e.fragment)], ploidy=ploidy, settings=settings):
        found += region_sites(search, settings)
    return _without_repeats(sorted(found, key=lambda site: (site.position, site.alleles)))


def _without_repeats(sites: list[Site]) -> list[Site]:
    """Two regions may meet: of records with the same alleles at the same place the better one stays."""
    kept: dict[tuple[int, tuple[str, ...]], Site] = {}
    for site in sites:
        key = site.position, site.alleles
        if key not in kept or site.quality > kept[key].quality:
            kept[key] = site
    return list(kept.values())

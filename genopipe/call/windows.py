"""One window of the absolute grid, from reads to sites and blocks.

The window is seen with padding on both sides and gives only what begins inside it, so that neighbours agree and a window does not depend on
what else is called. Order: reads, pileup, candidates; simple sites by their bases; regions by haplotypes; reference blocks of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.call.blocks import Block, reference_blocks
from genopipe.call.coverage import Coverage, measure
from genopipe.call.events import Stretch
from genopipe.call.evidence import gather_evidence
from genopipe.call.genotypes import region_sites
from genopipe.call.haplotypes import settle
from genopipe.call.ploidy import Sex, ploidy_spans
from genopipe.call.regions import Region, find_regions
from genopipe.call.settings import Settings
from genopipe.call.simple import simple_sites
from genopipe.call.sites import Site
from genopipe.formats.bam_index import Bam
from genopipe.formats.bam_reader import no_reads, read_stretch
from genopipe.formats.genome import fetch
from genopipe.kernels.pileup import Pileup, pile
from genopipe.model import Alignments, Contig, Genome


@dataclass(frozen=True, slots=True)
class Source:
    """Where reads come from: a BAM, the row of the contig in it, and the sample's read groups."""

    bam: Bam
    read_groups: NDArray[np.uint64] | None


@dataclass(frozen=True, slots=True)
class Window:
    """Bases `start` to `end` of a contig, a cell of the grid as far as it is wanted; `bam_contig` is the contig's row in the BAM."""

    contig: Contig
    bam_contig: int | None
    cell: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a window gives: sites and blocks that begin in it, both sorted, its coverage, and how many regions and simple sites it had."""

    sites: list[Site]
    blocks: list[Block]
    coverage: Coverage
    n_regions: int
    n_simple: int


def call_window(source: Source, genome: Genome, window: Window, *, sex: Sex | None, settings: Settings, with_blocks: bool = False) -> Found:
    """Sites and (if wanted) blocks of one window."""
    low = max(window.cell[0] - settings.padding, 0)
    high = min(window.cell[1] + settings.padding, window.contig.length)
    reference = fetch(genome, window.contig.name, low, high)
    reads = _reads(source, window, low, high, settings)
    pileup = pile(reads, reference, low)
    stretch = Stretch(low, reference.tobytes())
    regions, simple = find_regions(reads, pileup, stretch, settings=settings)
    spans = [(max(a, window.start), min(b, window.end), ploidy) for a, b, ploidy in ploidy_spans(window.contig, sex)]
    sites: list[Site] = []
    blocks: list[Block] = []
    coverage = Coverage()
    for a, b, ploidy in spans:
        if a < b:
            inside = simple[(simple >= a) & (simple < b)]
            near = _span_sites(reads, pileup, stretch, regions, inside, span=(a, b, ploidy), settings=settings)
            sites += [site for site in near if a <= site.position < b]
            seen = measure(pileup, reference, near, span=(a, b, ploidy), settings=settings)
            coverage.add(seen)
            coverage.uncallable += seen.uncallable
            if with_blocks:
                # near holds the neighbours' sites too: a deletion that begins before a bound keeps its bases out of the blocks behind
                blocks += reference_blocks(pileup, reference, near, span=(a, b, ploidy), settings=settings)
    return Found(sites, blocks, coverage, len(regions), len(simple))


def _reads(source: Source, window: Window, low: int, high: int, settings: Settings) -> Alignments:
    if window.bam_contig is None:
        return no_reads()
    return read_stretch(
        source.bam,
        window.bam_contig,
        start=low,
        end=high,
        min_mapping_quality=settings.min_mapping_quality,
        read_groups=source.read_groups,
    )


def _span_sites(
    reads: Alignments,
    pileup: Pileup,
    stretch: Stretch,
    regions: list[Region],
    simple: NDArray[np.int64],
    *,
    span: tuple[int, int, int],
    settings: Settings,
) -> list[Site]:
    start, end, ploidy = span
    found = simple_sites(reads, pileup, stretch, position=simple, ploidy=ploidy, settings=settings)
    longest = int((reads.end - reads.position).max(initial=0)) + 2 * settings.longest_region
    near = [region for region in regions if region.end + settings.flank > start and region.start - settings.flank < end]
    evidences = [gather_evidence(reads, region, stretch, longest=longest, settings=settings) for region in near]
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

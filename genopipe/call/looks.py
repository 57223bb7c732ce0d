"""What is looked at of one window of the absolute grid: its reads, what they show, and where it differs from the reference.

A window is looked at with padding on both sides, whole, or slab by slab where its reads lie so deep that they are too many at once; each
slab has padding likewise. Nothing else asks for reads: what is settled later goes by looks alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.call.forest import Forest
from genopipe.call.model import Model
from genopipe.call.ploidy import Sex, is_mitochondrial
from genopipe.call.recalibration import recalibrated
from genopipe.call.regions import Region, find_regions
from genopipe.call.settings import Settings
from genopipe.call.targets import Targets
from genopipe.call.view import View, narrowed, view
from genopipe.formats.bam_index import Bam
from genopipe.formats.bam_reader import read_pieces
from genopipe.formats.genome import fetch
from genopipe.formats.slabs import Slab, slabs, thinned
from genopipe.model import Alignments, Contig, Genome


@dataclass(frozen=True, slots=True)
class Calling:
    """What windows are called from, and how.

    read_groups  of the sample in the BAM
    model        what was learnt of the sample
    targets      intervals whose coverage is wanted too
    forest       a learnt filter in place of the thresholds
    """

    genome: Genome
    bam: Bam
    read_groups: NDArray[np.uint64] | None
    model: Model
    settings: Settings
    sex: Sex | None = None
    targets: Targets | None = None
    forest: Forest | None = None
    with_blocks: bool = False
    with_features: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Bases `start` to `end` of a contig, a cell of the grid as far as it is wanted; `bam_contig` is the contig's row in the BAM."""

    contig: Contig
    bam_contig: int | None
    cell: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Look:
    """Bases `start` to `end` of a padded window, in a view that has padding of its own; the regions in it, and where simple sites are.

    simple  (sites) int64: positions
    """

    start: int
    end: int
    here: View
    regions: list[Region]
    simple: NDArray[np.int64]


def looks(calling: Calling, window: Window) -> Iterator[Look]:
    """The window, padded, in one look or several. The reads of one need not be kept for the next."""
    cell, padding, model = window.cell, calling.settings.padding, calling.model
    low, high = max(cell[0] - padding, 0), min(cell[1] + padding, window.contig.length)

    def look(slab: Slab) -> Look:
        start, end = max(slab.start - padding, low), min(slab.end + padding, high)
        reads = recalibrated(slab.reads, model.quality_tables)
        here = view(reads, fetch(calling.genome, window.contig.name, start, end), start, gap_rate=model.gap_chance)
        regions, simple = find_regions(here, settings=calling.settings)
        if not _all_reads_count(calling, window):
            here = narrowed(here, _spans(regions, simple, calling.settings))
        first, last = slab.start == cell[0], slab.end == cell[1]
        return Look(low if first else slab.start, high if last else slab.end, here, regions, simple)

    pieces = thinned(_pieces(calling, window, low, high), _most_depth(calling, window))
    return map(look, slabs(pieces, start=cell[0], end=cell[1], margin=padding, most_bases=calling.settings.most_bases))


def _all_reads_count(calling: Calling, window: Window) -> bool:
    """Whether reads are looked at that lie over neither a region nor a simple site."""
    return is_mitochondrial(window.contig) or calling.with_features or calling.forest is not None


def _spans(regions: list[Region], simple: NDArray[np.int64], settings: Settings) -> NDArray[np.int64]:
    """(regions and sites, 2): where the reads lie that records go by, the base before a region included, which a record may begin with."""
    of_regions = [(region.start - settings.flank - 1, region.end + settings.flank) for region in regions]
    return np.concatenate((np.array(of_regions, np.int64).reshape(-1, 2), np.stack((simple, simple + 1), axis=1)))


def _pieces(calling: Calling, window: Window, low: int, high: int) -> Iterator[Alignments]:
    if window.bam_contig is None:
        return iter(())
    quality, groups = calling.settings.min_mapping_quality, calling.read_groups
    return read_pieces(calling.bam, window.bam_contig, start=low, end=high, min_mapping_quality=quality, read_groups=groups)


def _most_depth(calling: Calling, window: Window) -> int:
    return calling.settings.most_mitochondrial_depth if is_mitochondrial(window.contig) else calling.model.depth_cap

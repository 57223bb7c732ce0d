"""What is looked at of one window of the absolute grid: its reads, what they show, and where it differs from the reference.

A window is looked at with padding on both sides, whole, or slab by slab where its reads lie so deep that they are too many at once; each
slab has padding likewise. Nothing else asks for reads: what is settled later goes by looks alone. A device looks at windows in
`far_looks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.forest import Forest
from genopipe.call.model import Model
from genopipe.call.ploidy import Sex, is_mitochondrial
from genopipe.call.recalibration import recalibrated
from genopipe.call.regions import Region, find_regions
from genopipe.call.settings import Settings
from genopipe.call.targets import Targets
from genopipe.call.view import View, view
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


class Given(NamedTuple):
    """What a window is looked at by: its reads, in pieces of file order, and the reference (codes) where it is padded."""

    pieces: Iterable[Alignments]
    reference: NDArray[np.uint8]


def looks(calling: Calling, window: Window, given: Given | None = None) -> Iterator[Look]:
    """The window, padded, in one look or several, by what is given or else read. The reads of one need not be kept for the next."""
    cell, padding, model = window.cell, calling.settings.padding, calling.model
    low, high = padded(window, calling.settings)
    pieces, reference = read(calling, window) if given is None else given

    def look(slab: Slab) -> Look:
        start, end = max(slab.start - padding, low), min(slab.end + padding, high)
        reads = recalibrated(slab.reads, model.quality_tables)
        here = view(reads, reference[start - low : end - low], start, gap_rate=model.gap_chance)
        regions, simple = find_regions(here, settings=calling.settings)
        first, last = slab.start == cell[0], slab.end == cell[1]
        return Look(low if first else slab.start, high if last else slab.end, here, regions, simple)

    thin = thinned(pieces, _most_depth(calling, window))
    return map(look, slabs(thin, start=cell[0], end=cell[1], margin=padding, most_bases=calling.settings.most_bases))


def padded(window: Window, settings: Settings) -> tuple[int, int]:
    """Start and end of the window with padding on both sides."""
    return max(window.cell[0] - settings.padding, 0), min(window.cell[1] + settings.padding, window.contig.length)


def read(calling: Calling, window: Window) -> Given:
    """What the window is looked at by, as it is read."""
    low, high = padded(window, calling.settings)
    how: dict[str, Any] = {"start": low, "end": high, "min_mapping_quality": calling.settings.min_mapping_quality}
    pieces = () if window.bam_contig is None else read_pieces(calling.bam, window.bam_contig, **how, read_groups=calling.read_groups)
    return Given(pieces, fetch(calling.genome, window.contig.name, low, high))


def _most_depth(calling: Calling, window: Window) -> int:
    return calling.settings.most_mitochondrial_depth if is_mitochondrial(window.contig) else calling.model.depth_cap

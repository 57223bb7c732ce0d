"""Windows that a device looks at, some of them together, so that what the host does for a look it does once for all of these.

Of a window the host gets what records go by: where it differs from the reference, the reads over that, and depth and fit of each base
(`Seen`); whoever settles it makes a `Look` of that. What is not as usual comes with all of its reads instead, and is looked at where it is
settled, as without a device: windows whose reads do not all lie on the device, or are more than one look takes, mitochondria, and those of
learnt filters, which look at all reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Stretch
from genopipe.call.looks import Calling, Given, Look, Window, padded, read
from genopipe.call.ploidy import is_mitochondrial
from genopipe.call.regions import limits_of, told_regions
from genopipe.call.settings import Settings
from genopipe.call.view import View
from genopipe.device import Gpu
from genopipe.formats.genome import fetch
from genopipe.formats.held_alignments import Span
from genopipe.kernels import far
from genopipe.kernels.far import Far, Near
from genopipe.kernels.on_gpu import stretches
from genopipe.kernels.pileup import no_pileup
from genopipe.kernels.regions import Active, starts
from genopipe.model import Alignments

AT_ONCE = 8
"""Windows that are looked at together: at 30x some 25 MB of the device each."""


class Seen(NamedTuple):
    """What is seen of a padded window: its reference (codes), and what a device tells of it."""

    reference: NDArray[np.uint8]
    near: Near


def look_of(calling: Calling, window: Window, seen: Seen) -> Look:
    """The look at a window of which that was seen."""
    low, high = padded(window, calling.settings)
    near = seen.near
    pileup = replace(no_pileup(low), depth=near.depth, fit=near.fit, quality=near.quality)
    here = View(near.reads, pileup, Stretch(low, seen.reference.tobytes()), calling.model.gap_chance)
    return Look(low, high, here, *told_regions(near.active))


class Looker:
    """Looks at windows by a device, from any thread."""

    def __init__(self, gpu: Gpu, calling: Calling) -> None:
        self._gpu, self._calling = gpu, calling
        self._given = far.tables(gpu, *calling.model.quality_tables), limits_of(calling.settings)

    def seen(self, windows: Sequence[Window]) -> list[Seen | Given]:
        """What is seen of each window, or what it is to be looked at by."""
        alike = [window for window in windows if self._is_usual(window)]
        with self._gpu.stream():
            found = iter(self._together(alike))
            return [(next(found, None) if self._is_usual(window) else None) or self._read(window) for window in windows]

    def _is_usual(self, window: Window) -> bool:
        """Whether there may be reads, and those alone count that lie over a region or a simple site."""
        calling = self._calling
        all_count = is_mitochondrial(window.contig) or calling.with_features or calling.forest is not None
        return window.bam_contig is not None and not all_count

    def _read(self, window: Window) -> Given:
        given = read(self._calling, window)
        return given._replace(pieces=list(given.pieces))

    def _together(self, windows: Sequence[Window]) -> list[Seen]:
        """What is seen of each; nothing where they cannot be looked at together."""
        calling, settings = self._calling, self._calling.settings
        bounds = [padded(window, settings) for window in windows]
        spans = [Span(window.bam_contig, *its) for window, its in zip(windows, bounds, strict=True) if window.bam_contig is not None]
        found = self._reads(spans) if spans and calling.bam.held is not None else None
        if found is None:
            return []
        reads, counts = found
        sizes = np.array([high - low for low, high in bounds])
        here = stretches(self._gpu, starts(counts[0]), starts(sizes), np.array([*(low for low, _ in bounds), 0], np.int64))
        reference = [fetch(calling.genome, window.contig.name, *its) for window, its in zip(windows, bounds, strict=True)]
        n_indels, n_inserted = counts[3:].sum(axis=1).tolist()
        near = far.look(self._gpu, Far(reads, here, n_indels, n_inserted), reference, self._given, partial(spans_of, settings=settings))
        return list(map(Seen, reference, near))

    def _reads(self, spans: Sequence[Span]) -> tuple[Alignments, NDArray[np.int64]] | None:
        calling, settings = self._calling, self._calling.settings
        assert calling.bam.held is not None
        most = {"most_depth": calling.model.depth_cap, "most_bases": settings.most_bases}
        return calling.bam.held.together(spans, min_mapping_quality=settings.min_mapping_quality, **most)


def spans_of(active: Active, *, settings: Settings) -> NDArray[np.int64]:
    """(regions and sites, 2): where the reads lie that records go by, the base before a region included, which a record may begin with."""
    simple = active.site[~active.inside]
    of_regions = active.region + np.array([-settings.flank - 1, settings.flank])
    return np.concatenate((of_regions, np.stack((simple, simple + 1), axis=1)))

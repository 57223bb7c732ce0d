"""Where something differs from the reference: simple sites, and regions that need assembly.

Indels shown by the alignments are put as far left as they go and counted by fragment; bases that differ are counted by site; soft clips
are counted where they begin. An indel, a pile of clips, or three differing sites close together make a region, which takes in the repeat
that an indel or the clips stand in and the differing sites near it; what changes the length of a repeat clips reads at both its ends, and
all of it must be judged at once. What is left are single differing sites.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, left_aligned, repeat_at, spread
from genopipe.call.settings import Settings
from genopipe.call.view import View
from genopipe.kernels.pileup import Pileup, mark_sites

_CROWDS = ((2, 4), (3, 12))
"""So many differing sites within so many bases are judged as haplotypes."""
_BASES, _CLIPS = 15, 16
"""Bits of `mark_sites`."""
_LONG = 5
"""Bases of an indel that is hardly ever a sequencing error, so that one fragment is enough to try it."""


@dataclass(slots=True)
class Region:
    """A core, `start` to `end`, and the events that the alignments show in it, best supported first."""

    start: int
    end: int
    events: list[Event] = field(default_factory=list)


def find_regions(view: View, *, settings: Settings) -> tuple[list[Region], NDArray[np.int64]]:
    """The regions, sorted, and the positions of the simple differing sites outside them."""
    indels = indel_candidates(view, settings=settings)
    mark = _marks(view, settings)
    site, alternative = _sites_of(mark, view.pileup.start)
    clips = (np.flatnonzero(mark & _CLIPS) + view.pileup.start).tolist()
    spans = [
        (low - 3, high + 3)
        for low, high in (spread(event, view.stretch) for event in indels if _opens(event, indels, view.pileup, settings))
    ]
    spans += [(low - 3, high + 4) for low, high in (repeat_at(position, view.stretch) for position in clips)]
    spans += _crowds(site)
    regions = _merged(spans, settings)
    inside = _take_in(regions, site, settings)
    _give_events(regions, indels, site, alternative)
    return regions, site[~inside]


def indel_candidates(view: View, *, settings: Settings) -> dict[Event, int]:
    """Indels that more than one fragment shows, or a long one at all, left-aligned, with the number of fragments."""
    reads, pileup, stretch = view.reads, view.pileup, view.stretch
    fragments: dict[Event, set[int]] = defaultdict(set)
    base, base_start, name_hash = reads.base, reads.base_start, reads.name_hash
    aligned: dict[Event, Event] = {}
    for read, position, offset, length in pileup.indel.tolist():
        first = int(base_start[read]) + offset
        raw = Event(position, -length, b"") if length < 0 else Event(position, 0, base[first : first + length].tobytes())
        if raw.end > stretch.end:
            continue
        if raw not in aligned:
            aligned[raw] = left_aligned(raw, stretch)
        fragments[aligned[raw]].add(int(name_hash[read]))
    found = {}
    for event, names in fragments.items():
        known = max(event.alt, default=0) < 4 and max(stretch.cut(event.position - 1, event.end + 1).base, default=4) < 4
        is_long = abs(event.ref_length - len(event.alt)) >= _LONG
        if known and (is_long or len(names) >= settings.min_support):
            found[event] = len(names)
    return found


def _opens(event: Event, indels: dict[Event, int], pileup: Pileup, settings: Settings) -> bool:
    """Whether an indel is shown often enough to make a region; those less often shown are only tried where there is one."""
    depth = int(pileup.depth[max(event.position - pileup.start - 1, 0)])
    return indels[event] >= max(settings.min_support, settings.min_indel_share * depth)


def differing_sites(view: View, *, settings: Settings) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions with enough bases that differ from the reference, and (sites, 4) which codes those are."""
    return _sites_of(_marks(view, settings), view.pileup.start)


def _marks(view: View, settings: Settings) -> NDArray[np.uint8]:
    shares = settings.min_snv_share, settings.min_clip_share
    return mark_sites(view.pileup, view.reference, min_support=settings.min_support, shares=shares)


def _sites_of(mark: NDArray[np.uint8], start: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    row = np.flatnonzero(mark & _BASES)
    return row + start, (mark[row, None] >> np.arange(4, dtype=np.uint8) & 1).astype(bool)


def _crowds(site: NDArray[np.int64]) -> list[tuple[int, int]]:
    spans = []
    for crowd, span in _CROWDS:
        pairs = zip(site[: len(site) - crowd + 1].tolist(), site[crowd - 1 :].tolist(), strict=True) if len(site) >= crowd else ()
        spans += [(first, last + 1) for first, last in pairs if last - first < span]
    return spans


def _merged(spans: list[tuple[int, int]], settings: Settings) -> list[Region]:
    regions: list[Region] = []
    for low, high in sorted(spans):
        if (
            regions
            and low <= regions[-1].end + settings.reach
            and max(high, regions[-1].end) - regions[-1].start <= settings.longest_region
        ):
            regions[-1].end = max(high, regions[-1].end)
        else:
            regions.append(Region(low, high))
    return regions


def _take_in(regions: list[Region], site: NDArray[np.int64], settings: Settings) -> NDArray[np.bool_]:
    """Stretches regions to the differing sites within reach; returns which sites are inside one."""
    inside = np.zeros(len(site), bool)
    for region in regions:
        near = slice(*np.searchsorted(site, (region.start - settings.reach, region.end + settings.reach)))
        inside[near] = True
        if near.stop > near.start:
            region.start, region.end = min(region.start, int(site[near.start]) - 1), max(region.end, int(site[near.stop - 1]) + 2)
    return inside


def _give_events(regions: list[Region], indels: dict[Event, int], site: NDArray[np.int64], alternative: NDArray[np.bool_]) -> None:
    ordered = sorted(indels, key=lambda event: (-indels[event], event))
    for region in regions:
        region.events = [event for event in ordered if region.start <= event.position and event.end <= region.end]
        near = range(*np.searchsorted(site, (region.start, region.end)))
        region.events += [Event(int(site[row]), 1, bytes([code])) for row in near for code in np.flatnonzero(alternative[row]).tolist()]

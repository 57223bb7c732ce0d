"""Where something differs from the reference: simple sites, and regions that need assembly.

Indels shown by the alignments are put as far left as they go and counted by fragment; bases that differ are counted by site; soft clips
are counted where they begin. An indel, a pile of clips, or three differing sites close together make a region, which takes in the repeat
that an indel or the clips stand in and the differing sites near it; what changes the length of a repeat clips reads at both its ends, and
all of it must be judged at once. What is left are single differing sites. The kernel is `genopipe.kernels.regions`; here its arrays become
regions with events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event
from genopipe.call.settings import Settings
from genopipe.call.view import View
from genopipe.kernels.pileup import mark_sites
from genopipe.kernels.regions import BASES, Active, Limits, active_regions


@dataclass(slots=True)
class Region:
    """A core, `start` to `end`, and the events that the alignments show in it, best supported first."""

    start: int
    end: int
    events: list[Event] = field(default_factory=list)


def find_regions(view: View, *, settings: Settings) -> tuple[list[Region], NDArray[np.int64]]:
    """The regions, sorted, and the positions of the simple differing sites outside them."""
    return told_regions(active_regions(view.reads, view.pileup, view.reference, limits_of(settings)))


def told_regions(active: Active) -> tuple[list[Region], NDArray[np.int64]]:
    """The same of what is to be looked at."""
    return _with_events(active), active.site[~active.inside]


def limits_of(settings: Settings) -> Limits:
    """What the kernel goes by."""
    indel, base, clip = map(np.float64, (settings.min_indel_share, settings.min_snv_share, settings.min_clip_share))
    return Limits(np.int64(settings.min_support), indel, base, clip, np.int64(settings.reach), np.int64(settings.longest_region))


def differing_sites(view: View, *, settings: Settings) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Positions with enough bases that differ from the reference, and of each, as a bit, the codes of those."""
    shares = settings.min_snv_share, settings.min_clip_share
    code = mark_sites(view.pileup, view.reference, min_support=settings.min_support, shares=shares) & np.uint8(BASES)
    row = np.flatnonzero(code)
    return row + view.pileup.start, code[row]


def _with_events(active: Active) -> list[Region]:
    bounds = np.concatenate(([0], np.cumsum(active.indel[:, 2]))).tolist()
    shown = sorted(
        (-support, Event(position, length, active.inserted[first : first + inserted].tobytes()))
        for (position, length, inserted, support), first in zip(active.indel.tolist(), bounds, strict=False)
    )
    regions = []
    for start, end in active.region.tolist():
        events = [event for _, event in shown if start <= event.position and event.end <= end]
        for row in range(*np.searchsorted(active.site, (start, end))):
            events += [Event(int(active.site[row]), 1, bytes([code])) for code in range(4) if active.code[row] >> code & 1]
        regions.append(Region(start, end, events))
    return regions

"""What is known of a stretch before anything is called: the reads over it, their pileup, and the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Stretch
from genopipe.formats.slabs import no_reads
from genopipe.kernels.assembly import GAP_RATE
from genopipe.kernels.far import FarAlignments, FarPileup, over
from genopipe.kernels.pileup import Pileup, pile
from genopipe.model import Alignments


@dataclass(frozen=True, slots=True)
class View:
    """Reads, pileup and reference of one stretch of a contig; all three begin at `stretch.start`.

    gap_rate  (bases of the unit, number of units) float64: chance of an indel error in a repeat
    """

    reads: Alignments
    pileup: Pileup
    stretch: Stretch
    gap_rate: NDArray[np.float64]

    @property
    def reference(self) -> NDArray[np.uint8]:
        """Codes of the reference bases."""
        return np.frombuffer(self.stretch.base, np.uint8)


def view(reads: Alignments, reference: NDArray[np.uint8], start: int, *, gap_rate: NDArray[np.float64] = GAP_RATE) -> View:
    """The view of the stretch of `reference` (codes) that begins at `start`."""
    return View(reads, pile(reads, reference, start), Stretch(start, reference.tobytes()), gap_rate)


def narrowed(here: View, span: NDArray[np.int64]) -> View:
    """The view with the reads over some spans (spans, 2) alone, where all of them lie on a device; its pileup stays that of all."""
    reads, piled = here.reads, here.pileup
    if not isinstance(reads, FarAlignments) or not isinstance(piled, FarPileup):
        return here
    some, piled_of_all = over(reads, piled, span)
    return replace(here, reads=some, pileup=piled_of_all)


_COLUMNS = ("depth", "fit")
"""What is needed of a pileup when all records are there."""


def columns_of(view: View, start: int, end: int) -> View:
    """Bases start to end of the view, without reads: depth and fit of each."""
    here = slice(start - view.pileup.start, end - view.pileup.start)
    columns: dict[str, Any] = {name: getattr(view.pileup, name)[here] for name in _COLUMNS}
    none, count, indel = np.empty(0, np.int32), np.empty((0, 8), np.int32), np.empty((0, 4), np.int64)
    rest: dict[str, Any] = {"quality": np.empty(0, np.uint8), "mate": np.empty(0, np.int64), "deleted": none, "clipped": none}
    return View(no_reads(), Pileup(start, count=count, indel=indel, **columns, **rest), view.stretch.cut(start, end), view.gap_rate)


def joined_columns(views: list[View]) -> View:
    """Views without reads, each of which begins where the one before ends, as one."""
    first = views[0]
    columns: dict[str, Any] = {name: np.concatenate([getattr(view.pileup, name) for view in views]) for name in _COLUMNS}
    stretch = Stretch(first.stretch.start, b"".join(view.stretch.base for view in views))
    return replace(first, pileup=replace(first.pileup, **columns), stretch=stretch)

"""What is known of a stretch before anything is called: the reads over it, their pileup, and the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Stretch
from genopipe.kernels.assembly import GAP_RATE
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

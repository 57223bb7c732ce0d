"""What is told of reads that stay on the GPU, where no records are wanted of them: the ends of their fragments, and counts.

The signatures are those of `read_ends` and `fragment_ends.signatures`, made from the reads where they are; they come to the host spread by
their ends, as the finder of duplicates takes them: 28 bytes a read of pairs, where reads and places take some 400.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align import duplicates, fragment_ends
from genopipe.align.choose_on_gpu import PAIR, Batch, Chooser
from genopipe.align.duplicates import PARTITIONS, Signatures, Spread
from genopipe.align.fragment_ends import FOLLOWERS, SIGNATURE
from genopipe.align.split_on_gpu import count_parts
from genopipe.device.sources import Source
from genopipe.kernels.fastq_on_gpu import DeviceReads
from genopipe.kernels.on_gpu import blocks
from genopipe.kernels.packed_alignments import Placed

_OF_ENDS = (
    "LEAST_QUALITY",
    "MOST_QUALITY",
    "NO_SPOT",
    "LONE",
    "LIBRARY_SHIFT",
    "CONTIG_SHIFT",
    "OFFSET",
    "SINGLE_READS",
    "PAIRED_READS",
    "UNMAPPED_READS",
)
_DEFINES = {name: getattr(fragment_ends, name) for name in _OF_ENDS} | {
    "PARTITIONS": PARTITIONS,
    "SPREAD_BY": f"{duplicates.SPREAD_BY:#x}ull",
    "SPREAD_SHIFT": duplicates.SPREAD_SHIFT,
}
ENDS = Source(PAIR.path.with_name("ends.cu"), tuple(sorted(_DEFINES.items())))

_COUNTS = 4


class Told(NamedTuple):
    """Of so many reads that stay: `fetched` gives, when they have come, the arrays of `ends`."""

    n_reads: int
    fetched: Callable[[], list[NDArray[Any]]]

    def ends(self) -> tuple[Signatures, NDArray[np.int64]]:
        """Signatures, and counts (4) of reads; not in page-locked memory, as they are kept."""
        row, low_border, far_end, far_border, count = (array.copy() for array in self.fetched())
        signature = row.view(SIGNATURE).reshape(-1)
        return Signatures(Spread(signature, low_border), Spread(far_end, far_border)), count.astype(np.int64)


def ends(chooser: Chooser, reads: DeviceReads, batch: Batch, placed: Placed, *, library: int, first_read: int) -> list[Any]:
    """Signatures (rows, 6) int64 and far ends (pairs), each with the borders of the partitions, and counts (4) int32, on the device.

    All reads are of the first read group, and are numbered from `first_read` on.
    """
    gpu, xp, n = chooser.placer.gpu, chooser.placer.gpu.xp, len(batch) // (2 if batch.paired else 1)
    signature, far_end = xp.empty((n, 6), np.int64), xp.empty(n, np.int64)
    low_part, far_part = (xp.empty(n, np.uint16) for _ in range(2))
    count = xp.zeros(_COUNTS, np.int32)
    if n:
        of_reads = (*reads[:3], batch.quality, batch.base_start, np.int64(n), np.int32(batch.paired), *chooser.placer.target)
        of_places = (placed.slot, placed.reverse, placed.start, placed.end, placed.clip_start, placed.clip_end)
        given = (*of_reads, *of_places, np.int64(library), np.int32(0), np.int64(first_read))
        gpu.launch(ENDS, "fragment_ends", blocks(n), *given, signature, far_end, low_part, far_part, count)
    count_parts(chooser, batch, placed, count[FOLLOWERS:])
    return [*_spread(xp, signature, low_part), *_spread(xp, far_end, far_part), count]


def _spread(xp: Any, rows: Any, part: Any) -> tuple[Any, Any]:
    """The rows that have a partition, spread by it, and the borders; see `duplicates.spread`."""
    order = xp.argsort(part, kind="stable")
    border = xp.searchsorted(part[order], xp.arange(PARTITIONS + 1, dtype=np.uint16))
    return rows[order[: int(border[-1])]], border

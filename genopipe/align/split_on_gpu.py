"""How many clipped ends lie elsewhere, of reads that stay on the GPU: the parts that `split.split` would give, counted there.

Clipped ends of LEAST_PART bases or more are looked up by their own seeds, and the whole read is laid on every place found, by the kernels
that place reads; then a thread for each read counts its parts. Most reads have no such end, and cost a look at their clips.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genopipe.align.choose_on_gpu import PAIR, Batch, Chooser, places
from genopipe.align.on_gpu import BYTES_OF_READ
from genopipe.align.placement import SLOTS
from genopipe.align.split import LEAST_PART
from genopipe.device.sources import Source
from genopipe.kernels.on_gpu import blocks
from genopipe.kernels.packed_alignments import Placed

SPLIT = Source(PAIR.path.with_name("split.cu"), tuple(sorted([*PAIR.defines, ("LEAST_PART", LEAST_PART)])))


def count_parts(chooser: Chooser, batch: Batch, placed: Placed, count: Any) -> None:
    """Adds the parts of a batch to `count` (1) int32, some of its reads at a time where memory is short."""
    gpu, xp = chooser.placer.gpu, chooser.placer.gpu.xp
    clipped = (placed.clip_start >= LEAST_PART) | (placed.clip_end >= LEAST_PART)
    read = xp.flatnonzero(clipped & (placed.slot >= 0))
    at_once = gpu.room(2 * BYTES_OF_READ)
    for first in range(0, len(read), at_once):
        _count_some(chooser, batch, placed, read[first : first + at_once], count)


def _count_some(chooser: Chooser, batch: Batch, placed: Placed, read: Any, count: Any) -> None:
    gpu, xp, n = chooser.placer.gpu, chooser.placer.gpu.xp, len(read)
    clipped = (read, np.int64(n), batch.base_start, placed.reverse, placed.clip_start, placed.clip_end)
    size, start = xp.empty((2, 2 * n), np.int64), xp.zeros((2, 2 * n + 1), np.int64)
    gpu.launch(SPLIT, "measure_clipped", blocks(n), *clipped, size[0], size[1])
    start[:, 1:] = xp.cumsum(size, axis=1, dtype=np.int64)
    part, whole = (xp.empty(n_bases, np.uint8) for n_bases in start[:, -1].tolist())
    gpu.launch(SPLIT, "take_clipped", blocks(n), *clipped, batch.base, start[0], start[1], part, whole)
    p = chooser.placer.candidates(part, start[0])
    gpu.launch(SPLIT, "shift_places", blocks(n), *clipped, np.int32(SLOTS), p.n, p.reverse, p.diagonal, p.low, p.high)
    chooser.placer.lay(whole, start[1], p)
    chooser.leave_out(start[1], p)
    gpu.launch(SPLIT, "count_parts", blocks(n), *clipped, *places(p), count)

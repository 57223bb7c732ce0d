"""Aligned reads in 64-bit words on a GPU: packed there, kept there batch by batch, and unpacked stretch by stretch.

The specification is `packed_alignments`. Batches are arrays of their own, of which the kernels are given the addresses; the records of a
batch are sorted by position, so that those of a stretch lie together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels import packed_alignments as specification
from genopipe.kernels.far import FarAlignments
from genopipe.kernels.on_gpu import EXTEND, THREADS, blocks
from genopipe.kernels.packed_alignments import Levels, Packed, Placed, Sequenced, Wanted, columns_for
from genopipe.model import Alignments

_CONSTANTS = (
    "HEAD_WORDS",
    "POSITION_BITS",
    "LENGTH_BITS",
    "OPERATIONS_BITS",
    "ORDINAL_BITS",
    "LENGTH_AT",
    "OPERATIONS_AT",
    "QUALITY_AT",
    "UNKNOWN_AT",
    "FLAG_AT",
    "WIDTH_AT",
)
PACKED = Source(EXTEND.path.with_name("packed.cu"), tuple((name, getattr(specification, name)) for name in sorted(_CONSTANTS)))


class Batches(NamedTuple):
    """Packed records of several batches: the addresses of the words and of the starts of each, and the first row of each, one more."""

    word_of: Any
    start_of: Any
    border: Any
    n: np.int64


def pack(gpu: Gpu, reads: Sequenced, placed: Placed, levels: Levels, *, paired: bool, first_ordinal: int) -> Packed:
    """The records of the reads that have a place, by position, equal ones in the order of the reads, as arrays of the device."""
    xp = gpu.xp
    row = xp.flatnonzero(placed.slot >= 0)
    row = row[xp.argsort(placed.start[row], kind="stable")]
    n, n_bases, seen = len(row), len(reads.quality), xp.zeros(256, np.uint8)
    if n_bases:
        gpu.launch(PACKED, "see_qualities", (min(blocks(n_bases)[0], gpu.warps), THREADS), reads.quality, np.int64(n_bases), seen)
    width = levels.width(np.flatnonzero(gpu.host(seen)).tolist())
    size = xp.empty(n, np.int64)
    if n:
        of_place = (placed.clip_start, placed.clip_end, placed.operations)
        gpu.launch(PACKED, "measure", blocks(n), row, np.int64(n), reads.base, reads.base_start, *of_place, np.int32(width), size)
    start = xp.zeros(n + 1, np.uint32)
    start[1:] = xp.cumsum(size, dtype=np.int64)
    word = xp.empty(int(start[-1]), np.uint64)
    if n:
        how = (np.int32(paired), np.int64(first_ordinal), np.int32(width), xp.asarray(levels.code(width)))
        gpu.launch(PACKED, "fill", blocks(n), row, np.int64(n), *reads, *placed, *how, start, word)
    return Packed(word, start, placed.start[row])


def batches(gpu: Gpu, block: Sequence[tuple[Any, Any] | None], border: NDArray[np.int64]) -> Batches:
    """Where the words and the starts of these batches stand, which are to be kept as long as that is used; None is never asked for."""
    address = np.array([(gpu.address(each[0]), gpu.address(each[1])) if each is not None else (0, 0) for each in block], np.uint64)
    word_of, start_of = (gpu.xp.asarray(np.ascontiguousarray(column)) for column in address.reshape(-1, 2).T)
    return Batches(word_of, start_of, gpu.xp.asarray(border), np.int64(len(block)))


def unpacked(
    gpu: Gpu, there: Batches, row: NDArray[np.int64], wanted: Wanted, *, duplicate: Any, contig_start: int, level: Any
) -> tuple[Any, FarAlignments]:
    """Which of the rows are wanted, by position, equal ones in the order of the rows; and these. All stays on the device."""
    xp, n = gpu.xp, len(row)
    with gpu.stream():
        rows = xp.asarray(row)
        position, n_operations, n_bases = (xp.empty(n, np.int64) for _ in range(3))
        gpu.launch(PACKED, "look", blocks(n), *there, rows, np.int64(n), *wanted, duplicate, position, n_operations, n_bases)
        kept = xp.flatnonzero(n_bases)
        kept = kept[xp.argsort(position[kept], kind="stable")]
        out, n_kept = columns_for(xp, n_operations[kept], n_bases[kept]), len(kept)
        if n_kept:
            gpu.launch(PACKED, "unpack", blocks(n_kept), *there, rows[kept], np.int64(n_kept), np.int64(contig_start), level, *out)
        return kept, FarAlignments(gpu, Alignments(*out))

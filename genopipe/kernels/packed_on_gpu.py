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
from genopipe.kernels.on_gpu import EXTEND, THREADS, blocks
from genopipe.kernels.packed_alignments import Levels, Packed, Placed, Sequenced, columns_for, starts_of
from genopipe.kernels.regions import starts
from genopipe.kernels.thinning import BLOCK, HIGHEST, MIXING, highest_hash
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
_WORDS = (("BLOCK_BASES", BLOCK), ("MIXING", f"{int(MIXING):#x}ull"), ("NOT_WANTED", f"{np.iinfo(np.int64).max}ll"))
PACKED = Source(EXTEND.path.with_name("packed.cu"), (*((name, getattr(specification, name)) for name in sorted(_CONSTANTS)), *_WORDS))


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


class Asked(NamedTuple):
    """Rows of batches, of which the reads over some stretches are wanted.

    row           (rows) int64: those of one stretch after another
    row_start     (stretches + 1) int64: where those of each begin
    first, last   (stretches) int64: bases of the concatenated genome
    contig_start  (stretches) int64: where the contig of each begins there
    min_quality   mapping quality below which reads are not wanted
    """

    row: NDArray[np.int64]
    row_start: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    contig_start: NDArray[np.int64]
    min_quality: np.int32


class Looked(NamedTuple):
    """Which of the rows are wanted, and how many: order (rows) sorts them by stretch, position, and row, those that are not wanted last;
    size (2, rows) their operations and bases; all on the device. counts (5, stretches) int64 of the host: reads, their operations,
    bases, insertions and deletions, and inserted bases."""

    rows: Any
    order: Any
    size: Any
    counts: NDArray[np.int64]


class Deep(NamedTuple):
    """How deep reads may lie: so many of their bases in a block, of those that begin there, and no read spans more than `longest`."""

    most_bases: int
    longest: int


def looked(gpu: Gpu, there: Batches, asked: Asked, *, duplicate: Any, deep: Deep | None = None) -> Looked:
    """The reads that are wanted, thinned out as `slabs.thinned` does where it is said how deep they may lie."""
    xp, n_rows, n = gpu.xp, len(asked.row), len(asked.first)
    start = asked.contig_start
    first_block = np.maximum(asked.first - start - (0 if deep is None else deep.longest), 0) // BLOCK
    n_blocks = 0 if deep is None else int(((asked.last - start) // BLOCK + 1 - first_block).max())
    of_stretches = np.stack([np.append(each, 0) for each in (asked.row_start[:-1], asked.first, asked.last, start, first_block)])
    of_stretches[0, -1] = n_rows
    rows, told = xp.asarray(asked.row), xp.asarray(of_stretches)
    key, size = xp.empty(n_rows, np.int64), xp.empty((2, n_rows), np.int64)

    def look(limit: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        seen, of_block = xp.zeros((5, n), np.uint64), xp.zeros((n, n_blocks), np.uint64)
        which = (told, np.int64(n), asked.min_quality, duplicate, xp.asarray(limit), np.int64(n_blocks))
        if n_rows:
            gpu.launch(PACKED, "look", blocks(n_rows), *there, rows, np.int64(n_rows), *which, key, size, seen, of_block)
        counts, bases = gpu.fetched([seen, of_block])()
        return counts.astype(np.int64), bases.astype(np.int64)

    counts, bases = look(np.full((n, n_blocks), HIGHEST, np.uint64))
    if deep is not None and (bases > deep.most_bases).any():
        counts, _ = look(highest_hash(bases, deep.most_bases))
    return Looked(rows, xp.argsort(key, kind="stable"), size, counts)


def unpacked(gpu: Gpu, there: Batches, found: Looked, *, contig_start: NDArray[np.int64], level: Any) -> tuple[Any, Alignments]:
    """Rows, of those that were asked for, and the reads that are wanted, in order, on the device."""
    xp, counts = gpu.xp, found.counts
    n_reads, n_operations, n_bases = counts[:3].sum(axis=1).tolist()
    kept = found.order[:n_reads]
    out = columns_for(xp, starts_of(xp, found.size[0][kept], found.size[1][kept]), n_operations, n_bases)
    if n_reads:
        of_stretches = xp.asarray(np.stack((starts(counts[0])[:-1], contig_start)))
        which = (of_stretches[0], of_stretches[1], np.int64(len(contig_start)), level)
        gpu.launch(PACKED, "unpack", blocks(n_reads), *there, found.rows[kept], np.int64(n_reads), *which, *out)
    return kept, Alignments(*out)

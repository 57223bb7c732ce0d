"""What calling looks at, on a GPU: several stretches together, from their reads to regions and the reads over these.

The steps are those of the host, whose functions are the specification: qualities put right, the pileup, what is marked, indels as far left
as they go. What is marked and shown comes to the host, some kB, which makes regions of it; then the reads over these, and depth and fit of
each base. The host waits for the device three times, however many stretches there are, besides once for how many reads they have. All is
given to the stream of the thread that asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels import on_gpu, recalibration
from genopipe.kernels.on_gpu import EXTEND, Stretches, blocks
from genopipe.kernels.packed_alignments import columns_for, starts_of
from genopipe.kernels.pileup import Pileup
from genopipe.kernels.regions import LONG, NOWHERE, Active, Indels, Limits, starts, with_regions
from genopipe.model import Alignments

REGIONS = Source(EXTEND.path.with_name("regions.cu"), (("LONG", LONG), ("NOWHERE", f"{NOWHERE}ll")))
RECALIBRATION = Source(
    EXTEND.path.with_name("recalibration.cu"), tuple((name, getattr(recalibration, name)) for name in ("MOST_CYCLES", "N_CONTEXTS"))
)


class Tables(NamedTuple):
    """What all stretches are looked at with, on the device: `on_gpu.fit_tables`; row_of and table of `recalibration.put_right`."""

    fit: Any
    row_of: Any
    quality: Any


class Far(NamedTuple):
    """Reads of some stretches on the device, and how many insertions, deletions and inserted bases they have."""

    reads: Alignments
    here: Stretches
    n_indels: int
    n_inserted: int


class Near(NamedTuple):
    """What the host gets of a stretch: what is to be looked at, the reads over it, those qualities of them that count once, and depth
    (bases) and fit (bases, 3) by all reads."""

    active: Active
    reads: Alignments
    quality: NDArray[np.uint8]
    depth: NDArray[np.int32]
    fit: NDArray[np.int64]


def tables(gpu: Gpu, row_of: NDArray[np.int64], quality: NDArray[np.uint8]) -> Tables:
    """The same, copied to the device, for all streams."""
    return Tables(gpu.put(on_gpu.fit_tables()), gpu.put(row_of), gpu.put(quality))


def look(
    gpu: Gpu, far: Far, reference: Sequence[NDArray[np.uint8]], given: tuple[Tables, Limits], spans: Callable[[Active], NDArray[np.int64]]
) -> list[Near]:
    """What is to be seen of each stretch over its reference (codes); `spans` says where the reads lie that are wanted."""
    (told, limits), here = given, far.here
    bases = gpu.xp.asarray(np.concatenate(reference))
    reads = put_right(gpu, far.reads, told) if len(told.quality) else far.reads
    piled = on_gpu.pile(gpu, reads, bases, here, n_indels=far.n_indels, tables=told.fit)
    columns = gpu.fetched([piled.depth, piled.fit])
    shares = float(limits.min_snv_share), float(limits.min_clip_share)
    seen = (piled.count, piled.depth, piled.clipped, bases)
    mark = on_gpu.mark_sites(gpu, seen, min_support=int(limits.min_support), shares=shares)
    active = regions_of(gpu, far, (piled, mark), (bases, reference), limits)
    found = over(gpu, reads, here, [spans(each) for each in active], piled.quality)
    depth, fit = columns()
    part = [slice(*bounds) for bounds in zip(here.base[:-1], here.base[1:], strict=True)]
    return [Near(each, *its, depth[rows], fit[rows]) for each, its, rows in zip(active, found, part, strict=True)]


def put_right(gpu: Gpu, reads: Alignments, told: Tables) -> Alignments:
    """The reads with qualities put right; see `recalibration.put_right`."""
    quality = gpu.xp.empty(len(reads.quality), np.uint8)
    if len(reads):
        given = (reads.flag, reads.base, reads.quality, reads.base_start, told.row_of, told.quality)
        gpu.launch(RECALIBRATION, "put_right", blocks(len(reads)), np.int64(len(reads)), *given, quality)
    return replace(reads, quality=quality)


def regions_of(
    gpu: Gpu, far: Far, seen: tuple[Pileup, Any], reference: tuple[Any, Sequence[NDArray[np.uint8]]], limits: Limits
) -> list[Active]:
    """Regions and sites of each stretch, on the host, by a pileup and what is marked; `reference` on the device and on the host. See
    `regions.regions_of`."""
    piled, mark = seen
    marked, support, event, inserted, span = gpu.fetched([mark, *_described(gpu, far, piled, reference[0], limits)])()
    row, border = np.flatnonzero(support[0]), far.here.base
    event, span = event[row], span[row]
    first, of_stretch = starts(event[:, 2]), np.searchsorted(event[:, 0], border)
    found = []
    for i, codes in enumerate(reference[1]):
        low, high = of_stretch[i : i + 2]
        shown = Indels(event[low:high] - [border[i], 0, 0, 0], inserted[first[low] : first[high]], span[low:high])
        found.append(with_regions(shown, marked[border[i] : border[i + 1]], codes, int(far.here.start[i]), limits=limits))
    return found


def _described(gpu: Gpu, far: Far, piled: Pileup, reference: Any, limits: Limits) -> tuple[Any, Any, Any, Any]:
    """Of each row of indels in order: support (2, indels), the first of which is 0 for those that are not tried; event (indels, 4), the
    inserted bases of all that are tried, and span (indels, 2)."""
    xp, reads, n, told = gpu.xp, far.reads, len(piled.indel), far.here.told
    key, turn, support = xp.empty((4, n), np.uint64), xp.empty(n, np.int64), xp.empty((2, n), np.int64)
    event, inserted, span = xp.empty((n, 4), np.int64), xp.empty(far.n_inserted, np.uint8), xp.empty((n, 2), np.int64)
    if n:
        bases = (reads.base, reads.base_start, reference)
        gpu.launch(REGIONS, "left_align", blocks(n), piled.indel, np.int64(n), *told, reads.name_hash, *bases, key, turn)
        order = xp.lexsort(key)
        how = (order, np.int64(n), *told)
        gpu.launch(REGIONS, "count_fragments", blocks(n), *how, piled.indel, key, *bases, limits.min_support, support)
        given = (support, xp.cumsum(support[1]), piled.indel, key, turn, *bases, piled.depth, limits.min_support, limits.min_indel_share)
        gpu.launch(REGIONS, "describe", blocks(n), *how, *given, event, inserted, span)
    return support, event, inserted, span


def over(
    gpu: Gpu, reads: Alignments, here: Stretches, spans: Sequence[NDArray[np.int64]], quality: Any
) -> list[tuple[Alignments, NDArray[np.uint8]]]:
    """On the host, of each stretch the reads over any of its spans (spans, 2), and of `quality` (bases of all reads) what is theirs."""
    xp, n = gpu.xp, len(reads)
    until = starts_of(xp, *_sizes_over(gpu, reads, here, spans))
    (bounds,) = gpu.fetched([until[:, here.there[0]]])()
    n_reads, n_operations, n_bases = bounds[:, -1].tolist()
    out = columns_for(xp, xp.zeros((2, n_reads + 1), np.int64), n_operations, n_bases)
    once = xp.empty(n_bases, np.uint8)
    if n:
        columns = [getattr(reads, field.name) for field in fields(reads)]
        gpu.launch(REGIONS, "take", blocks(n), until, np.int64(n), *columns, quality, *out, once)
    *found, settled = gpu.fetched([*out, once])()
    return [_cut(Alignments(*found), settled, bounds[:, i], bounds[:, i + 1]) for i in range(len(spans))]


def _sizes_over(gpu: Gpu, reads: Alignments, here: Stretches, spans: Sequence[NDArray[np.int64]]) -> Any:
    """(3, reads) int64: of those over a span of their stretch 1, operations and bases, of others 0."""
    xp, n, told = gpu.xp, len(reads), [_in_order(each) for each in spans]
    size, of_spans = xp.empty((3, n), np.int64), np.concatenate(told, axis=1)
    start = starts(np.array([each.shape[1] for each in told], np.int64))
    placed = (reads.position, reads.end, reads.cigar_start, reads.base_start)
    if n:
        given = (xp.asarray(start), xp.asarray(of_spans), np.int64(of_spans.shape[1]))
        gpu.launch(REGIONS, "reads_over", blocks(n), np.int64(n), *here.told, *placed, *given, size)
    return size


def _in_order(span: NDArray[np.int64]) -> NDArray[np.int64]:
    """(2, spans): where those with any base begin, in order, and how far those until each reach."""
    low, high = span[np.argsort(span[:, 0], kind="stable")].T
    filled = low < high
    return np.stack((low[filled], np.maximum.accumulate(high[filled])))


def _cut(
    reads: Alignments, settled: NDArray[np.uint8], first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[Alignments, NDArray[np.uint8]]:
    """Some of the reads, by the first and last of reads, operations and bases."""
    rows, operations, bases = (slice(*bounds) for bounds in zip(first.tolist(), last.tolist(), strict=True))
    bounds = slice(rows.start, rows.stop + 1)
    return (
        Alignments(
            reads.position[rows],
            reads.end[rows],
            reads.flag[rows],
            reads.mapping_quality[rows],
            reads.name_hash[rows],
            reads.cigar[operations],
            reads.cigar_start[bounds] - operations.start,
            reads.base[bases],
            reads.quality[bases],
            reads.base_start[bounds] - bases.start,
        ),
        settled[bases],
    )

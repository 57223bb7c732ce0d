"""What calling looks at, on a GPU: reads of a stretch, their pileup, where it differs; the host gets what it asks for, when it does.

`FarAlignments` and `FarPileup` are those of the host in every way, but their arrays lie on the device; the first time that one is asked for
it is copied, by the stream of the thread that asks, which is the one that made them. So the steps of calling are the same with a device
and without, and those that have a kernel there leave nothing to copy: qualities put right, the pileup, regions, and the reads over these.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels import on_gpu, recalibration, regions
from genopipe.kernels.on_gpu import EXTEND, blocks
from genopipe.kernels.packed_alignments import columns_for
from genopipe.kernels.pileup import Pileup, no_pileup
from genopipe.kernels.regions import BASES, CLIPS, CROWDS, NOWHERE, Active, Limits, starts
from genopipe.model import Alignments

_NUMBERS = ("LONG", "REPEAT_SIGHT", "REPEAT_REACH", "LONGEST_UNIT", "SHORTEST_REPEAT")
REGIONS = Source(
    EXTEND.path.with_name("regions.cu"), (("NOWHERE", f"{NOWHERE}ll"), *((name, getattr(regions, name)) for name in sorted(_NUMBERS)))
)
RECALIBRATION = Source(
    EXTEND.path.with_name("recalibration.cu"), tuple((name, getattr(recalibration, name)) for name in ("MOST_CYCLES", "N_CONTEXTS"))
)


class FarAlignments(Alignments):
    """Alignments of the device, `there`."""

    __slots__ = ("gpu", "here", "there")

    gpu: Gpu
    there: Alignments

    def __init__(self, gpu: Gpu, there: Alignments) -> None:
        _set(self, gpu=gpu, there=there, here={})

    def __len__(self) -> int:
        return len(self.there)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """For another process: what the host would have."""
        return Alignments, tuple(getattr(self, field.name) for field in fields(Alignments))


class FarPileup(Pileup):
    """A pileup of the device, `there`, with the alignments and the reference bases that it is of."""

    __slots__ = ("gpu", "here", "reads", "reference", "there")

    gpu: Gpu
    there: Pileup
    reads: Alignments
    reference: Any

    def __init__(self, gpu: Gpu, there: Pileup, reads: Alignments, reference: Any) -> None:
        _set(self, start=there.start, gpu=gpu, there=there, reads=reads, reference=reference, here={})

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """For another process: what the host would have."""
        return Pileup, tuple(getattr(self, field.name) for field in fields(Pileup))


def _set(far: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(far, name, value)


def _asked(far: Any, name: str) -> NDArray[Any]:
    """An array on the host, where it is copied to only once."""
    if name not in far.here:
        with far.gpu.stream():
            far.here[name] = far.gpu.host(getattr(far.there, name))
    found: NDArray[Any] = far.here[name]
    return found


for _far, _near in ((FarAlignments, Alignments), (FarPileup, Pileup)):
    for _field in fields(_near):
        if _field.name != "start":
            setattr(_far, _field.name, property(partial(_asked, name=_field.name)))


def put_right(reads: FarAlignments, row_of: NDArray[np.int64], table: NDArray[np.uint8]) -> FarAlignments:
    """The reads with qualities put right; see `recalibration.put_right`."""
    gpu, there = reads.gpu, reads.there
    with gpu.stream():
        quality = gpu.xp.empty(len(there.quality), np.uint8)
        tables = gpu.xp.asarray(row_of), gpu.xp.asarray(table)
        if len(reads):
            given = (there.flag, there.base, there.quality, there.base_start)
            gpu.launch(RECALIBRATION, "put_right", blocks(len(reads)), np.int64(len(reads)), *given, *tables, quality)
        return FarAlignments(gpu, replace(there, quality=quality))


def pile(gpu: Gpu, reads: Alignments, reference: NDArray[np.uint8], start: int) -> FarPileup:
    """The pileup of reads that are on the device, or are brought there; see `pileup.pile`."""
    with gpu.stream():
        if isinstance(reads, FarAlignments):
            there = reads.there
        else:
            there = Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads)))
        bases = gpu.xp.asarray(reference)
        return FarPileup(gpu, on_gpu.pile(gpu, there, bases, start), there, bases)


def _marks(piled: FarPileup, min_support: int, shares: tuple[float, float]) -> Any:
    seen = (piled.there.count, piled.there.depth, piled.there.clipped, piled.reference)
    return on_gpu.mark_sites(piled.gpu, seen, min_support=min_support, shares=shares)


def mark_sites(piled: FarPileup, *, min_support: int, shares: tuple[float, float]) -> NDArray[np.uint8]:
    """Where it differs, on the host; see `pileup.mark_sites`."""
    with piled.gpu.stream():
        return piled.gpu.host(_marks(piled, min_support, shares))


def active_regions(piled: FarPileup, limits: Limits) -> Active:
    """Regions and sites, on the host; see `regions.active_regions`."""
    gpu = piled.gpu
    with gpu.stream():
        mark = _marks(piled, int(limits.min_support), (float(limits.min_snv_share), float(limits.min_clip_share)))
        found = regions_of(gpu, piled.reads, piled.there, piled.reference, mark, limits)
        return Active(*map(gpu.host, found))


def regions_of(gpu: Gpu, reads: Alignments, piled: Pileup, reference: Any, mark: Any, limits: Limits) -> Active:
    """The regions and sites of arrays of the device, as such; see `regions.regions_of`."""
    xp, indel, n = gpu.xp, piled.indel, len(piled.indel)
    stretch = (reads.base, reads.base_start, reference, np.int64(len(reference)))
    key, turn, support = xp.empty((4, n), np.uint64), xp.empty(n, np.int64), xp.empty(n, np.int64)
    order = xp.zeros(0, np.int64)
    if n:
        given = (indel, np.int64(n), reads.name_hash, *stretch, np.int64(piled.start))
        gpu.launch(REGIONS, "left_align", blocks(n), *given, key, turn)
        order = xp.lexsort(key).astype(np.int64)
        gpu.launch(REGIONS, "count_fragments", blocks(n), order, np.int64(n), indel, key, *stretch, limits.min_support, support)
    row, site, clip = xp.flatnonzero(support), xp.flatnonzero(mark & BASES), xp.flatnonzero(mark & CLIPS)
    n_rows, n_sites, n_clips = len(row), len(site), len(clip)
    length = indel[order[row], 3]
    inserted_start = starts(xp, length * (length > 0))
    event, inserted = xp.empty((n_rows, 4), np.int64), xp.empty(int(inserted_start[-1]), np.uint8)
    span = xp.empty((n_rows + n_clips + len(CROWDS) * n_sites, 2), np.int64)
    if n_rows:
        shown = (order[row], support[row], np.int64(n_rows), indel, np.int64(n), key, turn, *stretch, piled.depth)
        share = (limits.min_support, limits.min_indel_share)
        gpu.launch(REGIONS, "describe", blocks(n_rows), *shown, *share, inserted_start, event, inserted, span)
    if n_clips:
        gpu.launch(REGIONS, "span_clips", blocks(n_clips), clip, np.int64(n_clips), *stretch[2:], span[n_rows:])
    if n_sites:
        crowds = xp.asarray(np.array(CROWDS, np.int64)), np.int64(len(CROWDS))
        gpu.launch(REGIONS, "span_crowds", blocks(n_sites), site, np.int64(n_sites), *crowds, span[n_rows + n_clips :])
    region, inside = _merged(gpu, span, site, limits)
    event[:, 0] += piled.start
    return Active(event, inserted, region + piled.start, site + piled.start, mark[site] & BASES, inside.astype(np.bool_))


def _merged(gpu: Gpu, span: Any, site: Any, limits: Limits) -> tuple[Any, Any]:
    """Regions of spans, and which sites they take in."""
    xp = gpu.xp
    region, inside, found = xp.empty((len(span), 2), np.int64), xp.zeros(len(site), np.uint8), xp.zeros(1, np.int64)
    if len(span):
        order = xp.lexsort(xp.ascontiguousarray(span.T[::-1])).astype(np.int64)
        given = (span, order, np.int64(len(span)), site, np.int64(len(site)), limits.reach, limits.longest)
        gpu.launch(REGIONS, "merge", (1, 1), *given, region, found, inside)
    return region[: int(found[0])], inside


def over(reads: FarAlignments, piled: FarPileup, span: NDArray[np.int64]) -> tuple[Alignments, Pileup]:
    """On the host, the reads over any of these spans (spans, 2), and of the pileup of all reads depth, fit, and the qualities of these."""
    gpu, there = reads.gpu, reads.there
    with gpu.stream():
        row = gpu.xp.flatnonzero(_over(gpu, there, piled, span))
        out = columns_for(gpu.xp, *((start[1:] - start[:-1])[row] for start in (there.cigar_start, there.base_start)))
        once = gpu.xp.empty(len(out.base), np.uint8)
        if len(row):
            columns = [getattr(there, field.name) for field in fields(there)]
            gpu.launch(REGIONS, "take", blocks(len(row)), row, np.int64(len(row)), *columns, piled.there.quality, *out, once)
        *here, depth, fit, quality = gpu.fetched([*out, piled.there.depth, piled.there.fit, once])()
        return Alignments(*here), replace(no_pileup(piled.start), depth=depth, fit=fit, quality=quality)


def _over(gpu: Gpu, reads: Alignments, piled: FarPileup, span: NDArray[np.int64]) -> Any:
    """(reads) uint8: whether each lies over a span."""
    xp, n, stretch = gpu.xp, len(reads), (np.int64(piled.start), np.int64(len(piled.reference)))
    covered, wanted = xp.zeros(len(piled.reference), np.int32), xp.zeros(n, np.uint8)
    if len(span) and n:
        gpu.launch(REGIONS, "cover", blocks(len(span)), xp.asarray(span), np.int64(len(span)), *stretch, covered)
        gpu.launch(REGIONS, "reads_over", blocks(n), np.int64(n), reads.position, reads.end, starts(xp, covered), *stretch, wanted)
    return wanted

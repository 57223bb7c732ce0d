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
from genopipe.kernels import on_gpu, recalibration
from genopipe.kernels.on_gpu import EXTEND, blocks
from genopipe.kernels.packed_alignments import columns_for
from genopipe.kernels.pileup import Pileup, no_pileup
from genopipe.kernels.regions import LONG, NOWHERE, Active, Indels, Limits, starts, with_regions
from genopipe.model import Alignments

REGIONS = Source(EXTEND.path.with_name("regions.cu"), (("LONG", LONG), ("NOWHERE", f"{NOWHERE}ll")))
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


def active_regions(piled: FarPileup, reference: NDArray[np.uint8], limits: Limits) -> Active:
    """Regions and sites, on the host, where `reference` is too; see `regions.active_regions`."""
    with piled.gpu.stream():
        mark = _marks(piled, int(limits.min_support), (float(limits.min_snv_share), float(limits.min_clip_share)))
        return regions_of(piled, mark, reference, limits)


def regions_of(piled: FarPileup, mark: Any, reference: NDArray[np.uint8], limits: Limits) -> Active:
    """The same of sites that are marked on the device. What reads show is told there; of the little that is left the host makes regions."""
    gpu, there, reads, n = piled.gpu, piled.there, piled.reads, len(piled.there.indel)
    xp, stretch = gpu.xp, (reads.base, reads.base_start, piled.reference, np.int64(len(reference)))
    key, turn, support = xp.empty((4, n), np.uint64), xp.empty(n, np.int64), xp.empty((2, n), np.int64)
    order = xp.zeros(0, np.int64)
    if n:
        given = (there.indel, np.int64(n), reads.name_hash, *stretch, np.int64(piled.start))
        gpu.launch(REGIONS, "left_align", blocks(n), *given, key, turn)
        order = xp.lexsort(key)
        gpu.launch(REGIONS, "count_fragments", blocks(n), order, np.int64(n), there.indel, key, *stretch, limits.min_support, support)
    marked, (fragments, n_inserted) = gpu.fetched([mark, support])()
    row = np.flatnonzero(fragments)
    first = starts(n_inserted[row])
    told = xp.empty((len(row), 4), np.int64), xp.empty(int(first[-1]), np.uint8), xp.empty((len(row), 2), np.int64)
    if len(row):
        shown = (xp.asarray(np.stack((row, first[:-1]))), np.int64(len(row)), order, support, there.indel, np.int64(n), key, turn)
        share = (limits.min_support, limits.min_indel_share)
        gpu.launch(REGIONS, "describe", blocks(len(row)), *shown, *stretch, there.depth, *share, *told)
    return with_regions(Indels(*gpu.fetched(told)()), marked, reference, piled.start, limits=limits)


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
    xp, n, wanted = gpu.xp, len(reads), gpu.xp.zeros(len(reads), np.uint8)
    low, high = span[np.argsort(span[:, 0], kind="stable")].T
    filled = low < high
    if filled.any() and n:
        told = xp.asarray(np.stack((low[filled], np.maximum.accumulate(high[filled])))), np.int64(np.count_nonzero(filled))
        stretch = np.int64(piled.start), np.int64(len(piled.reference))
        gpu.launch(REGIONS, "reads_over", blocks(n), np.int64(n), reads.position, reads.end, *told, *stretch, wanted)
    return wanted

"""On a GPU regions, the reads over them, and qualities put right are those of the CPU, of several stretches together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.call.recalibration import recalibrated
from genopipe.device import Gpu
from genopipe.formats.slabs import joined, taken
from genopipe.kernels import far, pileup, recalibration, regions
from genopipe.kernels.far import Far, Tables
from genopipe.kernels.on_gpu import Stretches, stretches
from genopipe.kernels.regions import Active
from genopipe.model import Alignments
from tests.kernels.test_pileup import alignments
from tests.kernels.test_regions import LIMITS, some_stretch


def on_device(gpu: Gpu, reads: Alignments) -> Alignments:
    there = Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads)))
    gpu.finish()
    return there


def told(gpu: Gpu, reads: list[Alignments], n_bases: list[int], start: list[int]) -> Stretches:
    """Of such reads and so many bases each, from there on."""
    read, base = (np.cumsum([0, *each], dtype=np.int64) for each in (map(len, reads), n_bases))
    return stretches(gpu, read, base, np.array([*start, 0], np.int64))


def far_reads(gpu: Gpu, reads: list[Alignments], n_bases: list[int], start: list[int]) -> Far:
    """These on the device, with all that they show."""
    whole = joined(reads)
    kind, length = whole.cigar & 15, whole.cigar >> 4
    return Far(
        on_device(gpu, whole), told(gpu, reads, n_bases, start), int(((kind == 1) | (kind == 2)).sum()), int(length[kind == 1].sum())
    )


@pytest.mark.parametrize(("seed", "n_indels"), [(0, 60), (1, 300), (2, 1), (3, 0)])
def test_regions_equal_the_cpu(gpu: Gpu, seed: int, n_indels: int) -> None:
    """Where nothing is marked, too, and where indels end behind the stretch or have no bases."""
    reads, piled, reference, mark = some_stretch(seed, n_indels=n_indels)
    odd = np.array([[0, 1_000 + 1_490, 2, -11], [0, 1_100, 2, 0]] if n_indels else np.empty((0, 4)), np.int64)
    piled = replace(piled, indel=np.concatenate((piled.indel, odd)))
    there = replace(piled, indel=gpu.xp.asarray(piled.indel), depth=gpu.xp.asarray(piled.depth))
    n_inserted = int(np.maximum(piled.indel[:, 3], 0).sum())
    for marked in (mark, 0 * mark):
        wanted = regions.regions_of(reads, piled, reference, marked, LIMITS)
        here = Far(on_device(gpu, reads), told(gpu, [reads], [len(reference)], [piled.start]), len(piled.indel), n_inserted)
        bases = gpu.xp.asarray(reference)
        (found,) = far.regions_of(gpu, here, (there, gpu.xp.asarray(marked)), (bases, [reference]), LIMITS)
        for name, ours, theirs in zip(wanted._fields, found, wanted, strict=True):
            assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), name


def some_alignments(n: int = 300, seed: int = 7) -> Alignments:
    rng = np.random.default_rng(seed)
    reads: list[Any] = []
    for position in np.sort(rng.integers(0, 600, n)).tolist():
        cigar = [[(0, 20)], [(4, 5), (0, 15)], [(0, 8), (1, 3), (0, 9)], [(0, 10), (2, 4), (0, 10)]][int(rng.integers(0, 4))]
        quality, length = rng.integers(2, 42, 20).tolist(), rng.integers(14, 21) if len(cigar) == 1 else 20
        reads.append((position, bool(rng.integers(0, 2)), 60, [(0, int(length))] if len(cigar) == 1 else cigar, [], quality[: int(length)]))
    reads = [(*read[:4], ((np.arange(len(read[5])) + read[0]) % 5).tolist(), read[5]) for read in reads]
    made = alignments(reads)
    flag = made.flag | rng.choice([0, 0x80], n).astype(np.uint16)
    return replace(made, flag=flag, name_hash=made.name_hash // np.uint64(2))


def some_tables() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Of qualities of which some stay."""
    row_of = np.where(np.arange(256) % 7 == 0, -1, np.arange(256) % 3)
    shape = 3, recalibration.N_CYCLES, recalibration.N_CONTEXTS + 1
    return row_of, np.random.default_rng(5).integers(2, 50, shape).astype(np.uint8)


def over(reads: Alignments, spans: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """Rows of the reads over one of these spans and over bases start to end."""
    filled = [(low, high) for low, high in spans.tolist() if low < high]
    low, high = np.maximum(reads.position, start).tolist(), np.minimum(reads.end, end).tolist()
    wanted = [any(first < b and last > a and first < last for a, b in filled) for first, last in zip(low, high, strict=True)]
    return np.flatnonzero(wanted)


def test_stretches_are_looked_at_together_as_one_by_one_on_the_cpu(gpu: Gpu) -> None:
    """Reads with the same names, one stretch without reads, one within the reads of another, and qualities that are put right or not."""
    given = [(some_alignments(), 10, 600), (joined([]), 50, 30), (some_alignments(seed=8), 200, 90), (some_alignments(), 10, 600)]
    reads, starts, sizes = ([each[i] for each in given] for i in range(3))
    reference = [((np.arange(n) + start) % 4).astype(np.uint8) for _, start, n in given]
    for tables in (some_tables(), (np.zeros(256, np.int64), np.zeros((0, 1, 1), np.uint8))):
        with gpu.stream():
            seen = far.look(gpu, far_reads(gpu, reads, sizes, starts), reference, (far.tables(gpu, *tables), LIMITS), spans_of)
        for near, mine, bases, start in zip(seen, reads, reference, starts, strict=True):
            right = recalibrated(mine, tables)
            piled = pileup.pile(right, bases, start)
            wanted = regions.active_regions(right, piled, bases, LIMITS)
            assert [array.tolist() for array in near.active] == [array.tolist() for array in wanted]
            assert (near.depth.tolist(), near.fit.tolist()) == (piled.depth.tolist(), piled.fit.tolist())
            row = over(right, spans_of(wanted), start, start + len(bases))
            equal(near.reads, taken(right, row))
            assert near.quality.tolist() == taken(replace(right, quality=piled.quality), row).quality.tolist()
    assert len(seen[0].active.region) and len(seen[0].active.site) and len(seen[0].active.indel)
    assert len(seen[0].reads) and not len(seen[1].reads)


def spans_of(active: Active) -> NDArray[np.int64]:
    return np.concatenate((active.region, np.stack((active.site, active.site + 1), axis=1)))


def equal(found: Alignments, wanted: Alignments) -> None:
    for field in fields(wanted):
        ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), field.name


@pytest.mark.parametrize("spans", [[], [(0, 30), (5, 5)], [(300, 340), (100, 101), (305, 320), (400, 400), (-9, -3), (550, 9_000)]])
def test_the_reads_over_spans_are_those_of_the_host(gpu: Gpu, spans: list[tuple[int, int]]) -> None:
    """Of several stretches, each with spans of its own."""
    reads, wanted = [some_alignments(), some_alignments(seed=8)], [np.array(each, np.int64).reshape(-1, 2) for each in (spans, [(20, 60)])]
    here = far_reads(gpu, reads, [600, 300], [10, 10])
    found = far.over(gpu, here.reads, here.here, wanted, here.reads.quality)
    for (ours, quality), mine, its, n in zip(found, reads, wanted, (600, 300), strict=True):
        equal(ours, taken(mine, over(mine, its, 10, 10 + n)))
        assert quality.tolist() == ours.quality.tolist()


def test_qualities_put_right_equal_the_cpu(gpu: Gpu) -> None:
    """Of both mates in both directions, with unknown bases and qualities that stay."""
    reads, tables = some_alignments(), some_tables()
    found = far.put_right(gpu, on_device(gpu, reads), Tables(None, *map(gpu.xp.asarray, tables)))
    assert gpu.host(found.quality).tolist() == recalibrated(reads, tables).quality.tolist()
    assert gpu.host(found.base).tolist() == reads.base.tolist()

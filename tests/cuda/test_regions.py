"""On a GPU regions, the reads over them, and qualities put right are those of the CPU."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from genopipe.device import Gpu, using
from genopipe.formats.slabs import taken
from genopipe.kernels import far, pileup, recalibration, regions
from genopipe.kernels.far import FarAlignments, FarPileup
from genopipe.model import Alignments
from tests.kernels.test_pileup import alignments
from tests.kernels.test_regions import LIMITS, some_stretch


def on_device(gpu: Gpu, reads: Alignments) -> Alignments:
    there = Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads)))
    gpu.finish()
    return there


@pytest.mark.parametrize(("seed", "n_indels"), [(0, 60), (1, 300), (2, 1), (3, 0)])
def test_regions_equal_the_cpu(gpu: Gpu, seed: int, n_indels: int) -> None:
    """Where nothing is marked, too, and where indels end behind the stretch or have no bases."""
    reads, piled, reference, mark = some_stretch(seed, n_indels=n_indels)
    odd = np.array([[0, 1_000 + 1_490, 2, -11], [0, 1_100, 2, 0]] if n_indels else np.empty((0, 4)), np.int64)
    piled = replace(piled, indel=np.concatenate((piled.indel, odd)))
    there = replace(piled, indel=gpu.xp.asarray(piled.indel), depth=gpu.xp.asarray(piled.depth))
    for marked in (mark, 0 * mark):
        wanted = regions.regions_of(reads, piled, reference, marked, LIMITS)
        far_piled = FarPileup(gpu, there, on_device(gpu, reads), gpu.xp.asarray(reference))
        found = far.regions_of(far_piled, gpu.xp.asarray(marked), reference, LIMITS)
        for name, ours, theirs in zip(wanted._fields, found, wanted, strict=True):
            assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), name


def some_alignments(n: int = 300) -> Alignments:
    rng = np.random.default_rng(7)
    reads: list[Any] = []
    for position in np.sort(rng.integers(0, 600, n)).tolist():
        cigar = [[(0, 20)], [(4, 5), (0, 15)], [(0, 8), (1, 3), (0, 9)], [(0, 10), (2, 4), (0, 10)]][int(rng.integers(0, 4))]
        quality, length = rng.integers(2, 42, 20).tolist(), rng.integers(14, 21) if len(cigar) == 1 else 20
        reads.append((position, bool(rng.integers(0, 2)), 60, [(0, int(length))] if len(cigar) == 1 else cigar, [], quality[: int(length)]))
    reads = [(*read[:4], ((np.arange(len(read[5])) + read[0]) % 5).tolist(), read[5]) for read in reads]
    made = alignments(reads)
    flag = made.flag | rng.choice([0, 0x80], n).astype(np.uint16)
    return replace(made, flag=flag, name_hash=made.name_hash // np.uint64(2))


def test_regions_of_a_pileup_equal_the_cpu(gpu: Gpu) -> None:
    reads, reference = some_alignments(), (np.arange(600) % 4).astype(np.uint8)
    wanted = regions.active_regions(reads, pileup.pile(reads, reference, 10), reference, LIMITS)
    with using(gpu):
        found = regions.active_regions(reads, pileup.pile(reads, reference, 10), reference, LIMITS)
    assert [array.tolist() for array in found] == [array.tolist() for array in wanted]
    assert len(wanted.region) and len(wanted.site) and len(wanted.indel)


@pytest.mark.parametrize("spans", [[], [(0, 30), (5, 5)], [(300, 340), (100, 101), (305, 320), (400, 400), (-9, -3), (550, 9_000)]])
def test_the_reads_over_spans_are_those_of_the_host(gpu: Gpu, spans: list[tuple[int, int]]) -> None:
    """With the qualities that count once; everything else of the pileup stays."""
    reads, reference = some_alignments(), (np.arange(600) % 4).astype(np.uint8)
    piled = pileup.pile(reads, reference, 10)
    filled = [(low, high) for low, high in spans if low < high]
    row = [row for row in range(len(reads)) if any(reads.position[row] < high and reads.end[row] > low for low, high in filled)]
    row = [each for each in row if reads.end[each] > 10]
    wanted = taken(reads, np.array(row, np.int64))
    once = taken(replace(reads, quality=piled.quality), np.array(row, np.int64)).quality
    with using(gpu):
        there = FarAlignments(gpu, on_device(gpu, reads))
        all_of = pileup.pile(there, reference, 10)
        assert isinstance(all_of, FarPileup)
        found, narrow = far.over(there, all_of, np.array(spans, np.int64).reshape(-1, 2))
    for field in fields(reads):
        ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), field.name
    assert narrow.quality.tolist() == once.tolist()
    assert (narrow.fit.tolist(), narrow.depth.tolist(), narrow.start) == (piled.fit.tolist(), piled.depth.tolist(), 10)


def test_qualities_put_right_equal_the_cpu(gpu: Gpu) -> None:
    """Of both mates in both directions, with unknown bases and qualities that stay."""
    rng, reads = np.random.default_rng(5), some_alignments()
    row_of = np.where(np.arange(256) % 7 == 0, -1, np.arange(256) % 3)
    table = rng.integers(2, 50, (3, recalibration.N_CYCLES, recalibration.N_CONTEXTS + 1)).astype(np.uint8)
    wanted = np.empty_like(reads.quality)
    recalibration.put_right(reads.flag, reads.base, reads.quality, reads.base_start, row_of, table, wanted)
    there = FarAlignments(gpu, on_device(gpu, reads))
    found = far.put_right(there, row_of, table)
    assert found.quality.tolist() == wanted.tolist() and found.base.tolist() == reads.base.tolist()

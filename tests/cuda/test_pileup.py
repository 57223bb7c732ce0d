"""The pileup on a GPU equals that of the CPU, and so do the costs of pairs of haplotypes."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.device import Gpu, using
from genopipe.kernels import genotype, on_gpu, pileup
from genopipe.kernels.far import FarAlignments, FarPileup
from genopipe.model import Alignments
from tests.cuda.build import Shim
from tests.kernels.test_pileup import CIGARS, alignments, some_counts, some_reads


def compare(gpu: Gpu, reads: Alignments, n: int, start: int) -> pileup.Pileup:
    """Fails where an array of the GPU's pileup is not that of the CPU, whose pileup is returned."""
    reference = (np.arange(n) % 4).astype(np.uint8)
    wanted = pileup.pile(reads, reference, start)
    there = Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads)))
    found = on_gpu.pile(gpu, there, gpu.xp.asarray(reference), start)
    for field in fields(wanted):
        if field.name != "start":
            ours, theirs = gpu.host(getattr(found, field.name)), getattr(wanted, field.name)
            assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), field.name
    return wanted


@settings(max_examples=40, deadline=None)
@given(some_reads(), st.integers(1, 4), st.integers(80, 120))
def test_any_pileup_equals_the_cpu(reads, names, start):  # type: ignore[no-untyped-def]
    """Some reads share a name: mates that overlap or not, and names that more than two reads have."""
    compare(Shim(), alignments(reads, names=[i * i % names for i in range(len(reads))]), 50, start)


def test_the_pileup_of_many_reads_equals_the_cpu(gpu: Gpu) -> None:
    rng = np.random.default_rng(3)
    reads = []
    for position in np.sort(rng.integers(0, 900, 600)).tolist():
        cigar = [(operation, 4 * length) for operation, length in CIGARS[int(rng.integers(0, len(CIGARS)))]]
        n = sum(length for operation, length in cigar if operation in (0, 1, 4))
        quality = rng.integers(2, 42, n).tolist()
        reads.append((position, bool(rng.integers(0, 2)), int(rng.integers(0, 61)), cigar, rng.integers(0, 5, n).tolist(), quality))
    made = alignments(reads)
    wanted = compare(gpu, replace(made, name_hash=made.name_hash // np.uint64(2)), 800, 50)
    assert len(wanted.indel) > 100
    assert (wanted.mate >= 0).sum() > 100
    assert wanted.clipped.any()


def test_marked_sites_equal_the_cpu(gpu: Gpu) -> None:
    piled, reference, limits = some_counts()
    seen = tuple(map(gpu.xp.asarray, (piled.count, piled.depth, piled.clipped, reference)))
    assert gpu.host(on_gpu.mark_sites(gpu, seen, **limits)).tolist() == pileup.mark_sites(piled, reference, **limits).tolist()


def test_a_pileup_of_the_device_is_as_that_of_the_host(gpu: Gpu) -> None:
    """Of reads that the host has, and of reads that the device has; each array is copied once, when it is asked for."""
    reads = alignments([(95 + i % 9, i % 3 == 0, 60, [(0, 12)], [(i + j) % 5 for j in range(12)], [30] * 12) for i in range(40)])
    there = Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads)))
    gpu.finish()
    far = FarAlignments(gpu, there)
    reference, (*_, limits) = (np.arange(30) % 4).astype(np.uint8), some_counts()
    wanted = pileup.pile(reads, reference, 90)
    for mine in (reads, far):
        with using(gpu):
            found = pileup.pile(mine, reference, 90)
            assert isinstance(found, FarPileup)
            assert pileup.mark_sites(found, reference, **limits).tolist() == pileup.mark_sites(wanted, reference, **limits).tolist()
        for field in fields(wanted):
            assert np.array_equal(getattr(found, field.name), getattr(wanted, field.name)), field.name
            assert getattr(found, field.name) is getattr(found, field.name)
    for field in fields(reads):
        assert np.array_equal(getattr(far, field.name), getattr(reads, field.name)), field.name
    assert len(far) == len(reads)


def test_no_reads_pile_up_to_nothing(gpu: Gpu) -> None:
    none = alignments([(0, False, 60, [(0, 1)], [0], [30])])
    kept = {field.name: getattr(none, field.name)[:0] for field in fields(none)}
    compare(gpu, Alignments(**kept | {name: np.zeros(1, np.int64) for name in ("cigar_start", "base_start")}), 10, 5)


def test_costs_of_pairs_equal_the_cpu(gpu: Gpu) -> None:
    """Costs near and far from each other: the table of differences ends at 40,000."""
    cost = np.random.default_rng(4).integers(0, 90_000, (37, 19))
    found = gpu.host(on_gpu.pair_costs(gpu, gpu.xp.asarray(cost)))
    assert found.tolist() == genotype.pair_costs(cost).tolist()

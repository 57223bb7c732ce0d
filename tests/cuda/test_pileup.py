"""The pileup on a GPU equals that of the CPU, and so do the costs of pairs of haplotypes."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.call import regions
from genopipe.call.settings import Settings
from genopipe.device import Gpu
from genopipe.kernels import genotype, on_gpu, pileup
from genopipe.model import Alignments
from tests.cuda.build import Shim
from tests.kernels.test_pileup import CIGARS, alignments, some_reads


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


def test_marked_sites_are_those_that_make_regions(gpu: Gpu) -> None:
    """Random counts around the limits, against what the caller finds on the CPU."""
    rng = np.random.default_rng(6)
    n, limits = 4_000, Settings()
    reference = rng.integers(0, 5, n).astype(np.uint8)
    count = rng.choice([0, 0, 1, 2, 3, 20], (n, 8)).astype(np.int32)
    depth, clipped = rng.integers(0, 60, n).astype(np.int32), rng.integers(0, 12, n).astype(np.int32)
    none, costs = np.zeros(0, np.int64), np.zeros((n, 3), np.int64)
    piled = pileup.Pileup(100, count, depth, np.zeros(n, np.int32), clipped, costs, none.reshape(0, 4), none.astype(np.uint8), none)
    there = replace(piled, **{name: gpu.xp.asarray(getattr(piled, name)) for name in ("count", "depth", "clipped")})
    shares = (limits.min_snv_share, limits.min_clip_share)
    mark = gpu.host(on_gpu.mark_sites(gpu, there, gpu.xp.asarray(reference), min_support=limits.min_support, shares=shares))
    site, alternative = regions.differing_sites(SimpleNamespace(reference=reference, pileup=piled), settings=limits)
    assert np.flatnonzero(mark & 15).tolist() == (site - 100).tolist()
    assert (mark[site - 100, None] >> np.arange(4, dtype=np.uint8) & 1).astype(bool).tolist() == alternative.tolist()
    assert np.flatnonzero(mark & 16).tolist() == [position - 100 for position in regions._clip_sites(piled, limits)]
    assert 100 < len(site) < n and 100 < (mark & 16 > 0).sum() < n


def test_no_reads_pile_up_to_nothing(gpu: Gpu) -> None:
    none = alignments([(0, False, 60, [(0, 1)], [0], [30])])
    kept = {field.name: getattr(none, field.name)[:0] for field in fields(none)}
    compare(gpu, Alignments(**kept | {name: np.zeros(1, np.int64) for name in ("cigar_start", "base_start")}), 10, 5)


def test_costs_of_pairs_equal_the_cpu(gpu: Gpu) -> None:
    """Costs near and far from each other: the table of differences ends at 40,000."""
    cost = np.random.default_rng(4).integers(0, 90_000, (37, 19))
    found = gpu.host(on_gpu.pair_costs(gpu, gpu.xp.asarray(cost)))
    assert found.tolist() == genotype.pair_costs(cost).tolist()

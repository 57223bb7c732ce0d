"""The pileup on a GPU equals that of the CPU, and so do the costs of pairs of haplotypes."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.device import Gpu
from genopipe.formats.slabs import joined
from genopipe.kernels import genotype, on_gpu, pileup
from genopipe.kernels.on_gpu import stretches
from genopipe.model import Alignments
from tests.cuda.build import Shim
from tests.kernels.test_pileup import CIGARS, alignments, some_counts, some_reads


def compare(gpu: Gpu, reads: Alignments, n: int, start: int) -> pileup.Pileup:
    """Fails where an array of the GPU's pileup, which is made of two stretches, is not that of the CPU; the CPU's of the first is given."""
    starts, reference = (start, start + 7), (np.arange(n) % 4).astype(np.uint8)
    wanted, whole = [pileup.pile(reads, reference, first) for first in starts], joined([reads, reads])
    here = stretches(gpu, *(np.array(each, np.int64) for each in ((0, len(reads), 2 * len(reads)), (0, n, 2 * n), (*starts, 0))))
    there = Alignments(*(gpu.xp.asarray(getattr(whole, field.name)) for field in fields(reads)))
    n_indels = int(np.isin(whole.cigar & 15, (1, 2)).sum())
    bases, tables = gpu.xp.asarray(np.concatenate((reference, reference))), gpu.xp.asarray(on_gpu.fit_tables())
    piled = on_gpu.pile(gpu, there, bases, here, n_indels=n_indels, tables=tables)
    found = {field.name: gpu.host(getattr(piled, field.name)) for field in fields(piled) if field.name != "start"}
    behind = np.array([len(reads), 0, 0, 0])
    mate = np.where(wanted[1].mate < 0, -1, wanted[1].mate + len(reads))
    shown = np.concatenate((wanted[0].indel, wanted[1].indel + behind))
    assert found.pop("mate").tolist() == [*wanted[0].mate.tolist(), *mate.tolist()]
    assert found.pop("indel").tolist() == [*shown.tolist(), *[[0] * 4] * (n_indels - len(shown))]
    for name, ours in found.items():
        theirs = np.concatenate([getattr(each, name) for each in wanted])
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), name
    return wanted[0]


@settings(max_examples=40)
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


def test_no_reads_pile_up_to_nothing(gpu: Gpu) -> None:
    none = alignments([(0, False, 60, [(0, 1)], [0], [30])])
    kept = {field.name: getattr(none, field.name)[:0] for field in fields(none)}
    compare(gpu, Alignments(**kept | {name: np.zeros(1, np.int64) for name in ("cigar_start", "base_start")}), 10, 5)


def test_costs_of_pairs_equal_the_cpu(gpu: Gpu) -> None:
    """Costs near and far from each other: the table of differences ends at 40,000."""
    cost = np.random.default_rng(4).integers(0, 90_000, (37, 19))
    found = gpu.host(on_gpu.pair_costs(gpu, gpu.xp.asarray(cost)))
    assert found.tolist() == genotype.pair_costs(cost).tolist()

"""The pair-HMM on a GPU gives the bits of the lanes."""

from __future__ import annotations

import numpy as np
import pytest

from genopipe.device import Gpu
from genopipe.kernels import on_gpu, pairhmm
from tests.kernels.test_pairhmm import forward, simulated


@pytest.mark.parametrize("longest", [150, 400])
def test_sums_have_the_bits_of_the_lanes(gpu: Gpu, longest: int) -> None:
    """Reads of up to 160 bases take one tile, longer ones several."""
    reads, haplotypes = simulated(24, read=(1, longest), haplotype=(longest + 1, longest + 60), seed=longest)
    pair = np.arange(24)
    there = [gpu.xp.asarray(array) for array in (*reads, *haplotypes, pair, pair)]
    longest_haplotype = int(np.diff(haplotypes[2]).max())
    found = gpu.host(on_gpu.forward(gpu, tuple(there[:3]), tuple(there[3:6]), pairs=(there[6], there[7]), longest=longest_haplotype))
    assert np.array_equal(found.view(np.uint32), forward(reads, haplotypes, pair, pair).view(np.uint32))


def test_costs_equal_the_lanes(gpu: Gpu) -> None:
    """Pairs in any order, some of them hopeless."""
    reads, haplotypes = simulated(40, seed=9)
    pair_read, pair_haplotype = (grid.ravel() for grid in np.meshgrid(np.arange(40), np.arange(3)))
    found = on_gpu.likelihoods(gpu, reads, haplotypes, pair_read=pair_read, pair_haplotype=pair_haplotype)
    wanted = pairhmm.likelihoods(reads, haplotypes, pair_read=pair_read, pair_haplotype=pair_haplotype)
    assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())
    assert (found == pairhmm.WORST).any()


def test_no_pairs_have_no_costs(gpu: Gpu) -> None:
    reads, haplotypes = simulated(1)
    nothing = np.zeros(0, np.int64)
    assert len(on_gpu.likelihoods(gpu, reads, haplotypes, pair_read=nothing, pair_haplotype=nothing)) == 0

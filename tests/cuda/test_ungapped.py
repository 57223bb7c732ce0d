"""Reads laid without gaps on a GPU have the mismatches and stretches of the lanes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.device import Gpu
from genopipe.kernels import on_gpu
from tests.cuda.build import Shim
from tests.kernels.test_ungapped import lay, pack


def compare(gpu: Gpu, seed: int, share: float) -> None:
    """Lays forty reads on a random genome, on both strands, some bases of which differ or are unknown."""
    rng = np.random.default_rng(seed)
    genome = rng.integers(0, 4, 2_000).astype(np.uint8)
    reads, starts, reverse = [], rng.integers(0, 1_400, 40), rng.integers(0, 2, 40).astype(np.uint8)
    for start, strand in zip(starts.tolist(), reverse.tolist(), strict=True):
        read = genome[start : start + int(rng.integers(1, 513))].copy()
        wrong = rng.random(len(read)) < share
        read[wrong] = rng.integers(0, 5, int(wrong.sum()))
        reads.append(np.where(read < 4, 3 - read, read)[::-1].astype(np.uint8) if strand else read)
    base, base_start = np.concatenate(reads), np.concatenate(([0], np.cumsum([len(read) for read in reads]))).astype(np.int64)
    there = [gpu.xp.asarray(array) for array in (base, base_start, pack(genome), np.arange(40, dtype=np.int32), reverse, starts)]
    found = [gpu.host(array).tolist() for array in on_gpu.lay(gpu, *there[:3], candidate=tuple(there[3:]))]
    wanted = [lay(read, genome, int(start), reverse=int(strand)) for read, start, strand in zip(reads, starts, reverse, strict=True)]
    assert list(zip(*found, strict=True)) == [(n, *stretch) for n, stretch in wanted]


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0, 0.5))
def test_any_reads_equal_the_lanes(seed: int, share: float) -> None:
    compare(Shim(), seed, share)


def test_reads_equal_the_lanes(gpu: Gpu) -> None:
    compare(gpu, 1, 0.05)

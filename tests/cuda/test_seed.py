"""Seeds, look-up and votes on a GPU equal those of the lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.kernels import on_gpu
from genopipe.kernels import seed as lanes
from tests.cuda.build import Shim
from tests.cuda.inputs import Codes, index_of, reads_of, repetitive
from tests.kernels.test_ungapped import pack
from tests.oracles import seed as oracle


def lane_candidates(base: Codes, base_start: NDArray[np.int64], index: tuple[Any, ...], slots: int) -> on_gpu.Candidates:
    n = len(base_start) - 1
    shape = n, slots
    found = on_gpu.Candidates(
        *(np.zeros(shape, np.int64) for _ in range(3)),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint8),
    )
    lanes.candidates(base, base_start, *index, *found)
    return found


def compare(gpu: Gpu, base: Codes, base_start: NDArray[np.int64], index: tuple[Any, ...]) -> on_gpu.Candidates:
    """Fails where the GPU's candidates are not those of the lanes, which are returned."""
    wanted = lane_candidates(base, base_start, index, 20)
    there = on_gpu.Index(gpu.xp.asarray(index[0]), gpu.xp.asarray(index[1]), index[2])
    found = on_gpu.Candidates(*map(gpu.host, on_gpu.candidates(gpu, gpu.xp.asarray(base), gpu.xp.asarray(base_start), there, slots=20)))
    assert found.n_candidate.tolist() == wanted.n_candidate.tolist()
    assert found.crowded.tolist() == wanted.crowded.tolist()
    used = np.arange(20) < wanted.n_candidate[:, None]
    for name in ("diagonal", "low", "high", "reverse", "vote"):
        assert np.array_equal(getattr(found, name)[used], getattr(wanted, name)[used]), name
    return wanted


@pytest.mark.parametrize("copies", [0, 25, 250])
def test_candidates_equal_the_lanes(gpu: Gpu, copies: int) -> None:
    """Without repeats, with repeats below the usual number, and with seeds of hundreds of places."""
    rng = np.random.default_rng(copies)
    genome = repetitive(rng, 60_000, copies=copies)
    base, base_start = reads_of(rng, genome, 150)
    wanted = compare(gpu, base, base_start, index_of(genome))
    assert (wanted.n_candidate > 0).sum() > 80
    assert wanted.crowded.any() == (copies > 0)


def test_reads_of_every_length_equal_the_lanes(gpu: Gpu) -> None:
    """Reads shorter than a seed, of a whole number of words, and of the largest length."""
    rng = np.random.default_rng(5)
    genome = rng.integers(0, 4, 20_000).astype(np.uint8)
    lengths = [1, 19, 20, 31, 32, 33, 63, 64, 65, 96, 128, 160, 300, 511, 512]
    starts = rng.integers(0, 19_000, len(lengths)).tolist()
    base = np.concatenate([genome[s : s + n] for s, n in zip(starts, lengths, strict=True)])
    compare(gpu, base, np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), index_of(genome))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=0, max_size=120), st.integers(1, 30))
def test_short_genomes_and_reads_equal_the_lanes(read: list[int], times: int) -> None:
    """Tandem repeats of a short genome: neighbouring diagonals, copies as good as each other."""
    code = np.array(read, np.uint8)
    genome = np.concatenate([np.minimum(np.tile(code, times), 4), np.zeros(30, np.uint8)])
    start = np.array([0, len(code), 2 * len(code)])
    compare(Shim(), np.concatenate([code, (3 - np.minimum(code, 3))[::-1]]), start, index_of(genome))


def test_seeds_equal_their_definition(gpu: Gpu) -> None:
    rng = np.random.default_rng(2)
    genome = repetitive(rng, 30_000, copies=50)
    base, base_start = reads_of(rng, genome, 20)
    entry, bucket, bits = index_of(genome)
    there = on_gpu.Index(gpu.xp.asarray(entry), gpu.xp.asarray(bucket), bits)
    found = on_gpu.Seeds(*map(gpu.host, on_gpu.seeds(gpu, gpu.xp.asarray(base), gpu.xp.asarray(base_start), there)))
    for read in range(20):
        letters = "".join("ACGTN"[c] for c in base[base_start[read] : base_start[read + 1]])
        wanted = oracle.syncmers(letters)
        n = int(found.n[read])
        assert list(zip(found.seed[read, :n].tolist(), found.where[read, :n].tolist(), strict=True)) == wanted
        first, count = np.empty(n, np.int64), np.empty(n, np.int64)
        lanes.lookup(found.seed[read, :n], n, entry, bucket, bits, first, count)
        assert found.count[read, :n].tolist() == count.tolist()
        assert found.first[read, :n][count > 0].tolist() == first[count > 0].tolist()


def test_no_reads_have_no_candidates(gpu: Gpu) -> None:
    index = index_of(np.zeros(100, np.uint8))
    assert len(compare(gpu, np.zeros(0, np.uint8), np.zeros(1, np.int64), index).n_candidate) == 0


@pytest.mark.parametrize("bits", [8, 11, None])
def test_an_index_built_there_is_that_of_the_lanes(gpu: Gpu, bits: int | None) -> None:
    """Runs of unknown bases, one run shorter than a seed, and one that begins in the middle of a word."""
    rng = np.random.default_rng(6)
    genome = repetitive(rng, 12_000, copies=20)
    known = [(0, 5_001), (5_010, 5_020), (5_035, 12_000)]
    with_unknown = np.full(len(genome), 4, np.uint8)
    for start, end in known:
        with_unknown[start:end] = genome[start:end]
    packed = gpu.xp.asarray(np.concatenate([pack(genome), np.zeros(1, np.uint64)]))
    found = on_gpu.build_index(gpu, packed, known, bucket_bits=bits)
    entry, bucket, wanted_bits = index_of(with_unknown, found.bucket_bits)
    assert gpu.host(found.entry).tolist() == entry.tolist()
    assert gpu.host(found.bucket).tolist() == bucket.tolist()
    assert len(entry) / (1 << wanted_bits) <= 10

"""Placements of a batch made on a GPU equal those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.align import placement
from genopipe.align.on_gpu import PLACE, Placer
from genopipe.device import Gpu
from genopipe.kernels.on_gpu import Index
from genopipe.model import Contig, Genome, Reads
from tests.cuda.build import nvrtc_compile
from tests.cuda.inputs import Codes, index_of, reads_of, repetitive

CONTIGS = [(0, 9_000), (9_024, 20_000), (20_000, 20_090), (20_096, 60_000)]


def packed(code: Codes) -> NDArray[np.uint64]:
    words = np.zeros((len(code) + 31) // 32, np.uint64)
    for i in range(32):
        part = code[i::32].astype(np.uint64)
        words[: len(part)] |= part << np.uint64(2 * i)
    return words


def a_genome(rng: np.random.Generator, copies: int) -> tuple[Codes, Index, placement.Target]:
    """Four contigs, one shorter than a read, with runs of unknown bases at their ends and inside, and a tandem repeat."""
    genome = repetitive(rng, 60_000, copies=copies)
    genome[40_100:40_300] = np.tile(genome[40_000:40_025], 8)
    unknown = np.array([[0, 40], [500, 520], [8_990, 9_000], [19_000, 19_100], [59_900, 60_000]])
    known = genome.copy()
    for start, end in [*unknown.tolist(), (9_000, 9_024), (20_090, 20_096)]:
        known[start:end] = 4
    contigs = tuple(Contig(f"c{start}", start, end - start, "", "") for start, end in CONTIGS)
    words = packed(np.where(known < 4, known, 0).astype(np.uint8))
    target = placement.target_of(Genome("four", contigs, words, unknown[:, 0].copy(), unknown[:, 1].copy()))
    return genome, Index(*index_of(known)), target


def as_reads(base: Codes, base_start: NDArray[np.int64]) -> Reads:
    n = len(base_start) - 1
    nothing = np.zeros(0, np.uint8)
    return Reads(False, nothing, np.zeros(n + 1, np.int64), np.zeros(n, np.int32), base, np.full(len(base), 30, np.uint8), base_start)


def compare(gpu: Gpu, reads: Reads, index: Index, target: placement.Target) -> placement.Placements:
    """Fails where the GPU places a read otherwise than the CPU, whose placements are returned."""
    wanted = placement.empty_placements(len(reads))
    cigar = placement.place(reads, index, target, wanted, placement.Workspace())
    found, found_cigar = Placer(gpu, index, target).place(reads)
    used = np.arange(placement.SLOTS) < wanted.n[:, None]
    for name, ours, theirs in zip(wanted._fields, found, wanted, strict=True):
        rows = used if ours.ndim == 2 else slice(None)
        assert ours.dtype == theirs.dtype, name
        assert np.array_equal(ours[rows], theirs[rows]), name
    assert found_cigar.tolist() == cigar.tolist()
    return wanted


@pytest.mark.parametrize("copies", [2, 30])
def test_placements_equal_the_cpu(gpu: Gpu, copies: int) -> None:
    """Reads of many lengths with errors and gaps, a few of them over the borders of contigs and beside unknown bases."""
    rng = np.random.default_rng(copies)
    genome, index, target = a_genome(rng, copies)
    base, base_start = reads_of(rng, genome, 150, error=0.03)
    edge = [genome[start : start + 120] for start in (8_950, 8_985, 19_950, 20_020, 20_060, 480, 19_050, 59_800, 30)]
    start = np.concatenate((base_start, base_start[-1] + np.cumsum([len(read) for read in edge])))
    wanted = compare(gpu, as_reads(np.concatenate([base, *edge]), start), index, target)
    used = np.arange(placement.SLOTS) < wanted.n[:, None]
    assert (wanted.cigar_n[used] > 1).sum() > 20, "hardly anything was extended"


def test_wide_bands_and_tandem_repeats_equal_the_cpu(gpu: Gpu) -> None:
    """Deletions of dozens of bases, which seeds on both sides bridge, and copies of a repeat that are left out."""
    rng = np.random.default_rng(8)
    genome, index, target = a_genome(rng, 1)
    starts, gaps = range(25_000, 34_000, 900), range(20, 80, 6)
    reads = [np.delete(genome[s : s + 260], np.arange(120, 120 + gap)) for s, gap in zip(starts, gaps, strict=True)]
    reads += [np.delete(genome[s : s + 300], np.arange(150, 150 + gap)) for s, gap in zip(range(40_000, 40_100, 10), gaps, strict=True)]
    start = np.concatenate(([0], np.cumsum([len(read) for read in reads]))).astype(np.int64)
    wanted = compare(gpu, as_reads(np.concatenate(reads), start), index, target)
    assert (wanted.high[:, 0] - wanted.low[:, 0] > 16).sum() > 5
    used = np.arange(placement.SLOTS) < wanted.n[:, None]
    assert (wanted.score[used] == -1).any(), "nothing was dropped"


def test_no_reads_have_no_places(gpu: Gpu) -> None:
    _, index, target = a_genome(np.random.default_rng(1), 1)
    assert len(compare(gpu, as_reads(np.zeros(0, np.uint8), np.zeros(1, np.int64)), index, target).n) == 0


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
def test_the_source_compiles_without_spills(arch: str) -> None:
    _, kernels = nvrtc_compile(PLACE, arch)
    assert set(kernels) == {"score_ungapped", "fill_jobs", "write_back", "drop_repeated"}
    assert max(taken.spilled for taken in kernels.values()) == 0

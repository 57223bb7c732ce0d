"""The place chosen for each read on a GPU is that of the CPU, rescue near the mate included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.align import pairing, placement, rescue
from genopipe.align.choose_on_gpu import PAIR, Batch, Chooser, Chosen
from genopipe.align.insert_size import FF, FR, RF, RR, InsertSize
from genopipe.align.on_gpu import Placer
from genopipe.device import Gpu
from genopipe.kernels.on_gpu import Index
from genopipe.model import Reads
from tests.cuda.build import nvrtc_compile
from tests.cuda.inputs import Codes
from tests.cuda.test_place import a_genome

INSERT = InsertSize(low=180, high=520, mean=350, variance=2500, n_pairs=1000)


def pairs_of(rng: np.random.Generator, genome: Codes, n: int, orientation: int) -> Reads:
    """Pairs that lie so; of some a mate is hard to place, comes from elsewhere or is short."""
    reads, names = [], []
    for k in range(n):
        size = int(rng.integers(200, 500))
        at = int(rng.integers(0, len(genome) - size))
        fragment = genome[at : at + size]
        if rng.random() < 0.5:
            fragment = np.where(fragment < 4, 3 - fragment, fragment)[::-1]
        turned = np.where(fragment < 4, 3 - fragment, fragment)[::-1]
        mates = {FR: (fragment[:120], turned[:100]), FF: (fragment[:120], fragment[-100:])}
        mates |= {RF: (turned[-120:], fragment[-100:]), RR: (fragment[-120:], fragment[:100])}
        one, two = (mate.astype(np.uint8) for mate in mates[orientation])
        if k % 3 == 1:
            two[rng.random(len(two)) < 0.12] = rng.integers(0, 4)
        if k % 7 == 2:
            one = rng.integers(0, 5, int(rng.integers(1, 140))).astype(np.uint8)
        if k % 5 == 4:
            two = np.delete(two, slice(50, 54))
        if k % 11 == 3:
            one = one[: int(rng.integers(0, 40))]
        reads += [one, two]
        names += [f"pair{k} 1".encode(), f"pair{k} 2".encode()]
    header_start, base_start = (np.concatenate(([0], np.cumsum(list(map(len, rows))))).astype(np.int64) for rows in (names, reads))
    header, base = np.frombuffer(b"".join(names), np.uint8), np.concatenate(reads)
    name_length = np.array([len(name) - 2 for name in names], np.int32)
    return Reads(True, header, header_start, name_length, base, np.full(len(base), 30, np.uint8), base_start)


def compare(gpu: Gpu, reads: Reads, index: Index, target: placement.Target, insert: InsertSize) -> Chosen:
    """Fails where the GPU chooses otherwise than the CPU; gives what it chose."""
    wanted, work = placement.empty_placements(len(reads)), placement.Workspace()
    cigar = placement.place(reads, index, target, wanted, work)
    if reads.paired:
        cigar = rescue.rescue(reads, target, wanted, cigar, insert, work)
    choice = pairing.choose(reads, target, wanted, insert)
    placer = Placer(gpu, index, target)
    chooser = Chooser(placer, target.alternative, insert)
    chance = chooser.name_hash(*map(gpu.xp.asarray, (reads.header, reads.header_start, reads.name_length)))
    assert gpu.host(chance).tolist() == pairing.name_hash(reads.header, reads.header_start, reads.name_length).tolist()
    base, quality, base_start = map(gpu.xp.asarray, (reads.base, reads.quality, reads.base_start))
    chosen = chooser.choose(Batch(reads.paired, base, quality, base_start, chance)).on_host(gpu)
    for name, ours, theirs in zip(choice._fields, chosen.choice, choice, strict=True):
        assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist()), name
    half = len(reads) // 4 * 2
    for first, last in ((0, half), (half, len(reads))):
        check_part(chosen, first, last, wanted, choice, cigar)
    return chosen


def check_part(
    chosen: Chosen, first: int, last: int, wanted: placement.Placements, choice: pairing.Choice, cigar: NDArray[np.uint32]
) -> None:
    """Slot 0 of a part is what the CPU has in the slot chosen."""
    found, part, operations = chosen.part(first, last)
    mapped = np.flatnonzero(choice.slot[first:last] >= 0)
    assert part.slot.tolist() == np.where(choice.slot[first:last] >= 0, 0, -1).tolist()
    assert found.n.tolist() == (part.slot + 1).tolist()
    for read in mapped.tolist():
        at = first + read, choice.slot[first + read]
        for name in ("reverse", "score", "start", "end", "clip_start", "clip_end", "cigar_n"):
            assert getattr(found, name)[read, 0] == getattr(wanted, name)[at], name
        ours, theirs = int(found.cigar_at[read, 0]), int(wanted.cigar_at[at])
        assert (ours < 0) == (theirs < 0)
        n = wanted.cigar_n[at]
        assert theirs < 0 or operations[ours : ours + n].tolist() == cigar[theirs : theirs + n].tolist()


@pytest.mark.parametrize("orientation", [FF, FR, RF, RR])
def test_pairs_are_chosen_as_on_the_cpu(gpu: Gpu, orientation: int) -> None:
    rng = np.random.default_rng(orientation)
    genome, index, target = a_genome(rng, 12)
    reads = pairs_of(rng, genome, 90, orientation)
    chosen = compare(gpu, reads, index, target, replace(INSERT, orientation=orientation))
    assert chosen.choice.proper.sum() > 40
    assert (chosen.choice.quality == 0).any() and (chosen.operations > 1).any()


def test_mates_without_seeds_are_found(gpu: Gpu) -> None:
    """Every seventeenth base of a mate is wrong: no seed is left, but words of ten bases."""
    rng = np.random.default_rng(5)
    genome, index, target = a_genome(rng, 1)
    reads = pairs_of(rng, genome, 40, FR)
    base = reads.base.copy()
    for read in range(1, len(reads), 2):
        wrong = slice(int(reads.base_start[read]) + 8, int(reads.base_start[read + 1]), 17)
        base[wrong] = (base[wrong] + 1) % 4
    chosen = compare(gpu, replace(reads, base=base), index, target, INSERT)
    assert (chosen.choice.slot[1::2] >= 0).sum() > 15


def test_single_reads_and_alternative_contigs(gpu: Gpu) -> None:
    rng = np.random.default_rng(6)
    genome, index, target = a_genome(rng, 20)
    reads = replace(pairs_of(rng, genome, 60, FR), paired=False)
    alternative = np.array([True, False, False, False])
    chosen = compare(gpu, reads, index, target._replace(alternative=alternative), INSERT)
    assert chosen.choice.proper.sum() == 0 and (chosen.choice.slot >= 0).sum() > 80


def test_no_reads_have_no_place(gpu: Gpu) -> None:
    _, index, target = a_genome(np.random.default_rng(1), 1)
    none = np.zeros(0, np.uint8)
    reads = Reads(True, none, np.zeros(1, np.int64), np.zeros(0, np.int32), none, none, np.zeros(1, np.int64))
    assert compare(gpu, reads, index, target, INSERT).part(0, 0)[2].tolist() == []


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
def test_the_source_compiles_without_spills(arch: str) -> None:
    _, kernels = nvrtc_compile(PAIR, arch)
    assert {"rescue_tasks", "rescue_scan", "rescue_add", "leave_out", "choose", "hash_names", "take_chosen"} < set(kernels)
    assert max(taken.spilled for taken in kernels.values()) == 0

"""Active regions against their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genopipe.formats.slabs import no_reads
from genopipe.kernels.pileup import Pileup
from genopipe.kernels.regions import Active, Limits, regions_of
from genopipe.model import Alignments
from tests.oracles import regions as oracle

LIMITS = Limits(np.int64(2), *map(np.float64, (0.08, 0.1, 0.15)), np.int64(20), np.int64(250))
START = 1_000


def repetitive(rng: np.random.Generator, n: int) -> list[int]:
    """Base codes with tandem repeats and some unknown ones."""
    found: list[int] = []
    while len(found) < n:
        unit = rng.integers(0, 4, int(rng.choice([1, 2, 3, 5, 24]))).tolist()
        found += unit * int(rng.integers(1, 8)) + rng.integers(0, 4, int(rng.integers(0, 20))).tolist() + [4] * int(rng.random() < 0.05)
    return found[:n]


def some_stretch(seed: int, n: int = 1_500, n_indels: int = 60) -> tuple[Alignments, Pileup, np.ndarray, np.ndarray]:
    """Reads of which each shows one indel, most of them one that others show too; a pileup with random depth, and random marks."""
    rng = np.random.default_rng(seed)
    reference = np.array(repetitive(rng, n), np.uint8)
    places = rng.integers(0, n, max(n_indels // 4, 1))
    base, rows = [], []
    for read in range(n_indels):
        at, length = int(rng.choice(places)), int(rng.choice([-30, -6, -3, -2, -1, 1, 2, 3, 5, 40]))
        copied = reference[at : at + length].tolist() if length > 0 and rng.random() < 0.8 else []
        inserted = copied + rng.integers(0, 5 if rng.random() < 0.1 else 4, max(length, 0) - len(copied)).tolist()
        rows.append((read, at + START, 2, length))
        base.append([0, 0, *inserted, 0])
    bases = np.array([code for each in base for code in each], np.uint8)
    base_start = np.concatenate(([0], np.cumsum([len(each) for each in base]))).astype(np.int64)
    reads = {name: getattr(no_reads(), name) for name in ("end", "flag", "mapping_quality", "cigar", "cigar_start", "quality", "position")}
    names = rng.integers(1, max(n_indels // 2, 2), n_indels).astype(np.uint64) << np.uint64(40)
    shown = Alignments(**reads, name_hash=names, base=bases, base_start=base_start)
    none = np.zeros(n, np.int32)
    indel = np.array(rows, np.int64).reshape(-1, 4)
    depth = rng.integers(0, 60, n).astype(np.int32)
    piled = Pileup(START, none[:, None], depth, none, none, none[:, None], indel, np.zeros(0, np.uint8), np.zeros(0, np.int64))
    return shown, piled, reference, rng.choice([0, 1, 6, 16, 17], n, p=[0.974, 0.012, 0.006, 0.005, 0.003]).astype(np.uint8)


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_those_of_their_definition(seed: int) -> None:
    reads, piled, reference, mark = some_stretch(seed)
    found = regions_of(reads, piled, reference, mark, LIMITS)
    shown = [
        (at - START, max(-length, 0), tuple(reads.base[first : first + max(length, 0)].tolist()), int(reads.name_hash[read]))
        for read, at, offset, length in piled.indel.tolist()
        for first in [int(reads.base_start[read]) + offset]
    ]
    codes, site, clip = tuple(reference.tolist()), np.flatnonzero(mark & 15).tolist(), np.flatnonzero(mark & 16).tolist()
    indels = oracle.tried(codes, shown, 2)
    regions, inside = oracle.regions(codes, indels, piled.depth.tolist(), site, clip, (2, 0.08, 20, 250))
    assert indels_of(found) == indels
    assert (found.region - START).tolist() == [list(region) for region in regions]
    assert (found.site - START).tolist() == site and found.code.tolist() == (mark[site] & 15).tolist()
    assert found.inside.tolist() == [at in inside for at in site]
    assert indels and regions and 0 < len(inside) < len(site)


def indels_of(found: Active) -> dict[tuple[int, int, tuple[int, ...]], int]:
    bounds = np.cumsum([0, *found.indel[:, 2].tolist()]).tolist()
    return {
        (at - START, deleted, tuple(found.inserted[first : first + inserted].tolist())): support
        for (at, deleted, inserted, support), first in zip(found.indel.tolist(), bounds, strict=False)
    }


def test_of_nothing_there_is_nothing() -> None:
    reads, piled, reference, mark = some_stretch(0, n_indels=0)
    found = regions_of(reads, piled, reference, 0 * mark, LIMITS)
    assert [len(array) for array in found] == [0] * len(found)


def test_an_indel_that_ends_behind_the_stretch_is_left_to_the_next_one() -> None:
    reads, piled, reference, mark = some_stretch(1)
    last = replace(piled, indel=np.array([[read, START + 1_490, 2, -11] for read in range(4)], np.int64))
    assert not len(regions_of(reads, last, reference, 0 * mark, LIMITS).indel)


def test_long_indels_need_no_second_fragment_and_the_others_do() -> None:
    reads, piled, _, mark = some_stretch(1)
    reference = np.arange(1_500, dtype=np.uint8) % 4
    once = replace(piled, indel=np.array([[0, START + 100, 2, -5], [0, START + 200, 2, -3]], np.int64))
    assert indels_of(regions_of(reads, once, reference, 0 * mark, LIMITS)) == {(100, 5, ()): 1}

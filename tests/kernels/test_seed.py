"""Seeds equal their definition, are the same on both strands, and lead back to where a read came from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genopipe.align.index import _sorted_index
from genopipe.kernels import seed as kernel
from tests.oracles import seed as oracle

LETTERS = "ACGTN"


def codes(sequence: str) -> NDArray[np.uint8]:
    return np.array([LETTERS.index(letter) for letter in sequence], np.uint8)


def seeds(sequence: str) -> list[tuple[int, int]]:
    seed, position = np.empty(len(sequence) + 2, np.uint64), np.empty(len(sequence) + 2, np.int64)
    n = kernel.syncmers(codes(sequence), 0, len(sequence), seed, position)
    return list(zip(seed[:n].tolist(), position[:n].tolist(), strict=True))


def random_sequence(n: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n))


def index_of(sequence: str) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]:
    """A sorted index of one sequence, its partitions filled by plain Python."""
    parts: list[list[int]] = [[] for _ in range(1 << kernel.PARTITION_BITS)]
    for seed, position in oracle.syncmers(sequence):
        parts[seed >> 32].append((seed & 0xFFFFFFFF) << 32 | position)
    count = np.array([len(part) for part in parts], np.int64)
    entry = np.zeros((len(parts), count.max() + 1), np.uint64)
    for row, part in zip(entry, parts, strict=True):
        row[: len(part)] = part
    index = _sorted_index(entry, count, np.zeros((0, 2), np.int64))
    return index.entry, index.bucket, index.bucket_bits


@settings(max_examples=60)
@given(st.text(alphabet="ACGTN", max_size=120) | st.integers(0, 1000).map(lambda s: random_sequence(200, s)))
def test_syncmers_equal_their_definition(sequence: str) -> None:
    assert seeds(sequence) == oracle.syncmers(sequence)


def test_both_strands_have_the_same_seeds() -> None:
    sequence = random_sequence(5000)
    there = {(seed >> 1, position, seed & 1) for seed, position in seeds(sequence)}
    back = {
        (seed >> 1, len(sequence) - kernel.K - position, 1 - (seed & 1)) for seed, position in seeds(oracle.reverse_complement(sequence))
    }
    assert there == back


def test_one_seed_in_five_bases() -> None:
    assert len(seeds(random_sequence(20_000))) / 20_000 == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("sequence", ["A" * 100, "AC" * 50, "ACGT" * 30])
def test_low_complexity_has_no_seeds(sequence: str) -> None:
    assert seeds(sequence) == []


def test_lookup_finds_every_position_and_nothing_else() -> None:
    sequence = random_sequence(2000) * 2 + random_sequence(500, 9)
    entry, bucket, bits = index_of(sequence)
    where: dict[int, set[int]] = {}
    for seed, place in oracle.syncmers(sequence):
        where.setdefault(seed >> 1, set()).add(place)
    asked = oracle.syncmers(sequence[:2300]) + oracle.syncmers(random_sequence(300, 5))
    seed = np.array([seed for seed, _ in asked], np.uint64)
    first, count = np.empty(len(seed), np.int64), np.empty(len(seed), np.int64)
    kernel.lookup(seed, len(seed), entry, bucket, bits, first, count)
    for i in range(len(seed)):
        assert set((entry[first[i] : first[i] + count[i]] & np.uint64(0xFFFFFFFF)).tolist()) == where.get(int(seed[i]) >> 1, set())


def candidates(read: str, genome: str) -> list[tuple[int, int, int, int]]:
    """Diagonal, lowest and highest diagonal, and strand of the candidates of one read."""
    shape = (1, kernel.MAX_CANDIDATES)
    diagonal, low, high = (np.zeros(shape, np.int64) for _ in range(3))
    reverse, vote = np.zeros(shape, np.uint8), np.zeros(shape, np.int32)
    n, crowded = np.zeros(1, np.int32), np.zeros(1, np.uint8)
    start = np.array([0, len(read)])
    kernel.candidates(codes(read), start, *index_of(genome), diagonal, low, high, reverse, vote, n, crowded)
    rows = zip(diagonal[0].tolist(), low[0].tolist(), high[0].tolist(), reverse[0].tolist(), strict=True)
    return list(rows)[: n[0]]


@pytest.fixture(scope="module")
def genome() -> str:
    return random_sequence(6000, 3)


def test_a_read_leads_back_to_its_place(genome: str) -> None:
    assert candidates(genome[1000:1150], genome) == [(1000, 1000, 1000, 0)]


def test_a_reverse_read_leads_back_to_its_place(genome: str) -> None:
    assert candidates(oracle.reverse_complement(genome[1000:1150]), genome) == [(1000, 1000, 1000, 1)]


def test_a_deletion_is_bridged_by_the_band(genome: str) -> None:
    found = candidates(genome[1000:1075] + genome[1125:1200], genome)
    assert [(low, high) for _, low, high, _ in found] == [(1000, 1050)]


def test_copies_of_a_tandem_repeat_are_candidates_each(genome: str) -> None:
    repeat = genome[2000:2060]
    found = candidates(repeat * 2, genome[:2000] + repeat * 4 + genome[3000:])
    assert {2000, 2060, 2120} <= {diagonal for diagonal, *_ in found}


def test_a_read_of_another_genome_has_no_candidates(genome: str) -> None:
    assert candidates(random_sequence(150, 77), genome) == []

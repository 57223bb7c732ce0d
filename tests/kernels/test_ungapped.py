"""Mismatches and the best ungapped stretch equal a plain count over all stretches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genopipe.kernels import ungapped as kernel


def best_by_definition(read: list[int], genome: list[int]) -> tuple[int, int, int]:
    """The highest score of any stretch, and where it lies; one that reaches the last base earns something before that end's bonus."""
    best = (-1, 0, 0)
    for end in range(1, len(read) + 1):
        for start in range(end):
            score = 5 * (start == 0)
            for r, g in zip(read[start:end], genome[start:end], strict=True):
                score += 1 if r == g else -1 if r > 3 else -4
            if end == len(read):
                score = score + 5 if score > 0 else -1
            if score > best[0]:
                best = (score, start, end)
    return best


def pack(code: NDArray[np.uint8]) -> NDArray[np.uint64]:
    words = np.zeros(len(code) // 32 + 1, np.uint64)
    for i, c in enumerate(code.tolist()):
        words[i // 32] |= np.uint64(c) << np.uint64(2 * (i % 32))
    return words


def lay(read: NDArray[np.uint8], genome: NDArray[np.uint8], start: int, *, reverse: int = 0) -> tuple[int, tuple[int, int, int]]:
    words = (len(read) + 31) // 32
    word, unknown, mismatch = (np.empty(words, np.uint64) for _ in range(3))
    kernel.pack_read(read, 0, len(read), reverse, word, unknown)
    n = kernel.mismatches(word, unknown, len(read), pack(genome), start, mismatch)
    return n, tuple(map(int, kernel.best_stretch(mismatch, unknown, len(read))))


reads = st.lists(st.integers(0, 4), min_size=30, max_size=110)


@settings(max_examples=80)
@given(reads, st.integers(0, 70), st.floats(0, 0.4), st.integers(0, 10**6))
def test_mismatches_and_stretch_equal_their_definition(read: list[int], start: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    code = np.array(read, np.uint8)
    genome = rng.integers(0, 4, start + len(read) + 40).astype(np.uint8)
    genome[start : start + len(read)] = np.where(rng.random(len(read)) < share, rng.integers(0, 4, len(read)), code & 3)
    below = genome[start : start + len(read)].tolist()
    n, stretch = lay(code, genome, start)
    wanted = best_by_definition(read, below)
    assert n == sum(r != g for r, g in zip(read, below, strict=True))
    assert stretch[0] == wanted[0]


def test_the_end_bonus_is_not_earned_by_no_bases() -> None:
    read, genome = np.zeros(30, np.uint8), np.ones(30, np.uint8)
    genome[10:13] = 0
    assert lay(read, genome, 0)[1] == (3, 10, 13)


def test_a_reverse_read_is_laid_as_its_reverse_complement() -> None:
    genome = np.random.default_rng(1).integers(0, 4, 200).astype(np.uint8)
    read = (3 - genome[50:150])[::-1].copy()
    read[0] = 4
    assert lay(read, genome, 50, reverse=1) == (1, (98 + 10, 0, 100))


@pytest.mark.parametrize(("changed", "start"), [([3], 0), ([1, 3], 4)])
def test_an_end_is_clipped_only_for_more_than_five(changed: list[int], start: int) -> None:
    genome = np.zeros(100, np.uint8)
    read = genome.copy()
    read[changed] = 1
    assert lay(read, genome, 0)[1][1:] == (start, 100)

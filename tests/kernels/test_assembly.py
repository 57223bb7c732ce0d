"""Detours of the de Bruijn graph, gap chances in repeats, and global alignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.kernels.assembly import GAP_RATE, detours, gap_chance, line_up


def graph_input(sequences):
    return np.concatenate(sequences).astype(np.uint8), np.concatenate(([0], np.cumsum([len(s) for s in sequences]))).astype(np.int64)


def spelled(reference, detour):
    return np.concatenate((reference[: detour.leave], np.frombuffer(detour.base, np.uint8), reference[detour.join :]))


def pieces(haplotype, n=40, length=60, seed=3):
    return [haplotype[s : s + length] for s in np.random.default_rng(seed).integers(0, len(haplotype) - length, n)]


@pytest.fixture
def reference():
    return np.random.default_rng(11).integers(0, 4, 200).astype(np.uint8)


@pytest.mark.parametrize("k", [13, 21, 31])
@pytest.mark.parametrize("change", ["snv", "deletion", "insertion", "both"])
def test_a_haplotype_comes_out_whole(reference, k, change):
    other = reference.copy()
    if change in ("snv", "both"):
        other[90] = (other[90] + 1) % 4
    if change in ("deletion", "both"):
        other = np.concatenate((other[:95], other[110:]))
    if change == "insertion":
        other = np.concatenate((other[:95], np.random.default_rng(5).integers(0, 4, 25), other[95:])).astype(np.uint8)
    found = detours(*graph_input([reference, *pieces(other), *pieces(reference)]), k=k, min_support=2)
    assert [spelled(reference, detour).tolist() for detour in found] == [other.tolist()]


def test_a_step_seen_too_rarely_is_not_taken(reference):
    other = reference.copy()
    other[100] = (other[100] + 1) % 4
    assert detours(*graph_input([reference, other[60:140], *pieces(reference)]), k=21, min_support=2) == []


def test_unknown_bases_break_a_read(reference):
    other = reference.copy()
    other[100] = (other[100] + 1) % 4
    other[[92, 108]] = 4
    assert detours(*graph_input([reference, *[other[60:140]] * 5]), k=21, min_support=2) == []


def test_a_reference_that_repeats_a_word_gives_nothing(reference):
    reference[100:130] = reference[20:50]
    other = np.concatenate((reference[:70], reference[75:]))
    assert detours(*graph_input([reference, *pieces(other)]), k=21, min_support=2) == []


def test_gap_chances_grow_with_the_repeat():
    base = np.array([0, 1, *[2] * 8, 1, 3, 1, 3, 1, 3, 1, 3, 0], np.uint8)
    chance = np.empty(len(base), np.float32)
    gap_chance(base, GAP_RATE, chance)
    assert chance[0] == np.float32(GAP_RATE[1, 1])
    assert np.allclose(chance[2:10], GAP_RATE[1, 8] / 9)
    assert np.allclose(chance[12:18], np.maximum(GAP_RATE[1, 4] / 5, GAP_RATE[1, 1]))


def test_a_long_repeat_has_a_bounded_chance():
    chance = np.empty(300, np.float32)
    gap_chance(np.zeros(300, np.uint8), GAP_RATE, chance)
    assert chance.max() < 1e-3


SEQUENCE = st.lists(st.integers(0, 3), max_size=14)


@settings(max_examples=100)
@given(SEQUENCE, SEQUENCE)
def test_an_alignment_spells_both_sequences_with_the_best_score(one, two):
    out = np.empty(len(one) + len(two), np.uint8)
    steps = out[: line_up(np.array(one, np.uint8), np.array(two, np.uint8), out)].tolist()
    assert sum(step != 1 for step in steps) == len(one)
    assert sum(step != 2 for step in steps) == len(two)
    assert score(steps, one, two) == best_score(tuple(one), tuple(two))


def score(steps, one, two):
    i = j = total = 0
    before = 0
    for step in steps:
        if step == 0:
            total += 2 if one[i] == two[j] else -5
        else:
            total -= 1 if step == before else 9
        i, j, before = i + (step != 1), j + (step != 2), step
    return total


def best_score(one, two):
    """Gotoh's recurrence with the state of the last step as index, by memory."""
    table = {(0, 0, 0): 0}
    for i in range(len(one) + 1):
        for j in range(len(two) + 1):
            for state in (0, 1, 2):
                di, dj = (1, 1) if state == 0 else (0, 1) if state == 1 else (1, 0)
                if i < di or j < dj:
                    continue
                gain = (2 if one[i - 1] == two[j - 1] else -5) if state == 0 else 0
                before = [
                    table[i - di, j - dj, last] + (gain if state == 0 else -1 if last == state else -9)
                    for last in (0, 1, 2)
                    if (i - di, j - dj, last) in table
                ]
                if before:
                    table[i, j, state] = max(before)
    return max(value for (i, j, _), value in table.items() if (i, j) == (len(one), len(two)))

"""The insert size is learnt by quartiles, and taken for granted where there is too little to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from genopipe.align.insert_size import ASSUMED, FR, RF, learn, no_inserts


def histogram(sizes: list[int], orientation: int = FR) -> np.ndarray:
    counts = no_inserts()
    counts[orientation] = np.bincount(sizes, minlength=counts.shape[1])
    return counts


def test_mean_and_deviation_of_a_library() -> None:
    sizes = np.random.default_rng(1).normal(400, 80, 20_000).astype(int).tolist()
    insert = learn(histogram(sizes))
    assert abs(insert.mean - 400) < 3
    assert abs(insert.deviation - 80) < 4
    assert insert.low < 120 < 680 < insert.high < 900


def test_far_sizes_do_not_count() -> None:
    assert learn(histogram([400, 410, 390, 405] * 50 + [9000] * 10)).mean == 401


def test_too_few_pairs_give_the_assumed_library() -> None:
    assert learn(histogram([400] * 5)) == ASSUMED


def test_equal_sizes_leave_some_room() -> None:
    insert = learn(histogram([300] * 100))
    assert insert.low <= 280 < 320 <= insert.high


def test_the_commonest_orientation_is_that_of_the_library(caplog: pytest.LogCaptureFixture) -> None:
    insert = learn(histogram([3000] * 100, RF) + histogram([300] * 40))
    assert (insert.orientation, insert.mean) == (RF, 3000)
    assert "most pairs lie RF, not FR" in caplog.text
    assert "FR 40" in caplog.text


def test_of_equally_common_orientations_the_usual_is_taken() -> None:
    assert learn(histogram([3000] * 50, RF) + histogram([300] * 50)).orientation == FR

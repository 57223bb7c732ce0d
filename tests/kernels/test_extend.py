"""Extension: lanes equal the recurrence, traces add up to their scores, and lanes pay."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from genopipe.kernels import extend as kernel
from tests.oracles.extend import gotoh, score_of

ROWS = 100


@dataclass
class Case:
    """LANES reads with their windows and what the kernel made of them."""

    query: NDArray[np.uint8]
    window: NDArray[np.uint8]
    length: NDArray[np.int16]
    width: int
    score: NDArray[np.int16]
    row: NDArray[np.int16]
    band: NDArray[np.int16]
    trace: NDArray[np.uint8]

    def read(self, lane: int) -> list[int]:
        return self.query[: self.length[lane], lane].tolist()

    def alignment(self, lane: int) -> tuple[list[int], int]:
        cigar = np.zeros(kernel.MAX_OPERATIONS, np.uint32)
        n, column = kernel.trace_back(self.trace, lane, self.row[lane], self.band[lane], self.length[lane], cigar)
        return cigar[:n].tolist(), int(column)


def workspace() -> tuple[tuple[NDArray[np.int16], ...], tuple[NDArray[np.int16], ...]]:
    lanes = tuple(kernel.aligned(kernel.LANES, np.int16) for _ in range(6))
    return lanes, tuple(kernel.aligned((kernel.RING, kernel.LANES), np.int16) for _ in range(2))


def run(query: NDArray[np.uint8], window: NDArray[np.uint8], length: NDArray[np.int16], width: int) -> Case:
    score, row, band = (kernel.aligned(kernel.LANES, np.int16) for _ in range(3))
    trace = kernel.aligned((len(query), width, kernel.LANES), np.uint8)
    kernel.extend(query, window, length, len(query), width, *workspace(), score, row, band, trace)
    return Case(query, window, length, width, score, row, band, trace)


def mutated(rng: np.random.Generator, window: NDArray[np.uint8], offset: int, n: int, gap: int) -> list[int]:
    """A read from `offset` of a window with one insertion or deletion, some substitutions and unknown bases."""
    source = [min(int(c), 4) for c in window[offset:]]
    at = int(rng.integers(1, n - 1))
    read = source[:at] + (source[at + gap :] if rng.random() < 0.5 else [*rng.integers(0, 4, gap).tolist(), *source[at:]])
    read = read[:n]
    return [int(rng.integers(0, 5)) if rng.random() < 0.03 else c for c in read]


def random_case(width: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    query = kernel.aligned((ROWS, kernel.LANES), np.uint8)
    window = kernel.aligned((ROWS + width, kernel.LANES), np.uint8)
    length = kernel.aligned(kernel.LANES, np.int16)
    query[:] = 4
    window[:] = rng.choice(np.array([0, 1, 2, 3, 5], np.uint8), window.shape, p=[0.245, 0.245, 0.245, 0.245, 0.02])
    for lane in range(kernel.LANES):
        n = int(rng.integers(20, ROWS + 1))
        if lane % 4 == 0:
            window[: width // 2 + int(rng.integers(0, 30)), lane] = kernel.BEYOND
        if lane % 4 == 1:
            window[width // 2 + n - int(rng.integers(0, 15)) :, lane] = kernel.BEYOND
        read = mutated(rng, window[:, lane], width // 2, n, int(rng.integers(0, 8)))
        length[lane] = len(read)
        query[: len(read), lane] = read
    length[7] = 0
    return run(query, window, length, width)


@pytest.fixture(scope="module", params=[kernel.NARROW, kernel.WIDE], ids=["narrow", "wide"])
def case(request: pytest.FixtureRequest) -> Case:
    return random_case(request.param, request.param)


def test_scores_equal_the_unbanded_recurrence(case: Case) -> None:
    wanted = [gotoh(case.read(lane), case.window[:, lane].tolist()) for lane in range(kernel.LANES)]
    assert case.score.tolist() == wanted


def test_traces_add_up_to_their_scores(case: Case) -> None:
    for lane in np.flatnonzero(case.score > 0).tolist():
        cigar, column = case.alignment(lane)
        assert score_of(case.read(lane), case.window[:, lane].tolist(), cigar, column) == case.score[lane]


def single(read: list[int], window: list[int]) -> tuple[list[int], int]:
    """CIGAR and column of one read alone, its window beginning where the band does."""
    query = kernel.aligned((len(read), kernel.LANES), np.uint8)
    columns = kernel.aligned((len(read) + kernel.NARROW, kernel.LANES), np.uint8)
    length = kernel.aligned(kernel.LANES, np.int16)
    columns[:] = 5
    query[:, 0], columns[: len(window), 0], length[0] = read, window[: len(columns)], len(read)
    return run(query, columns, length, kernel.NARROW).alignment(0)


@pytest.fixture
def bases() -> list[int]:
    return np.random.default_rng(4).integers(0, 4, 120).tolist()


def test_a_gap_in_a_repeat_is_placed_leftmost(bases: list[int]) -> None:
    window = [*bases[:40], 3, 0, 0, 0, 0, 0, 3, *bases[40:100]]
    read = [*bases[:40], 3, 0, 0, 0, 3, *bases[40:90]]
    assert single(read, window) == ([41 << 4, 2 << 4 | 2, 54 << 4], 0)


def test_a_mismatch_near_the_end_is_not_clipped(bases: list[int]) -> None:
    read = bases[10:80]
    read[2] = (read[2] + 1) % 4
    assert single(read, bases) == ([70 << 4], 10)


def test_a_foreign_end_is_clipped(bases: list[int]) -> None:
    read = [*[(c + 1) % 4 for c in bases[10:20]], *bases[20:80]]
    assert single(read, bases) == ([10 << 4 | 4, 60 << 4], 20)


@pytest.mark.parametrize("over", [1, 2, 4])
def test_unknown_bases_of_a_read_are_not_aligned_beyond_the_contig(bases: list[int], over: int) -> None:
    window = [*[kernel.BEYOND] * 10, *bases[:50], *[kernel.BEYOND] * 40]
    read = [*[4] * over, *bases[:50], *[4] * over]
    assert single(read, window) == ([over << 4 | 4, 50 << 4, over << 4 | 4], 10)


@njit(cache=True)  # type: ignore[untyped-decorator]
def scalar(query, window, length, width, h, e, trace):  # type: ignore[no-untyped-def]
    """The same work, one read after another."""
    total = 0
    for lane in range(query.shape[1]):
        h[:] = 5
        e[:] = -1000
        best = 0
        for i in range(length[lane]):
            f, left = -1000, 0
            diagonal = h[i] if i else 5
            h[i + width], e[i + width] = 0, -1000
            for b in range(width):
                j = i + b + 1
                e_open, e_extend, f_open, f_extend = h[j] - 7, e[j] - 1, left - 7, f - 1
                e[j], f = max(e_open, e_extend), max(f_open, f_extend)
                d = diagonal + (1 if query[i, lane] == window[i + b, lane] else -1 if query[i, lane] > 3 else -4)
                diagonal = h[j]
                left = max(0, d, e[j], f)
                h[j] = left
                trace[i, b] = (
                    (0 if left <= 0 else 1 if left == d else 2 if left == e[j] else 3)
                    | (4 * (e_extend >= e_open))
                    | (8 * (f_extend >= f_open))
                )
                best = max(best, left + (5 if i == length[lane] - 1 else 0))
        total += best
    return total


def test_lanes_are_five_times_the_scalar_version() -> None:
    case = random_case(kernel.NARROW, 5)
    lanes, ring = workspace()
    h, e = np.zeros(ROWS + case.width + 1, np.int64), np.zeros(ROWS + case.width + 1, np.int64)
    trace = np.zeros((ROWS, case.width), np.uint8)
    case.length[:] = ROWS

    def seconds(work: object) -> float:
        times = []
        for _ in range(7):
            started = time.thread_time()
            work()  # type: ignore[operator]
            times.append(time.thread_time() - started)
        return min(times[1:])

    by_lanes = seconds(
        lambda: kernel.extend(
            case.query, case.window, case.length, ROWS, case.width, lanes, ring, case.score, case.row, case.band, case.trace
        )
    )
    one_by_one = seconds(lambda: scalar(case.query, case.window, case.length, case.width, h, e, trace))
    assert one_by_one >= 5 * by_lanes

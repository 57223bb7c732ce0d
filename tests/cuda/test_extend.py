"""Extension and traceback on a GPU equal those of the lanes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.kernels import extend as lanes
from genopipe.kernels import on_gpu
from tests.kernels.test_extend import Case, random_case, run


def on_device(gpu: Gpu, case: Case) -> tuple[on_gpu.Extended, NDArray[np.int16]]:
    length = gpu.xp.asarray(case.length)
    return on_gpu.extend(gpu, gpu.xp.asarray(case.query), gpu.xp.asarray(case.window), length, width=case.width), length


def compare(gpu: Gpu, case: Case) -> None:
    """Fails where a result or a cell of the trace inside a read is not that of the lanes."""
    found, width = on_gpu.Extended(*map(gpu.host, on_device(gpu, case)[0])), case.width
    assert [found.score.tolist(), found.best_row.tolist(), found.best_band.tolist()] == [
        case.score.tolist(),
        case.row.tolist(),
        case.band.tolist(),
    ]
    band = np.arange(width)
    cells = (found.trace[:, band // 6] >> (2 + 5 * (band % 6)).astype(np.uint32)[:, None]).astype(np.uint8)
    as_lanes = 3 - (cells >> 1 & 3) | (cells >> 3 & 1) << 2 | (cells >> 4 & 1) << 3
    inside = np.arange(len(case.query))[:, None] < case.length
    assert np.array_equal(np.moveaxis(as_lanes, 1, 2)[inside], np.moveaxis(case.trace, 1, 2)[inside])


@pytest.mark.parametrize("width", [lanes.NARROW, lanes.WIDE])
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_and_traces_equal_the_lanes(gpu: Gpu, width: int, seed: int) -> None:
    compare(gpu, random_case(width, seed))


def test_long_reads_that_run_over_the_end_of_a_contig_equal_the_lanes(gpu: Gpu) -> None:
    """Scores of hundreds: what a base beyond the contig costs is more than a byte can hold."""
    rng, rows, width = np.random.default_rng(4), 500, lanes.NARROW
    query, window = lanes.aligned((rows, lanes.LANES), np.uint8), lanes.aligned((rows + width, lanes.LANES), np.uint8)
    window[:] = rng.integers(0, 4, window.shape)
    query[:] = window[width // 2 : width // 2 + rows]
    length = lanes.aligned(lanes.LANES, np.int16)
    length[:] = rows - np.arange(lanes.LANES) % 5
    for lane in range(lanes.LANES):
        window[width // 2 + rows - lane :, lane] = lanes.BEYOND
        query[rng.integers(0, rows, lane // 8), lane] = rng.integers(0, 5, lane // 8)
    case = run(query, window, length, width)
    compare(gpu, case)
    assert 300 < case.score.min() < case.score.max() == rows + 10


@pytest.mark.parametrize("width", [lanes.NARROW, lanes.WIDE])
def test_alignments_equal_the_lanes(gpu: Gpu, width: int) -> None:
    case = random_case(width, 3)
    extended, length = on_device(gpu, case)
    cigar, operations, column = map(gpu.host, on_gpu.trace_back(gpu, extended, length, width=width))
    for lane in range(lanes.LANES):
        if case.score[lane] > 0:
            assert (cigar[lane, : operations[lane]].tolist(), column[lane]) == case.alignment(lane)
        else:
            assert operations[lane] == 0

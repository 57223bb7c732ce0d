"""Extension and traceback on a GPU equal those of the lanes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.device import Gpu
from genopipe.kernels import extend as lanes
from genopipe.kernels import on_gpu
from tests.kernels.test_extend import Case, random_case


def on_device(gpu: Gpu, case: Case) -> tuple[on_gpu.Extended, NDArray[np.int16]]:
    length = gpu.xp.asarray(case.length)
    return on_gpu.extend(gpu, gpu.xp.asarray(case.query), gpu.xp.asarray(case.window), length, width=case.width), length


@pytest.mark.parametrize("width", [lanes.NARROW, lanes.WIDE])
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_and_traces_equal_the_lanes(gpu: Gpu, width: int, seed: int) -> None:
    case = random_case(width, seed)
    found = on_gpu.Extended(*map(gpu.host, on_device(gpu, case)[0]))
    assert [found.score.tolist(), found.best_row.tolist(), found.best_band.tolist()] == [
        case.score.tolist(),
        case.row.tolist(),
        case.band.tolist(),
    ]
    band = np.arange(width)
    cells = found.trace[:, band // 8] >> (4 * (band % 8)).astype(np.uint32)[:, None] & 15
    inside = np.arange(len(case.query))[:, None] < case.length
    assert np.array_equal(np.moveaxis(cells, 1, 2)[inside], np.moveaxis(case.trace, 1, 2)[inside])


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

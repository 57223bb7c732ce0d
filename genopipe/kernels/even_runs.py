"""Runs of neighbouring values that lie so close together that one of them stands for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import kernel


def even_runs(value: NDArray[np.int64], wanted: NDArray[np.bool_], *, step: int, percent: int) -> NDArray[np.int64]:
    """(runs, 2) int64: first and one past the last row of each run of wanted values, from the left as long as they go.

    In a run the largest value is above the smallest one by no more than `step`, or by so many per cent of the smallest.
    """
    out = np.empty((len(value), 2), np.int64)
    return out[: _runs(value, wanted, step, percent, out)]


@kernel
def _runs(value, wanted, step, percent, out):  # type: ignore[no-untyped-def]
    n = 0
    inside = False
    low = high = np.int64(0)
    for i in range(len(value)):
        if inside and wanted[i]:
            low = min(low, value[i])
            high = max(high, value[i])
            if high - low <= max(step, low * percent // 100):
                continue
        if inside:
            out[n, 1] = i
            n += 1
        inside = wanted[i]
        if inside:
            out[n, 0] = i
            low = high = value[i]
    if inside:
        out[n, 1] = len(value)
        n += 1
    return n

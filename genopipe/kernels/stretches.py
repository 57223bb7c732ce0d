"""Stretches of a byte array, such as records of any length, copied one after another."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import kernel
from genopipe.kernels.words import copy_bytes, copy_from, prefetch, prefetch_from

_AHEAD = 8
"""How many stretches before its turn a stretch is asked for from memory."""

_CACHE_LINE = 64


def gathered(value: NDArray[np.uint8], start: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The stretches of some rows, and where each begins (rows + 1); row i lies from `start[i]` to `start[i + 1]` of `value`."""
    out_start = np.zeros(len(rows) + 1, np.int64)
    _measure(start, rows, out_start)
    out = np.empty(out_start[-1], np.uint8)
    _gather(value, start, rows, out, out_start)
    return out, out_start


def address(array: NDArray[np.generic]) -> int:
    """Where the first byte of an array lies in memory, for as long as the array lives."""
    found: int = array.__array_interface__["data"][0]
    return found


def collected(at: NDArray[np.int64], size: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Stretches of so many bytes from these addresses in memory one after another, and where each begins (stretches + 1)."""
    out_start = np.zeros(len(at) + 1, np.int64)
    np.cumsum(size, out=out_start[1:])
    out = np.empty(out_start[-1], np.uint8)
    _collect(at, size, out, out_start)
    return out, out_start


@kernel
def _collect(at, size, out, out_start):
    for i in range(len(at)):
        if i + _AHEAD < len(at):
            for line in range(at[i + _AHEAD], at[i + _AHEAD] + size[i + _AHEAD], _CACHE_LINE):
                prefetch_from(line)
        copy_from(at[i], size[i], out, out_start[i])


@kernel
def _measure(start, rows, out_start):
    for i in range(len(rows)):
        out_start[i + 1] = out_start[i] + start[rows[i] + 1] - start[rows[i]]


@kernel
def _gather(value, start, rows, out, out_start):
    for i in range(len(rows)):
        if i + _AHEAD < len(rows):
            row = rows[i + _AHEAD]
            for at in range(start[row], start[row + 1], _CACHE_LINE):
                prefetch(value, at)
        copy_bytes(value, start[rows[i]], out_start[i + 1] - out_start[i], out, out_start[i])

"""Base calls between the instrument's order, a row a cycle, and the reader's, a row a cluster.

A base call is a byte: quality << 2 | base, bases in the order A, C, G, T; `NO_CALL` is a base that was not called. A `.bcl` writes its
no-calls as 0, which here is an A of quality 0 (a CBCL can hold one), so `mark_no_calls` comes first for it.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.compiled import kernel

NO_CALL = 255
"""The base call without a base; quality 63 with T, which no instrument gives."""

CYCLES_AT_ONCE = 32
"""Rows that `turn` reads side by side: few enough for the hardware to prefetch each, enough to fill half a cache line."""


@kernel
def expand_nibbles(packed, call, out):
    """Base calls of nibbles, low nibble first: packed (clusters / 2) uint8, call (16) uint8, out (clusters) uint8."""
    for i in range(len(out) >> 1):
        byte = packed[i]
        out[2 * i] = call[byte & 15]
        out[2 * i + 1] = call[byte >> 4]
    if len(out) & 1:
        out[len(out) - 1] = call[packed[len(out) >> 1] & 15]


@kernel
def mark_no_calls(raw, lowest, out):
    """Base calls of the bytes of a `.bcl`: those below `lowest` (1; 4 masks quality 0) are no-calls."""
    for i in range(len(raw)):
        out[i] = np.uint8(NO_CALL) if raw[i] < lowest else raw[i]


@kernel
def complement(calls):
    """Turns every base into the one it pairs with, in place."""
    for i in range(len(calls)):
        calls[i] = calls[i] if calls[i] == np.uint8(NO_CALL) else calls[i] ^ np.uint8(3)


@kernel
def turn(rows, first, out):
    """Puts rows (cycles, clusters) uint8 into columns `first` and on of out (clusters, all cycles) uint8."""
    n_cycles, n_clusters = rows.shape
    for start in range(0, n_clusters, 64):
        for i in range(start, min(start + 64, n_clusters)):
            for cycle in range(n_cycles):
                out[i, first + cycle] = rows[cycle, i]

"""Base calls between the instrument's order, a row a cycle, and the reader's, a row a cluster.

A base call is a byte: quality << 2 | base, bases in the order A, C, G, T; `NO_CALL` is a base that was not called. A `.bcl` writes its
no-calls as 0, which here is an A of quality 0 (a CBCL can hold one), so `mark_no_calls` comes first for it.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.compiled import inner, kernel

NO_CALL = 255
"""The base call without a base; quality 63 with T, which no instrument gives."""

CYCLES_AT_ONCE = 64
"""Rows that `turn` takes side by side, so that it writes whole cache lines."""

_PAIRS, _QUADS, _BYTES = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF), np.uint64(0x00000000FFFFFFFF)


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
def mark_no_calls(raw, no_call_below, lowest, out):
    """Base calls of the bytes of a `.bcl`: those below `no_call_below` are no-calls (1; 4 masks quality 0).

    Gives the place of the first other byte below `lowest`, a quality that is too low, or -1.
    """
    low = 0
    for i in range(len(raw)):
        low += (raw[i] >= no_call_below) & (raw[i] < lowest)
        out[i] = np.uint8(NO_CALL) if raw[i] < no_call_below else raw[i]
    if low:
        for i in range(len(raw)):
            if no_call_below <= raw[i] < lowest:
                return i
    return -1


@kernel
def complement(calls):
    """Turns every base into the one it pairs with, in place."""
    for i in range(len(calls)):
        calls[i] = calls[i] if calls[i] == np.uint8(NO_CALL) else calls[i] ^ np.uint8(3)


@inner
def _swapped(low, high, shift, mask):
    """The parts of two words that `mask` leaves and takes away change places."""
    return (low & mask) | ((high & mask) << shift), ((low >> shift) & mask) | (high & ~mask)


@kernel
def turn(rows, first, out):
    """Puts rows (cycles, clusters) into columns of out (clusters, columns), eight by eight; `first` is the first column.

    rows  (cycles, clusters / 8) uint64: eight clusters of a cycle in a word; cycles a multiple of eight
    out   (clusters, columns / 8) uint64: eight columns of a cluster in a word; `first` counts words
    """
    n_groups, n_words = rows.shape[0] >> 3, rows.shape[1]
    w8, w16, w32 = np.uint64(8), np.uint64(16), np.uint64(32)
    for word in range(n_words):
        top = min(8, out.shape[0] - 8 * word)
        for group in range(n_groups):
            r = 8 * group
            a0, a1 = _swapped(rows[r, word], rows[r + 1, word], w8, _PAIRS)
            a2, a3 = _swapped(rows[r + 2, word], rows[r + 3, word], w8, _PAIRS)
            a4, a5 = _swapped(rows[r + 4, word], rows[r + 5, word], w8, _PAIRS)
            a6, a7 = _swapped(rows[r + 6, word], rows[r + 7, word], w8, _PAIRS)
            b0, b2 = _swapped(a0, a2, w16, _QUADS)
            b1, b3 = _swapped(a1, a3, w16, _QUADS)
            b4, b6 = _swapped(a4, a6, w16, _QUADS)
            b5, b7 = _swapped(a5, a7, w16, _QUADS)
            c0, c4 = _swapped(b0, b4, w32, _BYTES)
            c1, c5 = _swapped(b1, b5, w32, _BYTES)
            c2, c6 = _swapped(b2, b6, w32, _BYTES)
            c3, c7 = _swapped(b3, b7, w32, _BYTES)
            for i, value in enumerate((c0, c1, c2, c3, c4, c5, c6, c7)):
                if i < top:
                    out[8 * word + i, first + group] = value

"""Reads at two bits a base: the bases of a batch one after another, 32 a word as `model.Genome` holds them, and a bit for each unknown one.

Eight base codes are loaded at once and their low bits pushed together in three steps, in lanes.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.words import above64, load64

_ONE = np.uint64(1)
_BLOCK = 64


class PackedBases(NamedTuple):
    """The bases of a batch of reads; those of a read are found by its `base_start`.

    word     (ceil(bases / 32) + 2) uint64: base i is bits 2 * (i % 32) and up of word i // 32; unknown bases and padding are 0
    unknown  (ceil(bases / 64) + 2) uint64: bit i % 64 of word i // 64 is set where base i is unknown
    """

    word: NDArray[np.uint64]
    unknown: NDArray[np.uint64]


@inner
def unknown_of(codes):
    """1 in each byte of eight base codes that is unknown."""
    return ((codes >> np.uint64(2)) | (codes >> np.uint64(3))) & np.uint64(0x0101010101010101)


@inner
def squeezed(codes, unknown):
    """Two bits of each of eight base codes, side by side; 0 where a byte of `unknown` is 1."""
    codes = codes & ~(unknown | (unknown << _ONE)) & np.uint64(0x0303030303030303)
    codes = (codes | (codes >> np.uint64(6))) & np.uint64(0x000F000F000F000F)
    codes = (codes | (codes >> np.uint64(12))) & np.uint64(0x000000FF000000FF)
    return np.uint64(np.uint16(codes | (codes >> np.uint64(24))))


@kernel
def _pack(base, eighth, unknown):
    """Packs whole blocks of 64 bases: eighth (bases / 8) uint16, unknown (bases / 64) uint64."""
    for i in range(np.uint64(len(base) // _BLOCK * 8)):
        codes = load64(base, np.int64(i) * 8)
        eighth[i] = squeezed(codes, unknown_of(codes))
    for i in range(len(base) // _BLOCK):
        unknown[i] = above64(base, i * _BLOCK, 3)


def pack_bases(base: NDArray[np.uint8]) -> PackedBases:
    """Base codes, letters in `BASES`, at two bits a base."""
    word, unknown = np.zeros((len(base) + 31) // 32 + 2, np.uint64), np.zeros((len(base) + 63) // 64 + 2, np.uint64)
    whole = len(base) // _BLOCK
    last = np.zeros(_BLOCK, np.uint8)
    last[: len(base) - whole * _BLOCK] = base[whole * _BLOCK :]
    _pack(base, word.view(np.uint16), unknown)
    _pack(last, word[2 * whole :].view(np.uint16), unknown[whole:])
    return PackedBases(word, unknown)


@inner
def bases_of(word, at, n):
    """`n` bases from base `at` on, at most 32, of words of two bits a base, as the low bits of a word."""
    shift = np.uint64(2 * (at & 31))
    after = (word[min((at >> 5) + 1, len(word) - 1)] << _ONE) << (np.uint64(63) - shift)
    return ((word[at >> 5] >> shift) | after) & (~np.uint64(0) >> np.uint64(64 - 2 * n))


@inner
def window(packed, at, n):
    """`n` bases from base `at` on, at most 32, as the low bits of a word."""
    return bases_of(packed.word, at, n)


@inner
def any_unknown(packed, at, n):
    """True where one of `n` bases from base `at` on, at most 64, is unknown."""
    shift = np.uint64(at & 63)
    after = (packed.unknown[(at >> 6) + 1] << _ONE) << (np.uint64(63) - shift)
    return (((packed.unknown[at >> 6] >> shift) | after) << np.uint64(64 - n)) != 0

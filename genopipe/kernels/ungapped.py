"""A read laid on the genome without gaps: its mismatches by XOR of two-bit words, and the best stretch of it to keep.

The score is that of the extension kernel without gaps: +1 a match, -4 a mismatch, -1 an unknown base of the read, +5 for each end of
the read that is reached (so a stretch is clipped only when that gains more than 5). The best stretch is found by one walk over the
mismatches, as in Kadane's maximum subarray.

Source: the scores are BWA-MEM's defaults (H. Li, arXiv:1303.3997).
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

import numpy as np

from genopipe.kernels.bits import popcount, trailing_zeros, turned
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.packed_reads import squeezed, unknown_of
from genopipe.kernels.words import load64

MATCH, MISMATCH, UNKNOWN, END_BONUS = 1, 4, 1, 5

LOW_BITS = np.uint64(0x5555555555555555)
_COMPLEMENT = np.uint64(0x0303030303030303)
_ONE, _64 = np.uint64(1), np.uint64(64)


@inner
def eight_codes(base, begin, length, at, reverse):
    """Codes of the bases `at` to `at + 8` of a read, or of its reverse complement (where unknown ones come out as other unknown ones)."""
    codes = load64(base, begin + length - 8 - at if reverse else begin + at)
    return turned(codes) ^ _COMPLEMENT if reverse else codes


@kernel
def pack_read(base, begin, length, reverse, word, unknown):
    """Packs a read, or its reverse complement, two bits a base as in `model.Genome`; unknown bases are 0 and set in `unknown`.

    word, unknown  (ceil(length / 32)) uint64, out; base i is bit 2 * (i % 32) of word i // 32
    """
    for w in range((length + 31) >> 5):
        bits = np.uint64(0)
        mask = np.uint64(0)
        n = min(32, length - 32 * w)
        for i in range(0, n - 7, 8):
            codes = eight_codes(base, begin, length, 32 * w + i, reverse)
            is_unknown = unknown_of(codes)
            bits |= squeezed(codes, is_unknown) << np.uint64(2 * i)
            mask |= squeezed(is_unknown, np.uint64(0)) << np.uint64(2 * i)
        for i in range(n & ~7, n):
            c = base[begin + length - 1 - 32 * w - i] if reverse else base[begin + 32 * w + i]
            at = np.uint64(2 * i)
            if c > 3:
                mask |= _ONE << at
            else:
                bits |= np.uint64(3 - c if reverse else c) << at
        word[w] = bits
        unknown[w] = mask


@kernel
def mismatches(word, unknown, length, packed, start, mismatch):
    """Sets the low bit of each base of the read that differs from the genome at `start`, or is unknown; gives how many."""
    shift = np.uint64(2 * (start & 31))
    w0 = start >> 5
    n = np.uint64(0)
    for w in range((length + 31) >> 5):
        genome = packed[w0 + w] >> shift
        if shift > 0 and w0 + w + 1 < len(packed):
            genome |= packed[w0 + w + 1] << (_64 - shift)
        differs = genome ^ word[w]
        differs = ((differs | (differs >> _ONE)) & LOW_BITS) | unknown[w]
        if 32 * w + 32 > length:
            differs &= (_ONE << np.uint64(2 * (length - 32 * w))) - _ONE
        mismatch[w] = differs
        n += popcount(differs)
    return np.int64(n)


@kernel
def best_stretch(mismatch, unknown, length):
    """Score (end bonuses included), start and end of the best stretch of a read with these mismatches."""
    best = np.int64(-1)
    best_start = np.int64(0)
    best_end = np.int64(0)
    score = np.int64(END_BONUS)
    start = np.int64(0)
    after = np.int64(0)
    for w in range((length + 31) >> 5):
        rest = mismatch[w]
        while rest:
            bit = trailing_zeros(rest)
            at = np.int64(bit >> _ONE) + 32 * w
            score += MATCH * (at - after)
            if at > start and score > best:
                best, best_start, best_end = score, start, at
            score -= UNKNOWN if (unknown[w] >> bit) & _ONE else MISMATCH
            after = at + 1
            if score <= 0:
                score = np.int64(0)
                start = after
            rest &= rest - _ONE
    score += MATCH * (length - after) + END_BONUS
    if start < length and score > best:
        best, best_start, best_end = score, start, np.int64(length)
    return best, best_start, best_end

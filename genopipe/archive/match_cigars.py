"""CIGARs with `=` and `X` made again from CIGARs with `M` and the MD tag, which a CRAM gives back instead.

Source: SAM optional fields, MD; SAM/BAM format specification, section 1.4.6.
"""

from __future__ import annotations

from genopipe.archive.plain_bam import Bytes, int32, whole
from genopipe.kernels.compiled import inner

_M, _D, _EQUAL, _X = 0, 2, 7, 8
_LONGEST = 1 << 40


@inner
def match_cigar(cigar: Bytes, start: int, end: int, text: Bytes, at: int, out: Bytes) -> int:
    """Fills `out` with the operations start to end of `cigar`, each M cut into = and X by the MD text at `at`.

    Gives the bytes used; -1 where they do not fit together, or into `out`.
    """
    used, run = 0, 0
    run, at = _number(text, at)
    for i in range(start, end, 4):
        word = int32(cigar, i) & 0xFFFFFFFF
        left, op = word >> 4, word & 15
        if op == _D:
            if run or text[at] != ord("^"):
                return -1
            at += 1 + left
            run, at = _number(text, at)
        if op != _M:
            used = _put(out, used, left, op)
            left = 0
        while left and used >= 0:
            if run == 0 and not ord("A") <= text[at] <= ord("Z"):
                return -1
            n = min(run, left) if run else 1
            used = _put(out, used, n, _EQUAL if run else _X)
            left -= n
            if run:
                run -= n
            else:
                run, at = _number(text, at + 1)
        if used < 0:
            return -1
    return used


@inner
def _number(text: Bytes, at: int) -> tuple[int, int]:
    """The number at `at`, 0 where there is none, and where it ends; a text ends with 0."""
    value = whole(0)
    while ord("0") <= text[at] <= ord("9"):
        value = min(value * 10 + (text[at] - ord("0")), _LONGEST)
        at += 1
    return value, at


@inner
def _put(out: Bytes, used: int, length: int, op: int) -> int:
    """Writes an operation, or adds to the last one where it is of the same kind; -1 where there is no room."""
    if used >= 4 and out[used - 4] & 15 == op and op >= _EQUAL:
        used -= 4
        length += (int32(out, used) & 0xFFFFFFFF) >> 4
    if used + 4 > len(out):
        return -1
    for i in range(4):
        out[used + i] = (length << 4 | op) >> (8 * i) & 255
    return used + 4

"""Where an alignment differs from the genome: the text of MD and the edit distance, 32 bases at a time.

Read and genome are compared by XOR at two bits a base; only what differs, or is unknown, is looked at one by one.

Source: SAM optional fields specification, section 1.1 (MD, NM).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.align.placement import LONGEST_READ, READ_WORDS, touches_unknown
from genopipe.kernels.bits import trailing_zeros
from genopipe.kernels.compiled import inner
from genopipe.kernels.extend import CIGAR_CLIP, CIGAR_DELETION, CIGAR_INSERTION, MAX_OPERATIONS, WIDE
from genopipe.kernels.packed_reads import bases_of
from genopipe.kernels.read_text import put_number
from genopipe.kernels.ungapped import LOW_BITS, pack_read
from genopipe.model import UNKNOWN_BASE

_LONGEST_TEXT = 3 * LONGEST_READ + 3 * WIDE


class Buffer(NamedTuple):
    """Room for the operations and the text of one place, and for a read as `ungapped.pack_read` packs it."""

    operations: NDArray[np.uint32]
    text: NDArray[np.uint8]
    word: NDArray[np.uint64]
    unknown: NDArray[np.uint64]


def room_for_one() -> Buffer:
    """Room for the longest read."""
    return Buffer(np.empty(MAX_OPERATIONS, np.uint32), np.empty(_LONGEST_TEXT, np.uint8), *np.empty((2, READ_WORDS), np.uint64))


@inner
def _genome_base(target, position, all_known):
    if not all_known and touches_unknown(target, position, position + 1):
        return np.uint64(UNKNOWN_BASE)
    return bases_of(target.packed, position, 1)


@inner
def _different(target, buffer, row, position, n, all_known):
    """The low bit of each of `n` bases, at most 32, of the read from `row` on that is another one than that of the genome, or unknown."""
    differs = bases_of(buffer.word, row, n) ^ bases_of(target.packed, position, n)
    differs = ((differs | (differs >> np.uint64(1))) & LOW_BITS) | bases_of(buffer.unknown, row, n)
    if not all_known:
        for i in range(n):
            differs |= np.uint64(touches_unknown(target, position + i, position + i + 1)) << np.uint64(2 * i)
    return differs


@inner
def mismatches(base, begin, length, reverse, target, position, end, cigar, first, last, letter, buffer, out, at):
    """Writes the text of MD for an alignment from `position` to `end` of the genome; gives its edit distance and where the text ends."""
    pack_read(base, begin, length, reverse, buffer.word, buffer.unknown)
    all_known = not touches_unknown(target, position, end)
    distance = 0
    same = 0
    row = 0
    for k in range(first, last):
        operation = cigar[k] & 15
        n = np.int64(cigar[k] >> 4)
        if operation == CIGAR_CLIP:
            row += n
        elif operation == CIGAR_INSERTION:
            row += n
            distance += n
        elif operation == CIGAR_DELETION:
            at = put_number(out, at, same)
            out[at] = 94
            for i in range(n):
                out[at + 1 + i] = letter[_genome_base(target, position + i, all_known)]
            at += 1 + n
            same = 0
            distance += n
            position += n
        else:
            for done in range(0, n, 32):
                size = min(32, n - done)
                rest = _different(target, buffer, row + done, position + done, size, all_known)
                after = 0
                while rest:
                    i = np.int64(trailing_zeros(rest)) >> 1
                    at = put_number(out, at, same + i - after)
                    out[at] = letter[_genome_base(target, position + done + i, all_known)]
                    at += 1
                    same, after = 0, i + 1
                    distance += 1
                    rest &= rest - np.uint64(1)
                same += size - after
            row += n
            position += n
    return distance, put_number(out, at, same)

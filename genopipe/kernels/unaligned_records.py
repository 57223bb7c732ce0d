"""Unaligned BAM records straight from base calls: the reads of a cluster one after the other, with their tags.

A base call is quality << 2 | base (`base_calls`); a no-call becomes N of quality 2, as in FASTQ.

Source: SAM/BAM format specification, section 4.2; SAM tags specification (RG, RX, QX, BC, QT).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.base_calls import NO_CALL
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.read_text import AHEAD, PLUS, ask_for_cluster, put_bytes, put_number

_FIXED = 36
_UNPLACED_BIN = 4680
_NO_CALL_QUALITY = 2
_PAIRED, _UNMAPPED, _MATE_UNMAPPED, _FIRST, _LAST, _FAILED = 1, 4, 8, 64, 128, 512
_DASH, _BLANK = 45, 32


class Tags(NamedTuple):
    """What names and tags a record: `prefix` of its name and its read group (letters with the closing 0), each
    with `SPARE` bytes more, and the columns of molecular identifier and index."""

    prefix: NDArray[np.uint8]
    read_group: NDArray[np.uint8]
    umi: NDArray[np.int64]
    barcode: NDArray[np.int64]


def _nibbles() -> NDArray[np.uint8]:
    """(256): the four-bit code of each base call."""
    nibble = np.array([1 << (call & 3) for call in range(256)], np.uint8)
    nibble[NO_CALL] = 15
    return nibble


NIBBLE = _nibbles()


@inner
def _put32(out, at, value):
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 255
    return at + 4


@inner
def _put_tag(out, at, first, second):
    out[at] = first
    out[at + 1] = second
    out[at + 2] = 90
    return at + 3


@inner
def _put_pair(out, at, call, column, tags, letter):
    """A tag with the bases of columns, and the one with their qualities, or nothing without columns; `tags` are their four letters."""
    start = at
    at = _put_tag(out, at, tags[0], tags[1])
    for i in range(len(column)):
        out[at + i] = _DASH if column[i] == PLUS else letter[call[column[i]]]
    out[at + len(column)] = 0
    at = _put_tag(out, at + len(column) + 1, tags[2], tags[3])
    for i in range(len(column)):
        if column[i] == PLUS:
            out[at + i] = _BLANK
        else:
            out[at + i] = 33 + (_NO_CALL_QUALITY if call[column[i]] == NO_CALL else call[column[i]] >> 2)
    out[at + len(column)] = 0
    return at + len(column) + 1 if len(column) else start


@inner
def _put_sequence(out, at, call, run, length, kept, nibble):
    qualities = at + (length + 1) // 2
    if length & 1:
        out[qualities - 1] = 0
    done = 0
    for i in range(len(run)):
        for column in range(run[i, 0], run[i, 0] + run[i, 1]):
            if done < length:
                one = call[column] if done < kept else np.uint8(NO_CALL)
                code = nibble[one]
                out[at + (done >> 1)] = code << 4 if done & 1 == 0 else out[at + (done >> 1)] | code
                out[qualities + done] = _NO_CALL_QUALITY if one == NO_CALL else one >> 2
                done += 1
    return qualities + length


@kernel
def write_records(calls, chosen, position, passed, tags, fragments, trimmed, nibble, letter, out):
    """Writes the records of the clusters `chosen` and gives the number of bytes; arguments as in `read_text.write_fastq`."""
    at = 0
    n_reads = len(fragments.number)
    for i in range(len(chosen)):
        cluster = chosen[i]
        call = calls[cluster]
        ask_for_cluster(calls, position, chosen, i + AHEAD)
        for read in range(n_reads):
            start = at
            length, kept = np.int64(trimmed[i, read, 0]), np.int64(trimmed[i, read, 1])
            at = put_bytes(out, start + _FIXED, tags.prefix)
            at = put_number(out, at, position[cluster, 0])
            out[at] = 58
            at = put_number(out, at + 1, position[cluster, 1])
            out[at] = 0
            at += 1
            flag = _UNMAPPED | (0 if passed[cluster] else _FAILED)
            if n_reads > 1:
                flag |= _PAIRED | _MATE_UNMAPPED | (_FIRST if read == 0 else 0) | (_LAST if read == n_reads - 1 else 0)
            _put32(out, start + 4, -1)
            _put32(out, start + 8, -1)
            _put32(out, start + 12, (at - start - _FIXED) | _UNPLACED_BIN << 16)
            _put32(out, start + 16, flag << 16)
            _put32(out, start + 20, length)
            _put32(out, start + 24, -1)
            _put32(out, start + 28, -1)
            _put32(out, start + 32, 0)
            run = fragments.run[fragments.start[read] : fragments.start[read + 1]]
            at = _put_sequence(out, at, call, run, length, kept, nibble)
            at = put_bytes(out, _put_tag(out, at, 82, 71), tags.read_group)
            at = _put_pair(out, at, call, tags.umi, (82, 88, 81, 88), letter)
            at = _put_pair(out, at, call, tags.barcode, (66, 67, 81, 84), letter)
            _put32(out, start, at - start - 4)
    return at

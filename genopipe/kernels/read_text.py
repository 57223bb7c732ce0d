"""FASTQ text straight from base calls: headers, bases and qualities of chosen clusters.

A base call is quality << 2 | base (`base_calls`); a no-call is written as N of quality 2, as Illumina's own programs do. Bases that
trimming masks look the same.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.base_calls import NO_CALL
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.words import load64, prefetch, store64

_OFFSET = 33
_NO_CALL_QUALITY = 2


def _letters() -> NDArray[np.uint8]:
    """(256): the letter of each base call."""
    letter = np.array([b"ACGT"[call & 3] for call in range(256)], np.uint8)
    letter[NO_CALL] = ord("N")
    return letter


LETTER = _letters()

AHEAD = 8
"""How many clusters before its turn a cluster is asked for from memory."""

_CACHE_LINE = 64

SPARE = 8
"""Bytes after the end of base calls, of texts to copy and of the text written: eight are moved at a time."""

_EACH = np.uint64(0x0101010101010101)

PLUS = -1
"""Among columns: no base, but a plus between two parts."""


class Header(NamedTuple):
    """What a read's header is made of: prefix, x:y, :umi, blank, number of the read, Y or N for filtered, `:0:`, barcode.

    prefix        (letters and `SPARE` bytes more) uint8
    umi, barcode  (bases) int64: the column of each base, or `PLUS`
    """

    prefix: NDArray[np.uint8]
    umi: NDArray[np.int64]
    barcode: NDArray[np.int64]


class Fragments(NamedTuple):
    """The reads to write of every cluster, one after the other.

    run       (runs, 2) int64: first column and columns of each run of neighbouring columns
    start     (reads + 1) int64: which runs make each read
    number    (reads) uint8: the digit of each read in its header
    """

    run: NDArray[np.int64]
    start: NDArray[np.int64]
    number: NDArray[np.uint8]


@inner
def put_number(out, at, number):
    rest = np.uint32(number)
    digits = 1
    power = np.uint32(10)
    while rest >= power:
        digits += 1
        power *= np.uint32(10)
    for i in range(digits):
        tenth = np.uint32(rest // np.uint32(10))
        out[at + digits - 1 - i] = np.uint8(48 + rest - tenth * np.uint32(10))
        rest = tenth
    return at + digits


@inner
def put_bytes(out, at, text):
    """Copies text that has seven bytes to spare after its end; gives where it ends."""
    for i in range(0, len(text) - SPARE, 8):
        store64(out, at + i, load64(text, i))
    return at + len(text) - SPARE


@inner
def _put_bases(out, at, call, base, letter):
    for i in range(len(base)):
        if base[i] == PLUS:
            out[at + i] = 43
        else:
            out[at + i] = letter[call[base[i]]]
    return at + len(base)


@inner
def _put_header(out, at, call, x, y, header, letter):
    """The header up to the number of the read."""
    out[at] = 64
    at = put_bytes(out, at + 1, header.prefix)
    at = put_number(out, at, x)
    out[at] = 58
    at = put_number(out, at + 1, y)
    out[at] = 58
    at = _put_bases(out, at + min(len(header.umi), 1), call, header.umi, letter)
    out[at] = 32
    return at + 1


@inner
def _put_comment(out, at, call, number, passed, header, letter):
    out[at] = number
    out[at + 1] = 58
    out[at + 2] = 78 if passed else 89
    out[at + 3] = 58
    out[at + 4] = 48
    out[at + 5] = 58
    at = _put_bases(out, at + 6, call, header.barcode, letter)
    out[at] = 10
    return at + 1


@inner
def _put_record(out, at, call, run, length, kept):
    """Bases and qualities of one read: `kept` as they are, the rest up to `length` masked. What follows overwrites what is too much."""
    plus = at + length
    done = 0
    for i in range(len(run)):
        n = min(run[i, 1], kept - done)
        for k in range(0, n, 8):
            store64(out, at + done + k, _letters_of(load64(call, run[i, 0] + k)))
        done += n
    for i in range(kept, length):
        out[at + i] = ord("N")
    out[plus] = 10
    out[plus + 1] = ord("+")
    out[plus + 2] = 10
    done = 0
    for i in range(len(run)):
        n = min(run[i, 1], kept - done)
        for k in range(0, n, 8):
            store64(out, plus + 3 + done + k, _qualities_of(load64(call, run[i, 0] + k)))
        done += n
    for i in range(kept, length):
        out[plus + 3 + i] = _OFFSET + _NO_CALL_QUALITY
    out[plus + 3 + length] = 10
    return plus + 4 + length


@inner
def _no_calls(calls):
    """1 in each byte that is `NO_CALL`, all of whose bits are set."""
    all_set = calls & (calls >> np.uint64(4)) & (np.uint64(15) * _EACH)
    all_set &= all_set >> np.uint64(2)
    return all_set & (all_set >> np.uint64(1)) & _EACH


@inner
def _letters_of(calls):
    """The letters of eight base calls: A is 65, C two more, G six more, T both and eleven more."""
    c, g = calls & _EACH, (calls >> np.uint64(1)) & _EACH
    letters = np.uint64(65) * _EACH + np.uint64(2) * c + np.uint64(6) * g + np.uint64(11) * (c & g)
    unknown = _no_calls(calls)
    return (letters & ~(unknown * np.uint64(255))) | (unknown * np.uint64(78))


@inner
def _qualities_of(calls):
    """The quality letters of eight base calls."""
    letters = ((calls >> np.uint64(2)) & (np.uint64(63) * _EACH)) + np.uint64(_OFFSET) * _EACH
    unknown = _no_calls(calls)
    return (letters & ~(unknown * np.uint64(255))) | (unknown * np.uint64(_OFFSET + _NO_CALL_QUALITY))


@inner
def ask_for_cluster(calls, position, chosen, i):
    """The clusters of a sample lie far apart: what the one at place `i` needs is asked for before its turn comes."""
    if i < len(chosen):
        columns = calls.shape[1]
        for column in range(0, columns + _CACHE_LINE - 1, _CACHE_LINE):
            prefetch(calls.reshape(-1), chosen[i] * columns + column)
        prefetch(position.reshape(-1).view(np.uint8), chosen[i] * 8)


@kernel
def write_fastq(calls, chosen, position, passed, header, fragments, trimmed, letter, out):
    """Writes the FASTQ records of the clusters `chosen` and gives the number of bytes.

    calls (clusters, columns) uint8, with `SPARE` bytes after its end; chosen (clusters) int64; position (all clusters, 2) int32; passed
    (all clusters) bool; trimmed (clusters chosen, reads, 2) int32: length and unmasked bases; letter: `LETTER`; out (bytes) uint8
    """
    at = 0
    for i in range(len(chosen)):
        cluster = chosen[i]
        call = calls[cluster]
        ask_for_cluster(calls, position, chosen, i + AHEAD)
        for read in range(len(fragments.number)):
            at = _put_header(out, at, call, position[cluster, 0], position[cluster, 1], header, letter)
            at = _put_comment(out, at, call, fragments.number[read], passed[cluster], header, letter)
            run = fragments.run[fragments.start[read] : fragments.start[read + 1]]
            at = _put_record(out, at, call, run, trimmed[i, read, 0], trimmed[i, read, 1])
    return at


@kernel
def find_bad_ends(calls, chosen, column, quality, kept):
    """Lowers `kept` (reads) int32 to where the bad end of each read begins.

    column (bases) int64: columns of the read. From the end towards the start, what each base lacks to `quality` is summed up, until the sum
    falls below nothing; the end begins where it was highest.
    """
    for i in range(len(chosen)):
        lacking, most = 0, 0
        for at in range(len(column) - 1, -1, -1):
            call = calls[chosen[i], column[at]]
            lacking += quality - (2 if call == NO_CALL else np.int64(call >> 2))
            if lacking < 0:
                break
            if lacking > most:
                most, kept[i] = lacking, at


@kernel
def find_adapters(calls, chosen, column, adapter, start, stringency, minimum, kept):
    """Lowers `kept` (reads) int32 to where the first adapter begins in each read.

    column (bases) int64: columns of the read; adapter (letters) uint8: base codes 0 to 3 of all adapters, `start` (adapters + 1) int64
    cuts them. An adapter begins where at least `minimum` bases are left and at least `stringency` of those compared agree.
    """
    length = len(column)
    for i in range(len(chosen)):
        for which in range(len(start) - 1):
            size = start[which + 1] - start[which]
            for at in range(min(kept[i], length - minimum + 1)):
                compared = min(size, length - at)
                allowed = np.int64((1.0 - stringency) * compared + 1e-9)
                different = 0
                k = 0
                while k < compared and different <= allowed:
                    call = calls[chosen[i], column[at + k]]
                    different += call == NO_CALL or (call & 3) != adapter[start[which] + k]
                    k += 1
                if different <= allowed:
                    kept[i] = at
                    break

"""The sites of a VCF inside its text: where columns and wanted INFO values begin and end, and the numbers among them.

`find_fields` goes over the text once, 64 characters at a time, and stops only at tabs, semicolons and line ends. Behind a semicolon a
hash of the first eight characters tells most of the keys that nobody wants, a table of states the others; all else is passed over. A line
without the eight columns stops it. Offsets are int64 and count from the begin of the text.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.bits import trailing_zeros
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.words import copy_bytes, equal64, load64

N_COLUMNS = 8
"""CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO."""

_INFO = N_COLUMNS - 1
_TAB, _LINE_FEED, _RETURN, _COMMA, _MINUS, _PLUS, _POINT, _SEMICOLON, _E = (ord(c) for c in "\t\n\r,-+.;e")
_ROOT = 1
_SLOT_BITS = 10
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_EACH = np.uint64(0x0101010101010101)
_EQUALS = ord("=")
_MOST_EXACT = np.uint64(1) << np.uint64(53)
_POWER = 10.0 ** np.arange(23)
"""Powers of ten that float64 holds exactly."""


class Keys(NamedTuple):
    """Wanted keys of INFO.

    likely  (slots) bool: true where the hash of a wanted key falls, by its first eight bytes
    states  (states, 256) int16: the state after each byte of `KEY=`, which begins in state 1: 0 when no key begins so, -1 - number behind
            a whole one
    """

    likely: NDArray[np.bool_]
    states: NDArray[np.int16]


def wanted_keys(keys: Sequence[str]) -> Keys:
    """The tables for these keys, which are numbered in their order."""
    table = [[0] * 256, [0] * 256]
    likely = np.zeros(1 << _SLOT_BITS, np.bool_)
    for number, key in enumerate(keys):
        likely[_slot(int.from_bytes(key.encode()[:8], "little"))] = True
        state = _ROOT
        for byte in key.encode():
            if not table[state][byte]:
                table[state][byte] = len(table)
                table.append([0] * 256)
            state = table[state][byte]
        table[state][ord("=")] = -1 - number
    return Keys(likely, np.array(table, np.int16))


def _slot(word: int) -> int:
    return (word * int(_SPREAD) & ((1 << 64) - 1)) >> (64 - _SLOT_BITS)


@inner
def _stops(text, at):
    """Bit i of a uint64: at `at + i` is a tab, a semicolon, a line end or the end of the text."""
    if at + 64 <= len(text):
        return equal64(text, at, _TAB) | equal64(text, at, _LINE_FEED) | equal64(text, at, _SEMICOLON)
    found = np.uint64(1) << np.uint64(len(text) - at)
    for i in range(at, len(text)):
        if text[i] == _TAB or text[i] == _LINE_FEED or text[i] == _SEMICOLON:
            found |= np.uint64(1) << np.uint64(i - at)
    return found


@inner
def _is_likely(text, at, likely):
    """False where no wanted key stands at `at`: what is before the `=`, of the first eight bytes, has the hash of none."""
    if at + 8 > len(text):
        return True
    word = load64(text, at)
    other = word ^ (_EACH * np.uint64(_EQUALS))
    equal = (other - _EACH) & ~other & (_EACH << np.uint64(7))
    if equal:
        word &= (np.uint64(1) << (trailing_zeros(equal) - np.uint64(7))) - np.uint64(1)
    return likely[(word * _SPREAD) >> np.uint64(64 - _SLOT_BITS)]


@inner
def _key_at(text, at, keys):
    """Number of the wanted key that stands at `at`, or -1, and where its value begins."""
    if not _is_likely(text, at, keys.likely):
        return np.int64(-1), at
    state = np.int64(_ROOT)
    while state > 0 and at < len(text):
        state = np.int64(keys.states[state, text[at]])
        at += 1
    return (-1 - state if state < 0 else np.int64(-1)), at


@kernel
def find_fields(text, start, keys, column, value):
    """Fills the rows of as many lines from byte `start` on as there is room for; gives their number, the begin of the next line, and 0.

    text    (bytes) uint8
    keys    of `wanted_keys`
    column  (rows, 9) int64, filled: where each column begins; the last one: where a column behind INFO would
    value   (rows, keys, 2) int64, filled: where the value of each wanted key begins and ends, -1 without it; of two the first counts

    At a line with fewer columns it stops and gives the rows before it, its begin, and how many columns it has.
    """
    row, number, key, key_start = 0, 0, -1, 0
    line = start
    if row < len(column):
        column[row, 0] = line
        value[row] = -1
    at = start
    while at <= len(text) and row < len(column):
        found = _stops(text, at)
        while found and row < len(column):
            stop = at + np.int64(trailing_zeros(found))
            found &= found - np.uint64(1)
            kind = text[stop] if stop < len(text) else np.uint8(_LINE_FEED)
            if kind == _SEMICOLON and number != _INFO:
                continue
            end = stop - (kind == _LINE_FEED and stop > line and text[stop - 1] == _RETURN)
            if key >= 0 and value[row, key, 0] < 0:
                value[row, key, 0], value[row, key, 1] = key_start, end
            key = -1
            if kind == _TAB:
                number += 1
                if number <= N_COLUMNS:
                    column[row, number] = stop + 1
            if kind != _LINE_FEED:
                if number == _INFO:
                    key, key_start = _key_at(text, stop + 1, keys)
                continue
            if number < _INFO:
                return row, line, number + 1
            if number == _INFO:
                column[row, N_COLUMNS] = end + 1
            line = stop + 1
            row, number = row + 1, 0
            if row < len(column):
                column[row, 0] = line
                value[row] = -1
            if stop == len(text):
                return row, line, 0
        at += 64
    return row, line, 0


@inner
def _item(text, start, end, number):
    """Begin of the item of that number in a list with commas; of the first one where there are fewer."""
    at = start
    while number > 0:
        while at < end and text[at] != _COMMA:
            at += 1
        if at == end:
            return start
        at += 1
        number -= 1
    return at


@inner
def _digits(text, at, end, mantissa):
    """Goes on with a decimal number; gives what it is then, and where its digits end. Twenty digits and more give 2^53."""
    first = at
    while at < end and np.uint8(text[at] - 48) < 10:
        mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - 48) if mantissa < _MOST_EXACT else _MOST_EXACT
        at += 1
    return mantissa, at, at - first


@inner
def _number(text, at, end):
    """The number that begins at `at` and ends at a comma or `end`, and whether it is this exactly; a point alone is NaN.

    Exact are decimal numbers below 2^53 times or over a power of ten to 10^22: float64 holds both, and rounds once.
    Source: Clinger, How to read floating point numbers accurately, PLDI 1990.
    """
    if at < end and text[at] == _POINT and (at + 1 == end or text[at + 1] == _COMMA):
        return np.nan, True
    negative = at < end and text[at] == _MINUS
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    mantissa, at, n_digits = _digits(text, at, end, np.uint64(0))
    power = 0
    if at < end and text[at] == _POINT:
        mantissa, at, n_behind = _digits(text, at + 1, end, mantissa)
        n_digits, power = n_digits + n_behind, -n_behind
    if at < end and (text[at] | 32) == _E:
        down = at + 1 < end and text[at + 1] == _MINUS
        signed = at + 1 < end and (text[at + 1] == _MINUS or text[at + 1] == _PLUS)
        exponent, at, n_exponent = _digits(text, at + 1 + signed, end, np.uint64(0))
        if n_exponent == 0 or n_exponent > 4:
            return np.nan, False
        power += -np.int64(exponent) if down else np.int64(exponent)
    whole = at == end or text[at] == _COMMA
    if not whole or n_digits == 0 or mantissa >= _MOST_EXACT or power < -22 or power > 22:
        return np.nan, False
    size = np.float64(mantissa) / _POWER[-power] if power < 0 else np.float64(mantissa) * _POWER[power]
    return (-size if negative else size), True


@kernel
def read_numbers(text, value, row, number, out, asked):
    """The number of each allele under each key: item `number` of its row's list, the first item of a shorter one.

    value      (rows, keys, 2) of `find_fields`
    row        (alleles) int64
    number     (alleles) int64: 0 for the first ALT
    out        (keys, alleles) float64, filled: NaN where there is none
    asked      (keys, alleles) bool, filled: true where it is no number, or one whose digits need more care
    """
    for i in range(len(row)):
        for key in range(len(out)):
            start, end = value[row[i], key, 0], value[row[i], key, 1]
            out[key, i], asked[key, i] = np.nan, False
            if start < end:
                read, exact = _number(text, _item(text, start, end, number[i]), end)
                out[key, i], asked[key, i] = read, not exact


@kernel
def gather(text, start, offset, out):
    """Copies the bytes from each `start` on to one place after the other; `offset` (pieces + 1) says where they go."""
    for i in range(len(start)):
        copy_bytes(text, start[i], np.int64(offset[i + 1] - offset[i]), out, np.int64(offset[i]))

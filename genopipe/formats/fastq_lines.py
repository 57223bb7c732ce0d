"""The lines of FASTQ text: found, turned into base codes and qualities, and written, in compiled loops.

`scan` finds the whole records of a piece of text without looking at bases and qualities; `fill` copies them into the arrays of a batch and
checks qualities on the way; `translate` makes codes of all its letters at once, `fill_bases` read by read where they are more than A, C, G,
T and N. They say where they met a fault and of which kind; `genopipe.formats.fastq_source` puts it into words.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.model import BASES

HEADER, HEADER_END, SEQUENCE, SEQUENCE_END, QUALITY = range(5)
"""Columns of a record: start and end of the header without '@', start and end of the sequence, start of the quality."""

INTACT, NO_AT, NO_NAME, NO_PLUS, OTHER_NAME, OTHER_LENGTH, WRONG_BASE, WRONG_QUALITY = range(8)
"""What may be wrong with a record."""

NO_BASE = np.uint8(255)
LARGEST_QUALITY = np.uint8(93)
"""The quality of '~'."""


def _code_table() -> NDArray[np.uint8]:
    table = np.full(256, NO_BASE, np.uint8)
    table[list(BASES)] = range(len(BASES))
    return table


CODE = _code_table()
LETTER = np.frombuffer(BASES, np.uint8)


@njit(cache=True, nogil=True)
def _line_end(text: NDArray[np.uint8], start: int) -> int:
    """Where the next line feed at or after `start` stands; the length of `text` without one. Blocks of 32 are compared at once."""
    i, end = np.uint64(start), np.uint64(len(text))
    while i + np.uint64(32) <= end:
        found = np.uint8(0)
        for k in range(np.uint64(32)):
            found |= np.uint8(text[i + k] == 10)
        if found:
            break
        i += np.uint64(32)
    while i < end and text[i] != 10:
        i += np.uint64(1)
    return np.int64(i)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _without_cr(text: NDArray[np.uint8], start: int, end: int) -> int:
    return end - 1 if end > start and text[end - 1] == 13 else end


@njit(cache=True, nogil=True)
def same_bytes(text: NDArray[np.uint8], first: int, second: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110  Numba compiles no generators
        if text[first + i] != text[second + i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _blank(text: NDArray[np.uint8], start: int) -> bool:
    """True when nothing but line ends follows: empty lines are allowed after the last record."""
    for i in range(start, len(text)):  # noqa: SIM110  Numba compiles no generators
        if text[i] != 10 and text[i] != 13:
            return False
    return True


@njit(cache=True, nogil=True)
def scan(text: NDArray[np.uint8], record: NDArray[np.int64]) -> tuple[int, int, int]:
    """Finds the whole records of `text`: how many, where the rest begins, and what is wrong with the record there (`INTACT`: incomplete).

    record  (records, 5) int64: columns `HEADER` to `QUALITY`
    """
    n = start = 0
    while start < len(text):
        if text[start] != 64:
            return n, start, INTACT if _blank(text, start) else NO_AT
        header_line = _line_end(text, start)
        sequence_line = _line_end(text, header_line + 1)
        if sequence_line + 1 >= len(text):
            break
        header_end = _without_cr(text, start + 1, header_line)
        sequence_end = _without_cr(text, header_line + 1, sequence_line)
        if header_end == start + 1:
            return n, start, NO_NAME
        plus = sequence_line + 1
        if text[plus] != 43:
            return n, start, NO_PLUS
        plus_line = _line_end(text, plus)
        quality = plus_line + 1
        quality_end = quality + sequence_end - header_line - 1
        if quality_end >= len(text):
            break
        repeated = _without_cr(text, plus + 1, plus_line) - plus - 1
        if repeated and not (repeated == header_end - start - 1 and same_bytes(text, start + 1, plus + 1, repeated)):
            return n, start, OTHER_NAME
        if text[quality_end] == 13 and quality_end + 1 == len(text):
            break
        after = quality_end + 1 if text[quality_end] == 13 else quality_end
        if text[after] != 10:
            return n, start, OTHER_LENGTH
        record[n, 0], record[n, 1], record[n, 2] = start + 1, header_end, header_line + 1
        record[n, 3], record[n, 4] = sequence_end, quality
        n += 1
        start = after + 1
    return n, start, INTACT


@njit(cache=True, nogil=True)
def _name_length(header: NDArray[np.uint8], start: int, end: int) -> int:
    """Bytes up to the first blank, less a closing /1 or /2."""
    i, stop = np.uint64(start), np.uint64(end)
    while i < stop and header[i] != 32 and header[i] != 9:
        i += np.uint64(1)
    length: int = np.int64(i) - start  # type: ignore[assignment]
    if length > 2 and header[start + length - 2] == 47 and (header[start + length - 1] == 49 or header[start + length - 1] == 50):
        length -= 2
    return length


@njit(cache=True, nogil=True)
def translate(base: NDArray[np.uint8]) -> bool:
    """Turns letters into codes in place, all reads at once and so in lanes; False when one is neither A, C, G, T nor N."""
    largest = np.uint8(0)
    for i in range(np.uint64(len(base))):
        letter = base[i]
        value = np.uint8(0) if letter == 65 else NO_BASE
        value = min(value, np.uint8(1) if letter == 67 else NO_BASE)
        value = min(value, np.uint8(2) if letter == 71 else NO_BASE)
        value = min(value, np.uint8(3) if letter == 84 else NO_BASE)
        value = min(value, np.uint8(4) if letter == 78 else NO_BASE)
        base[i] = value
        largest = max(largest, value)
    return bool(largest < NO_BASE)


@njit(cache=True, nogil=True)
def fill_bases(
    text: NDArray[np.uint8],
    record: NDArray[np.int64],
    code: NDArray[np.uint8],
    row: int,
    stride: int,
    base: NDArray[np.uint8],
    base_start: NDArray[np.int64],
) -> int:
    """Writes the codes of all letters there are, read by read; the first record with another character, or -1."""
    for r in range(len(record)):
        for i in range(base_start[row + 1] - base_start[row]):
            value = code[text[record[r, 2] + i]]
            if value == NO_BASE:
                return r
            base[base_start[row] + i] = value
        row += stride
    return -1


@njit(cache=True, nogil=True)
def _fill_qualities(
    text: NDArray[np.uint8], start: np.uint64, quality: NDArray[np.uint8], base_start: np.uint64, length: np.uint64
) -> bool:
    """Phred values of the characters from `start` on; False when one is outside of '!' to '~'."""
    largest = np.uint8(0)
    for i in range(length):
        value = np.uint8(text[start + i] - np.uint8(33))
        quality[base_start + i] = value
        largest = max(largest, value)
    return bool(largest <= LARGEST_QUALITY)


@njit(cache=True, nogil=True)
def fill(
    text: NDArray[np.uint8],
    record: NDArray[np.int64],
    row: int,
    stride: int,
    header: NDArray[np.uint8],
    header_start: NDArray[np.int64],
    name_length: NDArray[np.int32],
    base: NDArray[np.uint8],
    quality: NDArray[np.uint8],
    base_start: NDArray[np.int64],
) -> tuple[int, int]:
    """Writes the records of one file into every `stride`-th row from `row` on: the first record that is wrong, or -1, and what is wrong.

    Bases are written as letters, for `translate`.
    """
    for r in range(len(record)):
        at, line = np.uint64(header_start[row]), np.uint64(record[r, 0])
        for i in range(np.uint64(record[r, 1] - record[r, 0])):
            header[at + i] = text[line + i]
        name_length[row] = _name_length(header, header_start[row], header_start[row + 1])
        if name_length[row] == 0:
            return r, NO_NAME
        at, length = np.uint64(base_start[row]), np.uint64(base_start[row + 1] - base_start[row])
        line = np.uint64(record[r, 2])
        for i in range(length):
            base[at + i] = text[line + i]
        if not _fill_qualities(text, np.uint64(record[r, 4]), quality, at, length):
            return r, WRONG_QUALITY
        row += stride
    return -1, INTACT


@njit(cache=True, nogil=True)
def first_stranger(header: NDArray[np.uint8], header_start: NDArray[np.int64], name_length: NDArray[np.int32]) -> int:
    """The first pair whose mates have different names, or -1."""
    for pair in range(len(name_length) // 2):
        first, second = header_start[2 * pair], header_start[2 * pair + 1]
        length = name_length[2 * pair]
        if length != name_length[2 * pair + 1] or not same_bytes(header, first, second, length):
            return pair
    return -1


@njit(cache=True, nogil=True)
def write_records(
    header: NDArray[np.uint8],
    header_start: NDArray[np.int64],
    base: NDArray[np.uint8],
    quality: NDArray[np.uint8],
    base_start: NDArray[np.int64],
    letter: NDArray[np.uint8],
    rows: tuple[int, int],
    text: NDArray[np.uint8],
) -> int:
    """Writes every `rows[1]`-th read from `rows[0]` on as four lines; how many bytes. A missing quality becomes phred 1, as in samtools."""
    n = 0
    for row in range(rows[0], len(header_start) - 1, rows[1]):
        text[n] = 64
        n += 1
        for i in range(header_start[row], header_start[row + 1]):
            text[n] = header[i]
            n += 1
        text[n] = 10
        n += 1
        length = base_start[row + 1] - base_start[row]
        for i in range(length):
            text[n + i] = letter[base[base_start[row] + i]]
            value = quality[base_start[row] + i]
            text[n + length + 3 + i] = np.uint8(33) + (np.uint8(1) if value == 255 else value)
        text[n + length] = 10
        text[n + length + 1] = 43
        text[n + length + 2] = 10
        n += 2 * length + 3
        text[n] = 10
        n += 1
    return n

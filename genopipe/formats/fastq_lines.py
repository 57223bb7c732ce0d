"""The lines of FASTQ text: found, checked and turned into base codes and qualities, and written, in compiled loops.

`parse` goes over the text once: 64 characters at a time it looks for line ends, makes codes of bases and numbers of qualities, and appends
them to the arrays of a batch, the mates of a pair one after the other. Blocks are copied whole; what is too much is overwritten by the next
read, so texts and arrays have `SPARE` bytes after their end. Where a record is not sound, `parse` says of which kind the fault is;
`genopipe.formats.fastq_source` puts it into words.

Functions called for every record have no branch around an array: Numba would count references there, which costs as much as the record.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.bits import trailing_zeros
from genopipe.kernels.compiled import inner, kernel
from genopipe.kernels.words import above64, equal64
from genopipe.model import BASES, CODE, NO_BASE, UNKNOWN_BASE

INTACT, INCOMPLETE, NO_AT, NO_NAME, NO_PLUS, OTHER_NAME, OTHER_LENGTH, WRONG_BASE, WRONG_QUALITY = range(9)
"""What may be wrong with a record; `INCOMPLETE`: the text ends before it does."""

SPARE = 64
"""Bytes after the end of a text, or of an array to be filled, that may be read or written."""

LARGEST_QUALITY = 93
"""The quality of '~'."""
LETTER = np.frombuffer(BASES, np.uint8)

_BLOCK = np.uint64(64)


class Filled(NamedTuple):
    """Arrays of `model.Reads`, with room for more."""

    header: NDArray[np.uint8]
    header_start: NDArray[np.int64]
    name_length: NDArray[np.int32]
    base: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    base_start: NDArray[np.int64]


@inner
def _line_end(text, at, end):
    """Where the next line feed at or after `at` stands; `end` without one."""
    while at < end:
        found = equal64(text, at, 10)
        if found:
            return min(at + np.int64(trailing_zeros(found)), end)
        at += 64
    return end


@inner
def _without_cr(text, start, end):
    return end - np.int64((end > start) & (text[end - 1] == 13))


@inner
def _same_bytes(text, first, second, length):
    same = True
    for i in range(np.uint64(length)):
        same &= text[np.uint64(first) + i] == text[np.uint64(second) + i]
    return same


@inner
def _blank(text, start, end):
    """True when nothing but line ends follows: empty lines are allowed after the last record."""
    blank = True
    for i in range(start, end):
        blank &= (text[i] == 10) | (text[i] == 13)
    return blank


@inner
def _found(text, start, end):
    """What is wrong with the lines of the record at `start`; header end, start and end of the bases, start of the qualities, what follows.

    A fault of an earlier line replaces that of a later one.
    """
    header_line = _line_end(text, start, end)
    sequence = header_line + 1
    sequence_line = _line_end(text, sequence, end)
    plus = sequence_line + 1
    plus_line = _line_end(text, plus, end)
    quality = plus_line + 1
    header_end = _without_cr(text, start + 1, header_line)
    sequence_end = _without_cr(text, sequence, sequence_line)
    repeated = _without_cr(text, plus + 1, plus_line) - plus - 1
    last = min(quality + sequence_end - sequence, end)
    last += np.int64((text[last] == 13) & (last < end))
    fault = INTACT
    if last >= end:
        fault = INCOMPLETE
    elif text[last] != 10:
        fault = OTHER_LENGTH
    compared = repeated if repeated == header_end - start - 1 and fault != INCOMPLETE else 0
    if not _same_bytes(text, start + 1, plus + 1, compared) or (repeated > compared and fault != INCOMPLETE):
        fault = OTHER_NAME
    if plus < end and text[plus] != 43:
        fault = NO_PLUS
    if plus < end and header_end == start + 1:
        fault = NO_NAME
    begins = start == end or text[start] == 64
    blank = _blank(text, start, start if begins else end)
    if not begins:
        fault = INCOMPLETE if blank else NO_AT
    return fault, (header_end, sequence, sequence_end, quality, last + 1)


@kernel
def find(text, start, end):
    """What is wrong with the lines of the record at `start`."""
    return _found(text, start, end)[0]


@inner
def _put_header(text, start, end, header, at):
    """Copies a header; gives how much of it is the name: up to the first blank, without a closing /1 or /2."""
    length = end - start
    name = length
    for i in range(0, length, 64):
        source, target = np.uint64(start + i), np.uint64(at + i)
        for k in range(_BLOCK):
            header[target + k] = text[source + k]
        blank = equal64(text, start + i, 32) | equal64(text, start + i, 9)
        name = min(name, i + np.int64(trailing_zeros(blank))) if blank else name
    last = start + max(name, 2)
    is_mate = (text[last - 2] == 47) & ((text[last - 1] == 49) | (text[last - 1] == 50))
    return name - 2 * np.int64((name > 2) & is_mate)


@inner
def _first_bits(n):
    return ~np.uint64(0) >> (_BLOCK - np.uint64(min(n, 64)))


@inner
def _put_bases(text, start, length, base, at):
    """Codes of A, C, G, T and N; False where there is another letter. Bits 1 and 2 of the letters tell the four bases apart."""
    other = np.uint64(0)
    for i in range(0, length, 64):
        source, target = np.uint64(start + i), np.uint64(at + i)
        for k in range(_BLOCK):
            letter = text[source + k]
            code = np.uint8(((letter >> np.uint8(1)) ^ (letter >> np.uint8(2))) & np.uint8(3))
            base[target + k] = np.uint8(UNKNOWN_BASE) if letter == 78 else code
        known = equal64(text, start + i, 65) | equal64(text, start + i, 67) | equal64(text, start + i, 71)
        known |= equal64(text, start + i, 84) | equal64(text, start + i, 78)
        other |= ~known & _first_bits(length - i)
    return other == 0


@inner
def _put_any_bases(text, start, length, base, at):
    """Codes of all letters there are, one after another; False where there is something else."""
    largest = np.uint8(0)
    for i in range(length):
        base[at + i] = CODE[text[start + i]]
        largest = max(largest, base[at + i])
    return largest < NO_BASE


@inner
def _put_qualities(text, start, length, quality, at):
    """Phred values; False where a character is outside of '!' to '~'."""
    wrong = np.uint64(0)
    for i in range(0, length, 64):
        source, target = np.uint64(start + i), np.uint64(at + i)
        for k in range(_BLOCK):
            quality[target + k] = np.uint8(text[source + k] - np.uint8(33))
        wrong |= (above64(text, start + i, 126) | ~above64(text, start + i, 32)) & _first_bits(length - i)
    return wrong == 0


@kernel
def parse(text, span, mates, n, most, filled):
    """Appends records to the `n` rows there are, until the batch is full or a record is not sound.

    text    (bytes) uint8: of one file or of two, which the mates of a pair come from in turn
    span    (files, 2) int64: the part of each file's text that is not read yet; moved on
    mates   1, or 2 for pairs, which are appended whole or not at all
    most    bases and reads that make the batch full
    filled  with room for all of the text

    Gives the rows there are then, what is wrong with the record that follows, which mate it is, and where it begins.
    """
    header, header_start, name_length, base, quality, base_start = filled
    second = len(span) - 1
    while n < most[1] and base_start[n] < most[0]:
        first_at, second_at = span[0, 0], span[second, 0]
        for mate in range(mates):
            from_first = mate == 0 or second == 0
            start = first_at if from_first else second_at
            end = span[0, 1] if from_first else span[1, 1]
            fault, (header_end, sequence, sequence_end, qualities, after) = _found(text, start, end)
            if fault != INTACT:
                return n, fault, mate, start
            row = n + mate
            header_at, base_at, length = header_start[row], base_start[row], sequence_end - sequence
            name = _put_header(text, start + 1, header_end, header, header_at)
            if name == 0:
                return n, NO_NAME, mate, start
            if not _put_bases(text, sequence, length, base, base_at) and not _put_any_bases(text, sequence, length, base, base_at):
                return n, WRONG_BASE, mate, start
            if not _put_qualities(text, qualities, length, quality, base_at):
                return n, WRONG_QUALITY, mate, start
            name_length[row] = name
            header_start[row + 1] = header_at + header_end - start - 1
            base_start[row + 1] = base_at + length
            first_at, second_at = (after, second_at) if from_first else (first_at, after)
        span[second, 0] = second_at
        span[0, 0] = first_at
        n += mates
    return n, INTACT, 0, 0


@kernel
def first_stranger(header, header_start, name_length):
    """The first pair whose mates have different names, or -1."""
    for pair in range(len(name_length) // 2):
        length = name_length[2 * pair]
        same = _same_bytes(header, header_start[2 * pair], header_start[2 * pair + 1], min(length, name_length[2 * pair + 1]))
        if length != name_length[2 * pair + 1] or not same:
            return pair
    return -1


@kernel
def drop_mate_numbers(header, header_start, name_length):
    """Shortens the names of mates that differ in a closing .1 and .2, as those of the Sequence Read Archive may; whether there are any."""
    found = False
    for pair in range(len(name_length) // 2):
        first, second, last = header_start[2 * pair], header_start[2 * pair + 1], name_length[2 * pair] - 1
        if last < 2 or name_length[2 * pair + 1] != last + 1 or not _same_bytes(header, first, second, last):
            continue
        if header[first + last - 1] == 46 and header[first + last] == 49 and header[second + last] == 50:
            name_length[2 * pair : 2 * pair + 2] = last - 1
            found = True
    return found


@kernel
def write_records(header, header_start, base, quality, base_start, rows, text):
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
            text[n + i] = LETTER[base[base_start[row] + i]]
            value = quality[base_start[row] + i]
            text[n + length + 3 + i] = np.uint8(33) + (np.uint8(1) if value == 255 else value)
        text[n + length] = 10
        text[n + length + 1] = 43
        text[n + length + 2] = 10
        n += 2 * length + 3
        text[n] = 10
        n += 1
    return n

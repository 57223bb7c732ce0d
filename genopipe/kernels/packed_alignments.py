"""Aligned reads, packed: what calling wants to know of a read, in 64-bit words one after another, from aligning to calling.

A record is three words of numbers, then its bases at two bits (in the direction of the reference), a bit for each unknown base if there is
any, its qualities, and its CIGAR at two operations a word. A read of 150 bases takes 112 bytes where four qualities occur, 152 where
sixteen do, and 224 where more do. The first words, from the lowest bit on:

    0   position in the concatenated genome 34, bases 10, operations 10, mapping quality 8, whether a base is unknown 1
    1   FNV-1a of the read name
    2   ordinal of the read 46, flag 16, width of a quality 2 (2, 4 or 8 bits)

Duplicates are known only after all reads are there: they are told by bits of ordinals when records are looked at.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import inner, kernel

HEAD_WORDS = 3
POSITION_BITS, LENGTH_BITS, OPERATIONS_BITS, ORDINAL_BITS = 34, 10, 10, 46
LENGTH_AT, OPERATIONS_AT = POSITION_BITS, POSITION_BITS + LENGTH_BITS
QUALITY_AT = OPERATIONS_AT + OPERATIONS_BITS
UNKNOWN_AT = QUALITY_AT + 8
FLAG_AT, WIDTH_AT = ORDINAL_BITS, ORDINAL_BITS + 16
NARROW_LEVELS, LEVELS = 4, 16
"""So many different qualities have room in two bits, and in four."""

MOST_QUALITY, MISSING_QUALITY = 93, 20
"""What is above the first counts as the second: a read without qualities."""

PAIRED, PROPER, MATE_UNMAPPED, REVERSE, MATE_REVERSE, FIRST, SECOND = 0x1, 0x2, 0x8, 0x10, 0x20, 0x40, 0x80
CLIP, MATCH = 4, 0


class Sequenced(NamedTuple):
    """Reads as they came: base and quality (bases) uint8, base_start (reads + 1) int64, and chance (reads) uint64, h ^ h >> 29 of the
    FNV-1a h of each name."""

    base: Any
    quality: Any
    base_start: Any
    chance: Any


class Placed(NamedTuple):
    """The place of each read; all (reads).

    slot        int32: negative for a read without a place
    quality     uint8: mapping quality
    proper      uint8
    reverse     uint8
    start, end  int64: in the concatenated genome
    clip_start, clip_end  int32
    operations  int32: in `cigar`, 0 for a place without gaps
    offset      int64: where they begin there
    cigar       (operations of all) uint32
    """

    slot: Any
    quality: Any
    proper: Any
    reverse: Any
    start: Any
    end: Any
    clip_start: Any
    clip_end: Any
    operations: Any
    offset: Any
    cigar: Any


class Packed(NamedTuple):
    """Records: word (words) uint64, start (records + 1) uint32 in words, and position (records) int64 in the concatenated genome."""

    word: Any
    start: Any
    position: Any


class Wanted(NamedTuple):
    """Reads over bases `first` to `last` of the concatenated genome, of at least a mapping quality."""

    first: np.int64
    last: np.int64
    min_quality: np.int32


class Columns(NamedTuple):
    """The arrays of `model.Alignments`, to be filled."""

    position: Any
    end: Any
    flag: Any
    mapping_quality: Any
    name_hash: Any
    cigar: Any
    cigar_start: Any
    base: Any
    quality: Any
    base_start: Any


TYPES = Columns(np.int64, np.int64, np.uint16, np.uint8, np.uint64, np.uint32, np.int64, np.uint8, np.uint8, np.int64)


def starts_of(xp: Any, *sizes: Any) -> Any:
    """(sizes, reads + 1) int64: where the operations, bases or the like of each read begin, by how many it has of them; one more."""
    start = xp.zeros((len(sizes), len(sizes[0]) + 1), np.int64)
    for i, size in enumerate(sizes):
        start[i, 1:] = xp.cumsum(size, dtype=np.int64)
    return start


def columns_for(xp: Any, start: Any, n_operations: int, n_bases: int) -> Columns:
    """Columns with room for reads whose operations and bases begin at `start` (2, reads + 1), so many of all."""
    size = {"base": n_bases, "quality": n_bases, "cigar": n_operations}
    given, n = {"cigar_start": start[0], "base_start": start[1]}, start.shape[1] - 1
    return Columns._make(given[name] if name in given else xp.empty(size.get(name, n), dtype) for name, dtype in TYPES._asdict().items())


class Levels:
    """The qualities of a sample, in the order in which they were met: the first ones have the narrow codes."""

    def __init__(self) -> None:
        self._met: list[int] = []
        self._meeting = Lock()

    def width(self, qualities: Iterable[int]) -> int:
        """Bits in which these qualities have room, from now on."""
        met = {MISSING_QUALITY if quality > MOST_QUALITY else quality for quality in qualities}
        with self._meeting:
            new = sorted(met - set(self._met))
            if len(self._met) + len(new) > LEVELS:
                return 8
            self._met += new
        return 2 if met <= set(self._met[:NARROW_LEVELS]) else 4

    def code(self, width: int) -> NDArray[np.uint8]:
        """(256) uint8: the code of each quality."""
        level = np.arange(256)
        level[MOST_QUALITY + 1 :] = MISSING_QUALITY
        if width == 8:
            return level.astype(np.uint8)
        of_level = np.zeros(256, np.uint8)
        of_level[self._met] = np.arange(len(self._met))
        return of_level[level]

    def table(self) -> NDArray[np.uint8]:
        """(LEVELS) uint8: the quality of each code of two or four bits."""
        return np.array([*self._met, *[0] * (LEVELS - len(self._met))], np.uint8)


@inner
def _n_words(length, unknown, width, operations):
    return HEAD_WORDS + (length + 31) // 32 + (unknown * (length + 63)) // 64 + (length * width + 63) // 64 + (operations + 1) // 2


@inner
def _n_operations(placed, read):
    """Operations of the CIGAR; without gaps, a match between clips."""
    gapped = placed.operations[read]
    return gapped if gapped > 0 else 1 + (placed.clip_start[read] > 0) + (placed.clip_end[read] > 0)


@inner
def _operation(placed, read, k):
    """Operation k of the CIGAR."""
    if placed.operations[read] > 0:
        return np.uint64(placed.cigar[placed.offset[read] + k])
    k += placed.clip_start[read] == 0
    if k == 0:
        return np.uint64(placed.clip_start[read] << 4 | CLIP)
    if k == 1:
        return np.uint64((placed.end[read] - placed.start[read]) << 4 | MATCH)
    return np.uint64(placed.clip_end[read] << 4 | CLIP)


@inner
def _flag(placed, read, paired):
    flag = REVERSE if placed.reverse[read] else 0
    if paired:
        mate = read ^ 1
        flag |= PAIRED | (SECOND if read & 1 else FIRST) | (PROPER if placed.proper[read] else 0)
        flag |= MATE_UNMAPPED if placed.slot[mate] < 0 else (MATE_REVERSE if placed.reverse[mate] else 0)
    return flag


@kernel
def _see(quality, seen):
    for i in range(len(quality)):
        seen[quality[i]] = 1


@kernel
def _measure(row, reads, placed, width, size):
    for i in range(len(row)):
        read = row[i]
        first, last = reads.base_start[read], reads.base_start[read + 1]
        unknown = 0
        for at in range(first, last):
            unknown |= reads.base[at] > 3
        size[i] = _n_words(last - first, unknown, width, _n_operations(placed, read))


@kernel
def _fill(row, reads, placed, paired, first_ordinal, width, code, start, word):
    per_word = 64 // width
    for i in range(len(row)):
        read, at = row[i], np.int64(start[i])
        first, last = reads.base_start[read], reads.base_start[read + 1]
        length, n_operations, reverse = last - first, _n_operations(placed, read), placed.reverse[read] != 0
        origin, step, turned = (last - 1, -1, 3) if reverse else (first, 1, 0)
        unknown = np.int64(start[i + 1]) - at != _n_words(length, 0, width, n_operations)
        h = reads.chance[read]
        word[at] = (
            np.uint64(placed.start[read])
            | np.uint64(length) << np.uint64(LENGTH_AT)
            | np.uint64(n_operations) << np.uint64(OPERATIONS_AT)
            | np.uint64(placed.quality[read]) << np.uint64(QUALITY_AT)
            | np.uint64(unknown) << np.uint64(UNKNOWN_AT)
        )
        word[at + 1] = h ^ (h >> np.uint64(29)) ^ (h >> np.uint64(58))
        word[at + 2] = (
            np.uint64(first_ordinal + read)
            | np.uint64(_flag(placed, read, paired)) << np.uint64(FLAG_AT)
            | np.uint64(width >> 2) << np.uint64(WIDTH_AT)
        )
        at += HEAD_WORDS
        for block in range(0, length, 32):
            packed = np.uint64(0)
            for k in range(min(32, length - block)):
                base = reads.base[origin + step * (block + k)]
                packed |= np.uint64(base ^ turned if base < 4 else 0) << np.uint64(2 * k)
            word[at] = packed
            at += 1
        for block in range(0, length if unknown else 0, 64):
            packed = np.uint64(0)
            for k in range(min(64, length - block)):
                packed |= np.uint64(reads.base[origin + step * (block + k)] > 3) << np.uint64(k)
            word[at] = packed
            at += 1
        for block in range(0, length, per_word):
            packed = np.uint64(0)
            for k in range(min(per_word, length - block)):
                packed |= np.uint64(code[reads.quality[origin + step * (block + k)]]) << np.uint64(width * k)
            word[at] = packed
            at += 1
        for k in range(0, n_operations, 2):
            packed = _operation(placed, read, k)
            if k + 1 < n_operations:
                packed |= _operation(placed, read, k + 1) << np.uint64(32)
            word[at] = packed
            at += 1


def pack(reads: Sequenced, placed: Placed, levels: Levels, *, paired: bool, first_ordinal: int) -> Packed:
    """The records of the reads that have a place, in their order."""
    row = np.flatnonzero(placed.slot >= 0)
    seen = np.zeros(256, np.uint8)
    _see(reads.quality, seen)
    width = levels.width(np.flatnonzero(seen).tolist())
    size = np.empty(len(row), np.int64)
    _measure(row, reads, placed, width, size)
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(size))).astype(np.uint32)
    word = np.empty(start[-1], np.uint64)
    _fill(row, reads, placed, paired, first_ordinal, width, levels.code(width), start, word)
    return Packed(word, start, placed.start[row])


@inner
def _bits(word, low, n):
    """`n` bits of a word from bit `low` on."""
    return np.int64((word >> np.uint64(low)) & np.uint64((1 << n) - 1))


@inner
def _cigar_at(word, start, row, n_operations):
    """Where the operations of a record begin, in halves of a word."""
    return 2 * (np.int64(start[row + 1]) - (n_operations + 1) // 2)


@inner
def _half(word, at):
    return np.uint32((word[at >> 1] >> np.uint64(32 * (at & 1))) & np.uint64(0xFFFFFFFF))


@kernel
def look(word, start, row, at, wanted, duplicate, position, n_operations, n_bases):
    """Position of records, and operations and bases of those that are wanted (0 of others); of record row[k] they go to row at[k].

    duplicate  (ordinals / 8) uint8: bit i & 7 of byte i >> 3 is set for a read that is no evidence
    """
    for k in range(len(row)):
        head = word[start[row[k]]]
        ordinal = _bits(word[start[row[k]] + 2], 0, ORDINAL_BITS)
        place, operations = _bits(head, 0, POSITION_BITS), _bits(head, OPERATIONS_AT, OPERATIONS_BITS)
        position[at[k]] = place
        n_operations[at[k]] = n_bases[at[k]] = 0
        left_out = place >= wanted.last or _bits(head, QUALITY_AT, 8) < wanted.min_quality
        if left_out or duplicate[ordinal >> 3] >> (ordinal & 7) & 1:
            continue
        first = _cigar_at(word, start, row[k], operations)
        for i in range(first, first + operations):
            operation = _half(word, i)
            if _spans(operation & 15):
                place += operation >> 4
        if place > wanted.first:
            n_operations[at[k]], n_bases[at[k]] = operations, _bits(head, LENGTH_AT, LENGTH_BITS)


@inner
def _spans(operation):
    """Whether it takes bases of the reference."""
    return operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8


@kernel
def unpack(word, start, row, at, contig_start, level, out):
    """Fills row at[k] of `out` with record row[k], but where at[k] is negative; positions are counted from `contig_start`."""
    for k in range(len(row)):
        i, record = at[k], np.int64(start[row[k]])
        if i < 0:
            continue
        head, traits = word[record], word[record + 2]
        length, operations = _bits(head, LENGTH_AT, LENGTH_BITS), _bits(head, OPERATIONS_AT, OPERATIONS_BITS)
        end = out.position[i] = _bits(head, 0, POSITION_BITS) - contig_start
        out.flag[i], out.mapping_quality[i] = _bits(traits, FLAG_AT, 16), _bits(head, QUALITY_AT, 8)
        out.name_hash[i] = word[record + 1]
        first, to = _cigar_at(word, start, row[k], operations), out.cigar_start[i]
        for n in range(operations):
            operation = _half(word, first + n)
            out.cigar[to + n] = operation
            if _spans(operation & 15):
                end += operation >> 4
        out.end[i] = end
        to, of_bases = out.base_start[i], record + HEAD_WORDS
        of_unknown = of_bases + (length + 31) // 32
        for n in range(length):
            out.base[to + n] = _bits(word[of_bases + (n >> 5)], 2 * (n & 31), 2)
        of_qualities = of_unknown
        if _bits(head, UNKNOWN_AT, 1):
            of_qualities += (length + 63) // 64
            for n in range(length):
                if _bits(word[of_unknown + (n >> 6)], n & 63, 1):
                    out.base[to + n] = 4
        width = np.int64(2) << _bits(traits, WIDTH_AT, 2)
        for n in range(length):
            code = _bits(word[of_qualities + n * width // 64], n * width & 63, width)
            out.quality[to + n] = code if width == 8 else level[code]

"""Tags of realigned reads, told by the pool's record of the same read, the record's mate and what was seen before.

The tags of a record are a list of names and types, mostly the one that followed the same tags of the base before, and a value each:
    numbers   the difference from what was last seen with the same value of the base, the same number before it and the same gaps and clips
    texts     a code: as in the base; as last seen with the same lane in the name; the mate's CIGAR (MC); else the bytes themselves
Codes and bytes of each tag go to streams of their own. `note_tags` and `recall_tags` are for the loops over records.

Source: SAM/BAM format specification, section 4.2; SAM optional fields, MC and MQ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genopipe.archive.bam_records import MOST_TAGS, same_bytes, tag_integer, tag_width
from genopipe.archive.fastq_text import hash_bytes, hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Bytes, Offsets, int32, whole
from genopipe.archive.realigned_core import MAPPING_QUALITY
from genopipe.kernels.compiled import allocating, inner

MOST_NAMES = 128
"""Tags of different names or types in one file."""
LIST, LIST_BYTES, TAGS = 4, 5, 6
N_STREAMS = TAGS + 2 * MOST_NAMES
"""Streams of codes and bytes; of tag i those are TAGS + 2 i and TAGS + 2 i + 1."""
_MOST_LISTS = 4096
_CONTEXTS = 1 << 16
_TEXTS = 1 << 12
_LONGEST_TEXT = 64
_NO_NUMBER = -(1 << 40)
_SAME_LIST, _KNOWN_LIST, _NEW_LIST = range(3)
_AS_BASE, _AS_BEFORE, _AS_MATE, _LITERAL = range(4)
_FAR = 255
_MC, _MQ = ord("M") << 8 | ord("C"), ord("M") << 8 | ord("Q")
_OPERATIONS = np.frombuffer(b"MIDNSHP=X", np.uint8)
_HASH_START = np.uint64(14695981039346656037)
_MIX = np.uint64(0x9E3779B97F4A7C15)

Parts = tuple[Any, ...]


class TagMemory:
    """What was seen of tags; the same on both ways. Its arrays:

    0 count   (2) int64: how many names and lists there are
    1 name    (names) int64: the two letters and the type of each tag
    2 list    (lists, tags) uint8: indexes into `name`; 3 length and 4 hash: (lists) of each
    5 next    (slots) int64: the list that last followed a list of the base
    6 number  (slots) int64: the number last seen in a context
    7 text    (slots, bytes) uint8: the text last seen in a context; 8 size: (slots) int64, -1 for none
    """

    def __init__(self) -> None:
        self.arrays = (
            np.zeros(2, np.int64),
            np.zeros(MOST_NAMES, np.int64),
            np.zeros((_MOST_LISTS, MOST_TAGS), np.uint8),
            np.zeros(_MOST_LISTS, np.int64),
            np.zeros(_MOST_LISTS, np.uint64),
            np.full(_MOST_LISTS, -1, np.int64),
            np.full(_CONTEXTS, _NO_NUMBER, np.int64),
            np.zeros((_TEXTS, _LONGEST_TEXT), np.uint8),
            np.full(_TEXTS, -1, np.int64),
        )


@inner
def put(out: Parts, at: int, stream: int, value: int) -> int:
    """Writes a byte of a stream; gives where the next goes."""
    out[0][at], out[1][at] = value, stream
    return at + 1


@inner
def put_bytes(out: Parts, at: int, stream: int, byte: Bytes, start: int, end: int) -> int:
    """Writes bytes of a stream; gives where the next goes."""
    for i in range(start, end):
        out[0][at + i - start], out[1][at + i - start] = byte[i], stream
    return at + end - start


@inner
def taken(streams: Parts, stream: int) -> int:
    """The next byte of a stream."""
    byte, at = streams
    at[stream] += 1
    return whole(byte[at[stream] - 1])


@inner
def lane_hash(byte: Bytes, core: int) -> np.uint64:
    """Hash of a read name up to its last three numbers."""
    first, end = core + CORE_BYTES, core + CORE_BYTES + byte[core + 8] - 1
    colons = 0
    while end > first and colons < 3:
        end -= 1
        colons += byte[end] == ord(":")
    return hash_name(byte, first, end)


@inner
def cigar_text(rows: Parts, r: int, out: Bytes) -> int:
    """The CIGAR of a row as text with a 0 at its end; gives the length, 0 when there is no such row or it does not fit."""
    if r < 0:
        return 0
    byte, start = rows[3], rows[4]
    at = 0
    if start[r] == start[r + 1]:
        out[0], at = ord("*"), 1
    for i in range(start[r], start[r + 1], 4):
        word = np.uint32(int32(byte, i))
        length, digits = whole(word >> np.uint32(4)), 1
        while length >= 10**digits:
            digits += 1
        if at + digits + 2 > len(out):
            return 0
        for j in range(digits):
            out[at + digits - 1 - j] = 48 + length // 10**j % 10
        at += digits + 1
        out[at - 1] = _OPERATIONS[min(whole(word) & 15, 8)]
    out[at] = 0
    return at + 1


@inner
def note_tags(want: Bytes, tag: Offsets, n: int, base: Parts, row: Parts, memory: Parts, out: Parts, at: int) -> int:
    """Writes what the n tags of a record differ by; gives where the next bytes go, -1 when there are too many kinds of tags.

    base   the bytes of the base, where its tags begin, how many
    row    rows, the row, the hash of its lane, the mate's CIGAR as text and its length
    """
    number, at = _note_list(want, tag, n, base, memory, out, at)
    before = 0
    for i in range(n if number >= 0 else 0):
        index = whole(memory[2][number, i])
        if tag_width(want[tag[i] + 2]):
            before, at = _note_number(want, tag[i], index, before, base, row, memory, out, at)
        else:
            at = _note_text(want, tag[i], tag[i + 1], index, base, row, memory, out, at)
    return at if number >= 0 else -1


@inner
def recall_tags(out: Bytes, at: int, base: Parts, row: Parts, memory: Parts, streams: Parts) -> int:
    """Writes the tags of a record again; gives where they end. Arguments as of `note_tags`."""
    number = _recall_list(base, memory, streams)
    before = 0
    for i in range(memory[3][number]):
        index = whole(memory[2][number, i])
        key = memory[1][index]
        out[at], out[at + 1], out[at + 2] = key >> 16, key >> 8 & 255, key & 255
        if tag_width(key & 255):
            before, at = _recall_number(out, at, index, before, base, row, memory, streams)
        else:
            at = _recall_text(out, at, index, base, row, memory, streams)
    return at


@inner
def _note_list(want: Bytes, tag: Offsets, n: int, base: Parts, memory: Parts, out: Parts, at: int) -> tuple[int, int]:
    """The number of the list of a record's tags, -1 when there are too many, and where the next bytes go."""
    slot = _list_slot(base, memory)
    number = _known_list(_list_hash(want, tag, n), memory)
    if number >= 0 and memory[5][slot] == number:
        return number, put(out, at, LIST, _SAME_LIST)
    if number >= 0:
        at = put(out, at, LIST, _KNOWN_LIST)
        at = put(out, at, LIST_BYTES, number & 255)
        at = put(out, at, LIST_BYTES, number >> 8)
    else:
        number = _new_list(want, tag, n, memory)
        at = put(out, at, LIST, _NEW_LIST)
        at = put(out, at, LIST_BYTES, n)
        for i in range(n):
            at = put_bytes(out, at, LIST_BYTES, want, tag[i], tag[i] + 3)
    memory[5][slot] = number
    return number, at


@allocating
def _recall_list(base: Parts, memory: Parts, streams: Parts) -> int:
    slot = _list_slot(base, memory)
    code = taken(streams, LIST)
    if code == _SAME_LIST:
        return whole(memory[5][slot])
    if code == _KNOWN_LIST:
        number = taken(streams, LIST_BYTES)
        number |= taken(streams, LIST_BYTES) << 8
    else:
        n = taken(streams, LIST_BYTES)
        byte, tag = np.empty(3 * n, np.uint8), np.empty(n, np.int64)
        for i in range(3 * n):
            byte[i], tag[i // 3] = taken(streams, LIST_BYTES), i // 3 * 3
        number = _new_list(byte, tag, n, memory)
    memory[5][slot] = number
    return number


@inner
def _note_number(
    want: Bytes, start: int, index: int, before: int, base: Parts, row: Parts, memory: Parts, out: Parts, at: int
) -> tuple[int, int]:
    """The number, and where the next bytes go."""
    value = tag_integer(want, start)
    slot, predicted = _predicted(memory[1][index], index, before, base, row, memory)
    step = value - predicted
    folded = step << 1 ^ step >> 63
    at = put(out, at, TAGS + 2 * index, min(folded, _FAR))
    if folded >= _FAR:
        for i in range(8):
            at = put(out, at, TAGS + 2 * index + 1, folded >> (8 * i) & 255)
    memory[6][slot] = value
    return value, at


@inner
def _recall_number(out: Bytes, at: int, index: int, before: int, base: Parts, row: Parts, memory: Parts, streams: Parts) -> tuple[int, int]:
    slot, predicted = _predicted(memory[1][index], index, before, base, row, memory)
    folded = taken(streams, TAGS + 2 * index)
    if folded == _FAR:
        folded = 0
        for i in range(8):
            folded |= taken(streams, TAGS + 2 * index + 1) << (8 * i)
    value = predicted + (folded >> 1 ^ -(folded & 1))
    width = tag_width(out[at + 2])
    for i in range(width):
        out[at + 3 + i] = value >> (8 * i) & 255
    memory[6][slot] = value
    return value, at + 3 + width


@inner
def _note_text(want: Bytes, start: int, end: int, index: int, base: Parts, row: Parts, memory: Parts, out: Parts, at: int) -> int:
    key, stream = memory[1][index], TAGS + 2 * index
    base_start, base_end = _base_tag(base, key)
    slot = _text_slot(index, row[2])
    if key >> 8 == _MC and same_bytes(want, start + 3, end, row[3], 0, row[4]):
        at = put(out, at, stream, _AS_MATE)
    elif base_start >= 0 and same_bytes(want, start + 2, end, base[0], base_start + 2, base_end):
        at = put(out, at, stream, _AS_BASE)
    elif same_bytes(want, start + 3, end, memory[7][slot], 0, memory[8][slot]):
        at = put(out, at, stream, _AS_BEFORE)
    else:
        at = put(out, at, stream, _LITERAL)
        at = put_bytes(out, at, stream + 1, want, start + 3, end)
    _remember_text(memory, slot, want, start + 3, end)
    return at


@inner
def _recall_text(out: Bytes, start: int, index: int, base: Parts, row: Parts, memory: Parts, streams: Parts) -> int:
    key, stream = memory[1][index], TAGS + 2 * index
    slot = _text_slot(index, row[2])
    code = taken(streams, stream)
    at = start + 3
    if code == _AS_MATE:
        at = _copied(out, at, row[3], 0, row[4])
    elif code == _AS_BASE:
        base_start, base_end = _base_tag(base, key)
        at = _copied(out, at, base[0], base_start + 3, base_end)
    elif code == _AS_BEFORE:
        at = _copied(out, at, memory[7][slot], 0, memory[8][slot])
    else:
        at = _recall_literal(out, at, key & 255, streams, stream + 1)
    _remember_text(memory, slot, out, start + 3, at)
    return at


@inner
def _recall_literal(out: Bytes, at: int, kind: int, streams: Parts, stream: int) -> int:
    """Writes the bytes of a value; they say themselves where they end."""
    left = 1 if kind == ord("A") else 4 if kind == ord("f") else 5
    first = at
    text = kind == ord("Z") or kind == ord("H")
    while text or left:
        out[at] = taken(streams, stream)
        at, left = at + 1, left - 1
        if text and out[at - 1] == 0:
            break
        if kind == ord("B") and at == first + 5:
            left = (4 if out[first] == ord("f") else tag_width(out[first])) * int32(out, first + 1)
    return at


@inner
def _copied(out: Bytes, at: int, byte: Bytes, start: int, end: int) -> int:
    for i in range(start, end):
        out[at + i - start] = byte[i]
    return at + end - start


@inner
def _predicted(key: int, index: int, before: int, base: Parts, row: Parts, memory: Parts) -> tuple[int, int]:
    """The slot of a number's context, and the number as it is most likely."""
    rows, r = row[0], row[1]
    start, _ = _base_tag(base, key)
    base_value = tag_integer(base[0], start) if start >= 0 and tag_width(base[0][start + 2]) else _NO_NUMBER
    slot = _number_slot(index, base_value, before, rows[7][r])
    mate = rows[1][r]
    seen = memory[6][slot]
    if key >> 8 == _MQ and mate >= 0:
        return slot, whole(rows[2][mate, MAPPING_QUALITY])
    return slot, seen if seen != _NO_NUMBER else base_value if base_value != _NO_NUMBER else 0


@inner
def _number_slot(index: int, base_value: int, before: int, shape: int) -> int:
    value = np.uint64(index + 1) * _MIX ^ np.uint64(base_value)
    value = value * _MIX ^ np.uint64(before)
    value = (value ^ value >> np.uint64(31)) * _MIX ^ np.uint64(shape)
    value = (value ^ value >> np.uint64(29)) * _MIX
    return whole(value >> np.uint64(48)) % _CONTEXTS


@inner
def _text_slot(index: int, lane: np.uint64) -> int:
    return whole((lane ^ np.uint64(index)) * _MIX >> np.uint64(40)) % _TEXTS


@inner
def _remember_text(memory: Parts, slot: int, byte: Bytes, start: int, end: int) -> None:
    text, size = memory[7], memory[8]
    if end - start <= text.shape[1]:
        size[slot] = end - start
        for i in range(end - start):
            text[slot, i] = byte[start + i]


@inner
def _base_tag(base: Parts, key: int) -> tuple[int, int]:
    """Start and end of the base's tag with the letters of `key`; -1 when there is none."""
    byte, tag, n = base
    for i in range(n):
        if byte[tag[i]] == key >> 16 and byte[tag[i] + 1] == key >> 8 & 255:
            return whole(tag[i]), whole(tag[i + 1])
    return -1, -1


@inner
def _list_slot(base: Parts, memory: Parts) -> int:
    return whole(_list_hash(base[0], base[1], base[2]) >> np.uint64(32)) % len(memory[5])


@inner
def _list_hash(byte: Bytes, tag: Offsets, n: int) -> np.uint64:
    value = _HASH_START
    for i in range(n):
        value = hash_bytes(value, byte, tag[i], tag[i] + 3)
    return value


@inner
def _known_list(value: np.uint64, memory: Parts) -> int:
    """The number of a list; -1 when it is new."""
    for i in range(memory[0][1]):
        if memory[4][i] == value:
            return i
    return -1


@inner
def _new_list(byte: Bytes, tag: Offsets, n: int, memory: Parts) -> int:
    """The number of a list now remembered; -1 when there are too many lists or names."""
    count, name, lists, length, hashes = memory[:5]
    number = whole(count[1])
    if number == len(hashes):
        return -1
    for i in range(n):
        key = whole(byte[tag[i]]) << 16 | whole(byte[tag[i] + 1]) << 8 | whole(byte[tag[i] + 2])
        index = 0
        while index < count[0] and name[index] != key:
            index += 1
        if index == len(name):
            return -1
        name[index] = key
        count[0] = max(count[0], index + 1)
        lists[number, i] = index
    length[number], hashes[number] = n, _list_hash(byte, tag, n)
    count[1] += 1
    return number

"""The matches that ISA-L's igzip finds, by our own search, the same on every processor.

GATK, and whatever else writes by Intel's library, compresses this way: one earlier place for each hash of four bytes, two places looked at
in one step, a long match of the second before a short one of the first, and after a match only its first places are remembered. What is
found differs from igzip's own in about one token of a thousand.

Source: behaviour of ISA-L 2.31, `isal_deflate` at levels 0 to 2; CRC-32C as hash.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.archive.deflate_tokens import Bytes, Numbers, Tokens
from genopipe.kernels.compiled import inner, kernel

SLOTS = {1: 1 << 13, 2: 1 << 15}
"""Places remembered, by level."""

_CASTAGNOLI = 0x82F63B78
_ENDING = 288
"""Bytes at the end that are searched place by place."""
_SHORTEST, _LONG, _LONGEST = 4, 8, 258
_WINDOW = 1 << 15


def _crc_table() -> NDArray[np.uint32]:
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = value >> np.uint32(1) ^ np.where(value & np.uint32(1), np.uint32(_CASTAGNOLI), np.uint32(0))
    return value


_CRC = _crc_table()


def igzip_tokens(plain: bytes, level: int, before: bytes = b"") -> Tokens:
    """(tokens) int32 as in `genopipe.archive.deflate_tokens`; of a stream behind what stood `before`."""
    byte, place = np.frombuffer(before + plain, np.uint8), np.zeros(SLOTS[level], np.int64)
    out = np.empty(len(byte) + 1, np.int32)
    if before:
        _search(byte[: len(before)], 0, place, out)
    return out[: _search(byte, len(before), place, out)]


@inner
def _slot(byte: Bytes, at: int, place: Numbers) -> int:
    crc = np.uint32(0)
    for i in range(4):
        crc = _CRC[(crc ^ byte[at + i]) & np.uint32(255)] ^ (crc >> np.uint32(8))
    return int(crc) & (len(place) - 1)


@inner
def _match(byte: Bytes, at: int, place: Numbers) -> tuple[int, int]:
    """Length and distance of the match at a place, which is remembered; length 0 where there is none."""
    slot = _slot(byte, at, place)
    distance = ((at - 1 - place[slot]) & (_WINDOW - 1)) + 1
    place[slot] = at
    if distance > at:
        return 0, 0
    most, length = min(_LONGEST, len(byte) - at), 0
    while length < most and byte[at - distance + length] == byte[at + length]:
        length += 1
    return (length if length >= _SHORTEST else 0), distance


@inner
def _remember(byte: Bytes, first: int, end: int, place: Numbers) -> None:
    for at in range(first, min(end, len(byte) - 3)):
        place[_slot(byte, at, place)] = at


@kernel
def _search(byte: Bytes, first: int, place: Numbers, out: Tokens) -> int:
    """Fills `out` with the tokens from a place on; gives how many there are."""
    at, n = first, 0
    if at == 0 and len(byte) > _ENDING:
        out[0] = 0
        at = n = 1
    while at < len(byte) - _ENDING:
        length, distance = _match(byte, at, place)
        next_length, next_distance = _match(byte, at + 1, place)
        if length >= _LONG or (length and next_length < _LONG):
            out[n] = length << 16 | (distance - 1)
            _remember(byte, at + 2, at + 4, place)
            at, n = at + length, n + 1
            continue
        out[n] = 0
        at, n = at + 1, n + 1
        if next_length:
            out[n] = next_length << 16 | (next_distance - 1)
            _remember(byte, at + 1, at + 4, place)
            at, n = at + next_length, n + 1
        else:
            out[n] = 0
            at, n = at + 1, n + 1
    while at < len(byte):
        length, distance = _match(byte, at, place) if at + _SHORTEST <= len(byte) else (0, 0)
        out[n] = length << 16 | (distance - 1) if length else 0
        if length:
            _remember(byte, at + 1, at + 3, place)
        at, n = at + max(1, length), n + 1
    return n

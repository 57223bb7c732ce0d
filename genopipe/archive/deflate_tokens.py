"""A deflate stream as tokens, its blocks and their code tables, and the stream again from these.

A token is 0 for a literal, else `length << 16 | distance - 1` of a match. What the literals are, the plain content says. A block's code
table is kept as the bits that tell it.

Source: RFC 1951.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.kernels.compiled import allocating, inner

STORED, FIXED, DYNAMIC = range(3)
_MOST_BLOCKS = 1 << 12
_LITERALS, _DISTANCES, _CODE_LENGTHS = 288, 32, 19
_END = 256
_LONGEST_CODE = 15
_LONGEST_HEAD = 320
"""Bytes of the longest description of a code table."""

_LENGTH_BITS = np.array([0] * 8 + [i // 4 for i in range(4, 24)] + [0], np.int64)
_LENGTH_BASE = np.array([*(3 + np.concatenate([[0], np.cumsum(1 << _LENGTH_BITS[:-2])])), 258], np.int64)
_DISTANCE_BITS = np.array([0, 0] + [i // 2 for i in range(28)], np.int64)
_DISTANCE_BASE = 1 + np.concatenate([[0], np.cumsum(1 << _DISTANCE_BITS[:-1])])
_LENGTH_SYMBOL = (np.searchsorted(_LENGTH_BASE, np.arange(259), "right") - 1).astype(np.uint8)
_DISTANCE_SYMBOL = (np.searchsorted(_DISTANCE_BASE, np.arange(1, (1 << 15) + 1), "right") - 1).astype(np.uint8)
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
"""RFC 1951, 3.2.7: in which order the lengths of the codes for code lengths stand."""

Bytes = NDArray[np.uint8]
Tokens = NDArray[np.int32]
Numbers = NDArray[np.int64]


class NotDeflate(Exception):
    """The bytes are no deflate stream, or one of a form that is not kept as tokens."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A deflate stream without its literals.

    token  (tokens) int32
    kind   (blocks) int64: STORED, FIXED or DYNAMIC
    count  (blocks) int64: tokens of each block, or bytes of a stored one
    bits   (blocks) int64: bits that describe the code table
    head   (bytes) uint8: these bits, each block's from a byte on
    """

    token: Tokens
    kind: Numbers
    count: Numbers
    bits: Numbers
    head: Bytes


def read_stream(deflated: bytes, size: int) -> Stream:
    """The tokens of a whole deflate stream of `size` plain bytes. Raises NotDeflate."""
    stream, end, final = read_blocks(deflated, 0, size)
    if not final or (end + 7) // 8 != len(deflated):
        raise NotDeflate
    return stream


def read_blocks(deflated: bytes, at: int, size: int) -> tuple[Stream, int, bool]:
    """The blocks that are whole from bit `at` on, of `size` plain bytes at most; where they end; whether a stream's last is there."""
    token, block = np.empty(size, np.int32), np.empty((3, _MOST_BLOCKS), np.int64)
    head = np.zeros(len(deflated) + _LONGEST_HEAD, np.uint8)
    end, n_tokens, n_blocks, n_head, final = _read(np.frombuffer(deflated, np.uint8), at, token, block, head)
    kind, count, bits = block[:, :n_blocks].copy()
    return Stream(token[:n_tokens], kind, count, bits, head[:n_head]), end, final


def written_stream(stream: Stream, plain: bytes) -> bytes:
    """The deflate stream again. Raises NotDeflate where the tokens do not tell `plain`."""
    return written_blocks(stream, plain, (0, 0), final=True)[0]


def written_blocks(stream: Stream, plain: bytes, begun: tuple[int, int], *, final: bool) -> tuple[bytes, tuple[int, int]]:
    """The blocks again behind a byte that is `begun`: its bits, and how many they are; and the byte that is begun at their end.

    Where they are `final` it is ended. Raises NotDeflate where the tokens do not tell `plain`.
    """
    out = np.zeros(2 * len(plain) + len(stream.head) + 8 * len(stream.kind) + 1, np.uint8)
    out[0], start = begun
    blocks = (stream.token, stream.kind, stream.count, stream.bits, stream.head)
    end = _write(blocks, np.frombuffer(plain, np.uint8), start, final, out)
    if end < 0:
        raise NotDeflate
    if final:
        return out[: (end + 7) // 8].tobytes(), (0, 0)
    return out[: end // 8].tobytes(), (int(out[end // 8]), end & 7)


@inner
def _bits(byte: Bytes, at: int, n: int) -> int:
    """n bits, 16 at most, from bit `at` on; zeros beyond the end."""
    first = at >> 3
    value = 0
    for i in range(3):
        if first + i < len(byte):
            value |= int(byte[first + i]) << (8 * i)
    return value >> (at & 7) & ((1 << n) - 1)


@inner
def _put(byte: Bytes, at: int, value: int, n: int) -> int:
    """Writes n bits where zeros are; gives where they end, -1 without room."""
    if at < 0 or at + n > 8 * len(byte):
        return -1
    value <<= at & 7
    first = at >> 3
    for i in range(((at & 7) + n + 7) >> 3):
        byte[first + i] |= value >> (8 * i) & 255
    return at + n


@allocating
def _codes(length: Numbers, code: Numbers) -> None:
    """The code of each symbol, its first bit lowest, as it stands in the stream (RFC 1951, 3.2.2)."""
    count = np.zeros(_LONGEST_CODE + 1, np.int64)
    for n in length:
        count[n] += n > 0
    following = np.zeros(_LONGEST_CODE + 1, np.int64)
    for n in range(1, _LONGEST_CODE + 1):
        following[n] = (following[n - 1] + count[n - 1]) << 1
    for symbol in range(len(length)):
        n = length[symbol]
        value, turned = following[n], 0
        following[n] += n > 0
        for i in range(n):
            turned |= (value >> i & 1) << (n - 1 - i)
        code[symbol] = turned


@allocating
def _table(length: Numbers, table: Tokens) -> None:
    """Fills `table` with `symbol << 4 | bits` for each value of the next 15 bits; 0 where no code begins so."""
    code = np.zeros(len(length), np.int64)
    _codes(length, code)
    table[:] = 0
    for symbol in range(len(length)):
        if length[symbol]:
            for i in range(code[symbol], 1 << _LONGEST_CODE, 1 << length[symbol]):
                table[i] = symbol << 4 | length[symbol]


@allocating
def _code_lengths(byte: Bytes, at: int, kind: int, length: Numbers, table: Tokens) -> int:
    """Fills the code lengths of a block, literals and lengths before distances; gives where they end, -1 for what is none."""
    length[:] = 0
    if kind == FIXED:
        length[:144], length[144:256], length[256:280], length[280:] = 8, 9, 7, 8
        length[_LITERALS:] = 5
        return at
    n_literals, n_distances, n_codes = _bits(byte, at, 5) + 257, _bits(byte, at + 5, 5) + 1, _bits(byte, at + 10, 4) + 4
    at += 14
    short = np.zeros(_CODE_LENGTHS, np.int64)
    for i in range(n_codes):
        short[_ORDER[i]] = _bits(byte, at, 3)
        at += 3
    if n_literals > 286 or n_distances > 30:
        return -1
    _table(short, table)
    i, n = 0, n_literals + n_distances
    told = np.zeros(n, np.int64)
    while i < n:
        entry = table[_bits(byte, at, _LONGEST_CODE)]
        symbol, value, times = entry >> 4, entry >> 4, 1
        at += entry & 15
        if entry == 0 or (symbol == 16 and i == 0):
            return -1
        if symbol >= 16:
            value = told[i - 1] if symbol == 16 else 0
            extra = 2 if symbol == 16 else 3 if symbol == 17 else 7
            times = (11 if symbol == 18 else 3) + _bits(byte, at, extra)
            at += extra
        if i + times > n:
            return -1
        told[i : i + times] = value
        i += times
    length[:n_literals] = told[:n_literals]
    length[_LITERALS : _LITERALS + n_distances] = told[n_literals:]
    return at


@inner
def _read_tokens(byte: Bytes, at: int, tables: Tokens, token: Tokens, n: int) -> tuple[int, int]:
    """The tokens of one block after n others; gives where they end and how many there are then, -1 for what is none."""
    while at < 8 * len(byte):
        entry = tables[0, _bits(byte, at, _LONGEST_CODE)]
        symbol = (entry >> 4) - _END
        at += entry & 15
        if entry and symbol == 0:
            return at, n
        if entry == 0 or n == len(token):
            break
        token[n] = 0
        if symbol > 0:
            length = _LENGTH_BASE[symbol - 1] + _bits(byte, at, _LENGTH_BITS[symbol - 1])
            at += _LENGTH_BITS[symbol - 1]
            entry = tables[1, _bits(byte, at, _LONGEST_CODE)]
            at += entry & 15
            if entry == 0 or _LENGTH_SYMBOL[length] != symbol - 1:
                break
            distance = _DISTANCE_BASE[entry >> 4] + _bits(byte, at, _DISTANCE_BITS[entry >> 4])
            at += _DISTANCE_BITS[entry >> 4]
            token[n] = length << 16 | (distance - 1)
        n += 1
    return -1, n


@allocating
def _read(byte: Bytes, at: int, token: Tokens, block: Numbers, head: Bytes) -> tuple[int, int, int, int, bool]:
    """Where the blocks that are whole end; tokens, blocks and bytes of heads; whether the last block of a stream is among them."""
    n = n_blocks = n_head = 0
    length = np.zeros(_LITERALS + _DISTANCES, np.int64)
    tables = np.zeros((2, 1 << _LONGEST_CODE), np.int32)
    begin, last = at, False
    while not last and n_blocks < block.shape[1]:
        last, kind = _bits(byte, at, 1) == 1, _bits(byte, at + 1, 2)
        at += 3
        start, following = at, n
        block[:, n_blocks] = 0
        if kind == STORED:
            at = (at + 7) & ~7
            block[1, n_blocks] = _bits(byte, at, 16)
            at += 32 + 8 * block[1, n_blocks]
        else:
            at = _code_lengths(byte, at, kind, length, tables[0]) if kind <= DYNAMIC else -1
            if at < 0 or n_head + _LONGEST_HEAD > len(head):
                return begin, n, n_blocks, n_head, False
            block[2, n_blocks] = at - start
            _table(length[:_LITERALS], tables[0])
            _table(length[_LITERALS:], tables[1])
            at, following = _read_tokens(byte, at, tables, token, n)
            block[1, n_blocks] = following - n
        if at < 0 or at > 8 * len(byte):
            return begin, n, n_blocks, n_head, False
        for i in range(start, start + block[2, n_blocks], 8):
            head[n_head] = _bits(byte, i, min(8, start + block[2, n_blocks] - i))
            n_head += 1
        block[0, n_blocks] = kind
        begin, n = at, following
        n_blocks += 1
    return begin, n, n_blocks, n_head, last


@inner
def _put_symbol(out: Bytes, at: int, length: Numbers, code: Numbers, symbol: int) -> int:
    """Writes the code of a symbol; -1 where it has none."""
    return _put(out, at, code[symbol], length[symbol]) if length[symbol] else -1


@inner
def _write_match(out: Bytes, at: int, length: Numbers, code: Numbers, token: int) -> int:
    size, distance = token >> 16, (token & 0xFFFF) + 1
    if size < 3 or size > 258 or distance > 1 << 15:
        return -1
    symbol = _LENGTH_SYMBOL[size]
    at = _put_symbol(out, at, length, code, _END + 1 + symbol)
    at = _put(out, at, size - _LENGTH_BASE[symbol], _LENGTH_BITS[symbol])
    symbol = _DISTANCE_SYMBOL[distance - 1]
    at = _put_symbol(out, at, length, code, _LITERALS + symbol)
    return _put(out, at, distance - _DISTANCE_BASE[symbol], _DISTANCE_BITS[symbol])


@allocating
def _write(blocks: tuple[Tokens, Numbers, Numbers, Numbers, Bytes], plain: Bytes, at: int, final: bool, out: Bytes) -> int:
    """Where the blocks end in `out`, in bits; -1 where they cannot be written."""
    token, kind, count, bits, head = blocks
    n = place = n_head = 0
    length, code = np.zeros(_LITERALS + _DISTANCES, np.int64), np.zeros(_LITERALS + _DISTANCES, np.int64)
    table = np.zeros(1 << _LONGEST_CODE, np.int32)
    for b in range(len(kind)):
        at = _put(out, at, int(final and b == len(kind) - 1) | kind[b] << 1, 3)
        if at < 0:
            return -1
        if kind[b] == STORED:
            at = (at + 7) & ~7
            at = _put(out, at, count[b], 16)
            at = _put(out, at, count[b] ^ 0xFFFF, 16)
            if at < 0 or place + count[b] > len(plain) or at // 8 + count[b] > len(out):
                return -1
            out[at // 8 : at // 8 + count[b]] = plain[place : place + count[b]]
            at, place = at + 8 * count[b], place + count[b]
            continue
        n_bytes = (bits[b] + 7) >> 3
        if n_head + n_bytes > len(head) or n + count[b] > len(token):
            return -1
        if _code_lengths(head[n_head : n_head + n_bytes], 0, kind[b], length, table) < 0:
            return -1
        for i in range(n_bytes):
            at = _put(out, at, int(head[n_head + i]), min(8, bits[b] - 8 * i))
        n_head += n_bytes
        _codes(length[:_LITERALS], code[:_LITERALS])
        _codes(length[_LITERALS:], code[_LITERALS:])
        for _ in range(count[b]):
            if token[n]:
                at = _write_match(out, at, length, code, token[n])
                place += token[n] >> 16
            elif place < len(plain):
                at = _put_symbol(out, at, length, code, plain[place])
                place += 1
            else:
                return -1
            n += 1
            if at < 0:
                return -1
        at = _put_symbol(out, at, length, code, _END)
    return at if n == len(token) and place == len(plain) else -1

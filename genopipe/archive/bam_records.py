"""BAM records compared field by field with those that come back from a CRAM, and put together again.

The archive keeps alignments as CRAM, and CRAM gives records back that may differ: tags in another order, of another integer type or
recomputed, `=` and `X` as `M`, another bin. `differences` notes what differs of each record: usually nothing; the order and types of tags,
predicted from the last record whose tags came in the same order; or the whole field. `restored` undoes it. Both walk the records in file
order and keep the same small table.

Per record one byte of marks says what follows in which stream:
    core   32 fixed bytes, XORed with those of the CRAM's record
    name, cigar, sequence, quality   the field as it was
    tags   length (uint32) and bytes of all tags as they were
    order  for each tag its place (uint8) among the tags of the CRAM's record, and 0 or the integer type it had (uint8); then 255 and 0
           for each tag that only the CRAM's record has (MD and NM, which decoding adds)
One more mark says that the CIGAR is that of the CRAM's record with each M cut into = and X by its MD tag.

Source: SAM/BAM format specification, section 4.2.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.archive.match_cigars import match_cigar
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, NotBam, Offsets, int32

MOST_TAGS = 64
_DROPPED = 255
ORDER_SLOTS = 4096
STREAMS = ("core", "name", "cigar", "sequence", "quality", "tags", "order")
_ORDER = 6
_BY_MD = 128
_LONGEST_CIGAR = 4 * 65535
_WIDEST_GROWTH = 3


class OrderTable:
    """For tags in some order in the CRAM, the order they last had in the original; the same on both ways."""

    def __init__(self) -> None:
        self.signature = np.zeros(ORDER_SLOTS, np.uint64)
        self.order = np.zeros((ORDER_SLOTS, 2 * MOST_TAGS), np.uint8)


class Noted:
    """The streams of one batch, and how much of each is used up."""

    def __init__(self, table: OrderTable, stream: list[Bytes]) -> None:
        self.table, self.stream = table, stream
        self.used = np.zeros(len(STREAMS), np.int64)


def differences(original: Batch, decoded: Batch, table: OrderTable) -> tuple[Bytes, list[Bytes]]:
    """Marks (records) and the seven streams of what `decoded` lacks to be `original`. Raises NotBam for broken records."""
    mark = np.zeros(len(original), np.uint8)
    size = int(original.start[-1] - original.start[0]) + 4 * len(original)
    stream = [np.empty(size if i < _ORDER else 2 * MOST_TAGS * len(original), np.uint8) for i in range(len(STREAMS))]
    end = np.zeros(len(STREAMS), np.int64)
    whole = _differences(original.byte, original.start, decoded.byte, decoded.start, table.signature, table.order, mark, end, *stream)
    if not whole:
        raise NotBam("a record whose fields do not fit into it")
    return mark, [part[:used] for part, used in zip(stream, end, strict=True)]


def restored(decoded: Batch, mark: Bytes, noted: Noted) -> bytes:
    """The original records from those of the CRAM and what `differences` noted; goes on where the last call with `noted` ended."""
    given = int(decoded.start[-1] - decoded.start[0])
    given *= 5 if (mark & _BY_MD).any() else 1  # an MD text makes at most one operation of four bytes for each of its letters
    size = given + sum(len(part) for part in noted.stream) + _WIDEST_GROWTH * MOST_TAGS * len(decoded)
    out = np.empty(size, np.uint8)
    table = noted.table
    used = _restored(decoded.byte, decoded.start, table.signature, table.order, mark, out, noted.used, *noted.stream)
    return out[:used].tobytes()


@njit(cache=True, nogil=True)
def put_uint32(out: Bytes, at: int, value: int) -> None:
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 255


@njit(cache=True, nogil=True)
def field_ends(byte: Bytes, core: int, base: int, out: Offsets) -> None:
    """Ends of name, cigar, sequence and quality of a record whose fields begin at `base`."""
    n_bases = int32(byte, core + 16)
    out[0] = base
    out[1] = out[0] + byte[core + 8]
    out[2] = out[1] + 4 * (np.int64(byte[core + 12]) | np.int64(byte[core + 13]) << 8)
    out[3] = out[2] + (n_bases + 1) // 2
    out[4] = out[3] + n_bases


@njit(cache=True, nogil=True)
def _cigar_by_md(byte: Bytes, field: Offsets, tag: Offsets, n: int, out: Bytes) -> int:
    """Fills `out` with a record's CIGAR cut by its MD tag; gives its bytes, -1 where that cannot be."""
    for i in range(n):
        start = tag[i]
        if byte[start] == ord("M") and byte[start + 1] == ord("D") and byte[start + 2] == ord("Z"):
            return match_cigar(byte, field[1], field[2], byte, start + 3, out)
    return -1


@njit(cache=True, nogil=True)
def _tag_end(byte: Bytes, at: int, limit: int) -> int:
    """Where the tag that begins at `at` ends; -1 for something that is no tag."""
    if at + 4 > limit:
        return -1
    kind = byte[at + 2]
    end = at + 3
    if kind == ord("A") or kind == ord("c") or kind == ord("C"):
        end += 1
    elif kind == ord("s") or kind == ord("S"):
        end += 2
    elif kind == ord("i") or kind == ord("I") or kind == ord("f"):
        end += 4
    elif kind == ord("Z") or kind == ord("H"):
        while end < limit and byte[end] != 0:
            end += 1
        end += 1
    elif kind == ord("B") and end + 5 <= limit:
        one = byte[end]
        width = 1 if one == ord("c") or one == ord("C") else 2 if one == ord("s") or one == ord("S") else 4
        count = int32(byte, end + 1)
        end = end + 5 + width * count if count >= 0 else limit + 1
    else:
        return -1
    return end if end <= limit else -1


@njit(cache=True, nogil=True)
def tag_starts(byte: Bytes, start: int, end: int, tag: Offsets) -> int:
    """Fills `tag` with where each tag begins, and the end; gives how many, or -1 when they cannot be told or are too many."""
    n = 0
    while start < end:
        if n == MOST_TAGS:
            return -1
        tag[n] = start
        start = _tag_end(byte, start, end)
        if start < 0:
            return -1
        n += 1
    tag[n] = end
    return n


@njit(cache=True, nogil=True)
def _signature(byte: Bytes, tag: Offsets, n: int) -> np.uint64:
    """A hash of the tag names in their order, never 0."""
    value = np.uint64(14695981039346656037)
    for i in range(n):
        for j in range(2):
            value = (value ^ np.uint64(byte[tag[i] + j])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29)) | np.uint64(1)


@njit(cache=True, nogil=True)
def same_bytes(one: Bytes, one_start: int, one_end: int, other: Bytes, other_start: int, other_end: int) -> bool:
    if one_end - one_start != other_end - other_start:
        return False
    differs = np.uint8(0)
    for i in range(one_end - one_start):  # without a way out, so that it is compiled to vector instructions
        differs |= one[one_start + i] ^ other[other_start + i]
    return differs == 0


@njit(cache=True, nogil=True)
def copied(out: Bytes, at: int, byte: Bytes, start: int, end: int) -> int:
    for i in range(start, end):
        out[at + i - start] = byte[i]
    return at + end - start


@njit(cache=True, nogil=True)
def _predict(signature: np.uint64, table: NDArray[np.uint64], order: NDArray[np.uint8], n: int, out: Bytes) -> None:
    """The order that records with this signature last had; the CRAM's own where none is known. Never a place beyond the n tags."""
    slot = signature & np.uint64(ORDER_SLOTS - 1)
    known = table[slot] == signature
    for i in range(n):
        place = int(order[slot, 2 * i])
        out[2 * i] = i if not known else place if place == _DROPPED else min(place, n - 1)
        out[2 * i + 1] = order[slot, 2 * i + 1] if known else 0


@njit(cache=True, nogil=True)
def _remember(signature: np.uint64, table: NDArray[np.uint64], order: NDArray[np.uint8], n: int, places: Bytes) -> None:
    slot = signature & np.uint64(ORDER_SLOTS - 1)
    table[slot] = signature
    for i in range(2 * n):
        order[slot, i] = places[i]


@njit(cache=True, nogil=True)
def tag_width(kind: int) -> int:
    """Bytes of an integer type; 0 for other types."""
    if kind == ord("c") or kind == ord("C"):
        return 1
    if kind == ord("s") or kind == ord("S"):
        return 2
    return 4 if kind == ord("i") or kind == ord("I") else 0


@njit(cache=True, nogil=True)
def tag_integer(byte: Bytes, at: int) -> int:
    """The value of the integer tag that begins at `at`."""
    width = tag_width(byte[at + 2])
    value = 0
    for i in range(width):
        value |= int(byte[at + 3 + i]) << (8 * i)
    signed = byte[at + 2] > 96
    return value - (1 << (8 * width)) if signed and value >> (8 * width - 1) else value


@njit(cache=True, nogil=True)
def _matches(want: Bytes, w: int, w_end: int, have: Bytes, h: int, h_end: int, kind: int) -> bool:
    """True when the tag of `have`, turned into the integer type `kind` (0: as it is), is that of `want`."""
    if kind == 0:
        return same_bytes(want, w, w_end, have, h, h_end)
    if want[w] != have[h] or want[w + 1] != have[h + 1] or want[w + 2] != kind:
        return False
    return tag_width(kind) > 0 and tag_width(have[h + 2]) > 0 and tag_integer(want, w) == tag_integer(have, h)


@njit(cache=True, nogil=True)
def _in_order(want: Bytes, want_tag: Offsets, m: int, have: Bytes, have_tag: Offsets, n: int, places: Bytes) -> bool:
    """True when the n tags of `have`, taken in the order `places`, are the m of `want`."""
    for i in range(n):
        j = places[2 * i]
        if (j == _DROPPED) != (i >= m):
            return False
        if j == _DROPPED:
            continue
        if not _matches(want, want_tag[i], want_tag[i + 1], have, have_tag[j], have_tag[j + 1], places[2 * i + 1]):
            return False
    return True


@njit(cache=True, nogil=True)
def _find_order(want: Bytes, want_tag: Offsets, m: int, have: Bytes, have_tag: Offsets, n: int, places: Bytes) -> bool:
    """Fills `places` with where each tag of `want` stands in `have`, and its type if that differs; False when one is missing there."""
    used = np.zeros(MOST_TAGS, np.uint8)
    for i in range(m, n):
        places[2 * i], places[2 * i + 1] = _DROPPED, 0
    for i in range(m):
        found = False
        for asked in range(2):
            kind = want[want_tag[i] + 2] if asked else 0
            for j in range(n):
                if not found and not used[j] and _matches(want, want_tag[i], want_tag[i + 1], have, have_tag[j], have_tag[j + 1], kind):
                    places[2 * i], places[2 * i + 1], used[j], found = j, kind, 1, True
        if not found:
            return False
    return True


@njit(cache=True, nogil=True)
def _put_tag(out: Bytes, at: int, have: Bytes, start: int, end: int, kind: int) -> int:
    """Copies a tag, turned into the integer type `kind` (0: as it is); gives where it ends."""
    if kind == 0:
        return copied(out, at, have, start, end)
    value = tag_integer(have, start)
    out[at], out[at + 1], out[at + 2] = have[start], have[start + 1], kind
    for i in range(tag_width(kind)):
        out[at + 3 + i] = value >> (8 * i) & 255
    return at + 3 + tag_width(kind)


@njit(cache=True, nogil=True)
def _differences(
    want: Bytes,
    want_start: Offsets,
    have: Bytes,
    have_start: Offsets,
    signature: NDArray[np.uint64],
    order: NDArray[np.uint8],
    mark: Bytes,
    end: Offsets,
    core: Bytes,
    name: Bytes,
    cigar: Bytes,
    sequence: Bytes,
    quality: Bytes,
    tags: Bytes,
    orders: Bytes,
) -> bool:
    want_field, have_field = np.empty(5, np.int64), np.empty(5, np.int64)
    want_tag, have_tag = np.empty(MOST_TAGS + 1, np.int64), np.empty(MOST_TAGS + 1, np.int64)
    places = np.empty(2 * MOST_TAGS, np.uint8)
    fixed, cut = np.empty(CORE_BYTES, np.uint8), np.empty(_LONGEST_CIGAR, np.uint8)
    for r in range(len(mark)):
        w, h = want_start[r] + 4, have_start[r] + 4
        w_end, h_end = want_start[r + 1], have_start[r + 1]
        field_ends(want, w, w + CORE_BYTES, want_field)
        field_ends(have, h, h + CORE_BYTES, have_field)
        if want_field[3] < want_field[2] or want_field[4] < want_field[3] or want_field[4] > w_end:
            return False
        n = tag_starts(have, have_field[4], h_end, have_tag)
        fixed[:] = have[h : h + CORE_BYTES]
        if not same_bytes(want, want_field[1], want_field[2], have, have_field[1], have_field[2]):
            size = _cigar_by_md(have, have_field, have_tag, n, cut)
            if same_bytes(want, want_field[1], want_field[2], cut, 0, size):
                mark[r] |= _BY_MD
                fixed[12], fixed[13] = size // 4 & 255, size // 4 >> 8
        if not same_bytes(want, w, w + CORE_BYTES, fixed, 0, CORE_BYTES):
            mark[r] |= 1
            for i in range(CORE_BYTES):
                core[end[0] + i] = want[w + i] ^ fixed[i]
            end[0] += CORE_BYTES
        for f in range(4):
            if f == 1 and mark[r] & _BY_MD:
                continue
            if not same_bytes(want, want_field[f], want_field[f + 1], have, have_field[f], have_field[f + 1]):
                mark[r] |= 2 << f
                out = name if f == 0 else cigar if f == 1 else sequence if f == 2 else quality
                end[1 + f] = copied(out, end[1 + f], want, want_field[f], want_field[f + 1])
        m = tag_starts(want, want_field[4], w_end, want_tag)
        if 0 <= m <= n:
            value = _signature(have, have_tag, n)
            _predict(value, signature, order, n, places)
            if _in_order(want, want_tag, m, have, have_tag, n, places):
                continue
            if _find_order(want, want_tag, m, have, have_tag, n, places):
                mark[r] |= 64
                end[6] = copied(orders, end[6], places, 0, 2 * n)
                _remember(value, signature, order, n, places)
                continue
        mark[r] |= 32
        put_uint32(tags, end[5], w_end - want_field[4])
        end[5] = copied(tags, end[5] + 4, want, want_field[4], w_end)
    return True


@njit(cache=True, nogil=True)
def _restored(
    have: Bytes,
    have_start: Offsets,
    signature: NDArray[np.uint64],
    order: NDArray[np.uint8],
    mark: Bytes,
    out: Bytes,
    used: Offsets,
    core: Bytes,
    name: Bytes,
    cigar: Bytes,
    sequence: Bytes,
    quality: Bytes,
    tags: Bytes,
    orders: Bytes,
) -> int:
    field, have_field = np.empty(5, np.int64), np.empty(5, np.int64)
    have_tag = np.empty(MOST_TAGS + 1, np.int64)
    places = np.empty(2 * MOST_TAGS, np.uint8)
    cut = np.empty(_LONGEST_CIGAR, np.uint8)
    at = 0
    for r in range(len(mark)):
        h, h_end = have_start[r] + 4, have_start[r + 1]
        begin = at + 4
        field_ends(have, h, h + CORE_BYTES, have_field)
        at = copied(out, begin, have, h, h + CORE_BYTES)
        n = tag_starts(have, have_field[4], h_end, have_tag)
        if mark[r] & _BY_MD:
            size = _cigar_by_md(have, have_field, have_tag, n, cut)
            out[begin + 12], out[begin + 13] = size // 4 & 255, size // 4 >> 8
        if mark[r] & 1:
            for i in range(CORE_BYTES):
                out[begin + i] ^= core[used[0] + i]
            used[0] += CORE_BYTES
        field_ends(out, begin, 0, field)
        for f in range(4):
            if f == 1 and mark[r] & _BY_MD:
                at = copied(out, at, cut, 0, size)
            elif mark[r] & (2 << f):
                size = field[f + 1] - field[f]
                source = name if f == 0 else cigar if f == 1 else sequence if f == 2 else quality
                at = copied(out, at, source, used[1 + f], used[1 + f] + size)
                used[1 + f] += size
            else:
                at = copied(out, at, have, have_field[f], have_field[f + 1])
        if mark[r] & 32:
            size = int32(tags, used[5])
            at = copied(out, at, tags, used[5] + 4, used[5] + 4 + size)
            used[5] += 4 + size
        else:
            value = _signature(have, have_tag, n)
            if mark[r] & 64:
                used[6] += copied(places, 0, orders, used[6], used[6] + 2 * n)
                _remember(value, signature, order, n, places)
            else:
                _predict(value, signature, order, n, places)
            for i in range(n):
                j = places[2 * i]
                if j == _DROPPED:
                    break
                at = _put_tag(out, at, have, have_tag[j], have_tag[j + 1], places[2 * i + 1])
        put_uint32(out, begin - 4, at - begin)
    return at

"""Records of a new alignment told by those of a pool: what differs as streams of bytes, and the records again.

Both ways go batch by batch through the pool, with the same memory: contigs, positions, CIGARs and mates first
(`genopipe.archive.realigned_core`), then record by record bases, qualities and tags. Bases and qualities are those of the pool's record,
turned to the strand of the new one, less what its CIGAR says was cut off.

Source: SAM/BAM format specification, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genopipe.archive.bam_records import MOST_TAGS, put_uint32, same_bytes, tag_starts
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, NotBam, Offsets, int32, whole
from genopipe.archive.realigned_core import (
    BIN,
    FIELDS,
    FLAG,
    FLAG_HIGH,
    MAPPING_QUALITY,
    MATE_CONTIG,
    N_BASES,
    OWN,
    POSITION,
    REST,
    Cigars,
    Drift,
    Rows,
    Table,
    cigars,
    fields,
    mates,
    own_differences,
    own_fields,
    predicted_rest,
    spans,
)
from genopipe.archive.realigned_tags import (
    N_STREAMS,
    Parts,
    TagMemory,
    cigar_text,
    lane_hash,
    note_tags,
    put,
    put_bytes,
    recall_tags,
    taken,
)
from genopipe.kernels.compiled import allocating, inner, kernel

SEQUENCE, SEQUENCE_BYTES, QUALITY, QUALITY_BYTES = range(4)
NAME, NAME_BYTES, CIGAR, CIGAR_BYTES, SIZE, VALUES = range(N_STREAMS, N_STREAMS + 6)
ALL_STREAMS = VALUES + 2 * len(FIELDS)
"""After the streams of `realigned_tags`: codes and bytes of names and CIGARs, sizes of batches, codes and far values of each field."""
_DERIVED, _GIVEN, _MISSING = range(3)
_FAR = 255
_REVERSE = 0x10
_LONGEST_TEXT = 1 << 12
_COMPLEMENT = np.array([int(f"{code:04b}"[::-1], 2) for code in range(16)], np.uint8)


class Memory:
    """What both ways remember from batch to batch."""

    def __init__(self) -> None:
        self.drift, self.tags = Drift(), TagMemory()


class Streams:
    """All streams of some batches, one after another. byte: (bytes) uint8; at: (streams) int64, where each goes on."""

    def __init__(self, byte: Bytes, at: Offsets) -> None:
        self.byte, self.at = byte, at

    def take(self, stream: int, size: int) -> Bytes:
        """The next bytes of a stream."""
        start = int(self.at[stream])
        self.at[stream] = start + size
        return self.byte[start : start + size]


def note(want: Batch, base: Batch, base_row: Table, memory: Memory) -> dict[int, bytes]:
    """The streams of what the records `want` differ by from their bases. Raises NotBam for records that are none."""
    value, base_value, cigar = fields(want), fields(base), cigars(want)
    rows = _rows(base, base_row, value, cigar)
    own = own_differences(base_value[base_row], value, memory.drift)
    rest = value[:, REST.start :] - predicted_rest(rows, base_value[base_row], memory.drift)
    streams = _noted(want, base, rows, memory)
    streams[CIGAR], streams[CIGAR_BYTES] = _cigar_differences(cigar, cigars(base), base_row)
    streams[SIZE] = np.array([want.start[-1] - want.start[0]], "<i8").tobytes()
    for field in FIELDS:
        difference = own[:, field] if field in OWN else rest[:, field - REST.start]
        folded = difference << 1 ^ difference >> 63
        streams[VALUES + 2 * field] = np.minimum(folded, _FAR).astype(np.uint8).tobytes()
        streams[VALUES + 2 * field + 1] = folded[folded >= _FAR].astype("<i8").tobytes()
    return {stream: content for stream, content in streams.items() if content}


def recall(base: Batch, base_row: Table, memory: Memory, streams: Streams) -> Batch:
    """The records again."""
    n, base_value = len(base_row), fields(base)
    own = np.stack([_values(streams, field, n) for field in OWN], 1)
    value = own_fields(base_value[base_row], own, memory.drift)
    cigar = _recalled_cigars(streams, cigars(base), base_row)
    rows = _rows(base, base_row, value, cigar)
    rest = np.stack([_values(streams, field, n) for field in REST], 1)
    value[:, REST.start :] = rest + predicted_rest(rows, base_value[base_row], memory.drift)
    size = int.from_bytes(streams.take(SIZE, 8).tobytes(), "little")
    out, start = np.empty(size, np.uint8), np.zeros(n + 1, np.int64)
    _recall((base.byte, base.start), rows.arrays, memory.tags.arrays, (streams.byte, streams.at), (out, start))
    return Batch(out, start)


def _rows(base: Batch, base_row: Table, value: Table, cigar: Cigars) -> Rows:
    base_clip = spans(np.zeros(len(base), np.int64), cigars(base)).clip
    return Rows(base_row, mates(base, base_row), value, cigar, spans(value[:, POSITION], cigar), base_clip)


def far_values(code: Bytes, take: Callable[[int], Bytes]) -> Table:
    """Values of a byte, and where it is 255, of the eight bytes that come with it; `take` gives the next bytes of these."""
    value = code.astype(np.int64)
    far = value == _FAR
    value[far] = np.frombuffer(take(8 * int(far.sum())).tobytes(), "<i8")
    return value


def _values(streams: Streams, field: int, n: int) -> Table:
    folded = far_values(streams.take(VALUES + 2 * field, n), lambda size: streams.take(VALUES + 2 * field + 1, size))
    return folded >> 1 ^ -(folded & 1)


def _noted(want: Batch, base: Batch, rows: Rows, memory: Memory) -> dict[int, bytes]:
    size = 2 * int(want.start[-1] - want.start[0]) + 4 * MOST_TAGS * len(want)
    byte, stream = np.empty(size, np.uint8), np.empty(size, np.uint16)
    used = _note((want.byte, want.start), (base.byte, base.start), rows.arrays, memory.tags.arrays, (byte, stream))
    if used < 0:
        raise NotBam("records whose fields or tags cannot be told apart")
    parts = np.split(byte[:used][np.argsort(stream[:used], kind="stable")], np.cumsum(np.bincount(stream[:used], minlength=CIGAR))[:-1])
    return {stream: part.tobytes() for stream, part in enumerate(parts)}


def _cigar_differences(cigar: Cigars, base: Cigars, base_row: Table) -> tuple[bytes, bytes]:
    """For each row 0, or 1 where the CIGAR is not that of the base; and those CIGARs, each after its length in operations (uint16)."""
    code, given = np.empty(len(base_row), np.uint8), np.empty(len(cigar.byte) + 2 * len(base_row), np.uint8)
    used = _note_cigars(cigar.byte, cigar.start, base.byte, base.start, base_row, code, given)
    return code.tobytes(), given[:used].tobytes()


def _recalled_cigars(streams: Streams, base: Cigars, base_row: Table) -> Cigars:
    code = streams.take(CIGAR, len(base_row))
    start = np.zeros(len(base_row) + 1, np.int64)
    _cigar_starts(code, streams.byte[streams.at[CIGAR_BYTES] :], base.start, base_row, start)
    byte = np.empty(int(start[-1]), np.uint8)
    streams.at[CIGAR_BYTES] += _recall_cigars(code, streams.byte[streams.at[CIGAR_BYTES] :], base.byte, base.start, base_row, byte)
    return Cigars(byte, start)


@kernel
def _note_cigars(byte: Bytes, start: Offsets, base: Bytes, base_start: Offsets, base_row: Table, code: Bytes, out: Bytes) -> int:
    at = 0
    for r in range(len(base_row)):
        first, size = base_start[base_row[r]], start[r + 1] - start[r]
        same = base_start[base_row[r] + 1] - first == size
        for i in range(size if same else 0):
            same = same and byte[start[r] + i] == base[first + i]
        code[r] = 0 if same else 1
        if not same:
            out[at], out[at + 1] = size // 4 & 255, size // 4 >> 8
            for i in range(size):
                out[at + 2 + i] = byte[start[r] + i]
            at += 2 + size
    return at


@kernel
def _cigar_starts(code: Bytes, given: Bytes, base_start: Offsets, base_row: Table, start: Offsets) -> None:
    at = 0
    for r in range(len(code)):
        size = base_start[base_row[r] + 1] - base_start[base_row[r]]
        if code[r]:
            size = 4 * (whole(given[at]) | whole(given[at + 1]) << 8)
            at += 2 + size
        start[r + 1] = start[r] + size


@kernel
def _recall_cigars(code: Bytes, given: Bytes, base: Bytes, base_start: Offsets, base_row: Table, out: Bytes) -> int:
    """Fills `out`; gives how many of the given bytes were used."""
    at, used = 0, 0
    for r in range(len(code)):
        first, end = base_start[base_row[r]], base_start[base_row[r] + 1]
        if code[r]:
            first, end = used + 2, used + 2 + 4 * (whole(given[used]) | whole(given[used + 1]) << 8)
            used = end
        for i in range(first, end):
            out[at] = given[i] if code[r] else base[i]
            at += 1
    return used


@inner
def _place(core: int, base: Bytes, rows: Parts, r: int) -> tuple[int, int, bool, bool]:
    """Bases of the base's record, where the row begins in it (as the row is turned), if it is turned, and if the row lies within."""
    base_row, _, value, _, _, clip, base_clip, _ = rows
    flip = ((whole(base[core + 14]) ^ value[r, FLAG]) & _REVERSE) != 0
    first = clip[0, r] - base_clip[1 if flip else 0, base_row[r]]
    n = int32(base, core + 16)
    return n, first, flip, first >= 0 and first + value[r, N_BASES] <= n


@inner
def _code(base: Bytes, sequence: int, n: int, i: int, flip: bool) -> int:
    """The i-th base of a record as a code of 4 bits, from the other strand when flipped."""
    at = n - 1 - i if flip else i
    code = base[sequence + at // 2] >> (0 if at & 1 else 4) & 15
    return whole(_COMPLEMENT[code]) if flip else whole(code)


@inner
def _field_starts(byte: Bytes, core: int) -> tuple[int, int, int]:
    """Where sequence, qualities and tags of a record begin."""
    n = int32(byte, core + 16)
    sequence = core + CORE_BYTES + whole(byte[core + 8]) + 4 * (whole(byte[core + 12]) | whole(byte[core + 13]) << 8)
    return sequence, sequence + (n + 1) // 2, sequence + (n + 1) // 2 + n


@inner
def _note_name(want: Bytes, core: int, base: Bytes, base_core: int, out: Parts, at: int) -> int:
    """Writes whether the name is that of the base, else the name; gives where the next bytes go."""
    start, end = core + CORE_BYTES, core + CORE_BYTES + want[core + 8]
    same = same_bytes(want, start, end, base, base_core + CORE_BYTES, base_core + CORE_BYTES + base[base_core + 8])
    at = put(out, at, NAME, _DERIVED if same else _GIVEN)
    if same:
        return at
    at = put(out, at, NAME_BYTES, want[core + 8])
    return put_bytes(out, at, NAME_BYTES, want, start, end)


@inner
def _recall_name(out: Bytes, core: int, base: Bytes, base_core: int, streams: Parts) -> int:
    """Writes the name and its length again; gives where it ends."""
    given = taken(streams, NAME) == _GIVEN
    size = taken(streams, NAME_BYTES) if given else whole(base[base_core + 8])
    out[core + 8] = size
    for i in range(size):
        out[core + CORE_BYTES + i] = taken(streams, NAME_BYTES) if given else base[base_core + CORE_BYTES + i]
    return core + CORE_BYTES + size


@inner
def _note_bases(want: Bytes, core: int, base: Bytes, base_core: int, rows: Parts, r: int, out: Parts, at: int) -> int:
    """Writes codes, and where need be bytes, of bases and qualities; gives where the next go."""
    n, first, flip, within = _place(base_core, base, rows, r)
    sequence, quality, tags = _field_starts(want, core)
    base_sequence, base_quality, _ = _field_starts(base, base_core)
    length = tags - quality
    same_bases, same_scores, missing = within, within, True
    for i in range(length):
        code = want[sequence + i // 2] >> (0 if i & 1 else 4) & 15
        same_bases = same_bases and code == _code(base, base_sequence, n, first + i, flip)
        score = want[quality + i]
        same_scores = same_scores and score == base[base_quality + (n - 1 - first - i if flip else first + i)]
        missing = missing and score == 255
    same_bases = same_bases and not (length & 1 and want[quality - 1] & 15)
    at = put(out, at, SEQUENCE, _DERIVED if same_bases else _GIVEN)
    if not same_bases:
        at = put_bytes(out, at, SEQUENCE_BYTES, want, sequence, quality)
    at = put(out, at, QUALITY, _DERIVED if same_scores else _MISSING if missing else _GIVEN)
    if not same_scores and not missing:
        at = put_bytes(out, at, QUALITY_BYTES, want, quality, tags)
    return at


@inner
def _recall_bases(out: Bytes, at: int, base: Bytes, base_core: int, rows: Parts, r: int, streams: Parts) -> int:
    """Writes bases and qualities again; gives where they end."""
    n, first, flip, _ = _place(base_core, base, rows, r)
    base_sequence, base_quality, _ = _field_starts(base, base_core)
    length = rows[2][r, N_BASES]
    derived = taken(streams, SEQUENCE) == _DERIVED
    for i in range((length + 1) // 2):
        if derived:
            low = _code(base, base_sequence, n, first + 2 * i + 1, flip) if 2 * i + 1 < length else 0
            out[at + i] = _code(base, base_sequence, n, first + 2 * i, flip) << 4 | low
        else:
            out[at + i] = taken(streams, SEQUENCE_BYTES)
    at += (length + 1) // 2
    code = taken(streams, QUALITY)
    for i in range(length):
        if code == _DERIVED:
            out[at + i] = base[base_quality + (n - 1 - first - i if flip else first + i)]
        else:
            out[at + i] = 255 if code == _MISSING else taken(streams, QUALITY_BYTES)
    return at + length


@allocating
def _note(want_part: Parts, base_part: Parts, rows: Parts, memory: Parts, out: Parts) -> int:
    """Fills `out` with bytes and the stream of each; gives how many, -1 where fields or tags cannot be told."""
    want, want_start = want_part
    base, base_start = base_part
    tag, base_tag, text = np.empty(MOST_TAGS + 1, np.int64), np.empty(MOST_TAGS + 1, np.int64), np.empty(_LONGEST_TEXT, np.uint8)
    at = 0
    for r in range(len(rows[0])):
        b = rows[0][r]
        core, base_core = want_start[r] + 4, base_start[b] + 4
        sequence, quality, tags = _field_starts(want, core)
        n = tag_starts(want, tags, want_start[r + 1], tag) if sequence <= quality <= tags <= want_start[r + 1] else -1
        if n < 0:
            return -1
        at = _note_name(want, core, base, base_core, out, at)
        at = _note_bases(want, core, base, base_core, rows, r, out, at)
        n_base = max(tag_starts(base, _field_starts(base, base_core)[2], base_start[b + 1], base_tag), 0)
        row = (rows, r, lane_hash(base, base_core), text, cigar_text(rows, rows[1][r], text))
        at = note_tags(want, tag, n, (base, base_tag, n_base), row, memory, out, at)
        if at < 0:
            return -1
    return at


@allocating
def _recall(base_part: Parts, rows: Parts, memory: Parts, streams: Parts, out_part: Parts) -> None:
    base, base_start = base_part
    out, start = out_part
    base_tag, text = np.empty(MOST_TAGS + 1, np.int64), np.empty(_LONGEST_TEXT, np.uint8)
    at = 0
    for r in range(len(rows[0])):
        b = rows[0][r]
        base_core = base_start[b] + 4
        core = at + 4
        at = _recall_name(out, core, base, base_core, streams)
        at = _recall_core(out, core, at, rows, r)
        at = _recall_bases(out, at, base, base_core, rows, r, streams)
        n_base = max(tag_starts(base, _field_starts(base, base_core)[2], base_start[b + 1], base_tag), 0)
        row = (rows, r, lane_hash(base, base_core), text, cigar_text(rows, rows[1][r], text))
        at = recall_tags(out, at, (base, base_tag, n_base), row, memory, streams)
        put_uint32(out, core - 4, at - core)
        start[r + 1] = at


@inner
def _recall_core(out: Bytes, core: int, at: int, rows: Parts, r: int) -> int:
    """Writes the fixed bytes, and the CIGAR at `at`; gives where it ends."""
    value, cigar, cigar_start = rows[2], rows[3], rows[4]
    size = cigar_start[r + 1] - cigar_start[r]
    put_uint32(out, core, value[r, 0])
    put_uint32(out, core + 4, value[r, POSITION])
    out[core + 9] = value[r, MAPPING_QUALITY]
    out[core + 10], out[core + 11] = value[r, BIN] & 255, value[r, BIN] >> 8
    out[core + 12], out[core + 13] = size // 4 & 255, size // 4 >> 8
    out[core + 14], out[core + 15] = value[r, FLAG], value[r, FLAG_HIGH]
    put_uint32(out, core + 16, value[r, N_BASES])
    for i in range(3):
        put_uint32(out, core + 20 + 4 * i, value[r, MATE_CONTIG + i])
    for i in range(size):
        out[at + i] = cigar[cigar_start[r] + i]
    return at + size

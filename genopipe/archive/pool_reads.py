"""The reads in a pool: the primary records of a CRAM seen as what the sequencer wrote, and unaligned reads made into records.

Records are turned back to read orientation. Names and contents are told by hashes, which rows of a FASTQ have too; `entries` packs reads
for a FASTQ: length (uint32), name length (uint8), name, bases, qualities as letters.

Source: SAM/BAM format specification, sections 1.4 and 4.2. The order of `samtools collate` is that of its hash of the name (X31, then
Wang's integer mix) within 64 temporary files; samtools 1.24, bamshuf.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.archive.bam_records import copied, field_ends, put_uint32
from genopipe.archive.fastq_text import Rows, hash_bytes, hash_name
from genopipe.archive.plain_bam import CORE_BYTES, Batch, Bytes, Offsets, int32

ENTRY_HEAD = 5
COLLATE = 4
"""The column of name numbers by which `samtools collate` sorts."""

_LETTERS = np.frombuffer(b"=ACMGRSVTWYHKDBN", np.uint8)
_COMPLEMENTS = np.frombuffer(b"=TGKCYSBAWRDMHVN", np.uint8)
_CODES = np.full(256, 15, np.uint8)
_CODES[_LETTERS] = np.arange(16, dtype=np.uint8)
_NOT_PRIMARY = 0x900
_REVERSE = 0x10
_MISSING = 255

Hashes = NDArray[np.uint64]
NameNumbers = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class ReadKeys:
    """Of each primary record, in pool order.

    mate      (reads) uint8: 1 and 2 for the mates of a pair, 0 for a single read
    name      (reads) uint64: hash of the name
    content   (reads) uint64: hash of name, bases and qualities
    """

    mate: Bytes
    name: Hashes
    content: Hashes


@dataclass(frozen=True, slots=True)
class ReadNames:
    """Of each primary record, in pool order.

    mate, name  as in `ReadKeys`
    number      (reads, 5) uint32: the last four numbers in the name, 0 where there are fewer, and the hash of `samtools collate`
    """

    mate: Bytes
    name: Hashes
    number: NameNumbers


def read_keys(batch: Batch) -> ReadKeys:
    """The keys of the primary records."""
    mate, name, content = np.empty(len(batch), np.uint8), np.empty(len(batch), np.uint64), np.empty(len(batch), np.uint64)
    n = _fill_keys(batch.byte, batch.start, np.empty(1 << 16, np.uint8), mate, name, content)
    return ReadKeys(mate[:n], name[:n], content[:n])


def read_names(batch: Batch) -> ReadNames:
    """What the names of the primary records tell; neither bases nor qualities need to be there."""
    mate, name, number = np.empty(len(batch), np.uint8), np.empty(len(batch), np.uint64), np.zeros((len(batch), 5), np.uint32)
    n = _fill_names(batch.byte, batch.start, mate, name, number)
    return ReadNames(mate[:n], name[:n], number[:n])


def name_numbers(rows: Rows) -> NameNumbers:
    """(rows, 5) uint32: the numbers in the names of a FASTQ, as in `ReadNames`."""
    number = np.zeros((len(rows), 5), np.uint32)
    _row_numbers(rows.byte, rows.line, rows.name_end, number)
    return number


def entries(batch: Batch, mate: int) -> tuple[Bytes, Offsets]:
    """The reads of one mate packed one after another, and the size of each."""
    out = np.empty(2 * int(batch.start[-1] - batch.start[0]) + ENTRY_HEAD * len(batch), np.uint8)
    size = np.empty(len(batch), np.int64)
    n, used = _entries(batch.byte, batch.start, mate, out, size)
    return out[:used], size[:n]


def unaligned_records(mates: list[Rows]) -> bytes:
    """Plain BAM records of unaligned reads: one file, or two whose rows alternate. The rows must hold IUPAC letters."""
    size = sum(int(rows.line[-1] - rows.line[0]) + (CORE_BYTES + 8) * len(rows) for rows in mates)
    out = np.empty(size, np.uint8)
    first, second = mates[0], mates[1] if len(mates) == 2 else mates[0].part(0, 0)
    used = _alternate(first.byte, first.line, first.name_end, second.byte, second.line, second.name_end, out)
    return out[:used].tobytes()


def without_tags(batch: Batch) -> bytes:
    """The records without any tags."""
    out = np.empty(int(batch.start[-1] - batch.start[0]), np.uint8)
    return out[: _without_tags(batch.byte, batch.start, out)].tobytes()


@njit(cache=True, nogil=True)
def _mate(flag: int) -> int:
    return 0 if not flag & 1 else 1 if flag & 0x40 else 2


@njit(cache=True, nogil=True)
def _letters_of(byte: Bytes, core: int, out: Bytes, at: int) -> int:
    """Bases, then qualities, of a record in read orientation as letters; gives where they end."""
    n = int32(byte, core + 16)
    sequence = core + CORE_BYTES + byte[core + 8] + 4 * (int(byte[core + 12]) | int(byte[core + 13]) << 8)
    quality = sequence + (n + 1) // 2
    reverse = byte[core + 14] & _REVERSE
    for i in range(n):
        code = byte[sequence + i // 2] >> (0 if i & 1 else 4) & 15
        score = byte[quality + i]
        place = n - 1 - i if reverse else i
        out[at + place] = _COMPLEMENTS[code] if reverse else _LETTERS[code]
        out[at + n + place] = score + 33 if score != _MISSING else 32
    return at + 2 * n


@njit(cache=True, nogil=True)
def _collate_hash(byte: Bytes, start: int, end: int) -> np.uint32:
    value = np.uint64(byte[start])
    mask = np.uint64(0xFFFFFFFF)
    for i in range(start + 1, end):
        value = (value * np.uint64(31) + np.uint64(byte[i])) & mask
    value = (value + (~(value << np.uint64(15)) & mask)) & mask
    value ^= value >> np.uint64(10)
    value = (value + (value << np.uint64(3))) & mask
    value ^= value >> np.uint64(6)
    value = (value + (~(value << np.uint64(11)) & mask)) & mask
    value ^= value >> np.uint64(16)
    return np.uint32(value)


@njit(cache=True, nogil=True)
def _numbers(byte: Bytes, start: int, end: int, out: NDArray[np.uint32]) -> None:
    """The last four runs of digits, the last of them behind the others, and the hash of `samtools collate`."""
    out[COLLATE] = _collate_hash(byte, start, end)
    inside = False
    for i in range(start, end):
        digit = np.uint32(byte[i]) - np.uint32(48)
        if digit > 9:
            inside = False
            continue
        if not inside:
            out[0], out[1], out[2], out[3] = out[1], out[2], out[3], 0
        inside = True
        out[3] = out[3] * np.uint32(10) + digit


@njit(cache=True, nogil=True)
def _fill_keys(byte: Bytes, start: Offsets, letters: Bytes, mate: Bytes, name: Hashes, content: Hashes) -> int:
    n = 0
    for r in range(len(start) - 1):
        core = start[r] + 4
        flag = int(byte[core + 14]) | int(byte[core + 15]) << 8
        if flag & _NOT_PRIMARY:
            continue
        if 2 * int32(byte, core + 16) > len(letters):
            letters = np.empty(4 * int32(byte, core + 16), np.uint8)
        name[n] = hash_name(byte, core + CORE_BYTES, core + CORE_BYTES + byte[core + 8] - 1)
        content[n] = hash_bytes(name[n], letters, 0, _letters_of(byte, core, letters, 0))
        mate[n] = _mate(flag)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _fill_names(byte: Bytes, start: Offsets, mate: Bytes, name: Hashes, number: NameNumbers) -> int:
    n = 0
    for r in range(len(start) - 1):
        core = start[r] + 4
        flag = int(byte[core + 14]) | int(byte[core + 15]) << 8
        if flag & _NOT_PRIMARY:
            continue
        first, last = core + CORE_BYTES, core + CORE_BYTES + byte[core + 8] - 1
        name[n] = hash_name(byte, first, last)
        _numbers(byte, first, last, number[n])
        mate[n] = _mate(flag)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _row_numbers(byte: Bytes, line: Offsets, name_end: Offsets, number: NameNumbers) -> None:
    for r in range(len(name_end)):
        _numbers(byte, line[4 * r] + 1, name_end[r], number[r])


@njit(cache=True, nogil=True)
def _entries(byte: Bytes, start: Offsets, mate: int, out: Bytes, size: Offsets) -> tuple[int, int]:
    n, at = 0, 0
    for r in range(len(start) - 1):
        core = start[r] + 4
        flag = int(byte[core + 14]) | int(byte[core + 15]) << 8
        if flag & _NOT_PRIMARY or _mate(flag) != mate:
            continue
        begin, name_length = at, int(byte[core + 8]) - 1
        for i in range(4):
            out[at + i] = byte[core + 16 + i]
        out[at + 4] = name_length
        at += ENTRY_HEAD
        for i in range(name_length):
            out[at + i] = byte[core + CORE_BYTES + i]
        at = _letters_of(byte, core, out, at + name_length)
        size[n] = at - begin
        n += 1
    return n, at


@njit(cache=True, nogil=True)
def _without_tags(byte: Bytes, start: Offsets, out: Bytes) -> int:
    field = np.empty(5, np.int64)
    at = 0
    for r in range(len(start) - 1):
        core = start[r] + 4
        field_ends(byte, core, core + CORE_BYTES, field)
        put_uint32(out, at, field[4] - core)
        at = copied(out, at + 4, byte, core, field[4])
    return at


@njit(cache=True, nogil=True)
def _alternate(
    byte: Bytes, line: Offsets, name_end: Offsets, mate_byte: Bytes, mate_line: Offsets, mate_name_end: Offsets, out: Bytes
) -> int:
    """Writes the rows of both files in turn; a single file when the mate has no rows."""
    at = 0
    paired = len(mate_name_end) > 0
    for r in range(len(name_end)):
        at = _unaligned_record(byte, line[4 * r : 4 * r + 5], name_end[r], 0x4D if paired else 0x4, out, at)
        if paired:
            at = _unaligned_record(mate_byte, mate_line[4 * r : 4 * r + 5], mate_name_end[r], 0x8D, out, at)
    return at


@njit(cache=True, nogil=True)
def _unaligned_record(byte: Bytes, line: Offsets, name_end: int, flag: int, out: Bytes, at: int) -> int:
    """Writes one record; letters that are no IUPAC code become N. Gives where it ends."""
    n, name_start = line[2] - 1 - line[1], line[0] + 1
    name_length = name_end - name_start + 1
    core = at + 4
    for i in range(4 + CORE_BYTES):
        out[at + i] = 0
    for i in range(8):
        out[core + i] = 255
        out[core + 20 + i] = 255
    out[core + 8] = name_length
    out[core + 10], out[core + 11] = 0x48, 0x12  # bin 4680, that of unplaced reads
    out[core + 14], out[core + 15] = flag & 255, flag >> 8
    for i in range(4):
        out[core + 16 + i] = n >> (8 * i) & 255
    at = core + CORE_BYTES
    for i in range(name_length - 1):
        out[at + i] = byte[name_start + i]
    out[at + name_length - 1] = 0
    at += name_length
    for i in range(0, n, 2):
        low = _CODES[byte[line[1] + i + 1]] if i + 1 < n else 0
        out[at + i // 2] = _CODES[byte[line[1] + i]] << 4 | low
    at += (n + 1) // 2
    for i in range(n):
        out[at + i] = byte[line[3] + i] - 33
    at += n
    size = at - core
    for i in range(4):
        out[core - 4 + i] = size >> (8 * i) & 255
    return at

"""Where the containers of a CRAM lie, what stretches they cover and where their part of the patch is: so that a region reads only its own.

An index is an object of its own, small beside the CRAM. Its rows are the parts of a CRAM in file order: the definition with the header,
containers of records, the end. Each has a digest of its bytes and of those of its patch, so that a part can be trusted without the whole.
Where the patch makes another alignment of the CRAM's reads, the stretches are those of that, and those of the CRAM stand apart.

Source: CRAM format specification 3.1, sections 7, 8 (containers) and 12 (index); 2.1, section 7, which has no checksum there.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.htslib import HtslibFailed, index_cram

_DEFINITION_BYTES, _MAJOR_VERSION = 26, 4
_USUAL_HEADER = 1 << 10
"""Bytes of nearly every container header; one with many landmarks is longer."""
_LONGEST_NUMBER, _CHECKSUM_BYTES = 5, 4
_PART = np.dtype([("offset", "<i8"), ("size", "<i8"), ("patch", "<i8"), ("patch_size", "<i8"), ("records", "<i8"), ("digest", "u1", 16)])
_STRETCH = np.dtype([("part", "<i8"), ("contig", "<i4"), ("start", "<i4"), ("end", "<i4")])
_LEVEL = 19
_HAS_BASE = 1 << 31
_GAP = 1 << 14
SEVERAL_CONTIGS = -2
_ANYWHERE = (1 << 31) - 1

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Container:
    """A container: where it begins, its bytes, the contig of its records (SEVERAL_CONTIGS, -1 for none), how many records and bases, from
    where to where."""

    offset: int
    size: int
    contig: int
    n_records: int
    n_bases: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Index:
    """What a region needs to know.

    part     (parts) of `_PART`
    stretch  (stretches) of `_STRETCH`, 0-based half-open, what the records of each part cover
    base     (stretches) of `_STRETCH`, what they cover in the CRAM, where that is something else; else None
    """

    part: Rows
    stretch: Rows
    base: Rows | None = None

    def encode(self) -> bytes:
        """The bytes of the object."""
        head = [len(self.part)] if self.base is None else [len(self.part) | _HAS_BASE, len(self.stretch)]
        tables = (self.part, self.stretch) if self.base is None else (self.part, self.stretch, self.base)
        plain = struct.pack(f"<{len(head)}I", *head) + b"".join(table.tobytes() for table in tables)
        return zstandard.ZstdCompressor(level=_LEVEL).compress(plain)

    @classmethod
    def decode(cls, content: bytes) -> Index:
        """The index again."""
        plain = zstandard.ZstdDecompressor().decompress(content)
        (n,) = struct.unpack_from("<I", plain)
        if not n & _HAS_BASE:
            end = 4 + n * _PART.itemsize
            return cls(np.frombuffer(plain[4:end], _PART), np.frombuffer(plain[end:], _STRETCH))
        end = 8 + (n ^ _HAS_BASE) * _PART.itemsize
        stretch = np.frombuffer(plain[end:], _STRETCH)
        own = struct.unpack_from("<I", plain, 4)[0]
        return cls(np.frombuffer(plain[8:end], _PART), stretch[:own], stretch[own:])

    def within(self, contig: int, start: int, end: int) -> list[int]:
        """The containers with records over a stretch."""
        row = self.stretch
        here = (row["contig"] == contig) | (row["contig"] == SEVERAL_CONTIGS)
        return sorted(set(row["part"][here & (row["start"] < end) & (row["end"] > start)].tolist()))

    def needed(self, parts: list[int]) -> list[tuple[int, int, int]] | None:
        """Contig, start and end of the stretches of the reference that some containers need; None where that cannot be told."""
        row = self.stretch if self.base is None else self.base
        mine = row[np.isin(row["part"], parts)]
        if (mine["contig"] == SEVERAL_CONTIGS).any():
            return None
        joined = stretches(0, *(mine[name].astype(np.int64) for name in ("contig", "start", "end")))
        return [(int(contig), int(start), int(end)) for _, contig, start, end in joined]


def containers(cram: BinaryIO) -> Iterator[Container]:
    """All containers of a CRAM of version 2 or 3 in file order, that of its header first, the mark of the end last."""
    third = cram.read(_DEFINITION_BYTES)[_MAJOR_VERSION] >= 3
    at = _DEFINITION_BYTES
    while True:
        cram.seek(at)
        head = cram.read(_USUAL_HEADER)
        if len(head) < 5:
            return
        length = int(struct.unpack_from("<i", head)[0])
        numbers = []
        end = 4
        for _ in range(4):
            number, end = _itf8(head, end)
            numbers.append(number)
        _, end = _ltf8(head, end) if third else _itf8(head, end)
        n_bases, end = _ltf8(head, end)
        _, end = _itf8(head, end)
        n_landmarks, end = _itf8(head, end)
        head += cram.read(max(end + _LONGEST_NUMBER * n_landmarks - len(head), 0))
        for _ in range(n_landmarks):
            _, end = _itf8(head, end)
        size = end + (_CHECKSUM_BYTES if third else 0) + length
        contig, start, span, n_records = numbers
        yield Container(at, size, contig, n_records, n_bases, start - 1, start - 1 + span)
        at += size


def make_index(cram: Path, patch: Path, frame: list[int], *, covered: Rows | None = None) -> Index:
    """The index of a CRAM whose patch has frames of these sizes, that of the header first; beside the patch is room for temporary files.

    `covered` has the stretches of the records that the patch makes, where they are not those of the CRAM.
    """
    with open(cram, "rb") as source, open(patch, "rb") as patch_source:
        found = list(containers(source))
        offset = [0, *(container.offset for container in found[1:])]
        part = np.zeros(len(found), _PART)
        part["offset"], part["size"] = offset, np.diff(offset, append=found[-1].offset + found[-1].size)
        part["records"] = [container.n_records for container in found]
        part["patch_size"][: len(frame)] = frame
        part["patch"] = np.cumsum(part["patch_size"]) - part["patch_size"]
        for row in part:
            row["digest"] = np.frombuffer(_digest(*_bytes(row, source, patch_source)), np.uint8)
    base = _stretches(cram, patch.with_name("index.crai"), found)
    return Index(part, base) if covered is None else Index(part, covered, base)


def stretches(part: int, contig: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]) -> Rows:
    """What records of a part cover: rows of `_STRETCH`, a new one after each gap. All arrays (records) int64, 0-based half-open."""
    order = np.lexsort((start, contig))
    order = order[contig[order] >= 0]
    contig, start, end = contig[order], start[order], end[order]
    new = np.flatnonzero((np.diff(contig, prepend=-1) != 0) | (np.diff(start, prepend=0) > _GAP))
    row = np.zeros(len(new), _STRETCH)
    row["part"], row["contig"], row["start"] = part, contig[new], start[new]
    row["end"] = np.maximum.reduceat(end, new) if len(new) else 0
    return row


def read_part(row: np.void, cram: BinaryIO, patch: BinaryIO) -> tuple[bytes, bytes]:
    """The bytes of a part of the CRAM and of its patch. Raises BadInput when they are not those that were indexed."""
    content = _bytes(row, cram, patch)
    if _digest(*content) != row["digest"].tobytes():
        raise BadInput(
            "a part of an archived CRAM does not have its digest",
            wanted="the bytes that were put",
            do="Run `genopipe archive verify`, then restore what it names from a copy of the archive.",
        )
    return content


def _bytes(row: np.void, cram: BinaryIO, patch: BinaryIO) -> tuple[bytes, bytes]:
    cram.seek(int(row["offset"]))
    patch.seek(int(row["patch"]))
    return cram.read(int(row["size"])), patch.read(int(row["patch_size"]))


def _digest(cram: bytes, patch: bytes) -> bytes:
    return hashlib.sha256(cram + patch).digest()[:16]


def _stretches(cram: Path, index: Path, found: list[Container]) -> Rows:
    """What each container covers: as its header says, or as htslib's index does where one has records on several contigs.

    A container of a CRAM that is not sorted by position may have records anywhere.
    """
    offset = [container.offset for container in found]
    if all(container.contig != SEVERAL_CONTIGS for container in found[1:-1]):
        rows = [(part, c.contig, c.start, c.end) for part, c in enumerate(found[1:-1], 1) if c.contig >= 0]
        return np.array(rows, _STRETCH)
    try:
        index_cram(cram, index)
    except HtslibFailed:
        index.unlink(missing_ok=True)
        return np.array([(part, SEVERAL_CONTIGS, 0, _ANYWHERE) for part in range(1, len(offset) - 1)], _STRETCH)
    with gzip.open(index, "rt") as lines:
        numbers = [tuple(map(int, line.split("\t"))) for line in lines]
    part_of = {at: part for part, at in enumerate(offset)}
    rows = [(part_of[at], contig, start - 1, start - 1 + span) for contig, start, span, at, _, _ in numbers if contig >= 0]
    return np.array(rows, _STRETCH)


def _itf8(byte: bytes, at: int) -> tuple[int, int]:
    """A number of one to five bytes, and where it ends."""
    first = byte[at]
    more = 0 if first < 0x80 else 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if more == 4:
        value = (first & 15) << 28 | int.from_bytes(byte[at + 1 : at + 4], "big") << 4 | byte[at + 4] & 15
    else:
        value = (first & (0x7F >> more)) << (8 * more) | int.from_bytes(byte[at + 1 : at + 1 + more], "big")
    return value - (1 << 32) if value >> 31 else value, at + 1 + more


def _ltf8(byte: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends: its first byte has a leading 1 for each byte that follows."""
    more = 8 - (byte[at] ^ 0xFF).bit_length()
    high = byte[at] & (0x7F >> more) if more < 8 else 0
    return high << (8 * more) | int.from_bytes(byte[at + 1 : at + 1 + more], "big"), at + 1 + more

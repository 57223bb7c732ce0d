"""A sorted, indexed BAM as arrays: the reads over a stretch of a contig that count as evidence for variants.

First the header (contigs, read groups), then the BAI index, whose linear part says where the reads of a stretch begin, then the records:
blocks are inflated from there on, and two compiled passes over the bytes choose the records and unpack them. Left out are unmapped,
secondary, supplementary, duplicate and QC-failed reads, those below a mapping quality, and those of other samples' read groups.

Source: SAM/BAM format specification, sections 4.2 (BAM) and 5.2 (BAI).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE, is_bgzf, read_blocks
from genopipe.model import Alignments

LEFT_OUT = 0x4 | 0x100 | 0x200 | 0x400 | 0x800
"""Flags of reads that are no evidence: unmapped, secondary, QC fail, duplicate, supplementary."""

_PIECE = 1 << 20
_INTERVAL_SHIFT = 14
_FNV_OFFSET, _FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_MISSING_QUALITY = 20
_CODE = np.array([4, 0, 1, 4, 2, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4], np.uint8)
_DONE = 1
_FAULTS = {
    2: ("the reads are not sorted by position", "a BAM sorted by coordinate", "Sort it: samtools sort, then samtools index."),
    3: ("a record contradicts its own length", "a sound BAM", "Make the BAM and its index again."),
}


@dataclass(frozen=True, slots=True)
class BamContig:
    """One @SQ line: name, length, and the MD5 of the sequence where the header gives it."""

    name: str
    length: int
    md5: str | None


@dataclass(frozen=True, slots=True)
class Bam:
    """Header and index of one file.

    read_group_sample  sample of each read group
    linear_offset      per contig, (intervals) uint64: virtual offset of the first read over each 16,384 bases
    has_reads          per contig, whether the index knows any read there
    """

    path: Path
    contigs: tuple[BamContig, ...]
    read_group_sample: dict[str, str]
    linear_offset: tuple[NDArray[np.uint64], ...]
    has_reads: tuple[bool, ...]

    def contig_index(self, name: str) -> int | None:
        """Row of the contig of that name."""
        return next((i for i, contig in enumerate(self.contigs) if contig.name == name), None)


def open_bam(path: Path) -> Bam:
    """Header and index, checked. Raises BadInput for a file that is no whole, sorted, indexed BAM."""
    _check_ends(path)
    text, contigs = _read_header(path)
    order = re.search(r"^@HD\t(?:.*\t)?SO:(\w+)", text, re.MULTILINE)
    if order is not None and order[1] != "coordinate":
        raise _bad(
            path,
            f"the reads are in the order {order[1]!r}",
            "a BAM sorted by coordinate",
            "Sort it: samtools sort -o sorted.bam " + path.name,
        )
    offsets, has_reads = _read_index(path, len(contigs))
    return Bam(path, _with_digests(text, contigs), _read_groups(text), offsets, has_reads)


def sample_of(bam: Bam, wanted: str | None) -> tuple[str, NDArray[np.uint64] | None]:
    """The sample to call, and the hashes of its read groups (None where every read is its own).

    Raises BadInput where the file holds no sample or several and none is chosen.
    """
    samples = sorted(set(bam.read_group_sample.values()))
    if wanted is None and len(samples) != 1:
        came = f"the BAM holds the samples {', '.join(samples)}" if samples else "no read group of the BAM names a sample"
        raise _bad(bam.path, came, "one sample", "Choose one with --sample.")
    if wanted is None or not samples:
        return wanted or samples[0], None
    if wanted not in samples:
        raise _bad(bam.path, f"the BAM holds no sample {wanted!r}", f"one of {', '.join(samples)}", "Correct --sample.")
    groups = [group for group, sample in bam.read_group_sample.items() if sample == wanted]
    return wanted, None if len(samples) == 1 else np.array([hash_bytes(group.encode()) for group in groups], np.uint64)


def hash_bytes(data: bytes) -> int:
    """64-bit FNV-1a."""
    value = int(_FNV_OFFSET)
    for byte in data:
        value = (value ^ byte) * int(_FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def read_stretch(
    bam: Bam, contig: int, *, start: int, end: int, min_mapping_quality: int = 0, read_groups: NDArray[np.uint64] | None = None
) -> Alignments:
    """The reads that overlap bases `start` to `end` of a contig, in file order.

    Raises BadInput for damaged or unsorted records.
    """
    groups = np.zeros(0, np.uint64) if read_groups is None else read_groups
    limits = np.array([contig, start, end, min_mapping_quality, read_groups is not None], np.int64)
    last = np.zeros(2, np.int64)
    parts: list[Alignments] = []
    rest = b""
    for piece in _pieces(bam, contig, start):
        buffer = np.frombuffer(rest + piece, np.uint8)
        offset = np.empty(len(buffer) // 36 + 1, np.int64)
        n, used, state = _choose(buffer, limits, groups, last, offset)
        if state in _FAULTS:
            raise _bad(bam.path, *_FAULTS[state])
        if n:
            parts.append(_unpack(buffer, offset[:n]))
        rest = buffer[used:].tobytes()
        if state == _DONE:
            return _joined(parts)
    if rest:
        raise _bad(bam.path, "the last record is cut short", "a whole BAM", "Copy or make the file again.")
    return _joined(parts)


def _pieces(bam: Bam, contig: int, start: int) -> Iterator[bytes]:
    """The bytes from the first record that may overlap `start`, some megabytes at a time."""
    offsets = bam.linear_offset[contig]
    known = offsets[start >> _INTERVAL_SHIFT :]
    known = known[known > 0]
    if not len(known):
        return
    virtual = int(known[0])
    held = bytearray()
    skip = virtual & 0xFFFF
    for _, payload in read_blocks(bam.path, start=virtual >> 16):
        held += memoryview(payload)[skip:]
        skip = 0
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _check_ends(path: Path) -> None:
    if not is_bgzf(path):
        raise _bad(path, "the file is no BAM", "a BAM, compressed by BGZF", "Give a BAM made by an aligner.")
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - len(END_OF_FILE), 0))
        if file.read() != END_OF_FILE:
            raise _bad(path, f"the file ends at byte {size} without the end-of-file block", "a whole BAM", "Copy or make the file again.")


def _read_header(path: Path) -> tuple[str, list[tuple[str, int]]]:
    held = b""
    for _, payload in read_blocks(path):
        held += payload
        try:
            return _parse_header(held)
        except struct.error:
            continue
        except (ValueError, UnicodeDecodeError):
            break
    raise _bad(path, "the header cannot be read", "a BAM header", "Give a BAM made by an aligner.")


def _parse_header(held: bytes) -> tuple[str, list[tuple[str, int]]]:
    """Text and contigs. Raises struct.error where more bytes are needed, ValueError where it is no BAM."""
    magic, text_length = struct.unpack_from("<4si", held)
    if magic != b"BAM\1" or text_length < 0:
        raise ValueError(magic)
    (n,) = struct.unpack_from("<i", held, 8 + text_length)
    at, contigs = 12 + text_length, []
    for _ in range(n):
        (name_length,) = struct.unpack_from("<i", held, at)
        if name_length < 1:
            raise ValueError(name_length)
        name, length = struct.unpack_from(f"<{name_length}si", held, at + 4)
        contigs.append((name[:-1].decode(), length))
        at += 8 + name_length
    return held[8 : 8 + text_length].rstrip(b"\0").decode(), contigs


def _fields(text: str, kind: str) -> list[dict[str, str]]:
    lines = [line.split("\t")[1:] for line in text.splitlines() if line.startswith(kind + "\t")]
    return [dict(field.split(":", 1) for field in line if ":" in field) for line in lines]


def _with_digests(text: str, contigs: list[tuple[str, int]]) -> tuple[BamContig, ...]:
    digest = {fields.get("SN"): fields.get("M5") for fields in _fields(text, "@SQ")}
    return tuple(BamContig(name, length, digest.get(name)) for name, length in contigs)


def _read_groups(text: str) -> dict[str, str]:
    return {fields["ID"]: fields["SM"] for fields in _fields(text, "@RG") if "ID" in fields and "SM" in fields}


def _read_index(path: Path, n_contigs: int) -> tuple[tuple[NDArray[np.uint64], ...], tuple[bool, ...]]:
    index = next((p for p in (path.with_name(path.name + ".bai"), path.with_suffix(".bai")) if p.exists()), None)
    if index is None:
        raise _bad(path, "the BAM has no index", f"{path.name}.bai beside it", f"Make one: samtools index {path.name}")
    data = index.read_bytes()
    try:
        return _parse_index(data, n_contigs)
    except (struct.error, ValueError):
        raise _bad(index, "the index cannot be read", f"a BAI of {path.name}", f"Make it again: samtools index {path.name}") from None


def _parse_index(data: bytes, n_contigs: int) -> tuple[tuple[NDArray[np.uint64], ...], tuple[bool, ...]]:
    magic, n = struct.unpack_from("<4si", data)
    if magic != b"BAI\1" or n != n_contigs:
        raise ValueError(n)
    at, offsets, has_reads = 8, [], []
    for _ in range(n):
        (n_bins,) = struct.unpack_from("<i", data, at)
        at += 4
        for _ in range(n_bins):
            (n_chunks,) = struct.unpack_from("<i", data, at + 4)
            at += 8 + 16 * n_chunks
        (n_intervals,) = struct.unpack_from("<i", data, at)
        offsets.append(np.frombuffer(data, "<u8", n_intervals, at + 4).astype(np.uint64))
        has_reads.append(n_bins > 0)
        at += 4 + 8 * n_intervals
    return tuple(offsets), tuple(has_reads)


@njit(cache=True, nogil=True)
def _int32(buffer, at):  # type: ignore[no-untyped-def]
    word = np.uint32(buffer[at]) | np.uint32(buffer[at + 1]) << 8 | np.uint32(buffer[at + 2]) << 16 | np.uint32(buffer[at + 3]) << 24
    return np.int64(np.int32(word))


@njit(cache=True, nogil=True)
def _choose(buffer, limits, groups, last, offset):  # type: ignore[no-untyped-def]
    """Offsets of the records that count; returns how many, where the first partial record begins, and a state.

    limits  contig, start, end, lowest mapping quality, whether read groups matter
    last    contig and position of the record before, kept between pieces
    """
    contig, start, end, min_quality = limits[0], limits[1], limits[2], limits[3]
    n = 0
    at = 0
    while at + 36 <= len(buffer):
        size = _int32(buffer, at)
        name_length = np.int64(buffer[at + 12])
        n_cigar = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8
        n_bases = _int32(buffer, at + 20)
        if size < 32 or n_bases < 0 or size < 32 + name_length + 4 * n_cigar + (n_bases + 1) // 2 + n_bases:
            return n, at, 3
        if at + 4 + size > len(buffer):
            break
        record_contig = _int32(buffer, at + 4)
        position = _int32(buffer, at + 8)
        if record_contig != contig:
            if record_contig < 0 or record_contig > contig:
                return n, at, 1
        else:
            if last[0] == contig and position < last[1]:
                return n, at, 2
            last[0] = contig
            last[1] = position
            if position >= end:
                return n, at, 1
            flag = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8
            if flag & 0xF04 == 0 and buffer[at + 13] >= min_quality and n_cigar > 0 and n_bases > 0:
                reach = position
                length = 0
                for k in range(n_cigar):
                    word = _int32(buffer, at + 36 + name_length + 4 * k) & 0xFFFFFFFF
                    operation = word & 15
                    if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                        reach += word >> 4
                    if operation == 0 or operation == 1 or operation == 4 or operation == 7 or operation == 8:
                        length += word >> 4
                if length != n_bases:
                    return n, at, 3
                tags = at + 36 + name_length + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
                if reach > start and (limits[4] == 0 or _of_group(buffer, tags, at + 4 + size, groups)):
                    offset[n] = at
                    n += 1
        at += 4 + size
    return n, at, 0


@njit(cache=True, nogil=True)
def _of_group(buffer, at, end, groups):  # type: ignore[no-untyped-def]
    """True where the RG tag between `at` and `end` is one of the groups."""
    while at + 3 < end:
        kind = buffer[at + 2]
        is_group = buffer[at] == ord("R") and buffer[at + 1] == ord("G")
        at += 3
        if kind == ord("Z") or kind == ord("H"):
            value = _FNV_OFFSET
            while at < end and buffer[at] != 0:
                value = (value ^ np.uint64(buffer[at])) * _FNV_PRIME
                at += 1
            at += 1
            if is_group:
                return np.any(groups == value)
        elif kind == ord("B"):
            item = buffer[at]
            width = 1 if item == ord("c") or item == ord("C") else (2 if item == ord("s") or item == ord("S") else 4)
            at += 5 + width * _int32(buffer, at + 1)
        elif kind == ord("A") or kind == ord("c") or kind == ord("C"):
            at += 1
        elif kind == ord("s") or kind == ord("S"):
            at += 2
        else:
            at += 4
    return False


@njit(cache=True, nogil=True)
def _fill(buffer, offset, number, starts, cigar, base, quality, code):  # type: ignore[no-untyped-def]
    """Unpacks records and returns their name hashes.

    number  (reads, 4): position, end, flag, mapping quality
    starts  (reads + 1, 2): where the CIGAR and the bases of each begin
    """
    name_hash = np.empty(len(offset), np.uint64)
    for row in range(len(offset)):
        at = offset[row]
        name_length = np.int64(buffer[at + 12])
        n_cigar = np.int64(buffer[at + 16]) | np.int64(buffer[at + 17]) << 8
        n_bases = _int32(buffer, at + 20)
        number[row, 0] = _int32(buffer, at + 8)
        number[row, 1] = number[row, 0]
        number[row, 2] = np.int64(buffer[at + 18]) | np.int64(buffer[at + 19]) << 8
        number[row, 3] = buffer[at + 13]
        value = _FNV_OFFSET
        for k in range(name_length - 1):
            value = (value ^ np.uint64(buffer[at + 36 + k])) * _FNV_PRIME
        name_hash[row] = value
        at += 36 + name_length
        first = starts[row, 0]
        for k in range(n_cigar):
            word = _int32(buffer, at + 4 * k) & 0xFFFFFFFF
            operation = word & 15
            cigar[first + k] = word
            if operation == 0 or operation == 2 or operation == 3 or operation == 7 or operation == 8:
                number[row, 1] += word >> 4
        at += 4 * n_cigar
        first = starts[row, 1]
        for k in range(n_bases):
            byte = np.int64(buffer[at + (k >> 1)])
            base[first + k] = code[byte >> 4 if k & 1 == 0 else byte & 15]
        at += (n_bases + 1) // 2
        for k in range(n_bases):
            value8 = buffer[at + k]
            quality[first + k] = value8 if value8 < 94 else _MISSING_QUALITY
    return name_hash


def _unpack(buffer: NDArray[np.uint8], offset: NDArray[np.int64]) -> Alignments:
    n_cigar = buffer[offset + 16].astype(np.int64) | buffer[offset + 17].astype(np.int64) << 8
    n_bases = sum(buffer[offset + 20 + i].astype(np.int64) << (8 * i) for i in range(4))
    starts = np.zeros((len(offset) + 1, 2), np.int64)
    np.cumsum(n_cigar, out=starts[1:, 0])
    np.cumsum(n_bases, out=starts[1:, 1])
    number = np.empty((len(offset), 4), np.int64)
    cigar, base, quality = (np.empty(starts[-1, i], kind) for i, kind in ((0, np.uint32), (1, np.uint8), (1, np.uint8)))
    name_hash = _fill(buffer, offset, number, starts, cigar, base, quality, _CODE)
    return Alignments(
        number[:, 0].copy(),
        number[:, 1].copy(),
        number[:, 2].astype(np.uint16),
        number[:, 3].astype(np.uint8),
        name_hash,
        cigar,
        starts[:, 0].copy(),
        base,
        quality,
        starts[:, 1].copy(),
    )


def _joined(parts: list[Alignments]) -> Alignments:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_reads()
    plain = ("position", "end", "flag", "mapping_quality", "name_hash", "cigar", "base", "quality")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in plain}
    for name in ("cigar_start", "base_start"):
        counts = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        arrays[name] = np.concatenate(([0], np.cumsum(counts)))
    return Alignments(**arrays)


def no_reads() -> Alignments:
    """No reads at all."""
    empty, zero, byte = np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.uint8)
    return Alignments(empty, empty, np.zeros(0, np.uint16), byte, np.zeros(0, np.uint64), np.zeros(0, np.uint32), zero, byte, byte, zero)


def _bad(path: Path, came: str, wanted: str, do: str) -> BadInput:
    return BadInput(came, wanted=wanted, do=do, path=path)

"""Header and index of a BAM: what must be known before its records can be read, checked. A CRAM begins in `genopipe.formats.cram_stretch`.

A CSI is brought to the form of a BAI's linear index: where the reads over each 16,384 bases begin at the earliest.

Source: SAM/BAM format specification, sections 1.3 (the header), 4.2 (BAM) and 5.2 (BAI); CSI format specification.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE, is_bgzf, read_blocks

if TYPE_CHECKING:
    from genopipe.formats.held_alignments import HeldAlignments

_INTERVAL_SHIFT = 14
FNV_OFFSET, FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)


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
    fasta              of a CRAM: the sequences that its reads are told against; None for a BAM
    alias              of a CRAM: the names in `fasta` of contigs that go by another one there
    held               the reads, where they are in no file
    """

    path: Path
    contigs: tuple[BamContig, ...]
    read_group_sample: dict[str, str]
    linear_offset: tuple[NDArray[np.uint64], ...]
    has_reads: tuple[bool, ...]
    fasta: Path | None = None
    alias: dict[str, str] = field(default_factory=dict)
    held: HeldAlignments | None = None

    @property
    def digest(self) -> str:
        """One digest of what the header says of contigs and samples."""
        lines = [f"{contig.name}\t{contig.length}\n" for contig in self.contigs]
        lines += [f"{group}\t{sample}\n" for group, sample in sorted(self.read_group_sample.items())]
        return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()

    def contig_index(self, name: str) -> int | None:
        """Row of the contig of that name."""
        return next((i for i, contig in enumerate(self.contigs) if contig.name == name), None)


def open_bam(path: Path) -> Bam:
    """Header and index, checked. Raises BadInput for a file that is no whole, sorted, indexed BAM."""
    _check_ends(path)
    text, contigs = _read_header(path)
    check_order(path, text)
    offsets, has_reads = _read_index(path, [length for _, length in contigs])
    return Bam(path, with_digests(text, contigs), read_groups_of(text), offsets, has_reads)


def check_order(path: Path, text: str) -> None:
    """Raises BadInput where the header says that the reads are in another order than by coordinate."""
    order = re.search(r"^@HD\t(?:.*\t)?SO:(\w+)", text, re.MULTILINE)
    if order is not None and order[1] != "coordinate":
        raise bad_bam(
            path,
            f"the reads are in the order {order[1]!r}",
            "a BAM sorted by coordinate",
            "Sort it: samtools sort -o sorted.bam " + path.name,
        )


def sample_of(bam: Bam, wanted: str | None) -> tuple[str, NDArray[np.uint64] | None]:
    """The sample to call, and the hashes of its read groups (None where every read is its own).

    Raises BadInput where the file holds no sample or several and none is chosen.
    """
    samples = sorted(set(bam.read_group_sample.values()))
    if wanted is None and len(samples) != 1:
        came = f"the BAM holds the samples {', '.join(samples)}" if samples else "no read group of the BAM names a sample"
        raise bad_bam(bam.path, came, "one sample", "Choose one with --sample.")
    if wanted is None or not samples:
        return wanted or samples[0], None
    if wanted not in samples:
        raise bad_bam(bam.path, f"the BAM holds no sample {wanted!r}", f"one of {', '.join(samples)}", "Correct --sample.")
    groups = [group for group, sample in bam.read_group_sample.items() if sample == wanted]
    return wanted, None if len(samples) == 1 else np.array([hash_bytes(group.encode()) for group in groups], np.uint64)


def hash_bytes(data: bytes) -> int:
    """64-bit FNV-1a."""
    value = int(FNV_OFFSET)
    for byte in data:
        value = (value ^ byte) * int(FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def _check_ends(path: Path) -> None:
    if not is_bgzf(path):
        raise bad_bam(path, "the file is no BAM", "a BAM, compressed by BGZF", "Give a BAM made by an aligner.")
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - len(END_OF_FILE), 0))
        if file.read() != END_OF_FILE:
            raise bad_bam(
                path, f"the file ends at byte {size} without the end-of-file block", "a whole BAM", "Copy or make the file again."
            )


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
    raise bad_bam(path, "the header cannot be read", "a BAM header", "Give a BAM made by an aligner.")


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


def with_digests(text: str, contigs: list[tuple[str, int]]) -> tuple[BamContig, ...]:
    """The contigs with the MD5 that the header's text gives."""
    digest = {fields.get("SN"): fields.get("M5") for fields in _fields(text, "@SQ")}
    return tuple(BamContig(name, length, digest.get(name)) for name, length in contigs)


def read_groups_of(text: str) -> dict[str, str]:
    """Sample of each read group of a header that names one."""
    return {fields["ID"]: fields["SM"] for fields in _fields(text, "@RG") if "ID" in fields and "SM" in fields}


_Index = tuple[tuple[NDArray[np.uint64], ...], tuple[bool, ...]]


def _read_index(path: Path, lengths: list[int]) -> _Index:
    names = [path.with_name(path.name + ".bai"), path.with_suffix(".bai"), path.with_name(path.name + ".csi"), path.with_suffix(".csi")]
    index = next((name for name in names if name.exists()), None)
    if index is None:
        raise bad_bam(path, "the BAM has no index", f"{path.name}.bai or .csi beside it", f"Make one: samtools index {path.name}")
    try:
        if index.suffix == ".csi":
            return _parse_csi(b"".join(payload for _, payload in read_blocks(index)), lengths)
        return _parse_bai(index.read_bytes(), len(lengths))
    except (struct.error, ValueError):
        raise bad_bam(index, "the index cannot be read", f"an index of {path.name}", f"Make it again: samtools index {path.name}") from None


def _parse_bai(data: bytes, n_contigs: int) -> _Index:
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


def _parse_csi(data: bytes, lengths: list[int]) -> _Index:
    magic, shift, depth, more = struct.unpack_from("<4siii", data)
    (n,) = struct.unpack_from("<i", data, 16 + more)
    if magic != b"CSI\1" or n != len(lengths) or not 0 < shift < 32 or not 0 <= depth < 10:
        raise ValueError(n)
    first_leaf = ((1 << 3 * depth) - 1) // 7
    at, offsets = 20 + more, []
    for length in lengths:
        (n_bins,) = struct.unpack_from("<i", data, at)
        at += 4
        leaf, earliest = {}, []
        for _ in range(n_bins):
            number, offset, n_chunks = struct.unpack_from("<IQi", data, at)
            if number < first_leaf + (1 << 3 * depth):  # the one behind the last leaf holds counts
                earliest += list(struct.unpack_from("<Q", data, at + 16)) if n_chunks else []
            if first_leaf <= number < first_leaf + (1 << 3 * depth):
                leaf[number - first_leaf] = offset
            at += 16 + 16 * n_chunks
        offsets.append(_intervals(leaf, min(earliest), shift, length) if earliest else np.zeros(0, np.uint64))
    return tuple(offsets), tuple(len(offset) > 0 for offset in offsets)


def _intervals(leaf: dict[int, int], earliest: int, shift: int, length: int) -> NDArray[np.uint64]:
    """Where to begin for each 16,384 bases: at the offset of the last leaf up to there, which reads further on cannot lie before."""
    places = np.array(sorted(leaf), np.int64)
    offset = np.array([earliest, *(leaf[place] for place in places.tolist())], np.uint64)
    wanted = (np.arange((length >> _INTERVAL_SHIFT) + 1) << _INTERVAL_SHIFT) >> shift
    return offset[np.searchsorted(places, wanted, side="right")]


def bad_bam(path: Path, came: str, wanted: str, do: str) -> BadInput:
    return BadInput(came, wanted=wanted, do=do, path=path)

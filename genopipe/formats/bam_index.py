"""Header and index of a BAM: what must be known before its records can be read, checked.

Source: SAM/BAM format specification, sections 1.3 (the header), 4.2 (BAM) and 5.2 (BAI).
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE, is_bgzf, read_blocks

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
    """

    path: Path
    contigs: tuple[BamContig, ...]
    read_group_sample: dict[str, str]
    linear_offset: tuple[NDArray[np.uint64], ...]
    has_reads: tuple[bool, ...]

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
    order = re.search(r"^@HD\t(?:.*\t)?SO:(\w+)", text, re.MULTILINE)
    if order is not None and order[1] != "coordinate":
        raise bad_bam(
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


def _with_digests(text: str, contigs: list[tuple[str, int]]) -> tuple[BamContig, ...]:
    digest = {fields.get("SN"): fields.get("M5") for fields in _fields(text, "@SQ")}
    return tuple(BamContig(name, length, digest.get(name)) for name, length in contigs)


def _read_groups(text: str) -> dict[str, str]:
    return {fields["ID"]: fields["SM"] for fields in _fields(text, "@RG") if "ID" in fields and "SM" in fields}


def _read_index(path: Path, n_contigs: int) -> tuple[tuple[NDArray[np.uint64], ...], tuple[bool, ...]]:
    index = next((p for p in (path.with_name(path.name + ".bai"), path.with_suffix(".bai")) if p.exists()), None)
    if index is None:
        raise bad_bam(path, "the BAM has no index", f"{path.name}.bai beside it", f"Make one: samtools index {path.name}")
    data = index.read_bytes()
    try:
        return _parse_index(data, n_contigs)
    except (struct.error, ValueError):
        raise bad_bam(index, "the index cannot be read", f"a BAI of {path.name}", f"Make it again: samtools index {path.name}") from None


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


def bad_bam(path: Path, came: str, wanted: str, do: str) -> BadInput:
    return BadInput(came, wanted=wanted, do=do, path=path)

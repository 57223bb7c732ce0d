"""Reading a gVCF of one sample: its contigs, and its records, of variants and reference blocks alike.

Nearly all lines are of blocks that nobody asks for, so a line tells where it begins and what it is, and is read further on request.

Source: The Variant Call Format specification, VCFv4.2, and the gVCF convention (<NON_REF>, END).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from genopipe.errors import BadInput
from genopipe.formats.bgzf import is_bgzf, read_blocks
from genopipe.formats.vcf import ANY_OTHER, SEX_NOTE, VcfContig

_SEX: dict[str, Literal["female", "male"]] = {"female": "female", "male": "male"}


class GvcfLine(NamedTuple):
    """A record that is not read yet: contig and start (0-based), and its line."""

    contig: int
    start: int
    is_block: bool
    text: str
    number: int


@dataclass(frozen=True, slots=True)
class GvcfRecord:
    """One line. Positions 0-based, half-open; `alleles` begins with the reference and ends with <NON_REF>.

    filters     the names of those that it fails
    genotype    phased in the order of the copies
    likelihood  PL in the order of the VCF specification, over `alleles`
    phase_set   None where the genotype is not phased
    strand      reads by strand (SB): reference forward and reverse, alternative forward and reverse; none where that is not told
    """

    contig: int
    start: int
    end: int
    alleles: tuple[str, ...]
    quality: int
    filters: tuple[str, ...]
    genotype: tuple[int, ...]
    genotype_quality: int
    depth: int
    allele_depth: tuple[int, ...]
    likelihood: tuple[int, ...]
    phase_set: int | None = None
    strand: tuple[int, ...] = ()

    @property
    def is_block(self) -> bool:
        return len(self.alleles) == 2


@dataclass(frozen=True, slots=True)
class Gvcf:
    """Header of one file; `sex` is the one it was called with, None where that was not known or is not told."""

    path: Path
    sample: str
    contigs: tuple[VcfContig, ...]
    sex: Literal["female", "male"] | None = None


def open_gvcf(path: Path) -> Gvcf:
    """The header. Raises BadInput for a file that is no gVCF of one sample."""
    contigs = []
    sex: Literal["female", "male"] | None = None
    for number, line in _lines(path):
        if line.startswith("##contig=<"):
            contigs.append(_contig(line))
        elif line.startswith(f"##{SEX_NOTE}="):
            sex = _SEX.get(line.split("=", 1)[1].split(",")[0])
        elif line.startswith("#CHROM"):
            columns = line.split("\t")
            if len(columns) != 10:
                raise _bad(path, number, f"the file holds {max(len(columns) - 9, 0)} samples", "a gVCF of one sample")
            return Gvcf(path, columns[9], tuple(contigs), sex)
        elif not line.startswith("##"):
            break
    raise _bad(path, 1, "the file has no VCF header", "a gVCF made by `genopipe call --gvcf`")


def read_gvcf(gvcf: Gvcf) -> Iterator[GvcfLine]:
    """The records in file order. Raises BadInput for lines that are no records, or unsorted."""
    row = {contig.name: i for i, contig in enumerate(gvcf.contigs)}
    last = (-1, -1)
    for number, line in _lines(gvcf.path):
        if line.startswith("#"):
            continue
        try:
            contig, position, _, _, alternatives, _ = line.split("\t", 5)
            place = row[contig], int(position) - 1
        except (ValueError, KeyError) as error:
            raise _unreadable(gvcf, number, error) from None
        if place < last:
            raise _bad(gvcf.path, number, "the records are not sorted", "a sorted gVCF")
        last = place
        yield GvcfLine(*place, alternatives == ANY_OTHER, line, number)


def parsed(gvcf: Gvcf, line: GvcfLine) -> GvcfRecord:
    """The record of a line. Raises BadInput where it is damaged, or of a plain VCF."""
    try:
        record = _record(line)
    except (ValueError, KeyError, IndexError) as error:
        raise _unreadable(gvcf, line.number, error) from None
    if record.alleles[-1] != ANY_OTHER:
        raise _bad(gvcf.path, line.number, f"the last allele is {record.alleles[-1]}", f"a gVCF, with {ANY_OTHER} as last allele")
    return record


def _unreadable(gvcf: Gvcf, number: int, error: Exception) -> BadInput:
    return _bad(gvcf.path, number, f"the record cannot be read ({error})", "a record of a gVCF")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not is_bgzf(path):
        raise _bad(path, 1, "the file is not compressed by BGZF", "a .g.vcf.gz")
    number, rest = 0, b""
    for _, piece in read_blocks(path):
        whole, end, rest = (rest + piece).rpartition(b"\n")
        try:
            lines = whole.decode().split("\n") if end else []
        except UnicodeDecodeError as error:
            raise _bad(path, number + 1 + whole.count(b"\n", 0, error.start), "the line is no text", "a gVCF") from None
        yield from enumerate(lines, number + 1)
        number += len(lines)
    if rest:
        raise _bad(path, number + 1, "the last line is cut short", "a whole gVCF")


def _contig(line: str) -> VcfContig:
    fields = dict(re.findall(r"(\w+)=([^,>]+)", line.removeprefix("##contig=")))
    length = fields.get("length", "")
    return VcfContig(fields.get("ID", ""), int(length) if length.isdigit() else 0, fields.get("md5"))


def _record(line: GvcfLine) -> GvcfRecord:
    _, _, _, reference, alternatives, quality, filters, info, names, values = line.text.split("\t")
    sample = dict(zip(names.split(":"), values.split(":"), strict=False))
    end = re.search(r"(?:^|;)END=(\d+)", info)
    alleles = (reference, *alternatives.split(","))
    genotype = tuple(map(int, re.split(r"[/|]", sample["GT"])))
    likelihood = _numbers(sample["PL"])
    if len(likelihood) != (len(alleles) * (len(alleles) + 1) // 2 if len(genotype) == 2 else len(alleles)) or max(genotype) >= len(alleles):
        raise ValueError("GT and PL do not fit the alleles")
    return GvcfRecord(
        line.contig,
        line.start,
        int(end[1]) if end else line.start + len(reference),
        alleles,
        0 if quality == "." else int(float(quality)),
        () if filters in ("PASS", ".") else tuple(filters.split(";")),
        genotype,
        int(sample["GQ"]),
        int(sample["DP"]),
        _numbers(sample["AD"]) if "AD" in sample else (int(sample["DP"]), 0),
        likelihood,
        int(sample["PS"]) if "|" in sample["GT"] and sample.get("PS", ".") != "." else None,
        _numbers(sample["SB"]) if "SB" in sample else (),
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _bad(path: Path, line: int, came: str, wanted: str) -> BadInput:
    return BadInput(came, wanted=wanted, do="Make it with `genopipe call --gvcf`.", path=path, line=line)

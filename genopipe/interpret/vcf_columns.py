"""The records of a family's VCF as columns: every ALT that the proband carries, and everybody's call at it.

Text is read in blocks and taken apart by column, never record by record; BCF becomes text first, through htslib. Genotypes, FORMATs and
FILTERs have few spellings, and each is interpreted once. Most records of a family are not carried by the proband; of these only GT is read.

Source: The Variant Call Format specification, VCFv4.2 to 4.5, sections 1.4 and 1.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.table_blocks import block_columns, table_blocks
from genopipe.formats.vcf_genotypes import Fields, Records, item
from genopipe.interpret.vcf_source import reading

pc: Any = compute
Column = Any
"""An Arrow array."""
Int64 = NDArray[np.int64]

UNPHASED = -1
MISSING = -1
CALL = {
    "alt_count": (np.int8, MISSING),
    "ploidy": (np.int8, 0),
    "depth": (np.int32, MISSING),
    "alt_depth": (np.int32, MISSING),
    "genotype_quality": (np.int32, MISSING),
    "haplotype": (np.int8, UNPHASED),
    "phase_set": (np.int32, 0),
    "other_allele": (np.bool_, False),
}
"""What is kept of a call: type, and the value where the genotype is missing."""

_FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_NEEDED = ("#CHROM", "POS", "REF", "ALT", "FILTER", "INFO", "FORMAT")
_GENOTYPE = re.compile(r"[/|]?(\.|\d+)([/|](\.|\d+))*")
_BATCH = 1 << 15


@dataclass(frozen=True, slots=True)
class Carried:
    """ALTs of one block that the first sample has, one a row, as the file writes them; `position` int64 from 0.

    passed, in_dbsnp  (rows) bool
    new               (rows) float64, NaN where not given
    record            (rows) int64: number of the record in the file
    calls             by name of `CALL`, (rows, samples)
    """

    contig: Column
    position: Int64
    ref: Column
    alt: Column
    passed: NDArray[np.bool_]
    in_dbsnp: NDArray[np.bool_]
    new: NDArray[np.float64]
    record: Int64
    calls: Mapping[str, NDArray[Any]]


def carried(path: Path, samples: Sequence[str]) -> Iterator[Carried]:
    """Yields block by block what the first of `samples` carries. Raises BadInput, with the line, for what is no VCF, or has no GT."""
    n_records, genotypes = 0, False
    for line, table in _tables(path, samples):
        block = _Block(table, path, line, n_records)
        n_records += len(table)
        genotypes |= any(block.begins_with_gt)
        yield block.carried(samples)
    if n_records and not genotypes:
        raise no_genotypes(path)


def no_genotypes(path: Path) -> BadInput:
    """What is wrong with a file whose records tell nobody's genotype."""
    return BadInput("no genotypes (FORMAT GT)", wanted="a VCF with GT", do="Call genotypes first.", path=path)


def _tables(path: Path, samples: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    with reading(path) as file:
        binary = bool(file.is_bcf)
        names = (*_FIXED, *file.header.samples)
        lines = (str(record) for record in file) if binary else iter(())
        while batch := "".join(islice(lines, _BATCH)).rstrip("\n"):
            yield 1, block_columns(batch.encode(), names, (*_NEEDED, *samples), path=path)
    if not binary:
        _, blocks = table_blocks(path, lambda line: line.startswith("#CHROM"))
        for line, block in blocks:
            yield line, block_columns(block, names, (*_NEEDED, *samples), path=path, line=line)


class _Block(Records):
    def __init__(self, table: pa.Table, path: Path, line: int, first: int) -> None:
        super().__init__(table, path, line)
        self.first = first
        self.begins_with_gt = [keys[0] == "GT" for keys in self.keys]
        for number, keys in enumerate(self.keys):
            if "GT" in keys[1:]:
                row = int(np.argmax(self.format.indices.to_numpy() == number))
                raise self.fault(f"FORMAT {':'.join(keys)}", "GT as the first key", row)

    def carried(self, samples: Sequence[str]) -> Carried:
        first = _Genotypes(self, samples[0])
        row, allele = first.carried()
        alts = pc.split_pattern(self.column["ALT"], ",")
        which = alts.offsets.to_numpy().astype(np.int64)[row] + allele - 1
        beyond = which >= alts.offsets.to_numpy()[row + 1]
        if beyond.any():
            raise self.fault("a genotype with an allele that ALT does not list", "alleles of the record", int(row[beyond][0]))
        calls = [(first if sample == samples[0] else _Genotypes(self, sample)).calls(row, allele) for sample in samples]
        info, filters = (self.column[name].take(row) for name in ("INFO", "FILTER"))
        return Carried(
            contig=self.column["#CHROM"].take(row),
            position=self.positions()[row],
            ref=pc.utf8_upper(self.column["REF"].take(row)),
            alt=pc.utf8_upper(alts.flatten().take(which)),
            passed=_bool(pc.is_in(filters, pa.array(["PASS", "."]))),
            in_dbsnp=_bool(pc.match_substring_regex(info, "(?:^|;)DB(?:;|=|$)")),
            new=self._new(row, info, samples[0]),
            record=row + self.first,
            calls={name: np.stack([call[name] for call in calls], axis=1) for name in CALL},
        )

    def _new(self, row: Int64, info: Column, proband: str) -> NDArray[np.float64]:
        """FORMAT/DNM of `genopipe joint` is phred of the ALT not being new; other callers give a probability in INFO."""
        told = pc.struct_field(pc.extract_regex(info, r"(?:^|;)DNM=(?P<value>[^;,]*)"), [0])
        phred = _number(item(Fields(self, proband, row).text("DNM"), np.zeros(len(row), np.int64)))
        value: NDArray[np.float64] = np.where(np.isnan(phred), _number(told), 1 - 10 ** (-phred / 10))
        return value


class _Genotypes:
    """GT of one sample: `code` is the number of each record's spelling, `alleles` the alleles of each spelling, None for a missing one."""

    def __init__(self, block: _Block, sample: str) -> None:
        self.block, self.sample = block, sample
        text = block.genotypes(sample)
        told = np.array(block.begins_with_gt or [False])[block.format.indices.to_numpy()]
        spellings = [*text.dictionary.to_pylist(), "."]
        self.code: Int64 = np.where(told, text.indices.to_numpy(), len(spellings) - 1).astype(np.int64)
        for number in np.unique(self.code):
            if not _GENOTYPE.fullmatch(spellings[number]):
                raise block.fault(f"genotype {spellings[number]!r}", "a GT such as 0/1", int(np.argmax(self.code == number)))
        self.alleles = [[int(a) if a.isdigit() else None for a in re.split(r"[/|]", text.lstrip("/|"))] for text in spellings]
        self.phased = [len(alleles) == 2 and "|" in text for alleles, text in zip(self.alleles, spellings, strict=True)]

    def carried(self) -> tuple[Int64, Int64]:
        """Record and allele of every ALT in a genotype, sorted."""
        carriers = np.array([any(alleles) for alleles in self.alleles])
        rows = np.flatnonzero(carriers[self.code])
        found = [sorted({allele for allele in alleles if allele}) for alleles in self.alleles]
        count = np.array([len(alleles) for alleles in found])[self.code[rows]]
        flat = np.array([allele for alleles in found for allele in alleles] or [0], np.int64)
        start = np.cumsum([0, *(len(alleles) for alleles in found)])[self.code[rows]]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.repeat(rows, count), flat[np.repeat(start, count) + within]

    def calls(self, row: Int64, allele: Int64) -> dict[str, NDArray[Any]]:
        """What `CALL` names, of every (record, allele)."""
        told = self._told(row, allele)
        known = told["ploidy"] > 0
        fields = Fields(self.block, self.sample, row)
        depths = fields.text("AD")
        told |= {
            "alt_depth": _whole(item(depths, allele)),
            "depth": _depth(fields.text("DP"), depths),
            "genotype_quality": _whole(fields.text("GQ")),
        }
        set_ = _whole(fields.text("PS"))
        told["phase_set"] = np.where((told["haplotype"] != UNPHASED) & (set_ >= 0), set_, 0)
        return {name: np.where(known, told[name], missing).astype(kind) for name, (kind, missing) in CALL.items()}

    def _told(self, row: Int64, allele: Int64) -> dict[str, NDArray[Any]]:
        """What GT says, worked out once for every spelling and allele that occur together."""
        pairs, inverse = np.unique(self.code[row] << 32 | allele, return_inverse=True)
        values = [self._of_pair(int(pair) >> 32, int(pair) & 0xFFFFFFFF) for pair in pairs]
        table = np.array(values, np.int64).reshape(len(values), 4)[inverse]
        return {name: table[:, i] for i, name in enumerate(("alt_count", "ploidy", "haplotype", "other_allele"))}

    def _of_pair(self, code: int, allele: int) -> tuple[int, int, int, bool]:
        alleles = self.alleles[code]
        count = alleles.count(allele)
        if None in alleles:
            return (count, len(alleles), UNPHASED, True) if count else (MISSING, 0, UNPHASED, False)
        haplotype = alleles.index(allele) if self.phased[code] and count == 1 else UNPHASED
        return count, len(alleles), haplotype, any(other not in (0, allele) for other in alleles)


def _depth(total: Column, of_alleles: Column) -> NDArray[np.int64]:
    """DP, or the sum of AD where there is none."""
    depth = _whole(total)
    lacking = np.flatnonzero(depth == MISSING)
    if len(lacking):
        lists = pc.split_pattern(pc.fill_null(of_alleles.take(lacking), "."), ",")
        values, start = _whole(lists.flatten()), lists.offsets.to_numpy()[:-1]
        depth[lacking] = np.where(values[start] == MISSING, MISSING, np.add.reduceat(np.maximum(values, 0), start))
    return depth


def _number(text: Column) -> NDArray[np.float64]:
    """float64; NaN for what is no number."""
    known = pc.match_substring_regex(text, r"^[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?$")
    numbers: NDArray[np.float64] = pc.cast(pc.if_else(known, text, None), pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def _whole(text: Column) -> NDArray[np.int64]:
    """int64; `MISSING` for what is no number."""
    return np.clip(np.nan_to_num(_number(text), nan=MISSING), MISSING, np.iinfo(np.int32).max).astype(np.int64)


def _bool(column: Column) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = column.to_numpy(zero_copy_only=False).astype(bool)
    return values

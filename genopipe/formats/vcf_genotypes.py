"""Which ALTs every sample of a VCF carries, as Arrow columns, some thousand lines at a time.

Records are taken apart by column, not one by one: genotypes have few spellings, so each spelling is read once. One row comes out for each
ALT that a sample has at least one copy of; memory is one block of lines, whatever the size of the file.

Source: The Variant Call Format specification, VCFv4.2 to 4.5, sections 1.4 and 1.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.table_blocks import block_columns, table_blocks

_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_NEEDED = ("#CHROM", "POS", "REF", "ALT", "FILTER", "FORMAT")

pc: Any = compute
Int64 = NDArray[np.int64]
Column = Any
"""An Arrow array."""


@dataclass(frozen=True, slots=True)
class VcfSamples:
    """A VCF opened: the lines of its header, its samples, and the blocks of its records."""

    path: Path
    header: tuple[str, ...]
    samples: tuple[str, ...]
    blocks: Iterator[tuple[int, bytes]]

    def carried(self) -> Iterator[tuple[str, dict[str, pa.Table]]]:
        """Of one block after the other, the contig of its last record, and by sample the ALTs that it carries.

        Columns: contig, ref, alt as written, upper case; position int32, 0-based; passed bool: FILTER is PASS or empty; alt_count int8:
        copies of this ALT; ploidy int8: called alleles; depth, alt_depth, genotype_quality int32, null where missing.
        Raises BadInput with the line of a record that breaks the format.
        """
        for line, block in self.blocks if self.samples else ():
            table = block_columns(block, (*_COLUMNS, *self.samples), (*_NEEDED, *self.samples), path=self.path, line=line)
            records = _Block(table, self.path, line)
            yield table["#CHROM"][-1].as_py(), {sample: records.carried_by(sample) for sample in self.samples}


def open_vcf(path: Path) -> VcfSamples:
    """The header of a VCF, plain or compressed. Raises BadInput for what is no VCF."""
    head, blocks = table_blocks(path, lambda line: line.startswith("#CHROM"))
    names = tuple(head[-1].split("\t"))
    if not head[0].startswith("##fileformat=VCF") or names[:8] != _COLUMNS[:8]:
        raise BadInput("this is no VCF", wanted="##fileformat=VCF... and the columns of VCF", do="Check the file.", path=path, line=1)
    samples = names[9:]
    if len(set(samples)) < len(samples):
        raise BadInput("a sample stands there twice", wanted="each sample once", do="Rename one.", path=path, line=len(head))
    return VcfSamples(path, tuple(head[:-1]), samples, blocks)


class Records:
    """One block of records as columns, from the line of the file on that is given."""

    def __init__(self, table: pa.Table, path: Path, line: int) -> None:
        self.path, self.line = path, line
        self.column: dict[str, Column] = {name: table[name].combine_chunks() for name in table.column_names}
        self.format: Column = self.column["FORMAT"].dictionary_encode()
        self.keys: list[list[str]] = [spelling.split(":") for spelling in self.format.dictionary.to_pylist()]

    def positions(self) -> Int64:
        """(records) POS, from 0. Raises BadInput."""
        text = self.column["POS"]
        fine = pc.match_substring_regex(text, r"^\d{1,9}$").to_numpy(zero_copy_only=False)
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            raise self.fault(f"POS {text[row].as_py()!r}", "a whole number", row)
        positions: Int64 = pc.cast(text, pa.int64()).to_numpy() - 1
        return positions

    def genotypes(self, sample: str) -> Column:
        """(records) the text of GT of one sample, as a dictionary."""
        return pc.struct_field(pc.extract_regex(self.column[sample], "^(?P<value>[^:]*)"), [0]).dictionary_encode()

    def fault(self, came: str, wanted: str, row: int) -> BadInput:
        return BadInput(came, wanted=wanted, do="Correct this line.", path=self.path, line=self.line + row)


class Fields:
    """The FORMAT fields of one sample in the records of some rows."""

    def __init__(self, records: Records, sample: str, row: Int64) -> None:
        self._records, self._sample, self._row = records, sample, row

    @cached_property
    def _split(self) -> tuple[Column, Int64]:
        lists = pc.split_pattern(self._records.column[self._sample].take(self._row), ":")
        return lists.flatten(), lists.offsets.to_numpy().astype(np.int64)

    def text(self, name: str) -> Column:
        """(rows) the text of one field; null where the record has none."""
        of_spelling = np.array([keys.index(name) if name in keys else -1 for keys in self._records.keys] or [-1], np.int64)
        place = of_spelling[self._records.format.indices.to_numpy()[self._row]]
        if (place < 0).all():
            return pa.nulls(len(place), pa.string())
        flat, start = self._split
        at = start[:-1] + place
        return flat.take(pa.array(at, mask=(place < 0) | (at >= start[1:])))


def item(text: Column, number: Int64) -> Column:
    """(rows) the item of that number (from 0) in lists with commas; null where the list is shorter."""
    lists = pc.split_pattern(pc.fill_null(text, ""), ",")
    start = lists.offsets.to_numpy().astype(np.int64)
    at = start[:-1] + number
    return lists.flatten().take(pa.array(at, mask=at >= start[1:]))


class _Block(Records):
    """Records, and what each sample carries of them."""

    def __init__(self, table: pa.Table, path: Path, line: int) -> None:
        super().__init__(table, path, line)
        self.position = self.positions().astype(np.int32)
        alts = pc.split_pattern(pc.utf8_upper(self.column["ALT"]), ",")
        self.alt: Column
        self.alt, self.alt_start = alts.flatten(), alts.offsets.to_numpy().astype(np.int64)

    def carried_by(self, sample: str) -> pa.Table:
        row, allele, count, ploidy = _carried(self.genotypes(sample))
        which = self.alt_start[row] + allele - 1
        if (beyond := which >= self.alt_start[row + 1]).any():
            at = int(np.flatnonzero(beyond)[0])
            raise self.fault(f"allele {allele[at]} in a genotype of {sample}", "an allele that ALT lists", int(row[at]))
        rows, fields = pa.array(row), Fields(self, sample, row)
        return pa.table(
            {
                "contig": self.column["#CHROM"].take(rows),
                "position": pa.array(self.position[row]),
                "ref": pc.utf8_upper(self.column["REF"].take(rows)),
                "alt": self.alt.take(pa.array(which)),
                "alt_count": pa.array(count.astype(np.int8)),
                "ploidy": pa.array(ploidy.astype(np.int8)),
                "depth": _number(fields.text("DP")),
                "alt_depth": _number(item(fields.text("AD"), allele)),
                "genotype_quality": _number(fields.text("GQ")),
                "passed": pc.is_in(self.column["FILTER"].take(rows), pa.array(["PASS", "."])),
            }
        )


def _carried(genotype: Column) -> tuple[Int64, Int64, Int64, Int64]:
    """Row, allele, copies of the allele and called alleles, for every ALT in every genotype; sorted by row and allele."""
    code = genotype.indices.to_numpy()
    found: list[list[Int64]] = []
    for number, spelling in enumerate(genotype.dictionary.to_pylist()):
        called = [int(allele) for allele in re.split(r"[/|]", spelling) if allele.isdigit()]
        rows = np.flatnonzero(code == number)
        for allele in sorted({allele for allele in called if allele}):
            found.append([rows, *(np.full(len(rows), value, np.int64) for value in (allele, called.count(allele), len(called)))])
    none: list[list[Int64]] = [[np.empty(0, np.int64)] * 4]
    row, allele_, count, ploidy = (np.concatenate(column) for column in zip(*chain(none, found), strict=True))
    order = np.lexsort((allele_, row))
    return row[order], allele_[order], count[order], ploidy[order]


def _number(text: Column) -> Column:
    whole = pc.fill_null(pc.match_substring_regex(text, r"^\d{1,9}$"), False)
    return pc.cast(pc.if_else(whole, text, None), pa.int32())

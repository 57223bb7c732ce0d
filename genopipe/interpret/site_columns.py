"""The sites of a VCF as columns: every ALT a row, with those INFO values that somebody wants; the rest is never taken apart.

Text is inflated and read in blocks of some megabytes, BCF becomes text first, through htslib. Genotypes are passed over. Values are asked
for by key and belong to the ALT they stand for; a list that is too short, or a single value, gives its first one to all.

Source: The Variant Call Format specification, VCFv4.2 to 4.5, sections 1.4 and 1.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.table_blocks import text_blocks
from genopipe.interpret.vcf_source import COLUMNS, check_lengths, contig_lengths, is_bcf, lengths_in, reading
from genopipe.kernels.site_text import N_COLUMNS, find_fields, gather, read_numbers, wanted_keys

pc: Any = compute
Int64 = NDArray[np.int64]

_ROWS = 1 << 14
_BCF_RECORDS = 1 << 14
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_POSITION = r"^[0-9]{1,9}$"
_CHROM, _POS, _ID, _REF, _ALT = range(5)


@dataclass(frozen=True, slots=True)
class Sites:
    """Some lines of a VCF, one row for each ALT; `line` (rows) int64 is the number of the line each is on, from 1.

    text    (bytes) uint8
    column  (lines, 9), value (lines, keys, 2): see `kernels.site_text.find_fields`
    row     (rows) int64: which of the lines; `number` which of its ALTs, from 0
    """

    path: Path
    first_line: int
    keys: tuple[str, ...]
    text: NDArray[np.uint8]
    column: Int64
    value: Int64
    row: Int64
    number: Int64
    alt: Any

    @property
    def line(self) -> Int64:
        return self.row + self.first_line

    def places(self) -> dict[str, Any]:
        """contig, position (int64, from 0), ref and alt as the file has them."""
        contig, ref = (self._column(at).take(self.row) for at in (_CHROM, _REF))
        return {"contig": contig, "position": self._positions()[self.row], "ref": ref, "alt": self.alt, "line": self.line}

    def identifier(self) -> Any:
        """(rows) string: ID, as the file has it."""
        return self._column(_ID).take(self.row)

    def texts(self, key: str) -> Any:
        """(rows) string: the whole value of a key, null where the record lacks it."""
        at = self.keys.index(key)
        return self._gathered(self.value[:, at, 0], self.value[:, at, 1]).take(self.row)

    def numbers(self) -> NDArray[np.float64]:
        """(keys, rows) float64: the number of each ALT, NaN where it has none. Raises BadInput for what is no number."""
        out = np.empty((len(self.keys), len(self.row)))
        asked = np.empty(out.shape, np.bool_)
        read_numbers(self.text, self.value, self.row, self.number, out, asked)
        if asked.any():
            for key, row in np.argwhere(asked):
                out[key, row] = self._asked(int(key), int(row))
        return out

    def _asked(self, key: int, row: int) -> float:
        start, end = self.value[self.row[row], key]
        items = self.text[start:end].tobytes().decode(errors="replace").split(",")
        item = items[self.number[row]] if self.number[row] < len(items) else items[0]
        if not (_NUMBER.fullmatch(item) or item.lower() == "nan"):
            raise self.fault(f"{self.keys[key]} is {item!r}", "a number", row)
        return float(item)

    def fault(self, came: str, wanted: str, row: int) -> BadInput:
        return BadInput(came, wanted=wanted, do="Correct this line.", path=self.path, line=int(self.line[row]))

    def _positions(self) -> Int64:
        text = self._column(_POS)
        fine = pc.match_substring_regex(text, _POSITION).to_numpy(zero_copy_only=False)
        if not fine.all():
            at = int(np.argmin(fine))
            came, line = f"POS {text[at].as_py()!r}", self.first_line + at
            raise BadInput(came, wanted="a whole number", do="Correct this line.", path=self.path, line=line)
        positions: Int64 = pc.cast(text, pa.int64()).to_numpy() - 1
        return positions

    def _column(self, at: int) -> Any:
        return self._gathered(self.column[:, at], self.column[:, at + 1] - 1)

    def _gathered(self, start: Int64, end: Int64) -> Any:
        return _texts(self.text, start, end, self.path, self.first_line)


def _texts(text: NDArray[np.uint8], start: Int64, end: Int64, path: Path, line: int) -> Any:
    """(pieces) string: the text between `start` and `end`, null where start is -1. Raises BadInput, with the line, for no UTF-8."""
    known = start >= 0
    offset = np.zeros(len(start) + 1, np.int32)
    np.cumsum(np.where(known, end - start, 0), out=offset[1:])
    letters = np.empty(offset[-1], np.uint8)
    gather(text, start, offset, letters)
    some = None if known.all() else np.packbits(known, bitorder="little")
    buffers: Any = [None if buffer is None else pa.py_buffer(buffer.data) for buffer in (some, offset, letters)]
    pieces = pa.Array.from_buffers(pa.string(), len(start), buffers)
    try:
        pieces.validate(full=True)
    except pa.ArrowInvalid as error:
        at = next(i for i, piece in enumerate(pieces.cast(pa.binary())) if not _is_text(piece.as_py() or b""))
        raise BadInput("bytes that are no UTF-8", wanted="text", do="Check the file's encoding.", path=path, line=line + at) from error
    return pieces


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_sites(path: Path, keys: Sequence[str], *, assembly: str | None = None) -> Iterator[Sites]:
    """Yields the sites of a VCF or BCF in its order; of BCF the "line" is the number of the record.

    Raises BadInput for what is no VCF, a contig as long as on another assembly, and, with its line, a record that is none.
    """
    wanted = wanted_keys(keys)
    line, blocks = _bcf_blocks(path, keys, assembly) if is_bcf(path) else _vcf_blocks(path, assembly)
    for block in blocks:
        text, at = np.frombuffer(block, np.uint8), 0
        while at <= len(text):
            column, value = np.empty((_ROWS, N_COLUMNS + 1), np.int64), np.empty((_ROWS, len(keys), 2), np.int64)
            n, at, n_columns = find_fields(text, at, wanted, column, value)
            if n:
                row, number, alt = _alleles(text, column[:n], path, line)
                yield Sites(path, line, tuple(keys), text, column[:n], value[:n], row, number, alt)
            line += n
            if n_columns:
                eight = f"the {N_COLUMNS} columns of a VCF, divided by tabs"
                raise BadInput(f"{n_columns} columns", wanted=eight, do="Correct this line.", path=path, line=line)


def _alleles(text: NDArray[np.uint8], column: Int64, path: Path, line: int) -> tuple[Int64, Int64, Any]:
    """Line, number from 0 and text of every ALT; a point is none."""
    told = _texts(text, column[:, _ALT], column[:, _ALT + 1] - 1, path, line)
    some = np.flatnonzero(pc.not_equal(told, ".").to_numpy(zero_copy_only=False))
    if not pc.any(pc.match_substring(told, ",")).as_py():
        return some, np.zeros(len(some), np.int64), told.take(some)
    lists = pc.split_pattern(told.take(some), ",")
    which = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    return some[which], np.arange(len(which)) - lists.offsets.to_numpy()[which], lists.flatten()


def _vcf_blocks(path: Path, assembly: str | None) -> tuple[int, Iterator[bytes]]:
    """Number of the first record's line, and whole lines from there on."""
    head, blocks = text_blocks(path, lambda line: line.startswith("#CHROM"))
    if not head[0].startswith("##fileformat=VCF") or tuple(head[-1].split("\t")[:N_COLUMNS]) != COLUMNS:
        raise BadInput("this is no VCF", wanted="##fileformat=VCF... and the columns of VCF", do="Check the file.", path=path, line=1)
    check_lengths(contig_lengths(head), assembly, path)
    return len(head) + 1, blocks


def _bcf_blocks(path: Path, keys: Sequence[str], assembly: str | None) -> tuple[int, Iterator[bytes]]:
    def blocks() -> Iterator[bytes]:
        with reading(path, drop_samples=True) as file:
            check_lengths(lengths_in(file), assembly, path)
            records = iter(file)
            while lines := [_line(record, keys) for record in islice(records, _BCF_RECORDS)]:
                yield "\n".join(lines).encode()

    return 1, blocks()


def _line(record: Any, keys: Sequence[str]) -> str:
    """A record as text, with the wanted keys; numbers have all their digits, which htslib's own text does not."""
    info = ";".join(f"{key}={_spelled(record.info[key])}" for key in keys if key in record.info)
    alts = ",".join(record.alts or ".")
    return "\t".join((record.contig, str(record.pos), record.id or ".", record.ref, alts, ".", ".", info))


def _spelled(value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return ",".join("." if one is None else str(one) for one in values)

"""Picard's barcode and multiplex parameter files: a line of column names, then a sample a line, tabs between.

`BARCODE`, or `BARCODE_1`, `BARCODE_2` (in the files of ExtractIlluminaBarcodes `barcode_sequence_1` and so on) are the barcodes;
`SAMPLE_ALIAS`, `OUTPUT_PREFIX`, `barcode_name` or `OUTPUT` the sample, `LIBRARY_NAME` its library. The row whose barcodes are all N stands
for the reads without a sample, which are kept under Undetermined here.

Source: Picard's documentation of IlluminaBasecallsToFastq (MULTIPLEX_PARAMS), IlluminaBasecallsToSam (LIBRARY_PARAMS) and
ExtractIlluminaBarcodes (BARCODE_FILE).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from genopipe.errors import BadInput
from genopipe.formats.sample_sheet import Sample, SampleSheet, check_barcodes_differ, check_each_once, check_name, parse_barcode
from genopipe.formats.text_lines import read_lines

_BARCODE = re.compile(r"(?:barcode|barcode_sequence)(?:_(\d+))?")
_SAMPLE_COLUMNS = ("sample_alias", "output_prefix", "barcode_name", "output")


class _Columns(NamedTuple):
    """How many columns there are, and which of them are what."""

    n: int
    barcodes: list[int]
    sample: int
    library: int | None


def is_barcode_parameters(path: Path) -> bool:
    """Whether the first line of the file names columns as Picard does."""
    for _, text in read_lines(path):
        return any(_BARCODE.fullmatch(name.strip().lower()) for name in text.split("\t"))
    return False


def read_barcode_parameters(path: Path) -> SampleSheet:
    """The samples of a Picard parameter file. Raises BadInput with the line."""
    lines = [(line, [cell.strip() for cell in text.split("\t")]) for line, text in read_lines(path) if text.strip()]
    names = [name.lower() for name in lines[0][1]] if lines else []
    barcodes = sorted((int(match[1] or 1), at) for at, name in enumerate(names) if (match := _BARCODE.fullmatch(name)))
    sample = next((name for name in _SAMPLE_COLUMNS if name in names), None)
    if not barcodes or sample is None or len({number for number, _ in barcodes}) < len(barcodes):
        raise BadInput(
            f"columns {', '.join(names)[:80]}",
            wanted="BARCODE_1 and SAMPLE_ALIAS, OUTPUT_PREFIX, barcode_name or OUTPUT, each once",
            do="Correct the first line.",
            path=path,
            line=1,
        )
    found = _Columns(
        len(names), [at for _, at in barcodes], names.index(sample), names.index("library_name") if "library_name" in names else None
    )
    samples = tuple(row for line, cells in lines[1:] if (row := _row(line, cells, found, path)))
    if not samples:
        raise BadInput("no sample with a barcode", wanted="a line for each sample", do="Add the samples.", path=path)
    check_each_once(samples, path)
    check_barcodes_differ(samples, path)
    return SampleSheet(path, samples, by_picard=True)


def _row(line: int, cells: list[str], column: _Columns, path: Path) -> Sample | None:
    if len(cells) != column.n:
        raise BadInput(f"{len(cells)} values for {column.n} columns", wanted="as many", do="Correct it.", path=path, line=line)
    indexes = tuple(parse_barcode(cells[at], path, line) for at in column.barcodes)
    if set("".join(indexes)) <= {"N"}:
        return None
    name = PurePosixPath(cells[column.sample]).name
    check_name(name, path, line)
    return Sample(line, name, None, indexes, library="" if column.library is None else cells[column.library])

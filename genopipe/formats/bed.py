"""BED files: intervals on contigs, 0-based and half-open, as they are inside genopipe.

Three columns are read, and name and strand where there are a fourth and a sixth; `track`, `browser` and `#` lines and empty lines are
passed over. Contigs are given as the file names them: `genopipe.formats.contig_names` says which sequence is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines


@dataclass(frozen=True, slots=True)
class Interval:
    """One line: `start` to `end` (half-open) of `contig`; `name` and `strand` are empty where there is none, `line` counts from 1."""

    contig: str
    start: int
    end: int
    name: str
    line: int
    strand: str = ""


def read_bed(path: Path) -> Iterator[Interval]:
    """Yields the intervals of a BED file, plain or gzip, in file order. Raises BadInput with the line."""
    for line, text in read_lines(path):
        if text.strip() and not text.startswith(("#", "track", "browser")):
            yield _interval(text, path, line)


def _interval(text: str, path: Path, line: int) -> Interval:
    column = text.split("\t") if "\t" in text else text.split()
    if len(column) < 3 or not column[0]:
        raise _fault(f"{len(column)} columns", "contig, start, end", path, line)
    if not all(value.isascii() and value.isdigit() for value in column[1:3]):
        raise _fault(f"positions {column[1]!r} and {column[2]!r}", "whole numbers", path, line)
    start, end = int(column[1]), int(column[2])
    if start > end:
        raise _fault(f"start {start} behind end {end}", "start at or before end", path, line)
    strand = column[5] if len(column) > 5 and column[5] in ("+", "-") else ""
    return Interval(column[0], start, end, column[3] if len(column) > 3 else "", line, strand)


def _fault(came: str, wanted: str, path: Path, line: int) -> BadInput:
    return BadInput(came, wanted=wanted, do="Correct this line.", path=path, line=line)

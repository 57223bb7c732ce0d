"""Sample sheets: which index reads belong to which sample, and how its reads are to be cut.

Version 2 has the sections `[BCLConvert_Settings]` and `[BCLConvert_Data]`, version 1 `[Settings]` and `[Data]`; the columns of older
programs (FCID, SampleID) are known too. Read in this order: sections with their lines; settings; samples, each with the line it stands in,
so that every fault can name it. What needs the run as well (lanes, lengths of index reads, collisions) is checked by `ingest`.

Source: Illumina BCL Convert software guide, document 1000000163594; bcl2fastq2 guide, document 15051736, "Sample Sheet".
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.sample_name import check_sample_name
from genopipe.formats.text_lines import read_lines
from genopipe.progress import log

_BASES = frozenset("ACGTN.")
_HIGHEST_LANE = 99


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: a sample in a lane (None: in every lane). Mismatches and mask are None where the row does not say them.

    indexes     the barcode of each index read, in the order of sequencing; an empty one is not looked at
    """

    line: int
    name: str
    lane: int | None
    indexes: tuple[str, ...]
    library: str = ""
    mismatches: tuple[int | None, ...] = (None, None)
    override_cycles: str | None = None
    adapters: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """The samples of a run and the settings that hold for all; `flowcell` is empty where the sheet names none."""

    path: Path
    samples: tuple[Sample, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    setting_line: Mapping[str, int] = field(default_factory=dict)
    flowcell: str = ""
    flowcell_line: int | None = None
    by_picard: bool = False

    def bad(self, came: str, wanted: str, line: int | None, *, do: str = "Correct the sample sheet.") -> BadInput:
        return BadInput(came, wanted=wanted, do=do, path=self.path, line=line)


SETTINGS = {
    name.lower(): name
    for name in (
        "AdapterRead1",
        "AdapterRead2",
        "AdapterBehavior",
        "AdapterStringency",
        "MinimumAdapterOverlap",
        "MinimumTrimmedReadLength",
        "MaskShortReads",
        "BarcodeMismatchesIndex1",
        "BarcodeMismatchesIndex2",
        "OverrideCycles",
        "CreateFastqForIndexReads",
        "NoLaneSplitting",
    )
}
"""The settings that are followed, as they are written, by their names in lower case."""

_SAME_SETTING = {"adapter": "adapterread1", "trimadapter": "adapterread1"}
_TYPING_ERROR = 0.9  # of difflib: BarcodeMismatchIndex1 is one, Read1UMILength is another setting
_WITHOUT_EFFECT = frozenset({"softwareversion", "fastqcompressionformat"})

Row = tuple[int, list[str]]


def read_sample_sheet(path: Path) -> SampleSheet:
    """The samples and settings of a sheet of version 1 or 2. Raises BadInput with the line."""
    sections = _sections(path)
    version2 = "bclconvert_data" in sections
    name = "bclconvert_data" if version2 else "data"
    if name not in sections:
        raise BadInput("no section [Data] and no [BCLConvert_Data]", wanted="a sample sheet", do="Check the path and the sheet.", path=path)
    settings, setting_line = _settings(sections.get("bclconvert_settings" if version2 else "settings", []), path)
    rows = sections[name]
    if not rows:
        raise BadInput(f"section [{name}] is empty", wanted="a line of column names and the samples", do="Add the samples.", path=path)
    column = _columns(rows[0], path)
    samples = tuple(_sample(line, cells, column, path) for line, cells in rows[1:])
    if not samples:
        raise BadInput("no sample", wanted="a line for each sample", do="Add the samples.", path=path, line=rows[0][0])
    check_each_once(samples, path)
    check_barcodes_differ(samples, path)
    flowcell, line = _flowcell(rows, column, path)
    return SampleSheet(path, samples, settings, setting_line, flowcell, line)


def _sections(path: Path) -> dict[str, list[Row]]:
    sections: dict[str, list[Row]] = {}
    rows: list[Row] | None = None
    for line, text in read_lines(path):
        cells = _cells(text, path, line)
        if not any(cells):
            continue
        if cells[0].startswith("["):
            if cells[0].rstrip(";").endswith("]") and cells[0].endswith(";"):
                do = "Save it as CSV with commas."
                raise BadInput("semicolons between the values", wanted="commas", do=do, path=path, line=line)
            rows = _new_section(cells, sections, path, line)
        elif rows is None:
            raise BadInput(
                f"{text[:40]!r} before any section", wanted="a section such as [Data]", do="Check the file.", path=path, line=line
            )
        else:
            rows.append((line, cells))
    return sections


def _new_section(cells: list[str], sections: dict[str, list[Row]], path: Path, line: int) -> list[Row]:
    name = cells[0][1:-1].strip().lower()
    if not cells[0].endswith("]") or not name or any(cells[1:]) or name in sections:
        raise BadInput(
            f"{cells[0][:40]!r} begins no section, or one for the second time",
            wanted="[Name], once",
            do="Correct it.",
            path=path,
            line=line,
        )
    sections[name] = []
    return sections[name]


def _cells(text: str, path: Path, line: int) -> list[str]:
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise BadInput(f"no CSV ({error})", wanted="values with commas between", do="Correct it.", path=path, line=line) from error
    return [cell.strip() for cell in cells]


def _settings(rows: list[Row], path: Path) -> tuple[dict[str, str], dict[str, int]]:
    settings: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, cells in rows:
        key = _plain(cells[0])
        key = _SAME_SETTING.get(key, key)
        value = cells[1] if len(cells) > 1 else ""
        if key in settings:
            raise BadInput(
                f"{cells[0]} is set again (line {lines[key]})", wanted="each setting once", do="Remove one.", path=path, line=line
            )
        if key in SETTINGS:
            settings[key], lines[key] = value, line
        elif near := difflib.get_close_matches(key, SETTINGS, n=1, cutoff=_TYPING_ERROR):
            do = f"Did you mean {SETTINGS[near[0]]}?"
            raise BadInput(f"unknown setting {cells[0]}", wanted="a setting of BCL Convert", do=do, path=path, line=line)
        elif key not in _WITHOUT_EFFECT:
            log.warning("%s:%d: the setting %s is not followed", path, line, cells[0])
    return settings, lines


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


def _columns(row: Row, path: Path) -> dict[str, int]:
    line, cells = row
    column: dict[str, int] = {}
    for at, cell in enumerate(cells):
        name = _plain(cell)
        if name and name in column:
            raise BadInput(f"the column {cell} stands twice", wanted="each column once", do="Remove one.", path=path, line=line)
        column[name] = at
    if "sampleid" not in column:
        raise BadInput(f"no column Sample_ID among {', '.join(cells)[:80]}", wanted="one", do="Add it.", path=path, line=line)
    return column


def _sample(line: int, cells: list[str], column: Mapping[str, int], path: Path) -> Sample:
    def cell(name: str) -> str:
        at = column.get(name, len(cells))
        return cells[at] if at < len(cells) else ""

    if len(cells) > 1 + max(column.values()) and any(cells[1 + max(column.values()) :]):
        raise BadInput(
            f"{len(cells)} values for {1 + max(column.values())} columns", wanted="as many", do="Correct it.", path=path, line=line
        )
    name = cell("sampleid")
    check_name(name, path, line)
    return Sample(
        line,
        name,
        _lane(cell("lane"), path, line),
        tuple(parse_barcode(cell(index), path, line) for index in ("index", "index2")),
        mismatches=tuple(_mismatches(cell(f"barcodemismatchesindex{number}"), path, line) for number in (1, 2)),
        override_cycles=cell("overridecycles") or None,
        adapters=(_adapter(cell("adapterread1"), path, line), _adapter(cell("adapterread2"), path, line)),
    )


def check_name(name: str, path: Path, line: int) -> None:
    """Raises BadInput with the line for a sample name that can be no part of a file name."""
    try:
        check_sample_name(name)
    except BadConfiguration as error:
        raise BadInput(error.came, wanted=error.wanted, do="Correct the name in the sheet.", path=path, line=line) from error
    if name.lower() == "undetermined":
        raise BadInput(f"a sample called {name}", wanted="a name other than that of the rest", do="Rename it.", path=path, line=line)


def _lane(text: str, path: Path, line: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= _HIGHEST_LANE):
        raise BadInput(f"lane {text[:20]!r}", wanted="the number of a lane, from 1", do="Correct it.", path=path, line=line)
    return int(text)


def parse_barcode(text: str, path: Path, line: int) -> str:
    bases = text.upper()
    if bases in ("NA", "NOINDEX"):
        return ""
    if not set(bases) <= _BASES:
        raise BadInput(f"index {text[:40]!r}", wanted="A, C, G, T, and N where any base will do", do="Correct it.", path=path, line=line)
    return bases


def _mismatches(text: str, path: Path, line: int) -> int | None:
    if text.lower() in ("", "na"):
        return None
    if text not in ("0", "1", "2"):
        raise BadInput(f"{text[:20]!r} barcode mismatches", wanted="0, 1 or 2", do="Correct it.", path=path, line=line)
    return int(text)


def _adapter(text: str, path: Path, line: int) -> str | None:
    bases = text.upper()
    if bases in ("", "NA"):
        return None
    if not set(bases) <= set("ACGT+"):
        raise BadInput(f"adapter {text[:40]!r}", wanted="A, C, G and T, a plus between two", do="Correct it.", path=path, line=line)
    return bases


def check_each_once(samples: tuple[Sample, ...], path: Path) -> None:
    """Raises BadInput for a sample that stands twice in a lane; a row without lane stands in all of them."""
    seen: dict[str, dict[int | None, int]] = {}
    for sample in samples:
        lanes = seen.setdefault(sample.name, {})
        clash = next((line for lane, line in lanes.items() if None in (lane, sample.lane) or lane == sample.lane), None)
        if clash is not None:
            where = "" if sample.lane is None else f" of lane {sample.lane}"
            raise BadInput(
                f"sample {sample.name}{where} for the second time (line {clash})",
                wanted="each sample once in a lane",
                do="Rename one, or remove it.",
                path=path,
                line=sample.line,
            )
        lanes[sample.lane] = sample.line


def check_barcodes_differ(samples: tuple[Sample, ...], path: Path) -> None:
    """Raises BadInput for two samples of a lane with the same barcode, whatever the run."""
    seen: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        others = seen.setdefault(sample.indexes, [])
        other = next((other for other in others if None in (other.lane, sample.lane) or other.lane == sample.lane), None)
        if other is not None:
            barcode = "+".join(filter(None, sample.indexes)) or "no index"
            raise BadInput(
                f"{sample.name} has the barcode of {other.name} (line {other.line}), {barcode}",
                wanted="a barcode for each sample of a lane",
                do="Correct the sheet.",
                path=path,
                line=sample.line,
            )
        others.append(sample)


def _flowcell(rows: list[Row], column: Mapping[str, int], path: Path) -> tuple[str, int | None]:
    names = list(_flowcells(rows[1:], column))
    for name, line in names:
        if name != names[0][0]:
            came = f"flow cell {name} after {names[0][0]} in line {names[0][1]}"
            raise BadInput(came, wanted="samples of one flow cell", do="Split the sheet.", path=path, line=line)
    return names[0] if names else ("", None)


def _flowcells(rows: list[Row], column: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    at = column.get("fcid")
    for line, cells in rows:
        if at is not None and at < len(cells) and cells[at]:
            yield cells[at], line

"""Evidence about lists of genes: panels with confidence and inheritance, plain lists, and the names genes have and had.

panel       PanelApp's table or its JSON; or any table with columns for gene, confidence (green, amber, red or 3, 2, 1) and inheritance
gene-list   a symbol a line, or a table with a column of symbols
gene-names  HGNC's complete set: symbol, previous symbols, aliases, NCBI and HGNC ids
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines

_TEXTS: pa.DataType = pa.list_(pa.string())
_PANEL: dict[str, pa.DataType] = {
    **dict.fromkeys(("panel", "version", "gene", "hgnc_id"), pa.string()),
    "confidence": pa.int8(),
    "inheritance": _TEXTS,
}
PANEL = pa.schema(_PANEL)
GENE_LIST = pa.schema({"gene": pa.string()})
GENE_NAMES = pa.schema({"gene": pa.string(), "hgnc_id": pa.string(), "ncbi_id": pa.string(), "previous": _TEXTS, "aliases": _TEXTS})

_GENE = ("gene symbol", "gene_symbol", "gene", "symbol", "gene_name", "hgnc_symbol", "entity name", "entity_name")
_CONFIDENCE = ("gel_status", "confidence", "confidence_level", "status")
_INHERITANCE = ("model_of_inheritance", "mode_of_inheritance", "mode of inheritance", "inheritance", "moi")
_COLOURS = {"green": 3, "amber": 2, "red": 1, "4": 3, "3": 3, "2": 2, "1": 1, "0": 0, "grey": 0, "gray": 0, "": 0}
_MODES = ("AD", "AR", "XD", "XR", "MT", "YL")
_PHRASES = {
    "AD": ("monoallelic", "autosomal dominant"),
    "AR": ("biallelic", "autosomal recessive"),
    "XD": ("x-linked dominant",),
    "XR": ("x-linked recessive",),
    "MT": ("mitochondrial",),
    "YL": ("y-linked",),
}


def write_panel(source: Path, target: Path) -> int:
    """The genes of a panel that are green, amber or red; grey ones, regions and repeats are left out."""
    _, first = next(iter(read_lines(source)), (1, ""))
    rows = list(_panel_document(source) if first.lstrip().startswith("{") else _panel_table(source))
    kept = {(row["panel"], row["gene"]): row for row in sorted(rows, key=lambda row: row["confidence"]) if row["confidence"]}
    return _write(PANEL, [kept[key] for key in sorted(kept)], target, source)


def _panel_table(source: Path) -> Iterator[dict[str, Any]]:
    for line, row in _table(source):
        if row.get("entity type", "gene") == "gene":
            gene, confidence = _of(row, _GENE, source, line), _of(row, _CONFIDENCE, source, line)
            panel = {"panel": row.get("level4", ""), "version": row.get("version", ""), "gene": gene, "hgnc_id": row.get("hgnc", "")}
            yield panel | {
                "confidence": _confidence(confidence, source, line),
                "inheritance": modes(_of(row, _INHERITANCE, source, line)),
            }


def _panel_document(source: Path) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads("\n".join(text for _, text in read_lines(source)))
        for entry in document["genes"]:
            gene = entry.get("gene_data") or {}
            yield {
                "panel": str(document["name"]),
                "version": str(document.get("version") or ""),
                "gene": str(gene.get("gene_symbol") or entry["entity_name"]),
                "hgnc_id": str(gene.get("hgnc_id") or ""),
                "confidence": _confidence(str(entry["confidence_level"]), source, None),
                "inheritance": modes(str(entry.get("mode_of_inheritance") or "")),
            }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        came = f"no panel in JSON ({error!r})"
        raise BadInput(came, wanted="a panel as PanelApp's API gives it", do="Download one panel with its genes.", path=source) from error


def _confidence(text: str, source: Path, line: int | None) -> int:
    word = text.strip().lower().removeprefix("expert review ")
    if word not in _COLOURS:
        raise BadInput(f"confidence {text!r}", wanted="green, amber, red or 3, 2, 1", do="Correct it.", path=source, line=line)
    return _COLOURS[word]


def modes(text: str) -> list[str]:
    """The modes AD, AR, XD, XR, MT, YL that PanelApp's words or these letters name, sorted; none where the words name none."""
    letters = set(re.split(r"[\s,;/|+]+", text.strip()))
    if letters <= {*_MODES, "XL"}:
        return sorted((letters - {"XL"}) | ({"XD", "XR"} if "XL" in letters else set()))
    words = text.lower()
    if words.startswith(("x-linked:", "x-linked ")) or words == "x-linked":
        known = {mode for mode in ("XD", "XR") if _PHRASES[mode][0] in words}
        return sorted(known or ({"XR"} if "biallelic mutations in females" in words else {"XD", "XR"}))
    return sorted(mode for mode, phrases in _PHRASES.items() if any(phrase in words for phrase in phrases))


def write_gene_list(source: Path, target: Path) -> int:
    """The symbols of a list."""
    _, first = next(iter(_lines(source)), (1, ""))
    if "\t" in first:
        genes = {_of(row, _GENE, source, line) for line, row in _table(source)}
    else:
        genes = {text.strip() for _, text in _lines(source) if text.strip().lower() not in _GENE}
    return _write(GENE_LIST, [{"gene": gene} for gene in sorted(genes)], target, source)


def write_gene_names(source: Path, target: Path) -> int:
    """Approved symbols with their earlier and other names."""
    rows = {}
    for line, row in _table(source):
        if row.get("status", "Approved") != "Approved":
            continue
        gene = _of(row, ("symbol", "gene_symbol"), source, line)
        names = {key: sorted(filter(None, row.get(column, "").split("|"))) for key, column in _NAMES.items()}
        ids = {"hgnc_id": row.get("hgnc_id", ""), "ncbi_id": row.get("entrez_id", row.get("ncbi_id", ""))}
        rows[gene] = {"gene": gene} | ids | names
    return _write(GENE_NAMES, [rows[gene] for gene in sorted(rows)], target, source)


_NAMES = {"previous": "prev_symbol", "aliases": "alias_symbol"}


def _lines(source: Path) -> Iterator[tuple[int, str]]:
    return ((line, text) for line, text in read_lines(source) if text.strip() and not text.startswith("#"))


def _table(source: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, value by lower-case column) of a tab-separated table with a header; quotes around a value are taken off."""
    lines = _lines(source)
    _, header = next(lines, (1, ""))
    names = [name.strip().strip('"').lower() for name in header.split("\t")]
    for line, text in lines:
        column = [value.strip().strip('"') for value in text.split("\t")]
        if len(column) > len(names):
            wanted = f"{len(names)}, as in the header"
            raise BadInput(f"{len(column)} columns", wanted=wanted, do="Correct this line.", path=source, line=line)
        yield line, dict(zip(names, column, strict=False))


def _of(row: Mapping[str, str], names: tuple[str, ...], source: Path, line: int) -> str:
    """The value of the first of `names` that the row has. Raises BadInput when it has none."""
    found = next((row[name] for name in names if row.get(name)), None)
    if found is None and not any(name in row for name in names):
        came = f"columns {', '.join(row)}"
        raise BadInput(came, wanted=f"a column {' or '.join(names[:3])}", do="Check kind and file.", path=source, line=line)
    return found or ""


def _write(schema: pa.Schema, rows: list[dict[str, Any]], target: Path, source: Path) -> int:
    if not rows:
        raise BadInput("no gene in it", wanted="a table of genes of its kind", do="Check kind and file.", path=source)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), target, compression="zstd")
    return len(rows)

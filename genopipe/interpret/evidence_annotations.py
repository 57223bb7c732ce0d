"""Which gene or disease shows which term of the HPO: the tables that HPO publishes, and plainer ones of the same content.

With a header   genes_to_phenotype.txt, phenotype_to_genes.txt, phenotype.hpoa (of a disease; rows with the qualifier NOT are left out) and
                genes_to_disease.txt (no terms: it says which genes the terms of a disease belong to)
Without         gene id, gene, term name, term (HPO's form of 2013); gene id, gene, term; disease, name, term

A gene whose symbol is `-` has an NCBI id only, by which it is named where gene models or names know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines

FIELDS = ("gene", "ncbi_id", "disease", "disease_name", "term")
ANNOTATIONS = pa.schema([(name, pa.string()) for name in FIELDS])
KEY = ("gene", "ncbi_id", "disease", "term")

_HEADERS = {
    "gene_symbol": "gene",
    "ncbi_gene_id": "ncbi_id",
    "disease_id": "disease",
    "database_id": "disease",
    "databaseid": "disease",
    "disease_name": "disease_name",
    "diseasename": "disease_name",
    "hpo_id": "term",
    "qualifier": "qualifier",
}
_DISEASES = ("OMIM:", "ORPHA:", "DECIPHER:", "MONDO:")


def write_annotations(source: Path, target: Path) -> int:
    """Writes the rows, each once, sorted. Raises BadInput, with the line, for a table of another form."""
    place: Mapping[str, int] | None = None
    width = 0
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for line, text in read_lines(source):
        column = text.split("\t")
        header = _header(column)
        if header:
            place, width = header, len(column)
        elif text.strip() and not text.startswith("#"):
            place = place or _by_content(column, source, line)
            if len(column) < max(width, 1 + max(place.values())):
                raise _fault(f"{len(column)} columns", f"at least {max(width, 1 + max(place.values()))}, with tabs between", source, line)
            row = _row(column, place, source, line)
            if row is not None:
                rows[tuple(row[name] for name in KEY)] = row
    if not rows:
        raise BadInput(
            "no annotation in it", wanted="one of HPO's tables of genes or diseases and terms", do="Check the file.", path=source
        )
    pq.write_table(pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=ANNOTATIONS), target, compression="zstd")
    return len(rows)


def _header(column: Sequence[str]) -> dict[str, int]:
    """Places of the fields; nothing where the line is no header."""
    found = {_HEADERS[name]: i for i, text in enumerate(column) if (name := text.lstrip("#").strip().lower()) in _HEADERS}
    return found if len(found) > 1 else {}


def _by_content(column: Sequence[str], source: Path, line: int) -> dict[str, int]:
    if len(column) == 4 and column[3].startswith("HP:"):
        return {"ncbi_id": 0, "gene": 1, "term": 3}
    if len(column) >= 3 and column[2].startswith("HP:"):
        if column[0].startswith(_DISEASES):
            return {"disease": 0, "disease_name": 1, "term": 2}
        return {"ncbi_id": 0, "gene": 1, "term": 2}
    raise _fault(f"columns {list(column[:4])}", "one of HPO's tables of genes or diseases and terms", source, line)


def _row(column: Sequence[str], place: Mapping[str, int], source: Path, line: int) -> dict[str, str] | None:
    row = {name: column[place[name]].strip() if name in place else "" for name in (*FIELDS, "qualifier")}
    if row.pop("qualifier").upper() == "NOT":
        return None
    if not row["term"].startswith("HP:") if "term" in place else not (row["gene"] and row["disease"]):
        raise _fault(f"{row['term']!r} in the place of a term", "an HPO id", source, line)
    return row | {"gene": "" if row["gene"] == "-" else row["gene"], "ncbi_id": row["ncbi_id"].removeprefix("NCBIGene:")}


def _fault(came: str, wanted: str, path: Path, line: int) -> BadInput:
    return BadInput(came, wanted=wanted, do="Check that this is the right file for the kind.", path=path, line=line)

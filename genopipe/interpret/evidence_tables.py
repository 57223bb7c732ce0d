"""Evidence without variants: the ontology, what is known of each gene, and the gene models, each as one Parquet table.

`write_<kind>(source, target)` reads the forms a kind is published in, tells them apart by their content, and gives the number of records:

hpo              hp.obo, or a table of id, name, obsolete (0/1), replaced-by, parents
genes            GFF3 or GTF
coding-exons     BED of coding exons, named by gene, or `GENE=..;GENE_ID=..;TRANSCRIPT=..`; strand in the sixth column
constraint       gnomAD's table of genes with pLI and LOEUF, `#` lines allowed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.formats.bed import Interval, read_bed
from genopipe.formats.gff import Span, Transcript, merged_spans, read_genes
from genopipe.formats.obo import Term, read_obo
from genopipe.formats.text_lines import read_lines

KEYS = {
    "hpo": ("id",),
    "genes": ("id", "contig", "start"),
    "coding-exons": ("id", "contig", "start"),
    "constraint": ("gene",),
    "panel": ("panel", "version", "gene"),
    "gene-list": ("gene",),
    "gene-names": ("gene",),
    "pgx-definitions": ("path",),
}
"""What tells the records of a kind apart."""

_Columns = dict[str, pa.DataType]
_TEXTS: pa.DataType = pa.list_(pa.string())
_SPANS: pa.DataType = pa.list_(pa.int32())
COLUMNS: dict[str, _Columns] = {
    "hpo": {
        "id": pa.string(),
        "name": pa.string(),
        "parents": _TEXTS,
        "alternative": _TEXTS,
        "obsolete": pa.bool_(),
        "replaced_by": pa.string(),
    },
    "genes": {
        "contig": pa.string(),
        "start": pa.int32(),
        "end": pa.int32(),
        "id": pa.string(),
        "gene_id": pa.string(),
        "gene": pa.string(),
        "ncbi_id": pa.string(),
        "biotype": pa.string(),
        "strand": pa.string(),
        "exon_start": _SPANS,
        "exon_end": _SPANS,
        "coding_start": _SPANS,
        "coding_end": _SPANS,
        "phase": pa.int8(),
        "mane": pa.bool_(),
        "canonical": pa.bool_(),
    },
    "constraint": {"gene": pa.string(), "pli": pa.float64(), "loeuf": pa.float64()},
}
COLUMNS["coding-exons"] = COLUMNS["genes"]


def write_hpo(source: Path, target: Path) -> int:
    """Terms of an ontology."""
    if any("\t" in text for _, text in _first_lines(source, 1)):
        rows = [asdict(term) for term in _term_table(source)]
    else:
        rows = [asdict(term) for term in read_obo(source).terms]
    return _write("hpo", rows, target)


def _term_table(source: Path) -> Iterator[Term]:
    known: set[str] = set()
    terms = []
    for line, column in _columns(source, 4):
        identifier, name, obsolete, replaced_by = column[:4]
        if obsolete not in ("0", "1"):
            raise _fault(f"obsolete is {obsolete!r}", "0 or 1 in the third column", source, line)
        parents = tuple(parent for parent in column[4].split(",") if parent) if len(column) > 4 else ()
        terms.append(Term(identifier, name, parents, (), obsolete == "1", replaced_by or None))
        known.add(identifier)
    for term in terms:
        yield Term(term.id, term.name, tuple(p for p in term.parents if p in known), (), term.obsolete, term.replaced_by)


def write_genes(source: Path, target: Path) -> int:
    """Transcripts, sorted by contig and start."""
    return _write("genes", _told_apart([_model(transcript) for transcript in read_genes(source)]), target)


def write_coding_exons(source: Path, target: Path) -> int:
    """Transcripts of which only the coding exons are known.

    An exon of several genes belongs to those of its transcripts that have an exon of their own, else to each of the genes. Raises BadInput
    with the line for an interval without name or strand.
    """
    named = [(interval, _named(interval, source)) for interval in read_bed(source)]
    alone = {name: (*told.genes[0], interval.strand) for interval, told in named if len(told.genes) == 1 for name in told.transcripts}
    spans: dict[tuple[str, str, str, str, str], list[Span]] = {}
    for interval, told in named:
        for name, gene, ncbi, strand in _owners(told, interval.strand, alone):
            spans.setdefault((interval.contig, name, gene, ncbi, strand), []).append((interval.start, interval.end))
    rows = [_model(_coding_transcript(key, merged_spans(exons))) for key, exons in spans.items()]
    if not rows:
        raise BadInput("no exon in it", wanted="a BED of coding exons", do="Check the file.", path=source)
    return _write("coding-exons", _told_apart(sorted(rows, key=lambda row: (row["contig"], row["start"], row["id"]))), target)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the name of an interval says: genes with their NCBI ids, and transcripts."""

    genes: tuple[tuple[str, str], ...]
    transcripts: tuple[str, ...]


def _named(interval: Interval, source: Path) -> _Named:
    told = dict(pair.split("=", 1) for pair in interval.name.split(";") if "=" in pair)
    genes = told.get("GENE", interval.name).split(",")
    if not genes[0] or (len(genes) == 1 and not interval.strand):
        raise _fault("an exon without a name or strand", "BED with the gene in column 4 and the strand in column 6", source, interval.line)
    ids = told.get("GENE_ID", "").split(",")
    return _Named(tuple(zip_longest(genes, ids[: len(genes)], fillvalue="")), tuple(told.get("TRANSCRIPT", genes[0]).split(",")))


def _owners(told: _Named, strand: str, alone: Mapping[str, tuple[str, str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Transcript, gene, NCBI id and strand of everything that has an interval; the strand of genes on both is known from `alone`."""
    if len(told.genes) == 1:
        yield from ((name, *told.genes[0], strand) for name in told.transcripts)
        return
    known = [(name, *alone[name]) for name in told.transcripts if name in alone]
    yield from known
    taken = {gene for _, gene, _, _ in known}
    yield from ((gene, gene, ncbi, strand) for gene, ncbi in told.genes if strand and gene not in taken)


def _coding_transcript(key: tuple[str, str, str, str, str], exons: tuple[Span, ...]) -> Transcript:
    contig, name, gene, ncbi, strand = key
    return Transcript(name, gene, gene, "protein_coding", contig, "+" if strand == "+" else "-", exons, exons, 0, False, False, ncbi)


def _model(transcript: Transcript) -> dict[str, Any]:
    row: dict[str, Any] = {"start": transcript.start, "end": transcript.end}
    for kind, spans in (("exon", transcript.exons), ("coding", transcript.coding)):
        row[f"{kind}_start"], row[f"{kind}_end"] = [start for start, _ in spans], [end for _, end in spans]
    kept = ("contig", "id", "gene_id", "gene", "ncbi_id", "biotype", "strand", "phase", "mane", "canonical")
    return row | {name: getattr(transcript, name) for name in kept}


def _told_apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Transcripts with an id each: one that lies in a second place too, as in the pseudoautosomal regions, is `ID_2` there."""
    seen: dict[str, int] = {}
    for row in rows:
        name = row["id"]
        seen[name] = seen.get(name, 0) + 1
        row["id"] = name if seen[name] == 1 else f"{name}_{seen[name]}"
    return rows


def write_constraint(source: Path, target: Path) -> int:
    """pLI and LOEUF of genes; of a gene with several rows the one with the lowest LOEUF."""
    table = ((line, text.lstrip("#").split("\t")) for line, text in read_lines(source) if text.strip() and not text.startswith("##"))
    first = next(table, None)
    if first is None:
        raise BadInput("nothing in it", wanted="a table of genes", do="Check the file.", path=source)
    header = [name.lower() for name in first[1]]
    gene = _place(header, ("gene", "gene_symbol"), source, first[0])
    loeuf = _place(header, ("oe_lof_upper", "loeuf", "lof.oe_ci.upper"), source, first[0])
    pli = next((header.index(name) for name in ("pli", "lof.pli") if name in header), None)
    rows: dict[str, dict[str, Any]] = {}
    for line, column in table:
        if len(column) != len(header):
            raise _fault(f"{len(column)} columns", f"{len(header)}, as in the header", source, line)
        row: dict[str, Any] = {
            "gene": column[gene],
            "pli": _number(column[pli]) if pli is not None else None,
            "loeuf": _number(column[loeuf]),
        }
        known = rows.get(row["gene"])
        if known is None or (row["loeuf"] is not None and (known["loeuf"] is None or row["loeuf"] < known["loeuf"])):
            rows[row["gene"]] = row
    return _write("constraint", [rows[name] for name in sorted(rows)], target)


def _place(header: list[str], names: tuple[str, ...], source: Path, line: int) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise _fault(f"columns {', '.join(header)}", f"a column {' or '.join(names)}", source, line)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _columns(source: Path, n: int) -> Iterator[tuple[int, list[str]]]:
    """(line, columns) of a tab-separated table without its `#` and empty lines; fewer than `n` columns are an error."""
    for line, text in read_lines(source):
        if text.startswith("#") or not text.strip():
            continue
        column = text.split("\t")
        if len(column) < n:
            raise _fault(f"{len(column)} columns", f"at least {n}, with tabs between", source, line)
        yield line, column


def _first_lines(source: Path, n: int) -> Iterator[tuple[int, str]]:
    for line, text in read_lines(source):
        if line > n:
            return
        yield line, text


def _write(kind: str, rows: list[dict[str, Any]], target: Path) -> int:
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS[kind])), target, compression="zstd")
    return len(rows)


def _fault(came: str, wanted: str, path: Path, line: int) -> BadInput:
    return BadInput(came, wanted=wanted, do="Check that this is the right file for the kind.", path=path, line=line)

"""Gene models from GFF3 (Ensembl, GENCODE, RefSeq) and GTF: every transcript with its exons and coding parts.

Lines become features; features are tied to their transcript (GFF3 by Parent, GTF by `transcript_id`), transcripts to their
gene; each transcript is closed with its parts sorted along the contig. Inside, positions are 0-based and half-open. Which
transcript stands for the gene is told by the tags `MANE_Select` and `Ensembl_canonical`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines

Span = tuple[int, int]
Strand = Literal["+", "-"]
_GTF_ATTRIBUTE = re.compile(r'\s*(\S+)\s+(?:"([^"]*)"|([^;\s]+))\s*;?')
_NCBI_ID = re.compile(r"\bGeneID:(\d+)")
_PARTS = ("exon", "CDS")


@dataclass(frozen=True, slots=True)
class Transcript:
    """One transcript. `exons` and `coding` are (start, end) spans sorted along the contig; `coding` is without UTRs, stop codon included.

    `phase` is the number of bases to skip to the first whole codon at the 5' end (0 for a complete coding sequence). `id` has its version
    where the file gives one; `ncbi_id` is the gene's number at NCBI, empty where the file gives none.
    """

    id: str
    gene_id: str
    gene: str
    biotype: str
    contig: str
    strand: Strand
    exons: tuple[Span, ...]
    coding: tuple[Span, ...]
    phase: int
    mane: bool
    canonical: bool
    ncbi_id: str = ""

    @property
    def start(self) -> int:
        return self.exons[0][0]

    @property
    def end(self) -> int:
        return self.exons[-1][1]


@dataclass(slots=True)
class _Feature:
    contig: str
    kind: str
    start: int
    end: int
    strand: str
    phase: str
    attribute: dict[str, str]
    line: int


@dataclass(slots=True)
class _Building:
    feature: _Feature
    exons: list[Span] = field(default_factory=list)
    coding: list[tuple[int, int, str]] = field(default_factory=list)


def read_genes(path: Path) -> tuple[Transcript, ...]:
    """The transcripts of a GFF3 or GTF file, plain or gzip, sorted by contig, start and id. Raises BadInput with the line."""
    genes: dict[str, _Feature] = {}
    building: dict[str, _Building] = {}
    parts: list[tuple[str, _Feature]] = []
    for feature in _features(path):
        attribute = feature.attribute
        if attribute.get("transcript_id") and "ID" not in attribute and "Parent" not in attribute:
            _add_gtf(feature, building, parts)
        elif feature.kind in _PARTS:
            parts.extend((parent, feature) for parent in attribute.get("Parent", "").split(",") if parent)
        elif "Parent" in attribute and "ID" in attribute:
            building[attribute["ID"]] = _Building(feature)
        elif "ID" in attribute:
            genes[attribute["ID"]] = feature
    for parent, part in parts:
        _add_part(parent, part, building, genes)
    found = [_transcript(entry, genes, path) for entry in building.values() if entry.exons or entry.coding]
    if not found:
        raise BadInput("no transcript with exons in it", wanted="GFF3 or GTF gene models", do="Check the file.", path=path)
    return tuple(sorted(found, key=lambda transcript: (transcript.contig, transcript.start, transcript.id)))


def _features(path: Path) -> Iterator[_Feature]:
    for line, text in read_lines(path):
        if text.startswith("##FASTA"):
            return
        if text.strip() and not text.startswith("#"):
            yield _feature(text, path, line)


def _feature(text: str, path: Path, line: int) -> _Feature:
    column = text.split("\t")
    if len(column) != 9:
        raise _fault(f"{len(column)} columns", "nine, with tabs between", path, line)
    contig, _, kind, first, last, _, strand, phase, attributes = column
    if not all(value.isascii() and value.isdigit() for value in (first, last)) or not 1 <= int(first) <= int(last):
        raise _fault(f"positions {first!r} to {last!r}", "1-based positions, start at or before end", path, line)
    if kind in _PARTS and strand not in "+-":
        raise _fault(f"strand {strand!r}", "+ or -", path, line)
    return _Feature(unquote(contig), kind, int(first) - 1, int(last), strand, phase, _attributes(attributes), line)


def _attributes(text: str) -> dict[str, str]:
    """Attributes of GFF3 (`key=value;`) or GTF (`key "value";`); repeated GTF keys (`tag`) are joined by commas."""
    found: dict[str, str] = {}
    first = text.split(";", 1)[0].split('"', 1)[0]
    if "=" in first:
        for pair in text.split(";"):
            key, equals, value = pair.partition("=")
            if equals:
                found[key.strip()] = unquote(value.strip())
        return found
    for match in _GTF_ATTRIBUTE.finditer(text):
        key, value = match[1], match[2] if match[2] is not None else match[3]
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _add_gtf(feature: _Feature, building: dict[str, _Building], parts: list[tuple[str, _Feature]]) -> None:
    transcript = feature.attribute["transcript_id"]
    if feature.kind == "transcript" or transcript not in building:
        kept = building.get(transcript)
        building[transcript] = _Building(feature)
        if kept is not None:
            building[transcript].exons, building[transcript].coding = kept.exons, kept.coding
    if feature.kind in (*_PARTS, "stop_codon"):
        parts.append((transcript, feature))


def _add_part(parent: str, part: _Feature, building: dict[str, _Building], genes: dict[str, _Feature]) -> None:
    """Exons and coding parts directly under a gene (RefSeq's mitochondrial genes) make a transcript of their own."""
    if parent not in building:
        if parent not in genes:
            return
        building[parent] = _Building(genes[parent])
    if part.kind == "exon":
        building[parent].exons.append((part.start, part.end))
    else:
        building[parent].coding.append((part.start, part.end, part.phase))


def _transcript(entry: _Building, genes: dict[str, _Feature], path: Path) -> Transcript:
    feature = entry.feature
    attribute = feature.attribute
    gene = genes.get(attribute.get("Parent", ""), feature).attribute
    if feature.strand not in ("+", "-"):
        raise _fault(f"strand {feature.strand!r}", "+ or -", path, feature.line)
    coding = merged_spans([(start, end) for start, end, _ in entry.coding])
    tags = attribute.get("tag", "").replace("MANE Select", "MANE_Select").split(",")
    gene_id = _plain(gene.get("gene_id") or gene.get("ID") or "")
    return Transcript(
        id=_versioned(attribute),
        gene_id=gene_id,
        gene=gene.get("gene_name") or gene.get("Name") or gene.get("gene") or gene_id,
        biotype=_biotype(attribute, gene, bool(coding)),
        contig=feature.contig,
        strand="+" if feature.strand == "+" else "-",
        exons=merged_spans(entry.exons or list(coding)),
        coding=coding,
        phase=_first_phase(entry.coding, feature.strand),
        mane="MANE_Select" in tags,
        canonical="Ensembl_canonical" in tags,
        ncbi_id=_ncbi_id(gene) or _ncbi_id(attribute),
    )


def merged_spans(spans: list[Span]) -> tuple[Span, ...]:
    """Sorted spans, those that touch or overlap made one: GTF gives the stop codon apart from the coding part it ends."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _first_phase(coding: list[tuple[int, int, str]], strand: str) -> int:
    if not coding:
        return 0
    phase = (min(coding) if strand == "+" else max(coding, key=lambda part: part[1]))[2]
    return int(phase) if phase in ("0", "1", "2") else 0


def _ncbi_id(attribute: dict[str, str]) -> str:
    """The number in RefSeq's `Dbxref=GeneID:1234,...`, in GTF `db_xref`."""
    found = _NCBI_ID.search(attribute.get("Dbxref") or attribute.get("db_xref", ""))
    return found[1] if found is not None else ""


def _plain(identifier: str) -> str:
    """An id without Ensembl's `gene:` or `transcript:` and RefSeq's `gene-` or `rna-`."""
    return re.sub(r"^(gene:|transcript:|gene-|rna-)", "", identifier)


def _versioned(attribute: dict[str, str]) -> str:
    identifier = attribute.get("transcript_id") or _plain(attribute.get("ID", ""))
    version = attribute.get("version") or attribute.get("transcript_version")
    return f"{identifier}.{version}" if version and "." not in identifier else identifier


def _biotype(attribute: dict[str, str], gene: dict[str, str], coding: bool) -> str:
    for key in ("transcript_type", "transcript_biotype", "biotype"):
        if key in attribute:
            return attribute[key]
    for key in ("gene_type", "gene_biotype", "biotype"):
        if key in gene and (coding or gene[key] != "protein_coding"):
            return gene[key]
    return "protein_coding" if coding else "processed_transcript"


def _fault(came: str, wanted: str, path: Path, line: int) -> BadInput:
    return BadInput(came, wanted=wanted, do="Correct this line.", path=path, line=line)

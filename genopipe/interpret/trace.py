"""Where each variant of the proband went: kept beside the results, and asked by `genopipe why`.

`trace.parquet` has a row for each variant, or for each gene that a variant has an effect on; `uncallable.parquet` the regions in which the
proband could not be called, where they were given. The rules, in the order in which they take a variant:

poor call        FILTER, depth, GQ or allele share; `detail` says which
common           more frequent than 2 %, and not known as pathogenic
no gene          no gene model tells an effect
no effect        an effect that does not count, in `detail`
panel            the gene is in none of the panels that the run was limited to
mode             too frequent for every mode of inheritance that it could have in the gene
other variants   the gene is ranked by others
ranked           it stands in the findings
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.formats.bed import read_bed
from genopipe.interpret.findings import Finding, Interpretation, Trace
from genopipe.interpret.normalise import contig_key, is_sequence, trim
from genopipe.interpret.variants import Variants
from genopipe.outputs import whole_file

_WORD = pa.dictionary(pa.int32(), pa.string())
TRACE = pa.schema(
    {
        "contig": _WORD,
        "position": pa.int32(),
        "ref": pa.string(),
        "alt": pa.string(),
        "rule": _WORD,
        "gene": _WORD,
        "detail": _WORD,
        "frequency": pa.float64(),
        "rank": pa.float64(),
    }
)
UNCALLABLE = pa.schema({"contig": _WORD, "start": pa.int32(), "end": pa.int32(), "reason": _WORD})
BATCH = 1 << 16

Place = tuple[str, int, str, str]
"""Contig key, position from 0, REF, ALT."""


def write_trace(result: Interpretation, folder: Path) -> None:
    """Writes both tables, and takes away those that an earlier interpretation left."""
    tables = {"trace.parquet": (TRACE, _rows(result)), "uncallable.parquet": (UNCALLABLE, _regions(result.request.uncallable))}
    for name, (schema, rows) in tables.items():
        (folder / name).unlink(missing_ok=True)
        if (result.trace is not None) if name == "trace.parquet" else (result.request.uncallable is not None):
            _write(folder / name, schema, rows)


def _write(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    with whole_file(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        batch = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _rows(result: Interpretation) -> Iterator[dict[str, Any]]:
    variants, trace = result.variants, result.trace
    if variants is None or trace is None:
        return
    findings = {finding.gene: finding for finding in result.findings}
    for row in range(len(variants)):
        frequency = float(trace.frequency[row])
        place = {"contig": variants.key[row], "position": int(variants.position[row]), "ref": variants.ref[row], "alt": variants.alt[row]}
        for taken in _taken(row, trace, findings, variants):
            yield place | taken | {"frequency": None if isnan(frequency) else frequency}


def _taken(row: int, trace: Trace, findings: dict[str, Finding], variants: Variants) -> Iterator[dict[str, Any]]:
    faults = [name for name, has in trace.faults.items() if has[row]]
    if faults:
        yield {"rule": "poor call", "detail": ", ".join(faults)}
    elif not trace.rare[row]:
        yield {"rule": "common"}
    elif not trace.called.get(row):
        yield {"rule": "no gene"}
    else:
        for gene, consequence in sorted(trace.called[row].items()):
            terms = "&".join(consequence.terms)
            yield {"gene": gene, "detail": terms} | _of_gene(row, gene, trace, findings.get(gene), variants)


def _of_gene(row: int, gene: str, trace: Trace, finding: Finding | None, variants: Variants) -> dict[str, Any]:
    if row not in trace.hits.get(gene, {}):
        return {"rule": "no effect"}
    if trace.genes is not None and gene not in trace.genes:
        return {"rule": "panel"}
    if finding is None:
        return {"rule": "mode"}
    held = [hit.row for hit in finding.hits]
    if row in held:
        return {"rule": "ranked", "rank": finding.rank}
    return {"rule": "other variants", "rank": finding.rank, "detail": ", ".join(variants.name(other) for other in held)}


def _regions(uncallable: Path | None) -> Iterator[dict[str, Any]]:
    for interval in read_bed(uncallable) if uncallable is not None else ():
        yield {"contig": contig_key(interval.contig), "start": interval.start, "end": interval.end, "reason": interval.name or None}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a variant: one sentence a gene, or one."""

    variant: str
    sentences: tuple[str, ...]


def why(variant: str, results: Path) -> Answer:
    """What became of CHROM-POS-REF-ALT in an interpretation. Raises BadInput for another spelling and for a folder without a trace."""
    place = place_of(variant)
    path = results / "trace.parquet"
    if not path.is_file():
        raise BadInput("no trace.parquet", wanted="a folder of `genopipe interpret --variants`", do="Interpret again.", path=results)
    rows = _at(path, place[0], pc.field("position") == place[1])
    mine = [row for row in rows if (row["ref"], row["alt"]) == place[2:]]
    if mine:
        return Answer(variant, tuple(_told(row) for row in mine))
    others = tuple(f"Another variant is there: {place[0]}-{place[1] + 1}-{row['ref']}-{row['alt']}." for row in rows)
    return Answer(variant, (_not_called(place, results), *dict.fromkeys(others)))


def place_of(variant: str) -> Place:
    """Where CHROM-POS-REF-ALT is, trimmed. Raises BadInput for another spelling."""
    parts = variant.rsplit("-", 3)
    if len(parts) != 4 or not parts[1].isdigit() or int(parts[1]) < 1:
        raise BadInput(f"{variant!r}", wanted="CHROM-POS-REF-ALT, such as 10-123256215-T-G", do="Correct the variant.", key="VARIANT")
    contig, position, ref, alt = parts[0], int(parts[1]) - 1, parts[2].upper(), parts[3].upper()
    if is_sequence(ref) and is_sequence(alt) and ref != alt:
        position, ref, alt = trim(position, ref, alt)
    return contig_key(contig), position, ref, alt


def _at(path: Path, contig: str, where: pc.Expression) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path, filters=(pc.field("contig") == contig) & where).to_pylist()
    return rows


def _told(row: dict[str, Any]) -> str:
    percent = f"{100 * row['frequency']:.4f} %" if row["frequency"] is not None else "unknown frequency"
    gene, detail = row["gene"], row["detail"]
    rank = f"{row['rank']:g}" if row["rank"] is not None else ""
    return {
        "poor call": f"Left out as a poor call: {detail}.",
        "common": f"Left out as common: {percent} in the population that has it most.",
        "no gene": "Left out: it lies in no gene model that tells an effect.",
        "no effect": f"Left out for {gene}: its effect there ({detail}) does not count.",
        "panel": f"Left out for {gene} ({detail}): the gene is in none of the panels that the run was limited to.",
        "mode": f"Left out for {gene} ({detail}): too frequent ({percent}) for every mode of inheritance it could have.",
        "other variants": f"Not shown for {gene}, which has rank {rank} by other variants: {detail}.",
        "ranked": f"Rank {rank}: {gene} ({detail}).",
    }[str(row["rule"])]


def _not_called(place: Place, results: Path) -> str:
    absent = "The input has no genotype of the proband with this variant"
    path = results / "uncallable.parquet"
    if not path.is_file():
        return f"{absent}; whether it could have been called is unknown, as no --uncallable was given."
    field = pc.field
    regions = _at(path, place[0], (field("start") < place[1] + max(len(place[2]), 1)) & (field("end") > place[1]))
    if regions:
        reasons = ", ".join(dict.fromkeys(str(region["reason"] or "no reason given") for region in regions))
        return f"{absent}, and it could not have been called: the place is uncallable ({reasons})."
    return f"{absent}, though the place could be called."

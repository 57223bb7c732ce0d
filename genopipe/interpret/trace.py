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
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bed import read_bed
from genopipe.interpret.findings import Finding, Interpretation, Trace
from genopipe.interpret.normalise import Place, contig_key, place_of
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


def write_trace(result: Interpretation, folder: Path) -> None:
    """Writes both tables, and takes away those that an earlier interpretation left."""
    for name in ("trace.parquet", "uncallable.parquet"):
        (folder / name).unlink(missing_ok=True)
    if result.trace is not None and result.variants is not None:
        _write(folder / "trace.parquet", TRACE, _tables(result, result.variants, result.trace))
    if result.request.uncallable is not None:
        regions = list(_regions(result.request.uncallable))
        _write(folder / "uncallable.parquet", UNCALLABLE, iter([pa.Table.from_pylist(regions, schema=UNCALLABLE)]))


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with whole_file(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def _tables(result: Interpretation, variants: Variants, trace: Trace) -> Iterator[pa.Table]:
    """The rows of so many variants at a time: most were taken by a rule that all share, few have an effect on a gene."""
    findings = {finding.gene: finding for finding in result.findings}
    poor = np.array(list(trace.faults.values()), bool).reshape(len(trace.faults), len(variants))
    effective = np.zeros(len(variants), bool)
    effective[[row for row, genes in trace.called.items() if genes]] = True
    effective &= trace.rare & ~poor.any(0)
    for start in range(0, len(variants), BATCH):
        few = start + np.flatnonzero(effective[start : start + BATCH])
        many = start + np.flatnonzero(~effective[start : start + BATCH])
        told = [(int(row), taken) for row in few for taken in _taken(int(row), trace, findings, variants)]
        rows = np.concatenate([many, np.array([row for row, _ in told], np.int64)])
        taken = pa.concat_tables([_taken_alike(trace, poor, many), pa.Table.from_pylist([one for _, one in told], schema=_TAKEN)])
        order = np.argsort(rows, kind="stable")
        yield _placed(variants, rows[order], taken.take(order), trace.frequency)


_TAKEN = pa.schema([*(TRACE.field(name).with_type(pa.string()) for name in ("rule", "gene", "detail")), TRACE.field("rank")])


def _taken_alike(trace: Trace, poor: NDArray[np.bool_], rows: NDArray[np.int64]) -> pa.Table:
    """Rule and detail of variants that were left out before their genes were looked at, or lie in none."""
    code = (poor[:, rows] * (1 << np.arange(len(poor)))[:, None]).sum(0)
    names = list(trace.faults)
    details = [", ".join(name for i, name in enumerate(names) if number >> i & 1) or None for number in range(1 << len(names))]
    rules = pa.array(["poor call", "common", "no gene"]).take(np.where(code > 0, 0, np.where(trace.rare[rows], 2, 1)))
    nothing = pa.nulls(len(rows))
    told: dict[str, Any] = {"rule": rules, "gene": nothing, "detail": pa.array(details, pa.string()).take(code), "rank": nothing}
    return pa.table(told).cast(_TAKEN)


def _placed(variants: Variants, rows: NDArray[np.int64], taken: pa.Table, frequency: NDArray[np.float64]) -> pa.Table:
    places: dict[str, Any] = {
        name: [getattr(variants, key)[row] for row in rows] for name, key in (("contig", "key"), ("ref", "ref"), ("alt", "alt"))
    }
    places |= {"position": variants.position[rows], "frequency": pa.array(frequency[rows], from_pandas=True)}
    places |= {name: taken[name] for name in taken.column_names}
    return pa.table({name: places[name] for name in TRACE.names}).cast(TRACE)


def _taken(row: int, trace: Trace, findings: dict[str, Finding], variants: Variants) -> Iterator[dict[str, Any]]:
    """What became of a variant with an effect, gene by gene."""
    for gene, consequence in sorted(trace.called[row].items()):
        yield {"gene": gene, "detail": "&".join(consequence.terms)} | _of_gene(row, gene, trace, findings.get(gene), variants)


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

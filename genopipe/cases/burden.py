"""How many people carry something rare in a gene: the archive's catalogue joined with the gene models and frequencies of an evidence set.

A variant counts where it lies in a coding exon of a gene, or within two bases of one, is no more frequent in the population than asked, and
is carried by no larger share of the archive's own people than that, or by a single person; the latter keeps out what only this laboratory's
calling makes.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from genopipe.archive.query import cohort
from genopipe.archive.questions import Table
from genopipe.errors import BadInput
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.transcripts import gene_models
from genopipe.store import Location

SPLICE_SITE = 2
"""Bases beside an exon that count."""

_SPAN_TYPES: dict[str, pa.DataType] = {"gene": pa.string(), "contig": pa.string(), "start": pa.int32(), "finish": pa.int32()}
_RARE = """
CREATE OR REPLACE TEMP TABLE rare AS
SELECT DISTINCT t.gene, s.contig, s.position, s.ref, s.alt FROM sites s
JOIN spans t ON s.contig = t.contig AND s.position < t.finish AND s.position + length(s.ref) > t.start
WHERE s.carriers <= greatest(1, ? * (SELECT count(DISTINCT sample) FROM genomes))
"""
_NOT_FREQUENT = """
DELETE FROM rare USING read_parquet(?) f
WHERE (rare.contig, rare.position, rare.ref, rare.alt) = (f.contig, f.position, f.ref, f.alt) AND f.af_max > ?
"""
_BURDEN = """
SELECT r.gene, count(DISTINCT (r.contig, r.position, r.ref, r.alt)) AS variants, count(DISTINCT v.sample) AS carriers,
    count(DISTINCT v.sample) FILTER (a.affected) AS affected_carriers,
    count(DISTINCT v.sample) FILTER (NOT a.affected) AS unaffected_carriers,
    (SELECT count(DISTINCT sample) FROM genomes) AS samples
FROM rare r JOIN variants v USING (contig, position, ref, alt)
LEFT JOIN (SELECT sample, bool_or(affected) AS affected FROM members GROUP BY sample) a USING (sample)
WHERE v.passed GROUP BY r.gene ORDER BY carriers DESC, r.gene
"""


def gene_burden(location: Location, evidence: EvidenceSet, *, genes: tuple[str, ...] = (), most_frequent: float = 0.001) -> Table:
    """Gene by gene the rare variants, and the people who carry one; of all genes, or of some.

    Raises BadInput for evidence without gene models, for a gene that has none, and for evidence of another assembly.
    """
    spans = _coding_spans(evidence, genes)
    with cohort(location) as connection:
        _check_assembly(evidence, [name for (name,) in connection.execute("SELECT DISTINCT assembly FROM genomes").fetchall()])
        connection.register("spans", spans)
        connection.execute(_RARE, [most_frequent])
        for dataset in evidence.of_kind("frequency"):
            connection.execute(_NOT_FREQUENT, [str(evidence.table(dataset)), most_frequent])
        result = connection.execute(_BURDEN)
        return [column[0] for column in result.description], result.fetchall()


def _check_assembly(evidence: EvidenceSet, assemblies: list[str | None]) -> None:
    others = sorted(name for name in assemblies if name is not None and evidence.assembly is not None and name != evidence.assembly)
    if others:
        raise BadInput(
            f"the archive has variants on {', '.join(others)}, the evidence set {evidence.name} is on {evidence.assembly}",
            wanted="evidence on the assembly of the archive",
            do="Use an evidence set for it.",
            path=evidence.store.root / evidence.name,
        )


def _coding_spans(evidence: EvidenceSet, genes: tuple[str, ...]) -> pa.Table:
    columns = ["gene", "contig", "coding_start", "coding_end"]
    rows: list[dict[str, Any]] = gene_models(evidence).select(columns).to_pylist()
    for gene in set(genes) - {row["gene"] for row in rows}:
        raise BadInput(f"no gene {gene!r} in {evidence.name}", wanted="a symbol of its gene models", do="Correct it.", key="--gene")
    spans = [
        {"gene": row["gene"], "contig": contig_key(row["contig"]), "start": start - SPLICE_SITE, "finish": end + SPLICE_SITE}
        for row in rows
        if not genes or row["gene"] in genes
        for start, end in zip(row["coding_start"], row["coding_end"], strict=True)
    ]
    return pa.Table.from_pylist(spans, schema=pa.schema(_SPAN_TYPES))

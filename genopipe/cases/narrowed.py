"""Evidence narrowed to what some archived cases carry, so that many are ranked again at the price of one.

A case is joined to tables of frequencies and predictors, hundreds of millions of records long, by reading them from end to end. Before
cases are ranked again, these tables are read once, and the records of variants that any of the cases carries are laid aside; what is
ranked with them is ranked as with the whole tables. ClinVar stays whole, as the neighbours of a variant count too.

What the cases carry comes from the catalogue, which spells variants as ranking does. Where a case was catalogued without its reference,
nothing is narrowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.interpret.evidence import SCORE_KINDS, EvidenceSet, canonical_assembly
from genopipe.interpret.evidence_sorted import ROW_GROUP, group_range
from genopipe.store import FolderStore

NARROWED_KINDS = ("frequency", *SCORE_KINDS)


class _Narrowed(FolderStore):
    """The store of a set; the tables that are in `folder` stand for those of the same object."""

    def __init__(self, root: Path, folder: Path) -> None:
        super().__init__(root)
        self.folder = folder

    def path(self, digest: str) -> Path:
        here = self.folder / digest
        return here if here.exists() else super().path(digest)


def narrowed(connection: duckdb.DuckDBPyConnection, evidence: EvidenceSet, cases: Sequence[str], folder: Path) -> EvidenceSet:
    """The set with tables, in `folder`, of what the probands of `cases` carry. `connection` is the archive's database."""
    connection.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT unnest(?) AS case_id", [list(cases)])
    spelled = connection.execute(f"SELECT DISTINCT reference, assembly FROM ({_GENOMES})").fetchall()
    datasets = [dataset for kind in NARROWED_KINDS for dataset in evidence.of_kind(kind)]
    if not datasets or any((canonical_assembly(reference) if reference else None) != assembly for reference, assembly in spelled):
        return evidence
    connection.execute(_PLACES)
    for dataset in datasets:
        table = evidence.table(dataset)
        schema = pq.read_schema(table)
        with pq.ParquetWriter(folder / dataset.object, schema, compression="zstd") as writer:
            for rows in _carried(connection, table):
                writer.write_table(rows.select(schema.names).cast(schema), row_group_size=ROW_GROUP)
    return replace(evidence, store=_Narrowed(evidence.store.root, folder))


_GENOMES = """
SELECT g.number, c.reference, g.assembly FROM wanted JOIN cases c USING (case_id) JOIN genomes g ON g.vcf = c.vcf AND g.sample = c.sample
"""
_PLACES = f"""
CREATE OR REPLACE TEMP TABLE places AS SELECT DISTINCT contig, position, ref, alt FROM carried SEMI JOIN ({_GENOMES}) USING (number)
"""
_CARRIED = """
SELECT t.* FROM read_parquet(?) t SEMI JOIN places USING (contig, position, ref, alt) WHERE contig = ? ORDER BY position, ref, alt
"""


def _carried(connection: duckdb.DuckDBPyConnection, table: Path) -> Iterator[pa.Table]:
    """The records of `places`, contig by contig; of each contig at least the first record, as a table tells which contigs it covers."""
    file = pq.ParquetFile(table)
    first = {group_range(file.metadata, group, "contig")[0]: group for group in reversed(range(file.metadata.num_row_groups))}
    for contig, group in sorted(first.items(), key=lambda one: one[1]):
        found: pa.Table = connection.sql(_CARRIED, params=[str(table), contig]).to_arrow_reader().read_all()
        yield found if len(found) else file.read_row_group(group).slice(0, 1)

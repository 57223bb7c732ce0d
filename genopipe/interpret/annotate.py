"""What the evidence says of each variant: frequency and ClinVar, joined from sorted tables.

The join is a merge: the variants of a case are sorted, so are the tables, and of a table only the row groups are read whose contig and
positions the case touches. Memory is one row group, whatever the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.variants import Variants


@dataclass(frozen=True, slots=True)
class Assertion:
    """ClinVar's word on one variant; `significance` is one of the classes of `evidence_variants.significance`.

    `gene` is empty where ClinVar names none.
    """

    accession: str
    significance: str
    stars: int
    conditions: str
    gene: str

    @property
    def pathogenic(self) -> bool:
        """Pathogenic or likely pathogenic with at least one star."""
        return self.significance in ("pathogenic", "likely_pathogenic") and self.stars >= 1


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of each variant.

    frequency    (variants) float64: highest frequency in a large population; NaN where no table has the variant
    homozygotes  (variants) int32: homozygotes counted; -1 where unknown
    covered      (variants) bool: a frequency table has records on this contig, so that absence from it means something
    clinvar      by row, for the variants that ClinVar knows
    """

    frequency: NDArray[np.float64]
    homozygotes: NDArray[np.int32]
    covered: NDArray[np.bool_]
    clinvar: dict[int, Assertion]

    @property
    def pathogenic(self) -> dict[int, Assertion]:
        """By row, what ClinVar knows as (likely) pathogenic with a star."""
        return {row: assertion for row, assertion in self.clinvar.items() if assertion.pathogenic}


def annotate(variants: Variants, evidence: EvidenceSet) -> Knowledge:
    """Joins the variants with all frequency and ClinVar tables of a set; of several tables the highest frequency and most stars count."""
    n = len(variants)
    frequency = np.full(n, np.nan)
    homozygotes = np.full(n, -1, np.int32)
    covered = np.zeros(n, bool)
    for dataset in evidence.of_kind("frequency"):
        table = evidence.table(dataset)
        covered |= np.isin(np.array(variants.key, object), list(_contigs(table)))
        for row, found in join(variants, table, ("af_max", "homozygotes")):
            frequency[row] = np.fmax(frequency[row], found["af_max"])
            if found["homozygotes"] is not None:
                homozygotes[row] = max(homozygotes[row], found["homozygotes"])
    clinvar: dict[int, Assertion] = {}
    for dataset in evidence.of_kind("clinvar"):
        for row, found in join(variants, evidence.table(dataset), ("accession", "significance", "stars", "conditions", "gene")):
            assertion = Assertion(**found)
            if row not in clinvar or assertion.stars > clinvar[row].stars:
                clinvar[row] = assertion
    return Knowledge(frequency, homozygotes, covered & ~variants.structural, clinvar)


def _contigs(table: Path) -> set[str]:
    metadata = pq.ParquetFile(table).metadata
    return {_range(metadata, group, "contig")[0] for group in range(metadata.num_row_groups)}


def _range(metadata: Any, group: int, column: str) -> tuple[Any, Any]:
    """Lowest and highest value of a column in a row group."""
    index = metadata.schema.names.index(column)
    statistics = metadata.row_group(group).column(index).statistics
    return statistics.min, statistics.max


def join(variants: Variants, table: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row of the variants, values of `columns`) for every variant that the table has."""
    file = pq.ParquetFile(table)
    mine = pa.table(
        {
            "row": pa.array(np.arange(len(variants), dtype=np.int64)),
            "contig": pa.array(variants.key, pa.string()),
            "position": pa.array(variants.position),
            "ref": pa.array(variants.ref, pa.string()),
            "alt": pa.array(variants.alt, pa.string()),
        }
    )
    place = _by_contig(variants)
    for group in range(file.metadata.num_row_groups):
        rows, position = place.get(_range(file.metadata, group, "contig")[0], (_NONE, _NONE))
        first, last = _range(file.metadata, group, "position")
        touched = rows[np.searchsorted(position, first) : np.searchsorted(position, last, "right")]
        if len(touched):
            yield from _joined(mine.take(touched), file, group, columns)


_NONE = np.empty(0, np.int64)


def _by_contig(variants: Variants) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """By contig key, rows and positions, sorted by position."""
    key = np.array(variants.key, dtype=object)
    found = {}
    for contig in dict.fromkeys(variants.key):
        rows = np.flatnonzero(key == contig)
        rows = rows[np.argsort(variants.position[rows], kind="stable")]
        found[contig] = (rows, variants.position[rows])
    return found


def _joined(mine: pa.Table, file: pq.ParquetFile, group: int, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    theirs = file.read_row_group(group, columns=["position", "ref", "alt", *columns])
    same_place = np.isin(theirs["position"].to_numpy(), mine["position"].to_numpy())
    both = mine.join(theirs.filter(pa.array(same_place)), keys=["position", "ref", "alt"], join_type="inner", use_threads=False)
    for found in sorted(both.to_pylist(), key=lambda record: record["row"]):
        yield found["row"], {column: found[column] for column in columns}

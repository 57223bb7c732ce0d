"""What the evidence says of each variant: frequency, ClinVar and predictors' scores, joined from sorted tables.

The join is a merge: the variants of a case are sorted, so are the tables, and of a table only the row groups are read whose contig and
positions the case touches. Memory is one row group, whatever the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.interpret.evidence import SCORE_KINDS, EvidenceSet
from genopipe.interpret.evidence_sorted import group_range
from genopipe.interpret.gene_names import load_gene_names
from genopipe.interpret.places import matching
from genopipe.interpret.variants import Variants

ESTABLISHED = 2
"""Stars from which on several submitters, an expert panel or a guideline stand behind a class."""


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

    @property
    def established(self) -> bool:
        """Pathogenic, not only likely so, by several submitters, an expert panel or a guideline."""
        return self.significance == "pathogenic" and self.stars >= ESTABLISHED


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of each variant.

    frequency    (variants) float64: highest frequency in a large population; NaN where no table has the variant
    homozygotes  (variants) int32: homozygotes counted; -1 where unknown
    covered      (variants) bool: a frequency table has records on this contig, so that absence from it means something
    clinvar      by row, for the variants that ClinVar knows
    scores       by kind of table (revel, alphamissense, spliceai, cadd), (variants) float64; NaN where no table has the variant
    """

    frequency: NDArray[np.float64]
    homozygotes: NDArray[np.int32]
    covered: NDArray[np.bool_]
    clinvar: dict[int, Assertion]
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def pathogenic(self) -> dict[int, Assertion]:
        """By row, what ClinVar knows as (likely) pathogenic with a star."""
        return {row: assertion for row, assertion in self.clinvar.items() if assertion.pathogenic}


def annotate(variants: Variants, evidence: EvidenceSet) -> Knowledge:
    """Joins the variants with the tables of a set; of several tables of a kind the highest value and the most stars count."""
    places = places_of(variants)
    n = len(variants)
    frequency = np.full(n, np.nan)
    homozygotes = np.full(n, -1, np.int32)
    covered = np.zeros(n, bool)
    for dataset in evidence.of_kind("frequency"):
        table = evidence.table(dataset)
        for contig in _contigs(table) & places.part.keys():
            covered[places.row[places.part[contig]]] = True
        for rows, found in join(places, table, ("af_max", "homozygotes")):
            frequency[rows] = np.fmax(frequency[rows], found["af_max"].to_numpy())
            homozygotes[rows] = np.maximum(homozygotes[rows], np.nan_to_num(found["homozygotes"].to_numpy(), nan=-1).astype(np.int32))
    scores = {kind: _highest(places, evidence, kind) for kind in SCORE_KINDS if evidence.of_kind(kind)}
    return Knowledge(frequency, homozygotes, covered & ~variants.structural, _clinvar(places, evidence), scores)


def _highest(places: Places, evidence: EvidenceSet, kind: str) -> NDArray[np.float64]:
    score = np.full(len(places.row), np.nan)
    for dataset in evidence.of_kind(kind):
        for rows, found in join(places, evidence.table(dataset), ("score",)):
            score[rows] = np.fmax(score[rows], found["score"].to_numpy())
    return score


def _clinvar(places: Places, evidence: EvidenceSet) -> dict[int, Assertion]:
    names = load_gene_names(evidence)
    clinvar: dict[int, Assertion] = {}
    for dataset in evidence.of_kind("clinvar"):
        for rows, found in join(places, evidence.table(dataset), ("accession", "significance", "stars", "conditions", "gene")):
            for row, told in zip(rows.tolist(), found.to_pylist(), strict=True):
                assertion = Assertion(**told | {"gene": names.current(told["gene"])})
                if row not in clinvar or assertion.stars > clinvar[row].stars:
                    clinvar[row] = assertion
    return clinvar


def _contigs(table: Path) -> set[str]:
    metadata = pq.ParquetFile(table).metadata
    return {group_range(metadata, group, "contig")[0] for group in range(metadata.num_row_groups)}


@dataclass(frozen=True, slots=True)
class Places:
    """Variants sorted by contig and position. `row` tells which each is, `part` where a contig key's variants lie in `table`.

    table  position, ref, alt
    """

    row: NDArray[np.int64]
    part: dict[str, slice]
    table: pa.Table


def places_of(variants: Variants) -> Places:
    """The places of variants that come in any order."""
    contig = pa.array(variants.key, pa.string()).dictionary_encode()
    code = contig.indices.to_numpy()
    row = np.lexsort((variants.position, code))
    edges = np.searchsorted(code[row], np.arange(len(contig.dictionary) + 1))
    part = {str(key): slice(edges[i], edges[i + 1]) for i, key in enumerate(contig.dictionary.to_pylist())}
    columns: dict[str, Any] = {
        "position": variants.position,
        "ref": pa.array(variants.ref, pa.string()),
        "alt": pa.array(variants.alt, pa.string()),
    }
    return Places(row, part, pa.table(columns).take(row))


def join(places: Places, table: Path, columns: tuple[str, ...]) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """Yields rows of the variants, and a table of `columns` beside them, for the variants that the table has."""
    file = pq.ParquetFile(table, read_dictionary=["ref", "alt"])
    for group in range(file.metadata.num_row_groups):
        part = places.part.get(group_range(file.metadata, group, "contig")[0], slice(0, 0))
        first, last = group_range(file.metadata, group, "position")
        position = places.table["position"].to_numpy()[part]
        start, end = (part.start + int(np.searchsorted(position, *bound)) for bound in ((first, "left"), (last, "right")))
        if start < end:
            theirs = file.read_row_group(group, columns=["position", "ref", "alt", *columns])
            mine, other = matching(places.table.slice(start, end - start), theirs)
            yield places.row[start + mine], theirs.select(columns).take(other)

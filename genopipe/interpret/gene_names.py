"""One name for each gene, whatever its name was in the table that speaks of it.

With HGNC's set (kind gene-names) in the evidence, that is the approved symbol: by NCBI or HGNC id where a table gives one, else by symbol,
previous symbol or an alias that only one gene has. Without it, tables are tied together by the NCBI ids that HPO's gene tables and the gene
models have in common: a gene is named as the newest HPO table names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genopipe.interpret.evidence import GENE_MODELS, EvidenceSet


@dataclass(frozen=True, slots=True)
class GeneNames:
    """Names in use by NCBI id, by HGNC id, and by the other names of a gene; a name that is in use itself stands for nobody else."""

    of_ncbi: Mapping[str, str]
    of_hgnc: Mapping[str, str]
    of_other: Mapping[str, str]

    def current(self, gene: str, *, ncbi: str = "", hgnc: str = "") -> str:
        """The name in use of a gene; the given one where nothing else is known."""
        known = self.of_ncbi.get(ncbi) or self.of_hgnc.get(hgnc)
        return known or self.of_other.get(gene, gene)

    def renamed(self, genes: Any, ncbi: Any) -> Any:
        """A column of names, with a column of NCBI ids, as names in use."""
        pairs = pa.table({"gene": genes, "ncbi": ncbi})
        distinct = pairs.group_by(["gene", "ncbi"]).aggregate([]).to_pylist()
        new = {(row["gene"], row["ncbi"]): self.current(row["gene"], ncbi=row["ncbi"]) for row in distinct}
        if all(gene == name for (gene, _), name in new.items()):
            return genes
        return pa.chunked_array([[new[pair] for pair in zip(genes.to_pylist(), ncbi.to_pylist(), strict=True)]], pa.string())


@lru_cache(maxsize=4)
def load_gene_names(evidence: EvidenceSet) -> GeneNames:
    """The names that the set gives its genes."""
    approved = evidence.one("gene-names")
    return _approved(pq.read_table(evidence.table(approved))) if approved is not None else _tied(evidence)


def _approved(table: pa.Table) -> GeneNames:
    rows = table.to_pylist()
    of_ncbi, of_hgnc = ({row[key]: row["gene"] for row in rows if row[key]} for key in ("ncbi_id", "hgnc_id"))
    taken = {row["gene"] for row in rows}
    other: dict[str, str] = {}
    for key in ("previous", "aliases"):
        other |= _unique(((name, row["gene"]) for row in rows for name in row[key]), taken)
        taken |= other.keys()
    return GeneNames(of_ncbi, of_hgnc, other)


def _tied(evidence: EvidenceSet) -> GeneNames:
    models = [dataset for kind in GENE_MODELS for dataset in evidence.of_kind(kind)]
    tables = sorted(evidence.of_kind("hpo-annotations"), key=lambda dataset: (dataset.date, dataset.name))
    of_ncbi: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    for dataset in (*models, *tables):
        table = pq.read_table(evidence.table(dataset), columns=["gene", "ncbi_id"]).filter(
            (pc.field("ncbi_id") != "") & (pc.field("gene") != "")
        )
        distinct = [(row["gene"], row["ncbi_id"]) for row in table.group_by(["gene", "ncbi_id"]).aggregate([]).to_pylist()]
        clear = _unique(((ncbi, gene) for gene, ncbi in distinct), set())
        of_ncbi |= clear
        pairs.update((gene, ncbi) for ncbi, gene in clear.items())
    return GeneNames(of_ncbi, {}, _unique(((gene, of_ncbi[ncbi]) for gene, ncbi in pairs), set(of_ncbi.values())))


def _unique(pairs: Iterable[tuple[str, str]], taken: Set[str]) -> dict[str, str]:
    """Other name to name in use, of names that are not `taken` and belong to one gene."""
    genes: dict[str, set[str]] = {}
    for other, gene in pairs:
        if other not in taken:
            genes.setdefault(other, set()).add(gene)
    return {other: next(iter(names)) for other, names in genes.items() if len(names) == 1}

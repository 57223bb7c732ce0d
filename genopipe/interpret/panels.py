"""Gene panels and gene lists of an evidence set, their genes named as everywhere in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.parquet as pq

from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.gene_names import load_gene_names


@dataclass(frozen=True, slots=True)
class PanelGene:
    """What a panel says of a gene: `confidence` 3 green, 2 amber, 1 red; `inheritance` among AD AR XD XR MT YL, empty where not said."""

    confidence: int
    inheritance: frozenset[str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; `genes` by symbol. `name` and `version` are the makers', or those of the data set where the file has none."""

    name: str
    version: str
    genes: Mapping[str, PanelGene]


def read_panels(evidence: EvidenceSet) -> tuple[Panel, ...]:
    """The panels of a set, sorted by name."""
    names = load_gene_names(evidence)
    found: dict[tuple[str, str], dict[str, PanelGene]] = {}
    for dataset in evidence.of_kind("panel"):
        for row in pq.read_table(evidence.table(dataset)).to_pylist():
            panel = found.setdefault((row["panel"] or dataset.name, row["version"] or dataset.version), {})
            panel[names.current(row["gene"], hgnc=row["hgnc_id"])] = PanelGene(row["confidence"], frozenset(row["inheritance"]))
    return tuple(Panel(name, version, genes) for (name, version), genes in sorted(found.items()))


def read_gene_lists(evidence: EvidenceSet) -> dict[str, frozenset[str]]:
    """The gene lists of a set, by the name of the data set."""
    names = load_gene_names(evidence)
    lists = {dataset.name: pq.read_table(evidence.table(dataset)).to_pylist() for dataset in evidence.of_kind("gene-list")}
    return {name: frozenset(names.current(row["gene"]) for row in rows) for name, rows in lists.items()}

"""Tiers beside the rank, as Genomics England defines them: simple rules over panels that anybody can follow.

1     rare and inherited fittingly, in a green gene of a panel for that mode: high impact, known as pathogenic, or new with moderate impact
2     the same with moderate impact
3     high or moderate impact or known as pathogenic, in no panel as a green gene, or not for that mode
A     a structural variant that changes a green gene of a panel for that mode

No tier for what fits the family only with incomplete penetrance or by a single hit of a recessive gene, nor without a panel. Panels that a
run names are also a limit: only their genes, and those of gene lists it names, are ranked.

Source: Genomics England, Rare Disease Genome Analysis Guide, variant tiering.
"""

from __future__ import annotations

from collections.abc import Sequence

from genopipe.errors import BadConfiguration
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.findings import Hit
from genopipe.interpret.inheritance import WEIGHT, Pattern
from genopipe.interpret.panels import Panel, PanelGene, read_gene_lists, read_panels

GREEN = 3


class Panels:
    """The panels that count in a run: those named, or all of the evidence set. `genes` are those that may be ranked; None for all."""

    def __init__(self, evidence: EvidenceSet, named: Sequence[str]) -> None:
        panels, lists = read_panels(evidence), read_gene_lists(evidence)
        known = {panel.name.lower() for panel in panels} | {name.lower() for name in lists}
        wanted = {name.lower() for name in named}
        for name in named:
            if name.lower() not in known:
                raise _unknown(name, [*(panel.name for panel in panels), *lists], evidence)
        self.panels: tuple[Panel, ...] = tuple(panel for panel in panels if not wanted or panel.name.lower() in wanted)
        chosen = [set(genes) for name, genes in lists.items() if name.lower() in wanted]
        green = [{gene for gene, about in panel.genes.items() if about.confidence == GREEN} for panel in self.panels]
        self.genes = set().union(*green, *chosen) if wanted else None

    def told(self, named: Sequence[str]) -> str:
        """What the limit is, for the first page."""
        versions = {panel.name.lower(): f"{panel.name} (version {panel.version})" for panel in self.panels}
        names = ", ".join(versions.get(name.lower(), name) for name in named)
        return f"Only the {len(self.genes or ()):,} green or listed genes of {names} were ranked."

    def allow(self, gene: str) -> bool:
        """Whether a gene may be ranked."""
        return self.genes is None or gene in self.genes

    def of(self, gene: str) -> tuple[tuple[Panel, PanelGene], ...]:
        """The panels that have a gene, and what each says of it."""
        return tuple((panel, panel.genes[gene]) for panel in self.panels if gene in panel.genes)

    def tier(self, gene: str, pattern: Pattern, hits: Sequence[Hit], *, male: bool) -> str | None:
        """1, 2, 3 or A; None where there is none."""
        if not self.panels or pattern.weight <= WEIGHT["incomplete"]:
            return None
        if not all(hit.consequence.impact in ("HIGH", "MODERATE") or hit.known_pathogenic for hit in hits):
            return None
        green = any(about.confidence == GREEN and _fits(pattern.family, about, male=male) for _, about in self.of(gene))
        if any(hit.structural for hit in hits):
            return "A" if green else None
        if not green:
            return "3"
        grave = any(hit.consequence.impact == "HIGH" or hit.known_pathogenic for hit in hits)
        return "1" if grave or pattern.new else "2"


def _fits(family: str, gene: PanelGene, *, male: bool) -> bool:
    """Whether a panel has the gene for a mode; on the only X of a male dominant and recessive are one."""
    alike = {"XD", "XR"} if family in ("XD", "XR") and male else {family}
    return not gene.inheritance or bool(alike & gene.inheritance)


def _unknown(name: str, there: Sequence[str], evidence: EvidenceSet) -> BadConfiguration:
    told = ", ".join(sorted(there)[:12]) + (" ..." if len(there) > 12 else "") if there else "none"
    return BadConfiguration(
        f"no panel or gene list {name!r} in the evidence set {evidence.name}, which has {told}",
        wanted="the name of a panel or gene list of the set",
        do="Correct the name, or add the panel with `genopipe evidence add panel` and lock a new set.",
        path=evidence.store.root / evidence.name,
        key="panels",
    )

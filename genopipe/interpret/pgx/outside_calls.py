"""Diplotypes that other programs called, for genes a VCF cannot tell: CYP2D6 with its copies and hybrids, the HLA genes.

A tab-separated file without a head: gene, diplotype, and where known phenotype and activity score. Lines that begin with # are comments.

Source: PharmCAT, Outside Call Format.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines


@dataclass(frozen=True, slots=True)
class OutsideCall:
    """One line; None where a column is empty."""

    gene: str
    names: tuple[str, ...]
    phenotype: str | None
    activity_score: str | None


def read_outside_calls(path: Path) -> dict[str, OutsideCall]:
    """The calls by gene. Raises BadInput, with the line, for a line of another form and a gene that comes twice."""
    calls: dict[str, OutsideCall] = {}
    for number, line in read_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        gene, diplotype, phenotype, score = ([column.strip() for column in line.split("\t")] + [""] * 3)[:4]
        if not gene or not (diplotype or phenotype or score):
            raise BadInput(
                f"the line {line.strip()[:60]!r}", wanted="gene, diplotype, separated by a tab", do="Mend it.", path=path, line=number
            )
        if gene in calls:
            raise BadInput(f"{gene} for the second time", wanted="one call of each gene", do="Keep one.", path=path, line=number)
        names = tuple(name.strip().removeprefix(gene).removeprefix(gene.split("-")[-1]) for name in diplotype.split("/") if name.strip())
        calls[gene] = OutsideCall(gene, names, phenotype or None, score or None)
    return calls

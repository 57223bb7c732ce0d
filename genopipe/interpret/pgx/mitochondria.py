"""MT-RNR1 and aminoglycosides: variants of the mitochondrial 12S rRNA that make gentamicin and its kin deafening.

Urgent in intensive care, where newborns get gentamicin within hours. Three variants are known to raise the risk; a phenotype table, where
one is at hand, adds those of uncertain risk. Copies of the mitochondrion may differ, so the share that carries the variant is told; any
share counts, as no harmless one is known. Insertions and deletions of the table are not looked for.

Source: McDermott et al., CPIC guideline for aminoglycosides and MT-RNR1, Clinical Pharmacology & Therapeutics 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pysam

from genopipe.interpret.normalise import contig_key
from genopipe.interpret.pgx.definitions import Position
from genopipe.interpret.pgx.genotypes import Genotypes
from genopipe.interpret.vcf_source import reading

GENE = "MT-RNR1"
CONTIG = "chrM"
LENGTH = 16_569
"""Bases of the revised Cambridge reference sequence; chrM of hg19 is another one."""

RAISED = {"m.1095T>C": "increased risk", "m.1494C>T": "increased risk", "m.1555A>G": "increased risk"}
WARNING = (
    "Increased risk of hearing loss from aminoglycosides (gentamicin, tobramycin, amikacin, streptomycin): "
    "avoid them unless a severe infection leaves no safe or effective alternative."
)
_SUBSTITUTION = re.compile(r"m\.(\d+)([ACGT])>([ACGT])")


@dataclass(frozen=True, slots=True)
class Mitochondrial:
    """The variants found with the share of copies that carry each (None where the file does not say), and positions not seen."""

    found: Mapping[str, float | None]
    missing: tuple[Position, ...]
    notes: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """What to tell at once; None where nothing that raises the risk was found."""
        return WARNING if any(name in RAISED for name in self.found) else None


def positions(functions: Mapping[str, str]) -> dict[Position, tuple[str, ...]]:
    """The positions to look at, with the names of their other alleles; `functions` are those of a phenotype table, or none."""
    spelled: dict[tuple[int, str], list[str]] = {}
    for name in sorted({*RAISED, *functions}):
        change = _SUBSTITUTION.fullmatch(name)
        if change:
            spelled.setdefault((int(change[1]) - 1, change[2]), []).append(change[3])
    return {
        Position(CONTIG, start, (ref, *alts), None): tuple(f"m.{start + 1}{ref}>{alt}" for alt in alts)
        for (start, ref), alts in spelled.items()
    }


def look(names: Mapping[Position, tuple[str, ...]], genotypes: Genotypes, path: Path) -> Mitochondrial:
    """What the genotypes say at `names`."""
    if not _is_revised_cambridge(path):
        return Mitochondrial(
            {}, tuple(names), ("chrM of this file is not the revised Cambridge sequence (16,569 bases); nothing was looked for",)
        )
    carried = {
        name: _share(path, genotypes.sample, place.start, place.alleles[number])
        for place, others in names.items()
        if place in genotypes.call
        for number, name in enumerate(others, start=1)
        if number in genotypes.call[place].alleles
    }
    return Mitochondrial(carried, tuple(place for place in names if place not in genotypes.call), ())


def _is_revised_cambridge(path: Path) -> bool:
    with reading(path) as file:
        lengths = [file.header.contigs[name].length for name in map(str, file.header.contigs) if contig_key(name) == "MT"]
    return all(length in (None, LENGTH) for length in lengths)


def _share(path: Path, sample: str, start: int, alt: str) -> float | None:
    """The share of reads with `alt`, by AF or AD."""
    with reading(path) as file:
        names = [name for name in map(str, file.header.contigs) if contig_key(name) == "MT"]
        for record in file.fetch(names[0], start, start + 1) if file.index is not None and names else file:
            if contig_key(record.chrom) == "MT" and record.start == start and alt in (record.alts or ()):
                return _fraction(record.samples[sample], (record.alts or ()).index(alt))
    return None


def _fraction(call: pysam.VariantRecordSample, number: int) -> float | None:
    shares, depths = call.get("AF"), call.get("AD")
    if shares is not None:
        return float(shares[number] if isinstance(shares, tuple) else shares)
    if depths is not None and None not in depths and sum(depths):
        return round(depths[number + 1] / sum(depths), 4)
    return None

"""Who a sample is: alleles at common sites, and how two samples are related by them.

Genotypes come from allele counts: with the error rate that the other bases show, the likeliest of three, where it is a hundred times
likelier than the next. The same person has the same genotypes; parent and child never have opposite homozygotes. The rest is told by the
robust kinship coefficient, which needs no allele frequencies but a thousand sites: 0.25 for full siblings, 0 for strangers.

Source: Manichaikul et al. 2010, Robust relationship inference in genome-wide association studies, doi:10.1093/bioinformatics/btq559,
equation 11 and table 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines
from genopipe.ingest.contamination import LEAST_ERROR
from genopipe.ingest.ratios import ratio
from genopipe.ingest.sites import Sites
from genopipe.model import BASES, Genome

COLUMNS = ("contig", "position", "reference", "alternative", "frequency", "reference_reads", "alternative_reads")
MISSING = -1
LEAST_READS = 6
"""Reads below which no genotype is told."""
LEAST_RATIO = 100.0
"""How many times likelier the genotype must be than the next."""
LEAST_SITES, MANY_SITES = 100, 1000
"""Sites with a genotype in both samples below which nothing is told of them, and below which kinship is too uncertain to use."""

SAME = 0.9
"""Share of equal genotypes from which two samples are one person; parent and child have about 0.6."""
MOST_OPPOSITE = 0.005
"""Share of opposite homozygotes (and one more) up to which two are parent and child; siblings have 1 to 2 %, strangers 4 to 7 %."""
FIRST, SECOND = 2**-2.5, 2**-3.5
"""Kinship from which two samples are relatives of the first, of the second degree."""


@dataclass(frozen=True, slots=True)
class Kinship:
    """Two samples compared: sites with a genotype in both, the coefficient, the shares of equal genotypes and of opposite homozygotes."""

    sites: int
    kinship: float
    equal_fraction: float
    opposite_fraction: float

    @property
    def relation(self) -> str | None:
        """same, parent-child, siblings, second-degree, unrelated; other than the first two with few sites; None with too few."""
        if self.sites < LEAST_SITES:
            return None
        if self.equal_fraction >= SAME:
            return "same"
        if self.opposite_fraction * self.sites <= MOST_OPPOSITE * self.sites + 1:
            return "parent-child"
        if self.sites < MANY_SITES:
            return "other"
        return "siblings" if self.kinship >= FIRST else "second-degree" if self.kinship >= SECOND else "unrelated"


def fingerprint_table(genome: Genome, sites: Sites | None, allele: NDArray[np.int64]) -> str:
    """A line a site, 1-based positions: place, alleles, frequency in the population, reads that show either allele."""
    lines = ["\t".join(COLUMNS)]
    for i in range(len(sites) if sites else 0):
        assert sites is not None
        reference, alternative = int(sites.reference[i]), int(sites.alternative[i])
        place = (genome.contigs[sites.contig[i]].name, str(sites.position[i] + 1), chr(BASES[reference]), chr(BASES[alternative]))
        lines.append("\t".join((*place, f"{sites.frequency[i]:.5f}", str(allele[i, reference]), str(allele[i, alternative]))))
    return "\n".join(lines) + "\n"


def read_fingerprint(path: Path) -> dict[tuple[str, ...], int]:
    """Genotype (0, 1, 2 alternatives) by contig, position and alleles, of the sites that have one. Raises BadInput with the line."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for line, text in read_lines(path):
        column = tuple(text.split("\t"))
        if line == 1 and column == COLUMNS:
            continue
        if line == 1 or len(column) != len(COLUMNS) or not all(value.isdigit() for value in column[5:]):
            wanted = "a fingerprint: " + ", ".join(COLUMNS)
            raise BadInput(f"the line {text[:40]!r}", wanted=wanted, do="Make it with `genopipe ingest aligned`.", path=path, line=line)
        found[column[:4]] = int(column[5]), int(column[6])
    if not found:
        return {}
    reads = np.array(list(found.values()), np.int64)
    called = genotypes(reads[:, 0], reads[:, 1])
    return {place: int(genotype) for place, genotype in zip(found, called, strict=True) if genotype != MISSING}


def genotypes(reference: NDArray[np.int64], alternative: NDArray[np.int64], error: float = 10 * LEAST_ERROR) -> NDArray[np.int64]:
    """(sites) int64: alternatives of the likeliest genotype; `MISSING` where reads are few or the next is nearly as likely."""
    shown = np.log([error, 0.5, 1 - error])
    hidden = shown[::-1]
    likelihood = alternative[:, None] * shown + reference[:, None] * hidden
    ranked = np.sort(likelihood, axis=1)
    clear = (ranked[:, 2] - ranked[:, 1] >= math.log(LEAST_RATIO)) & (reference + alternative >= LEAST_READS)
    return np.where(clear, np.argmax(likelihood, axis=1), MISSING)


def compare(first: dict[tuple[str, ...], int], second: dict[tuple[str, ...], int]) -> Kinship:
    """The kinship of two samples over the sites that have a genotype in both, on the autosomes."""
    shared = sorted(place for place in first.keys() & second.keys() if place[0].removeprefix("chr") not in ("X", "Y", "M", "MT"))
    a, b = (np.array([genotype[place] for place in shared], np.int64) for genotype in (first, second))
    both = int(((a == 1) & (b == 1)).sum())
    opposite = int((np.abs(a - b) == 2).sum())
    fewer, more = sorted((int((a == 1).sum()), int((b == 1).sum())))
    if not fewer:
        return Kinship(0, 0.0, 0.0, 0.0)
    kinship = (both - 2 * opposite) / (2 * fewer) + 0.5 - (fewer + more) / (4 * fewer)
    return Kinship(len(shared), round(kinship, 4), ratio(int((a == b).sum()), len(shared)), ratio(opposite, len(shared)))

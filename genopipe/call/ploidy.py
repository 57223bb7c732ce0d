"""How many copies of a place a person has, by contig name and sex.

X and Y of a male are there once, except in the pseudoautosomal regions, which are called with two copies on X and, being the same sequence,
on Y too. The mitochondrial genome is called with two alleles in mind, so that a mixture is seen, and reported with the share of each.

Source of the pseudoautosomal regions: Genome Reference Consortium, GRCh38 and GRCh37 (1-based in its tables, 0-based half-open here).
"""

from __future__ import annotations

from typing import Literal

from genopipe.model import Contig

Sex = Literal["female", "male"]

_X, _Y = ("X", "chrX"), ("Y", "chrY")
_MITOCHONDRION = ("MT", "M", "chrM", "chrMT")

PSEUDOAUTOSOMAL = {
    156_040_895: ((10_000, 2_781_479), (155_701_382, 156_030_895)),
    155_270_560: ((60_000, 2_699_520), (154_931_043, 155_260_560)),
    57_227_415: ((10_000, 2_781_479), (56_887_902, 57_217_415)),
    59_373_566: ((10_000, 2_649_520), (59_034_049, 59_363_566)),
}
"""By length of the contig: X of GRCh38 and GRCh37, Y of GRCh38 and GRCh37."""


PATERNAL_NAMES = _Y
"""Contigs whose single copy comes from the father."""


def is_mitochondrial(contig: Contig) -> bool:
    return is_mitochondrial_name(contig.name)


def is_mitochondrial_name(name: str) -> bool:
    return name in _MITOCHONDRION


def is_autosomal(contig: Contig) -> bool:
    return contig.name.removeprefix("chr").isdigit()


def sex_chromosome(contig: Contig) -> Literal["X", "Y"] | None:
    """Which sex chromosome the contig is, None for any other one."""
    return "X" if contig.name in _X else "Y" if contig.name in _Y else None


def is_pseudoautosomal(contig: Contig, position: int) -> bool:
    return any(start <= position < end for start, end in PSEUDOAUTOSOMAL.get(contig.length, ()))


def is_absent(contig: Contig, sex: Sex | None) -> bool:
    """True for the Y of a female, which is not called at all."""
    return sex == "female" and contig.name in _Y


def ploidy_spans(contig: Contig, sex: Sex | None) -> list[tuple[int, int, int]]:
    """Start, end and ploidy of the stretches of a contig, in order, without gaps."""
    if sex != "male" or contig.name not in _X + _Y:
        return [(0, contig.length, 2)]
    spans, at = [], 0
    for start, end in PSEUDOAUTOSOMAL.get(contig.length, ()):
        spans += [(at, start, 1), (start, end, 2)]
        at = end
    return [span for span in [*spans, (at, contig.length, 1)] if span[1] > span[0]]


def copies_at(name: str, length: int, position: int, sex: Sex | None) -> int | None:
    """Copies of a place on X or Y that a person has; None on other contigs, and where the sex is not known."""
    if name not in _X + _Y or sex is None:
        return None
    if sex == "female":
        return 0 if name in _Y else 2
    return 2 if any(start <= position < end for start, end in PSEUDOAUTOSOMAL.get(length, ())) else 1

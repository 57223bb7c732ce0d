"""How many copies of a place a person has, by chromosome and sex.

X and Y of a male are there once, except in the pseudoautosomal regions, which are called with two copies on X and, being the same sequence,
on Y too. The mitochondrial genome is called with two alleles in mind, so that a mixture is seen, and reported with the share of each.
Which chromosome a contig is, and where the regions are, is known by digest (`genopipe.formats.assembly`).
"""

from __future__ import annotations

from typing import Literal, Protocol

from genopipe.formats.assembly import chromosome, pseudoautosomal

Sex = Literal["female", "male"]


class Sequence(Protocol):
    """A contig of a genome, or of the header of a VCF; `md5` is None where it is not told."""

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def md5(self) -> str | None: ...


def is_mitochondrial(contig: Sequence) -> bool:
    return chromosome(contig.name, contig.md5) == "MT"


def is_autosomal(contig: Sequence) -> bool:
    return chromosome(contig.name, contig.md5).isdigit()


def sex_chromosome(contig: Sequence) -> Literal["X", "Y"] | None:
    """Which sex chromosome the contig is, None for any other one."""
    which = chromosome(contig.name, contig.md5)
    return "X" if which == "X" else "Y" if which == "Y" else None


def is_pseudoautosomal(contig: Sequence, position: int) -> bool:
    return any(start <= position < end for start, end in pseudoautosomal(contig.md5, contig.length))


def is_absent(contig: Sequence, sex: Sex | None) -> bool:
    """True for the Y of a female, which is not called at all."""
    return sex == "female" and sex_chromosome(contig) == "Y"


def ploidy_spans(contig: Sequence, sex: Sex | None) -> list[tuple[int, int, int]]:
    """Start, end and ploidy of the stretches of a contig, in order, without gaps."""
    if sex != "male" or sex_chromosome(contig) is None:
        return [(0, contig.length, 2)]
    spans, at = [], 0
    for start, end in pseudoautosomal(contig.md5, contig.length):
        spans += [(at, start, 1), (start, end, 2)]
        at = end
    return [span for span in [*spans, (at, contig.length, 1)] if span[1] > span[0]]


def copies_at(contig: Sequence, position: int, sex: Sex | None) -> int | None:
    """Copies of a place on X or Y that a person has; None on other contigs, and where the sex is not known."""
    which = sex_chromosome(contig)
    if which is None or sex is None:
        return None
    if sex == "female":
        return 2 if which == "X" else 0
    return 2 if is_pseudoautosomal(contig, position) else 1

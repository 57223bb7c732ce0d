"""Letters of the packed genome, and what proteins they spell."""

from __future__ import annotations

import numpy as np

from genopipe.formats.genome import fetch
from genopipe.interpret.normalise import Fetch
from genopipe.model import BASES, Genome

_LETTER = np.frombuffer(BASES, np.uint8)
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")

AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
"""NCBI translation table 1, codons in the order TCAG."""
MITOCHONDRIAL = "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG"
"""NCBI translation table 2, vertebrate mitochondria."""


def bases_of(genome: Genome, contig: str) -> Fetch:
    """Gives letters of one contig; what lies outside of it comes out as nothing."""
    length = next(other.length for other in genome.contigs if other.name == contig)

    def bases(start: int, end: int) -> str:
        start, end = max(start, 0), min(end, length)
        return _LETTER[fetch(genome, contig, start, end)].tobytes().decode() if start < end else ""

    return bases


def reverse_complement(bases: str) -> str:
    """The other strand, read in its own direction."""
    return bases.translate(_COMPLEMENT)[::-1]


def translate(coding: str, *, mitochondrial: bool = False) -> str:
    """One letter an amino acid, `*` for a stop, `X` for a codon with an unknown base; an incomplete last codon is left out."""
    table = MITOCHONDRIAL if mitochondrial else AMINO_ACIDS
    codons = (coding[at : at + 3] for at in range(0, len(coding) - 2, 3))
    return "".join(
        "X" if "N" in codon else table[16 * "TCAG".index(codon[0]) + 4 * "TCAG".index(codon[1]) + "TCAG".index(codon[2])]
        for codon in codons
    )

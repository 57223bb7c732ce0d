"""Letters of the packed genome, and what proteins they spell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.genome import fetch
from genopipe.interpret.normalise import Fetch
from genopipe.model import BASES, UNKNOWN_BASE, Genome

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


def codes_at(genome: Genome, contig: str, position: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(positions) uint8: the base codes, 4 for an unknown base, at positions that all lie on the contig."""
    at = next(other.start for other in genome.contigs if other.name == contig) + position
    code = ((genome.packed[at >> 5] >> (2 * (at & 31)).astype(np.uint64)) & np.uint64(3)).astype(np.uint8)
    if len(genome.unknown_start):
        run = np.searchsorted(genome.unknown_start, at, "right") - 1
        code[(run >= 0) & (at < genome.unknown_end[run])] = UNKNOWN_BASE
    return code


def reverse_complement(bases: str) -> str:
    """The other strand, read in its own direction."""
    return bases.translate(_COMPLEMENT)[::-1]


def translate(coding: str, *, mitochondrial: bool = False) -> str:
    """One letter an amino acid, `*` for a stop, `X` for a codon with an unknown base; an incomplete last codon is left out."""
    letter = np.frombuffer(coding.encode(), np.uint8)[: len(coding) // 3 * 3]
    codon = _CODON_LETTER[letter].reshape(-1, 3) @ np.array([16, 4, 1])
    return _AMINO_ACID[mitochondrial][np.minimum(codon, 64)].tobytes().decode()


_CODON_LETTER = np.full(256, 64, np.int64)
_CODON_LETTER[list(b"TCAG")] = range(4)
_AMINO_ACID = [np.frombuffer(f"{table}X".encode(), np.uint8) for table in (AMINO_ACIDS, MITOCHONDRIAL)]

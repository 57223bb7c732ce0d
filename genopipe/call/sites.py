"""Sites: what one VCF record says about the sample, and how costs become genotypes.

Everything is integers. A genotype's posterior cost is its likelihood cost plus the priors of the alternative alleles in it; the genotype
is the one with the lowest, QUAL is how much better the best genotype with an alternative allele is than the one without, GQ how much
better the best one is than the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genopipe.call.events import Event, Stretch
from genopipe.model import BASES

MAX_QUALITY = 99
MOST_BIAS = 300
"""Phred of a strand bias that is as certain as it is told."""
DELETED = "*"
"""The allele of a copy on which a deletion that begins before lies over the site."""
MAX_LIKELIHOOD = 9_999
_LETTERS = bytes.maketrans(bytes(range(5)), BASES[:5])


class Bias(NamedTuple):
    """How the reads over a site lie (`genopipe.call.bias`).

    mapping_quality  root mean square, None where no read lies over the site
    mapping_rank     z of the mapping qualities of the alternative reads among those of the reference, None where it cannot be told
    place_rank       z of their distances to the nearer end of the read, None likewise
    end_distance     median of these distances for each alternative allele, None where no read shows it
    """

    mapping_quality: float | None = None
    mapping_rank: float | None = None
    place_rank: float | None = None
    end_distance: tuple[int | None, ...] = ()


UNTOLD = Bias()

Shown = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Name hashes of fragments, and the allele that each clearly shows."""


@dataclass(slots=True)
class Site:
    """One record. Position 0-based, of the first base of `alleles[0]`, the reference allele. What follows `assembled` is told later on.

    genotype     allele numbers, one a chromosome copy; in a phase set in the order of its copies
    likelihood   PL over the alleles and, last, any other one, in the order of the VCF specification
    depth        fragments that count
    allele_depth fragments that clearly show each allele
    strand       reference forward and reverse, alternative forward and reverse
    assembled    whether haplotypes were compared, rather than the bases at one place
    phase_set    position of the first site of the phase set, None for a site that is in none
    filters      names of the filters that it fails
    shown        the fragments that show an allele
    nuclear      whether a mitochondrial allele is shown so rarely that it may come from a copy in the nucleus
    bias         how the reads over it lie
    """

    position: int
    alleles: tuple[str, ...]
    genotype: tuple[int, ...]
    likelihood: tuple[int, ...]
    genotype_quality: int
    quality: int
    depth: int
    allele_depth: tuple[int, ...]
    strand: tuple[int, int, int, int]
    assembled: bool
    phase_set: int | None = None
    filters: tuple[str, ...] = ()
    shown: Shown | None = field(default=None, repr=False, compare=False)
    nuclear: bool = False
    bias: Bias = UNTOLD

    @property
    def end(self) -> int:
        return self.position + len(self.alleles[0])

    @property
    def strand_bias(self) -> int:
        """Phred of the strands of reference and alternative reads being that unlike by chance."""
        return fisher_phred(*self.strand)


def letters(codes: bytes) -> str:
    """The text of base codes."""
    return codes.translate(_LETTERS).decode()


def record_alleles(events: list[Event], stretch: Stretch) -> tuple[int, tuple[str, ...]]:
    """Position and alleles of the record of events of one site; indels get the base before as anchor."""
    start, end = events[0].position, max(event.end for event in events)
    if events[0].is_indel:
        start -= 1
    reference = stretch.cut(start, end).base
    alternatives = [reference[: event.position - start] + event.alt + reference[event.end - start :] for event in events]
    return start, (letters(reference), *map(letters, alternatives))


@lru_cache(maxsize=1 << 8)
def genotypes(n_alleles: int, ploidy: int) -> tuple[tuple[int, ...], ...]:
    """All genotypes in the order of the VCF specification; of no copies, the empty one."""
    return tuple(sorted(combinations_with_replacement(range(n_alleles), ploidy), key=lambda genotype: genotype[::-1]))


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen genotype with its qualities (phred)."""

    genotype: tuple[int, ...]
    genotype_quality: int
    quality: int


def choose(cost: dict[tuple[int, ...], int], prior: list[int]) -> Choice:
    """The genotype of the lowest posterior cost; `prior` is that of each alternative allele, in milli-phred, 0 for one that is told
    elsewhere: QUAL is about the others."""
    told = {0, *(allele for allele, price in enumerate(prior, 1) if not price)}
    posterior = {genotype: value + sum(prior[allele - 1] for allele in set(genotype) if allele) for genotype, value in cost.items()}
    ordered = sorted(posterior, key=lambda genotype: (posterior[genotype], genotype))
    reference = next(genotype for genotype in ordered if told.issuperset(genotype))
    alternative = next(genotype for genotype in ordered if not told.issuperset(genotype))
    gap = posterior[ordered[1]] - posterior[ordered[0]]
    return Choice(ordered[0], min(phred(gap), MAX_QUALITY), max(phred(posterior[reference] - posterior[alternative]), 0))


def phred(cost: int) -> int:
    """Milli-phred rounded to phred."""
    return (cost + 500) // 1000


def normalised(costs: list[int]) -> tuple[int, ...]:
    """PL: phred above the smallest."""
    low = min(costs)
    return tuple(min(phred(cost - low), MAX_LIKELIHOOD) for cost in costs)


@lru_cache(maxsize=1 << 12)  # of every site it is asked twice
def fisher_phred(a: int, b: int, c: int, d: int) -> int:
    """Phred of Fisher's two-sided exact test of the table a, b over c, d; counted in whole numbers, so exact.

    Source: Fisher, Statistical Methods for Research Workers (1925), section 21.02.
    """
    first, second, column = a + b, c + d, a + c
    ways = [math.comb(first, x) * math.comb(second, column - x) for x in range(max(0, column - second), min(first, column) + 1)]
    ours = math.comb(first, a) * math.comb(second, c)
    extreme = sum(way for way in ways if way <= ours)
    return round(-10 * math.log10(extreme / sum(ways))) if extreme * 10**30 > sum(ways) else MOST_BIAS


def shown_by(name_hash: NDArray[np.uint64], allele: NDArray[np.int64]) -> Shown:
    """Fragments and the allele that each shows, without those that show none (-1)."""
    clear = allele >= 0
    return name_hash[clear], allele[clear]


def shown_in(sites: list[Site]) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """What fragments show of sites: names and alleles, sorted by site and name, and where those of each site begin (sites + 1)."""
    shown = [(np.empty(0, np.uint64), np.empty(0, np.int64)) if site.shown is None else site.shown for site in sites]
    length = [len(names) for names, _ in shown]
    name, allele = (np.concatenate(column) for column in zip(*shown, strict=True))
    order = np.lexsort((name, np.repeat(np.arange(len(sites)), length)))
    return name[order], allele[order], np.concatenate(([0], np.cumsum(length)))


def strand_counts(allele: NDArray[np.int64], reverse: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Reads of the reference allele (0) and of others (1 and up; negative counts nowhere) by strand."""
    shows = allele >= 0
    forward, backward, other_forward, other_backward = np.bincount(2 * (allele[shows] > 0) + reverse[shows], minlength=4).tolist()
    return forward, backward, other_forward, other_backward

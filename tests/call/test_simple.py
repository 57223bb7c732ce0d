"""Simple sites: alleles, genotypes, qualities and likelihoods as the definition has them, base by base."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genopipe.call.settings import DEFAULT
from genopipe.call.simple import simple_sites
from genopipe.call.sites import choose, genotypes, normalised
from genopipe.call.view import view
from genopipe.kernels.pileup import FIT, MISFIT, MIXED
from genopipe.model import Alignments
from tests.oracles import genotype as oracle

PLACE = 20
REFERENCE = np.arange(41, dtype=np.uint8) % 4

Seen = tuple[int, int, int, bool]
"""Base code, quality, mapping quality, and whether the read lies on the reverse strand."""
seen = st.tuples(st.sampled_from((0, 0, 1, 1, 2, 3, 4)), st.integers(2, 45), st.sampled_from((20, 37, 60)), st.booleans())


def reads_of(bases: list[Seen]) -> Alignments:
    """A read of 41 bases over `REFERENCE` for each, with its base at `PLACE`."""
    n = len(bases)
    code, quality, mapping, reverse = (np.array([base[i] for base in bases], np.int64) for i in range(4))
    base = np.tile(REFERENCE, (n, 1))
    base[:, PLACE] = code
    return Alignments(
        np.zeros(n, np.int64),
        np.full(n, 41),
        (16 * reverse).astype(np.uint16),
        mapping.astype(np.uint8),
        np.arange(n, dtype=np.uint64),
        np.full(n, 41 << 4, np.uint32),
        np.arange(n + 1),
        base.ravel(),
        np.repeat(quality, 41).astype(np.uint8),
        41 * np.arange(n + 1),
    )


def cost_of(bases, codes, genotype, ploidy):
    """Milli-phred, table by table; the last allele is any base that is none of `codes`."""
    total = 0
    for code, quality, _ in bases:
        copies = genotype.count(codes.index(code) if code in codes else len(codes)) * (2 // ploidy)
        total += int((MISFIT, MIXED, FIT)[copies][quality])
    return total


def expected(bases: list[Seen], ploidy: int):
    """Alleles (codes), genotype, PL, GQ and QUAL; None where the reference explains the bases as well."""
    used = [(code, min(quality, mapping), reverse) for code, quality, mapping, reverse in bases if code < 4 and min(quality, mapping) >= 10]
    count = {code: sum(base[0] == code for base in used) for code in range(1, 4)}
    often = [code for code, n in count.items() if n >= DEFAULT.min_support and n >= DEFAULT.min_snv_share * len(used)]
    others = sorted(often, key=lambda code: (-count[code], code))[:2]
    while others:
        codes = [0, *others]
        cost = {genotype: cost_of(used, codes, genotype, ploidy) for genotype in genotypes(len(codes) + 1, ploidy)}
        known = {genotype: value for genotype, value in cost.items() if max(genotype) < len(codes)}
        choice = choose(known, [DEFAULT.snv_prior] * len(others))
        kept = [code for number, code in enumerate(others, 1) if number in choice.genotype]
        if kept == others:
            return (codes, choice, normalised(list(cost.values()))) if choice.quality * 1000 >= DEFAULT.min_emitted else None
        others = kept
    return None


@given(st.lists(seen, max_size=40), st.sampled_from([1, 2]))
@example([(1, 30, 60, False)] * 6 + [(2, 30, 60, True)] * 6, 2)
@example([(3, 30, 60, False)] * 5 + [(2, 30, 60, True)] * 5 + [(1, 30, 60, True)] * 5 + [(0, 30, 60, True)] * 5, 2)
@example([(0, 30, 60, False)] * 4 + [(1, 30, 60, True)] * 9, 1)
def test_a_site_is_what_its_bases_say(bases, ploidy):
    found = simple_sites(view(reads_of(bases), REFERENCE, 0), position=np.array([PLACE]), ploidy=ploidy, settings=DEFAULT)
    wanted = expected(bases, ploidy)
    if wanted is None:
        assert found == []
        return
    (site,), (codes, choice, likelihood) = found, wanted
    assert (site.position, site.alleles) == (PLACE, tuple("ACGT"[code] for code in codes))
    assert (site.genotype, site.likelihood) == (choice.genotype, likelihood)
    assert (site.genotype_quality, site.quality) == (choice.genotype_quality, choice.quality)
    used = {row: base for row, base in enumerate(bases) if base[0] < 4 and min(base[1:3]) >= 10}
    assert site.depth == len(used)
    assert site.allele_depth == tuple(sum(base[0] == code for base in used.values()) for code in codes)
    groups = [[base[3] for base in used.values() if base[0] in which] for which in (codes[:1], codes[1:])]
    assert site.strand == tuple(sum(reverse == way for reverse in group) for group in groups for way in (False, True))
    assert dict(zip(*map(np.ndarray.tolist, site.shown), strict=True)) == {
        row: codes.index(base[0]) for row, base in used.items() if base[0] in codes
    }


@pytest.mark.parametrize("ploidy", [1, 2])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(10, 60)), min_size=1, max_size=40))
def test_costs_of_bases(ploidy, bases):
    """The tables, each entry of which is rounded once, against the definition."""
    for genotype in genotypes(3, ploidy):
        cost = cost_of([(*base, False) for base in bases], [0, 1, 2], genotype, ploidy)
        assert abs(cost - oracle.base_cost(bases, genotype)) <= len(bases)


def test_sites_are_told_in_order_and_each_by_its_own_bases():
    """Two sites beside others where no base, or no other one, is seen."""
    reads = reads_of([(0, 30, 60, bool(row % 2)) for row in range(12)])
    base = reads.base.reshape(12, 41)
    base[:6, 8], base[:, 30] = 2, 1
    position = np.array([3, 8, 30, 33])
    first, second = simple_sites(view(reads, REFERENCE, 0), position=position, ploidy=2, settings=DEFAULT)
    assert (first.position, first.alleles, first.genotype, first.allele_depth) == (8, ("A", "G"), (0, 1), (6, 6))
    assert (second.position, second.alleles, second.genotype, second.allele_depth) == (30, ("G", "C"), (1, 1), (0, 12))
    assert second.shown[0].tolist() == list(range(12)) and second.shown[1].tolist() == [1] * 12

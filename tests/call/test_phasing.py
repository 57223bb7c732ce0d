"""Phase sets hold what the reads say: as the truth has it, as trying every arrangement has it, and within the cells of the grid."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.caller import Outputs, call_variants
from genopipe.call.phasing import joined, pair_votes, phase
from genopipe.call.sites import Site
from tests.call.conftest import Person, change, write_reads


def site(position, fragments, alleles):
    shown = np.array(fragments, np.uint64), np.array(alleles, np.int64)
    return Site(position, ("A", "C"), (0, 1), (9, 0, 9, 9, 9, 9), 9, 9, 9, (5, 4), (1, 1, 1, 1), False, shown=shown)


def phased(sites):
    phase(sites)
    return sites


def agreement(turned, votes):
    return sum(together if turned[a] == turned[b] else apart for a, b, together, apart in votes.tolist())


def best_arrangement(n, votes):
    """The arrangement that most votes agree with, found by trying all."""
    return max(product((False, True), repeat=n - 1), key=lambda rest: agreement((False, *rest), votes))


@pytest.mark.parametrize("seed", range(20))
def test_sites_are_joined_as_the_best_of_all_arrangements(seed):
    """Eight sites, each shown with its neighbours by some fragments, one in twenty of them wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 8)
    fragments: dict[int, dict[int, int]] = {}
    for name in range(120):
        first, copy = int(rng.integers(0, 7)), int(rng.integers(0, 2))
        fragments[name] = {row: int(truth[row] ^ copy ^ (rng.random() < 0.05)) for row in range(first, min(first + 3, 8))}
    sites = [site(10 * row, *zip(*((n, shown[row]) for n, shown in fragments.items() if row in shown), strict=True)) for row in range(8)]
    votes = pair_votes(sites)
    turned = joined(8, votes)
    assert {root for root, _ in turned} == {turned[0][0]}
    assert [turn != turned[0][1] for _, turn in turned] == [False, *best_arrangement(8, votes)]
    assert [x.genotype for x in phased(sites)] == [(1, 0) if truth[0] != t else (0, 1) for t in truth]


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=6, unique_by=lambda pair: pair[0]), max_size=6))
def test_every_fragment_votes_for_every_pair_of_sites_that_it_shows(shown):
    """Sites of alleles 0 and 1; what shows allele 2 does not vote."""
    sites = [site(row, [fragment for fragment, _ in each], [allele for _, allele in each]) for row, each in enumerate(shown)]
    expected: dict = {}
    for (first, one), (second, other) in combinations(enumerate(map(dict, shown)), 2):
        both = [(one[fragment], other[fragment]) for fragment in one.keys() & other.keys() if one[fragment] < 2 and other[fragment] < 2]
        if both:
            expected[first, second] = sum(a == b for a, b in both), sum(a != b for a, b in both)
    assert {(a, b): (together, apart) for a, b, together, apart in pair_votes(sites).tolist()} == expected


def test_one_fragment_or_contradiction_joins_nothing():
    alone = [site(0, [1], [0]), site(9, [1], [0])]
    assert [x.phase_set for x in phased(alone)] == [None, None]
    torn = [site(0, range(8), [0] * 8), site(9, range(8), [0, 0, 0, 0, 0, 1, 1, 1])]
    assert [x.phase_set for x in phased(torn)] == [None, None]


def test_what_does_not_pass_is_not_phased():
    first, poor, last = (site(row, range(9), [0] * 9) for row in (3, 5, 8))
    assert [x.phase_set for x in phased([first, replace(poor, filters=("LowQual",)), last])] == [3, None, 3]


def phased_records(path):
    with pysam.VariantFile(str(path)) as file:
        return [(r.contig, r.start, r.samples[0].get("PS"), r.samples[0].alleles) for r in file if r.samples[0].phased]


@pytest.fixture(scope="module")
def person(world):
    """Someone heterozygous every 60 bases in three stretches, one of them over a bound of the grid, on copies drawn by chance."""
    rng = np.random.default_rng(3)
    copies: tuple[list, list] = ([], [])
    for start in (3000, 30_000, 65_300):
        for i, position in enumerate(range(start, start + 480, 60)):
            kind = ("snv", ""), ("snv", ""), ("ins", "GATTACA"), ("del", "xxxx")
            copies[int(rng.integers(0, 2))].append(change(world, "chr1", position, *kind[i % 4]))
    return Person("donor", copies)


@pytest.fixture(scope="module")
def calls(world, person, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phasing")
    bam = write_reads(world, person, folder / "reads.bam", depth=40, seed=7, only="chr1")
    call_variants(world.reference, bam, Outputs(folder / "all.vcf.gz"), region="chr1")
    return bam, folder / "all.vcf.gz"


def test_no_allele_is_switched(person, calls):
    on_copy = {(v[1], v[3]): copy for copy, variants in enumerate(person.haplotypes) for v in variants}
    found: dict = {}
    for contig, position, phase_set, (first, second) in phased_records(calls[1]):
        there = [on_copy.get((position, allele)) for allele in (first, second)]
        found.setdefault((contig, phase_set), []).append(there[0] if there[0] is not None else 1 - there[1])
    assert sum(map(len, found.values())) == len(on_copy) == 24
    assert len(found) == 4
    for copy in found.values():
        assert len(set(copy)) == 1


def test_a_phase_set_keeps_to_its_cell_and_is_named_by_its_first_site(calls):
    records = phased_records(calls[1])
    first = {}
    for contig, position, phase_set, _ in records:
        assert first.setdefault((contig, phase_set), position + 1) == phase_set
        assert position // 65_536 == (phase_set - 1) // 65_536
    assert [position for _, position, *_ in records] == sorted(position for _, position, *_ in records)


def test_a_region_cut_anywhere_leaves_the_phase_sets_as_they_are(world, calls, tmp_path):
    bam, whole = calls
    parts = []
    for start, end in pairwise((0, 3200, 30_250, 70_000)):
        call_variants(world.reference, bam, Outputs(tmp_path / "part.vcf.gz"), region=f"chr1:{start + 1}-{end}")
        parts += phased_records(tmp_path / "part.vcf.gz")
    assert parts == phased_records(whole)

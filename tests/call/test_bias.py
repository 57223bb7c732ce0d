"""How the reads of either allele lie over a site, as INFO tells it, against the definitions counted out."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.bias import medians, rank_sums, strand_odds


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((0, 0, 0, 0), math.log(2)),
        ((100_000, 100_000, 100_000, 100_000), math.log(2)),
        ((0, 0, 100_000, 100_000), math.log(2)),
        ((100, 100, 100, 0), 9.230339),
        ((13_736, 9_047, 41, 1_433), 7.061479),
        ((66, 14, 64, 4), 2.248203),
        ((351_169, 306_836, 153_739, 2_379), 8.066731),
    ],
)
def test_strand_odds_are_those_that_gatk_publishes_in_its_tests(table, expected):
    assert strand_odds(*table) == pytest.approx(expected, abs=1e-3)


def counts_of(*groups):
    return np.array([[np.bincount(group, minlength=256) for group in groups]])


def u_statistic(one, other):
    return sum((a > b) + (a == b) / 2 for a in one for b in other)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_the_z_of_ranks_is_the_place_of_u_among_all_ways_to_divide_the_reads(reference, alternative):
    together = reference + alternative
    every = [
        u_statistic([together[i] for i in chosen], [value for i, value in enumerate(together) if i not in chosen])
        for chosen in combinations(range(len(together)), len(alternative))
    ]
    z = rank_sums(counts_of(np.array(reference), np.array(alternative)))[0]
    if len(set(together)) == 1:
        assert z is None
    else:
        assert z == pytest.approx((u_statistic(alternative, reference) - np.mean(every)) / np.std(every))


def test_ranks_of_two_alternatives_are_those_of_both_together_and_of_no_reads_not_told():
    one, two, reference = np.array([3, 4]), np.array([9]), np.array([1, 5, 7])
    empty = np.array([], int)
    assert rank_sums(counts_of(reference, one, two)) == rank_sums(counts_of(reference, np.array([3, 4, 9]), empty))
    assert rank_sums(counts_of(reference, empty)) == rank_sums(counts_of(empty, one)) == [None]


@given(st.lists(st.lists(st.integers(0, 300), max_size=9), min_size=1, max_size=3))
def test_medians(groups):
    kept = [np.minimum(np.array(group, int), 255) for group in groups]
    expected = tuple(int(np.sort(group)[(len(group) - 1) // 2]) if len(group) else None for group in kept)
    assert medians(counts_of(*kept)) == [expected]


def bases_over(bam, contig, position):
    """Base, distance to the nearer end, and mapping quality of each read with a base on the position."""
    with pysam.AlignmentFile(str(bam)) as file:
        for read in file.fetch(contig, position, position + 1):
            place = {there: offset for offset, there in read.get_aligned_pairs(matches_only=True)}.get(position)
            if place is not None:
                near = min(place, read.query_length - 1 - place)
                yield read.query_sequence[place], near, read.mapping_quality, read.is_reverse


def test_what_a_record_tells_is_what_its_reads_show(donor_bam, donor_calls):
    """Of SNVs, where the base alone says which allele a read shows; errors of quality 10 are no evidence but few."""
    checked = 0
    for path in (donor_calls.vcf, donor_calls.gvcf):
        with pysam.VariantFile(str(path)) as file:
            for record in file:
                if record.alts[0] == "<NON_REF>" or len(record.ref) > 1 or len(record.alts[0]) > 1:
                    continue
                checked += 1
                told, shown = record.info, list(bases_over(donor_bam, record.chrom, record.start))
                near = {base: np.array([n for b, n, *_ in shown if b == base], int) for base in (record.ref, record.alts[0])}
                assert told["MPOS"][0] == np.sort(near[record.alts[0]])[(len(near[record.alts[0]]) - 1) // 2]
                assert told["MQ"] == 60 and "MQRankSum" not in told
                z = rank_sums(counts_of(near[record.ref], near[record.alts[0]]))[0]
                assert told.get("ReadPosRankSum") == (None if z is None else pytest.approx(z, abs=6e-4))
                depth = record.samples[0]["AD"]
                assert told["AB"][0] == pytest.approx(depth[1] / sum(depth), abs=6e-5)
                assert told["SOR"] == pytest.approx(strand_odds(*record.samples[0]["SB"]), abs=6e-4)
                assert len(told["AB"]) == len(told["MPOS"]) == len(record.alts)
    assert checked >= 8

"""Contigs: names and sizes, unknown ends, composition, repeats, duplications."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from genopipe.simulate.sequence import ContigPlan, Sequence, make_sequence, plan_contigs

BAI_LIMIT = 1 << 29


@pytest.fixture(scope="module")
def contig() -> Sequence:
    return make_sequence(ContigPlan("chr1", 400_000, "autosome", 1000), seed=3)


def test_small_genome_has_two_autosomes_both_sex_chromosomes_and_a_mitochondrion() -> None:
    assert [plan.name for plan in plan_contigs(350_000)] == ["chr1", "chr2", "chrX", "chrY", "chrM"]


def test_genome_of_human_size_fits_a_bam_index() -> None:
    plans = plan_contigs(3_100_000_000)
    assert len(plans) == 25
    assert max(plan.length for plan in plans) < BAI_LIMIT
    assert abs(sum(plan.length for plan in plans) - 3_100_000_000) < 1_000_000


def test_only_the_ends_are_unknown(contig: Sequence) -> None:
    assert np.flatnonzero(contig.base == 4).tolist() == [*range(1000), *range(399_000, 400_000)]


def test_composition_looks_like_a_mammal(contig: Sequence) -> None:
    known = contig.base[contig.base < 4]
    gc = np.isin(known, (1, 2))
    cpg = ((known[:-1] == 1) & (known[1:] == 2)).mean()
    assert 0.37 < gc.mean() < 0.47
    assert cpg / ((known == 1).mean() * (known == 2).mean()) < 0.5
    windows = gc[: len(gc) // 4096 * 4096].reshape(-1, 4096).mean(axis=1)
    assert windows.max() - windows.min() > 0.08


def test_a_quarter_is_repeats(contig: Sequence) -> None:
    assert 0.15 < contig.repeat.mean() < 0.35


def test_long_homopolymers_occur(contig: Sequence) -> None:
    change = np.flatnonzero(np.diff(contig.base[1000:-1000]))
    assert 15 <= np.diff(change).max() <= 45


def test_duplicated_segments_share_most_words(contig: Sequence) -> None:
    """1.5 % substitutions and 0.15 % losses leave a word of 16 whole with probability 0.983^16 = 0.76."""
    letters = contig.base.tobytes()
    words = [{letters[i : i + 16] for i in range(start, end - 16)} for start, end in contig.duplication[:2]]
    assert 0.6 < len(words[0] & words[1]) / len(words[0]) < 0.9


def test_duplicated_segments_do_not_overlap(contig: Sequence) -> None:
    ordered = sorted(contig.duplication)
    assert ordered and all(left[1] <= right[0] for left, right in pairwise(ordered))


def test_a_contig_can_be_made_alone() -> None:
    plan = ContigPlan("chr2", 60_000, "autosome", 100)
    assert make_sequence(plan, seed=1).base.tobytes() == make_sequence(plan, seed=1).base.tobytes()
    assert make_sequence(plan, seed=1).base.tobytes() != make_sequence(plan, seed=2).base.tobytes()

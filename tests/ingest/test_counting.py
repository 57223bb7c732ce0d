"""What is counted equals the slow count, in any order and cut into any batches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.ingest.counting import CYCLES, Counts, count, fragment_lengths
from genopipe.ingest.duplicates import DuplicateSample
from genopipe.model import BASES, Reads
from tests.oracles.fastq import complement, fragment_length


def reads_of(sequences: list[str], *, paired: bool = False, quality: int = 30) -> Reads:
    """Reads with those bases, one quality and no headers worth speaking of."""
    base = np.array([BASES.index(letter.encode()) for letter in "".join(sequences)], np.uint8)
    base_start = np.cumsum([0, *map(len, sequences)])
    n = len(sequences)
    header = np.full(n, ord("r"), np.uint8)
    return Reads(paired, header, np.arange(n + 1), np.ones(n, np.int32), base, np.full(len(base), quality, np.uint8), base_start)


LETTERS = st.text("ACGTN", max_size=60)


@settings(max_examples=60)
@given(sequences=st.lists(LETTERS, max_size=20))
def test_bases_gc_and_lengths_are_those_of_the_letters(sequences: list[str]) -> None:
    counts = count(reads_of(sequences, quality=37))
    letters = "".join(sequences)
    assert counts.base[0].sum(0)[:5].tolist() == [letters.count(base) for base in "ACGTN"]
    assert counts.quality[0].sum(0)[37] == counts.quality.sum() == len(letters)
    assert counts.read_length[0] == {length: [len(s) for s in sequences].count(length) for length in {len(s) for s in sequences}}
    known = [(sum(base in "GC" for base in s), sum(base != "N" for base in s)) for s in sequences]
    percents = [int(100 * gc / n + 0.5) for gc, n in known if n]
    assert counts.gc[0].tolist() == [percents.count(percent) for percent in range(101)]


def test_cycles_beyond_the_last_row_are_in_the_totals() -> None:
    counts = count(reads_of(["A" * (CYCLES + 7)]))
    assert counts.base[0, :CYCLES, 0].tolist() == [1] * CYCLES
    assert counts.base[0, CYCLES, 0] == 7


@pytest.mark.parametrize(
    "sequence, found",
    [
        ("ACGTAGATCGGAAGAGCAC", [1, 0]),
        ("CTGTCTCTTATA", [0, 1]),
        ("AGATCGGAAGAGCTGTCTCTTATA", [1, 1]),
        ("AGATCGNAAGAG", [0, 0]),
        ("AGATCGGAAGA", [0, 0]),
    ],
)
def test_adapters_are_found_anywhere_once_a_read(sequence: str, found: list[int]) -> None:
    assert count(reads_of([sequence, "", "A"])).adapter[0].tolist() == found


@pytest.mark.parametrize("sequence, found", [("A" + "G" * 10, 1), ("G" * 30, 1), ("A" + "G" * 9, 0), ("G" * 10 + "A", 0)])
def test_poly_g_is_counted_at_the_end_only(sequence: str, found: int) -> None:
    assert count(reads_of([sequence])).poly_g.tolist() == [found]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Mates of one fragment, with errors and with reads of different length."""
    fragment = draw(st.text("ACGT", min_size=20, max_size=150))
    adapter = draw(st.text("ACGTN", min_size=40, max_size=40))
    mates = []
    for strand in (fragment, complement(fragment)):
        read = list((strand + adapter)[: draw(st.integers(10, 90))])
        for place in draw(st.lists(st.integers(0, len(read) - 1), max_size=6)):
            read[place] = draw(st.sampled_from("ACGTN"))
        mates.append("".join(read))
    return mates[0], mates[1]


@settings(max_examples=150)
@given(mates=st.lists(pairs(), min_size=1, max_size=4))
def test_fragment_lengths_are_those_of_the_oracle(mates: list[tuple[str, str]]) -> None:
    reads = reads_of([read for pair in mates for read in pair], paired=True)
    assert fragment_lengths(reads.base, reads.base_start).tolist() == [fragment_length(*pair) for pair in mates]


def test_reads_beyond_their_fragment_are_counted(rng: np.random.Generator) -> None:
    fragment = "".join(rng.choice(list("ACGT"), 50))
    short = [fragment + "AGATCGGAAG", complement(fragment) + "AGATC"]
    longer = "".join(rng.choice(list("ACGT"), 100))
    counts = count(reads_of([*short, longer[:70], complement(longer)[:70]], paired=True))
    assert (counts.read_through, counts.adapter_bases) == (1, 15)
    assert np.flatnonzero(counts.fragment).tolist() == [50, 100]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def random_pairs(rng: np.random.Generator, n: int) -> list[str]:
    return ["".join(rng.choice(list("ACGT"), 40)) for _ in range(2 * n)]


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_counts_do_not_depend_on_batches(rng: np.random.Generator, cut: int) -> None:
    sequences = random_pairs(rng, 30) + random_pairs(np.random.default_rng(7), 10)
    whole = count(reads_of(sequences, paired=True))
    total = Counts(paired=True)
    for start, end in pairwise([*range(0, len(sequences), 2 * cut), len(sequences)]):
        total.add(count(reads_of(sequences[start:end], paired=True)))
    for name in ("base", "quality", "gc", "adapter", "poly_g", "fragment"):
        assert np.array_equal(getattr(whole, name), getattr(total, name)), name
    assert (whole.read_length, whole.duplicates.pairs()) == (total.read_length, total.duplicates.pairs())


def test_copies_are_found_in_both_orientations(rng: np.random.Generator) -> None:
    first, second, other1, other2 = random_pairs(rng, 2)
    sequences = [first, second, second + "A", first, other1, other2, first, other1, first[:31], second, "N" + first, second]
    assert count(reads_of(sequences, paired=True)).duplicates.pairs() == (4, 1)


def test_copies_of_single_reads_are_found(rng: np.random.Generator) -> None:
    first, second = random_pairs(rng, 1)
    assert count(reads_of([first, second, first, first])).duplicates.pairs() == (4, 2)


@settings(max_examples=60)
@given(keys=st.lists(st.integers(1, 2**64 - 1), max_size=80), cuts=st.lists(st.integers(0, 80), max_size=4))
def test_the_sample_is_bounded_and_free_of_order(keys: list[int], cuts: list[int]) -> None:
    array = np.array(keys, np.uint64)
    whole, total = DuplicateSample(limit=10), DuplicateSample(limit=10)
    whole.take(array)
    for start, end in pairwise(sorted({0, len(keys), *(min(cut, len(keys)) for cut in cuts)})):
        part = DuplicateSample(limit=10)
        part.take(array[start:end][::-1])
        total.add(part)
    assert whole.pairs() == total.pairs()
    assert whole.pairs()[0] <= 10


def test_a_bounded_sample_estimates_the_fraction(rng: np.random.Generator) -> None:
    molecule = rng.integers(1, 2**63, 40_000, np.uint64)
    sample = DuplicateSample(limit=4096)
    sample.take(rng.permutation(np.concatenate((molecule, molecule[:10_000]))))
    sampled, copies = sample.pairs()
    assert abs(copies / sampled - 0.2) < 0.03


def test_copies_in_real_reads_are_near_those_marked_after_alignment(data: Path) -> None:
    """5,021 of 47,984 primary records of `reads.bam` carry the duplicate flag (`samtools flagstat`)."""
    from genopipe.formats.fastq import read_fastq

    folder = data / "na12878_chr21"
    total = Counts(paired=True)
    for reads in read_fastq(folder / "reads_R1.fastq.gz", folder / "reads_R2.fastq.gz"):
        total.add(count(reads))
    sampled, copies = total.duplicates.pairs()
    assert abs(copies / sampled - 5021 / 47984) < 0.015

"""Base qualities put right: counted like GATK counts them, by base and cycle and context like a plain walk over the records, and learnt
without running away."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.recalibration import HIGHEST, PSEUDO_ERRORS, learn, recalibrated, unchanged
from genopipe.formats.bam_index import open_bam
from genopipe.formats.bam_reader import read_stretch
from genopipe.formats.genome import build_genome, fetch
from genopipe.kernels.recalibration import MOST_CYCLES, N_CONTEXTS, N_CYCLES, N_QUALITIES, count_differences


def by_records(path, contig, reference, start, usable):
    """Counts by (quality, cycle) and (quality, context), walked record by record."""
    by_cycle, by_context = Counter(), Counter()
    with pysam.AlignmentFile(str(path)) as file:
        for read in file.fetch(contig, start, start + len(reference)):
            if read.flag & 0xF04 or read.mapping_quality < 1:
                continue
            letters = read.get_forward_sequence()
            n = read.query_length
            for offset, position in read.get_aligned_pairs(matches_only=True):
                if not start <= position < start + len(reference) or not usable[position - start]:
                    continue
                cycle = n - 1 - offset if read.is_reverse else offset
                quality = read.query_qualities[offset]
                differs = read.query_sequence[offset] != "ACGTN"[reference[position - start]]
                by_cycle[quality, cycle + (MOST_CYCLES if read.is_read2 else 0), 0] += 1
                by_cycle[quality, cycle + (MOST_CYCLES if read.is_read2 else 0), 1] += differs
                if cycle:
                    context = "ACGT".index(letters[cycle - 1]) * 4 + "ACGT".index(letters[cycle])
                    by_context[quality, context, 0] += 1
                    by_context[quality, context, 1] += differs
    return +by_cycle, +by_context


def as_counter(array):
    return Counter({tuple(map(int, place)): int(array[tuple(place)]) for place in np.argwhere(array)})


def test_every_base_is_counted_as_a_walk_over_the_records_counts_it(world, donor_bam):
    bam = open_bam(donor_bam)
    reference = np.array(["ACGT".index(letter) for letter in world.sequences["chr1"][4000:9000]], np.uint8)
    usable = np.random.default_rng(3).random(len(reference)) < 0.9
    counted = count_differences(read_stretch(bam, 0, start=4000, end=9000, min_mapping_quality=1), reference, 4000, usable)
    assert tuple(map(as_counter, counted)) == by_records(donor_bam, "chr1", reference, 4000, usable)
    assert counted[0][:, :, 1].sum() > 100


def gatk_table(path, number):
    """Rows of a table of a GATK recalibration report for mismatches, the read groups left out."""
    rows, inside = [], False
    for line in path.read_text().splitlines():
        if line.startswith("#:GATKTable:RecalTable"):
            inside = line.startswith(f"#:GATKTable:RecalTable{number}:")
        elif inside and " M " in line:
            rows.append(line.split())
    return rows


def test_the_counts_are_those_of_gatk(data, tmp_path):
    folder = data / "markdup_bqsr"
    genome = build_genome(folder / "human_g1k_v37.chr17_1Mb.fasta", tmp_path, name="chr17")
    usable = np.ones(5_000, bool)
    for line in (folder / "BQSR" / "dbsnp_132.b37.excluding_sites_after_129.chr17_69k_70k.vcf").read_text().splitlines():
        if not line.startswith("#"):
            position, _, reference = line.split("\t")[1:4]
            usable[int(position) - 1 - 67_000 : int(position) - 1 - 67_000 + len(reference)] = False
    bam = open_bam(folder / "NA12878.chr17_69k_70k.dictFix.bam")
    reads = read_stretch(bam, 0, start=67_000, end=72_000, min_mapping_quality=1)
    by_cycle, by_context = count_differences(reads, fetch(genome, "17", 67_000, 72_000), 67_000, usable)
    table = folder / "BQSR" / "expected.NA12878.chr17_69k_70k.txt"
    expected = np.zeros((N_QUALITIES, 2))
    for row in gatk_table(table, 1):
        expected[int(row[1])] += float(row[4]), float(row[5])
    counted = by_cycle.sum(axis=1)
    assert np.array_equal(counted[6:, 0], expected[6:, 0])
    # GATK spreads the errors of bases whose alignment is doubtful over their neighbours
    assert np.abs(counted[6:, 1] - expected[6:, 1]).max() <= 1
    assert counted[6:, 1].sum() == pytest.approx(expected[6:, 1].sum(), rel=0.05)
    contexts, cycles = Counter(), Counter()
    for _, _, value, kind, _, _, observations, _ in gatk_table(table, 2):
        if kind == "Context":
            contexts["ACGT".index(value[0]) * 4 + "ACGT".index(value[1])] += int(observations)
        else:
            cycles[int(value)] += int(observations)
    for context in range(N_CONTEXTS):
        assert by_context[6:, context, 0].sum() == pytest.approx(contexts[context], abs=5)
    # GATK's cycles begin behind a clip, ours where the read begins
    for cycle in range(76):
        assert by_cycle[6:, cycle, 0].sum() == pytest.approx(cycles[cycle + 1], abs=4)
        assert by_cycle[6:, MOST_CYCLES + cycle, 0].sum() == pytest.approx(cycles[-cycle - 1], abs=4)


def counts_of(quality, *, bases, errors, cycle=10, context=3):
    by_cycle, by_context = np.zeros((N_QUALITIES, N_CYCLES, 2), np.int64), np.zeros((N_QUALITIES, N_CONTEXTS, 2), np.int64)
    by_cycle[quality, cycle] = by_context[quality, context] = bases, errors
    return by_cycle, by_context


def test_a_quality_becomes_what_its_bases_are_worth():
    learnt = learn(*counts_of(30, bases=10_000_000, errors=100_000))
    row_of, table = learnt.tables()
    assert learnt.reported.tolist() == [30]
    assert learnt.empirical[0] == pytest.approx(20_000, abs=50)
    assert table[row_of[30], 10, 3] == table[row_of[30], 10, N_CONTEXTS] == 20


def test_a_bad_cycle_is_worth_less_than_the_others():
    by_cycle, by_context = counts_of(30, bases=1_000_000, errors=1_000)
    by_cycle[30, 149] = 100_000, 1_000
    by_context[30, 3] += by_cycle[30, 149]
    row_of, table = learn(by_cycle, by_context).tables()
    assert table[row_of[30], 149, N_CONTEXTS] == 20
    assert table[row_of[30], 10, N_CONTEXTS] == 30


@given(st.integers(6, 60), st.integers(0, 2_000))
def test_few_bases_without_an_error_move_little(quality, bases):
    learnt = learn(*counts_of(quality, bases=bases, errors=0))
    expected = bases * 10 ** (-quality / 10)
    most = 10_000 * np.log10(1 + expected / PSEUDO_ERRORS)
    assert (np.abs(learnt.empirical - 1000 * quality) <= most + 1).all()


@given(st.lists(st.tuples(st.integers(0, 93), st.integers(0, 10**9), st.floats(0, 1)), max_size=5))
def test_no_counts_make_a_quality_that_cannot_be(entries):
    by_cycle, by_context = np.zeros((N_QUALITIES, N_CYCLES, 2), np.int64), np.zeros((N_QUALITIES, N_CONTEXTS, 2), np.int64)
    for quality, bases, share in entries:
        by_cycle[quality, 7] = by_context[quality, 7] = bases, int(bases * share)
    row_of, table = learn(by_cycle, by_context).tables()
    assert table.min(initial=2) >= 2
    assert table.max(initial=2) <= HIGHEST
    assert (row_of[:6] == -1).all()


def test_qualities_are_looked_up_by_cycle_and_context(world, donor_bam):
    bam = open_bam(donor_bam)
    reads = read_stretch(bam, 0, start=4000, end=5000, min_mapping_quality=1)
    rng = np.random.default_rng(1)
    row_of = np.where(np.arange(256) == 37, 0, -1)
    table = rng.integers(2, 50, (1, N_CYCLES, N_CONTEXTS + 1)).astype(np.uint8)
    got = recalibrated(reads, (row_of, table))
    with pysam.AlignmentFile(str(donor_bam)) as file:
        for row, read in enumerate(file.fetch("chr1", 4000, 5000)):
            letters, qualities, expected = read.get_forward_sequence(), list(read.get_forward_qualities()), []
            for cycle, quality in enumerate(qualities):
                context = "ACGT".index(letters[cycle - 1]) * 4 + "ACGT".index(letters[cycle]) if cycle else N_CONTEXTS
                expected.append(int(table[0, cycle, context]) if quality == 37 else quality)
            mine = got.quality[got.base_start[row] : got.base_start[row + 1]].tolist()
            assert mine == (expected[::-1] if read.is_reverse else expected)


def test_nothing_learnt_changes_nothing(donor_bam):
    reads = read_stretch(open_bam(donor_bam), 0, start=4000, end=5000)
    assert np.array_equal(recalibrated(reads, unchanged().tables()).quality, reads.quality)

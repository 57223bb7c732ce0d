"""Reference blocks: as long as their bases are about equally sure, and telling the least of what each base would."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.blocks import reference_blocks, refitted
from genopipe.call.caller import Outputs, call_variants
from genopipe.call.genotypes import ReferenceFit
from genopipe.call.regions import Region
from genopipe.call.settings import DEFAULT
from genopipe.call.sites import Site
from genopipe.call.view import view
from genopipe.formats.bam_index import open_bam
from genopipe.formats.bam_reader import read_stretch
from genopipe.formats.genome import fetch, load_genome
from genopipe.formats.gvcf import open_gvcf, parsed, read_gvcf
from genopipe.kernels.reference_blocks import even_runs, spelled
from tests.call.conftest import Person, called, change, write_reads

START, END = 8_000, 12_000


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=60), st.integers(0, 5), st.integers(0, 40))
def test_runs_are_as_long_as_they_may_be_and_hold_what_is_wanted(bases, step, percent):
    value, wanted = (np.array([base[i] for base in bases], kind) for i, kind in ((0, np.uint8), (1, bool)))
    fits = lambda run: max(run) - min(run) <= max(step, min(run) * percent // 100)  # noqa: E731
    rows = even_runs(value, wanted, step=step, percent=percent).tolist()
    assert [i for first, last in rows for i in range(first, last)] == np.flatnonzero(wanted).tolist()
    for first, last in rows:
        assert fits(value[first:last].tolist())
        assert last == len(value) or not wanted[last] or not fits(value[first : last + 1].tolist())


@pytest.fixture(scope="module")
def here(world, donor_bam):
    reads = read_stretch(open_bam(donor_bam), 0, start=START, end=END)
    return view(reads, fetch(load_genome(world.reference), "chr1", START, END), START)


@pytest.mark.parametrize("ploidy", [1, 2])
def test_a_block_tells_the_least_of_its_bases(here, ploidy):
    site = Site(START + 500, ("ACG", "A"), (0, 1), (), 9, 9, 9, (), (0, 0, 0, 0), True)
    span = START + 10, END - 10, ploidy
    blocks = reference_blocks(here, [site], span=span, settings=DEFAULT)
    single = [reference_blocks(here, [site], span=(i, i + 1, ploidy), settings=DEFAULT) for i in range(*span[:2])]
    by_place = {int(base.start[0]): base for base in single if len(base.start)}
    assert list(by_place) == [i for i in range(*span[:2]) if not START + 500 <= i < START + 503]
    assert [i for start, end in zip(blocks.start, blocks.end, strict=True) for i in range(start, end)] == list(by_place)
    for row, (start, end) in enumerate(zip(blocks.start, blocks.end, strict=True)):
        bases = [by_place[i] for i in range(start, end)]
        assert blocks.least[row].tolist() == np.min([base.least[0] for base in bases], axis=0).tolist()
        assert blocks.reference[row] == bases[0].reference[0] == here.reference[start - START]
    assert len(blocks.start) < len(by_place) / 10


@pytest.mark.parametrize("ploidy", [1, 2])
def test_one_base_is_told_by_its_fit(here, ploidy):
    """PL: phred above the best of the costs; GQ: how far the next one is."""
    blocks = reference_blocks(here, [], span=(START + 700, START + 701, ploidy), settings=DEFAULT)
    costs = [int(cost) for cost in here.pileup.fit[700]]
    costs = costs if ploidy == 2 else [costs[0], costs[2]]
    phreds = [math.floor((cost - min(costs)) / 1000 + 0.5) for cost in costs]
    assert blocks.least.tolist() == [[here.pileup.depth[700], min(sorted(phreds)[1], 99), *phreds]]


def test_the_fit_inside_regions_is_what_haplotypes_tell(here):
    """Regions that meet, overlap, and reach beyond the view; at one base the likeliest of what was tried there counts."""
    before, reach = here.pileup.fit.copy(), DEFAULT.reach
    here.pileup.fit[40:160] = 9_000, 2_000, 5_000
    regions = [Region(START - 50, START + 45), Region(START + 44, START + 50), Region(START + 110, START + 115), Region(END - 5, END + 9)]
    told = [(START + 42, 70, 900), (START + 42, 300, 80), (START + 112, -500, 20), (START - 3, 1, 1), (END, 1, 1)]
    fit = refitted(here, regions, [ReferenceFit(*each) for each in told], DEFAULT).pileup.fit
    kept = [*range(50 + reach, 110 - reach), *range(115 + reach, 160)]
    expected = {i: [9_000, 2_000, 5_000] if i in kept else [0, 0, 0] for i in range(40, 160)} | {42: [0, 70, 80], 112: [0, -500, 20]}
    assert {i: fit[i].tolist() for i in expected} == expected
    assert (fit[160 : -5 - reach] == here.pileup.fit[160 : -5 - reach]).all() and (fit[:40].min(axis=1) == 0).all()
    here.pileup.fit[:] = before


def test_bases_of_an_insertion_that_lie_beside_it_speak_for_no_other_variant(world, tmp_path):
    """Reads that end soon behind the insertion, as aligners lay them: without a gap, so that they differ from the reference."""
    insertion = change(world, "chr1", 30_000, "ins", "ACGTTGCAAC")
    bam = write_reads(world, Person("p", ([insertion], [insertion])), tmp_path / "gaps.bam", depth=60, only="chr1")
    with pysam.AlignmentFile(str(bam)) as source, pysam.AlignmentFile(str(tmp_path / "p.bam"), "wb", header=source.header) as target:
        for read in source:
            gaps = [i for i, (operation, _) in enumerate(read.cigartuples) if operation == 1]
            if gaps and read.cigartuples[-1][1] <= 12:
                read.cigartuples = [(0, read.query_length)]
            target.write(read)
    pysam.index(str(tmp_path / "p.bam"))
    call_variants(world.reference, tmp_path / "p.bam", Outputs(tmp_path / "p.vcf.gz", tmp_path / "p.g.vcf.gz"), region="chr1:29001-31000")
    assert called(tmp_path / "p.vcf.gz") == {insertion: 2}
    gvcf = open_gvcf(tmp_path / "p.g.vcf.gz")
    blocks = [parsed(gvcf, line) for line in read_gvcf(gvcf) if line.is_block]
    assert [block for block in blocks if block.likelihood[0]] == []


def test_blocks_of_part_of_a_window_are_those_that_begin_there(here):
    blocks = reference_blocks(here, [], span=(START, END, 2), settings=DEFAULT)
    some = blocks.beginning_in(int(blocks.start[3]), int(blocks.start[7]))
    assert some.start.tolist() == blocks.start[3:7].tolist() and some.end.tolist() == blocks.end[3:7].tolist()
    assert some.least.tolist() == blocks.least[3:7].tolist() and some.ploidy == 2


@given(
    st.lists(st.tuples(st.sampled_from("ACGTN"), *3 * [st.integers(0, 2**32 - 1)])),
    st.lists(st.text("ab\t_", max_size=20), min_size=5, max_size=5),
)
def test_lines_are_words_and_numbers_in_turn(rows, words):
    letter = np.frombuffer("".join(row[0] for row in rows).encode(), np.uint8)
    text, start = spelled(words, letter, np.array([row[1:] for row in rows], np.int64).reshape(-1, 3))
    lines = [f"{words[0]}{a}{words[1]}{base}{words[2]}{b}{words[3]}{c}{words[4]}" for base, a, b, c in rows]
    assert text == "".join(lines)
    assert [text[a:b] for a, b in pairwise(start.tolist())] == lines

"""Reference blocks: as long as their bases are about equally sure, and telling the least of what each base would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.call.blocks import reference_blocks
from genopipe.call.settings import DEFAULT
from genopipe.call.sites import Site
from genopipe.call.view import view
from genopipe.formats.bam_index import open_bam
from genopipe.formats.bam_reader import read_stretch
from genopipe.formats.genome import fetch, load_genome
from genopipe.kernels.even_runs import even_runs

START, END = 8_000, 12_000


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=60), st.integers(0, 5), st.integers(0, 40))
def test_runs_are_as_long_as_they_may_be_and_hold_what_is_wanted(bases, step, percent):
    value, wanted = (np.array([base[i] for base in bases], kind) for i, kind in ((0, np.int64), (1, bool)))
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
    single = [base for i in range(*span[:2]) for base in reference_blocks(here, [site], span=(i, i + 1, ploidy), settings=DEFAULT)]
    assert [base.start for base in single] == [i for i in range(span[0], span[1]) if not START + 500 <= i < START + 503]
    assert [i for block in blocks for i in range(block.start, block.end)] == [base.start for base in single]
    by_place = {base.start: base for base in single}
    for block in blocks:
        bases = [by_place[i] for i in range(block.start, block.end)]
        assert block.depth == min(base.depth for base in bases)
        assert block.genotype_quality == min(base.genotype_quality for base in bases)
        assert block.likelihood == tuple(min(pl) for pl in zip(*(base.likelihood for base in bases), strict=True))
        assert block.reference == bases[0].reference
    assert len(blocks) < len(single) / 10

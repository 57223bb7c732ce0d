"""What could be seen: the uncallable bases and the coverage table."""

from __future__ import annotations

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.caller import Outputs, call_variants
from genopipe.call.coverage import COLUMNS, REASONS, Coverage, Tally
from genopipe.kernels.coverage import COUNTS, count_before, judge_bases
from tests.call.conftest import READ, Person, World, build_genome, write_reads


@pytest.fixture(scope="module")
def half_seen(tmp_path_factory):
    """One contig of 3,000 bases, unknown from 500 to 600, with reads only on the first 2,000; called in two threads."""
    folder = tmp_path_factory.mktemp("half")
    letters = np.array(list("ACGT"))[np.random.default_rng(4).integers(0, 4, 3000)]
    letters[500:600] = "N"
    (folder / "genome.fa").write_text(">chr1\n" + "".join(letters) + "\n")
    (folder / "reference").mkdir()
    build_genome(folder / "genome.fa", folder / "reference", name="half")
    letters[500:600] = "A"
    world = World(folder / "reference", folder / "genome.fa", {"chr1": "".join(letters)})
    whole = write_reads(world, Person("me", ([], [])), folder / "whole.bam", error=0)
    with pysam.AlignmentFile(str(whole)) as source, pysam.AlignmentFile(str(folder / "me.bam"), "wb", template=source) as file:
        for record in source:
            if record.reference_end <= 2000:
                file.write(record)
    pysam.index(str(folder / "me.bam"))
    outputs = Outputs(folder / "out.vcf.gz")
    call_variants(world.reference, folder / "me.bam", outputs, threads=2)
    return outputs, folder / "me.bam"


def depths(bam):
    depth = np.zeros(3000, int)
    with pysam.AlignmentFile(str(bam)) as file:
        for record in file:
            depth[record.reference_start : record.reference_end] += 1
    return depth


def test_unknown_and_unseen_bases_are_uncallable(half_seen):
    outputs, bam = half_seen
    named, reason = np.zeros(3000, bool), np.zeros(3000, int)
    for line in outputs.uncallable.read_text().splitlines():
        contig, start, end, why = line.split("\t")
        assert contig == "chr1"
        assert not named[int(start) : int(end)].any()
        named[int(start) : int(end)] = True
        reason[int(start) : int(end)] = REASONS.index(why)
    assert named[500:600].all()
    assert named[2000:].all()
    assert np.array_equal(named[READ:500], (depths(bam) < 7)[READ:500])
    depth = depths(bam)
    known = np.r_[0:500, 600:3000]
    expected = np.select([depth == 0, depth < 7], [REASONS.index("no_reads"), REASONS.index("low_depth")], 0)
    assert np.array_equal(reason[known], expected[known])
    assert (reason[500:600] == REASONS.index("unknown_reference")).all()


def test_the_table_counts_known_bases(half_seen):
    outputs, bam = half_seen
    head, contig, everything = (line.split("\t") for line in outputs.coverage.read_text().splitlines())
    known = np.r_[depths(bam)[:500], depths(bam)[600:]]
    assert tuple(head) == COLUMNS
    assert contig[:2] == ["chr1", "2900"]
    assert [float(value) for value in contig[2:6]] == pytest.approx(
        [known.mean(), (known >= 10).mean(), (known >= 20).mean(), (known >= 30).mean()], abs=0.006
    )
    assert everything[1:] == contig[1:]


base = st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 40), st.integers(0, 50))


@given(st.lists(base, max_size=30))
def test_each_base_has_its_reason_and_all_are_counted(bases):
    """Reference, whether a record settles it, GQ of the reference genotype, depth; callable from GQ 20 on, which seven reads can reach."""
    reference, settled, quality, depth = (
        np.array([row[i] for row in bases], kind) for i, kind in enumerate((np.uint8, bool, int, np.int32))
    )
    reason, until = np.empty(len(bases), np.uint8), np.empty((len(bases) + 1, COUNTS), np.int64)
    judge_bases(reference, settled, quality, depth, 20, 7, reason)
    count_before(reason, depth, 25, np.arange(len(bases) + 1), until)
    for row, (code, by_record, sure, deep) in enumerate(bases):
        seen = by_record or sure >= 20
        why = "unknown_reference" if code == 4 else "" if seen else "no_reads" if not deep else "low_depth" if deep < 7 else "unclear"
        assert REASONS[reason[row]] == why
        known = code < 4
        counted = [known, known * min(deep, 25), *(known and deep >= n for n in (10, 20, 30)), why == ""]
        assert (until[row + 1] - until[row]).tolist() == counted
    assert until[0].tolist() == [0] * COUNTS


def test_nothing_known_gives_zeros():
    tally = Tally.of(None)
    tally.add("c", Coverage())
    assert tally.table().splitlines()[1] == "c\t0\t0.00\t0.0000\t0.0000\t0.0000\t0.0000\t.\t.\t."

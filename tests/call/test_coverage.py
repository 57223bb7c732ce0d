"""What could be seen: the uncallable bases and the coverage table."""

from __future__ import annotations

import numpy as np
import pysam
import pytest

from genopipe.call.caller import Outputs, call_variants
from genopipe.call.coverage import COLUMNS, REASONS, Coverage, Tally
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


def test_nothing_known_gives_zeros():
    tally = Tally.of(None)
    tally.add("c", Coverage())
    assert tally.table().splitlines()[1] == "c\t0\t0.00\t0.0000\t0.0000\t0.0000\t0.0000\t.\t.\t."

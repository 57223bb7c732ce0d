"""Changes of the length of a repeat, where reads are clipped at either end of it rather than aligned across."""

from __future__ import annotations

import numpy as np
import pysam
import pytest

from genopipe.call.caller import Outputs, call_variants
from genopipe.formats.genome import build_genome
from tests.call.conftest import Person, World, called, write_reads

UNIT = "AGATC"


@pytest.fixture(scope="module")
def repeat(tmp_path_factory):
    """A contig with nine units at 1,000, and the sequence around them as in the reference."""
    folder = tmp_path_factory.mktemp("repeat")
    letters = "".join(np.array(list("ACGT"))[np.random.default_rng(6).integers(0, 4, 2000)])
    sequence = letters[:999] + "G" + UNIT * 9 + "TTG" + letters[1050:]
    (folder / "genome.fa").write_text(f">chr1\n{sequence}\n")
    (folder / "reference").mkdir()
    build_genome(folder / "genome.fa", folder / "reference", name="repeat")
    return World(folder / "reference", folder / "genome.fa", {"chr1": sequence})


def clipped(world, haplotypes, folder):
    """Reads of a person, those with an insertion clipped from there on, except one of them."""
    whole = write_reads(world, Person("me", haplotypes), folder / "whole.bam", depth=30)
    spared = False
    with pysam.AlignmentFile(str(whole)) as source, pysam.AlignmentFile(str(folder / "me.bam"), "wb", template=source) as file:
        for record in source:
            parts = record.cigartuples
            if len(parts) == 3 and parts[1][0] == 1:
                if spared:
                    record.cigartuples = [parts[0], (4, parts[1][1] + parts[2][1])]
                spared = True
            file.write(record)
    pysam.index(str(folder / "me.bam"))
    return folder / "me.bam"


def test_an_insertion_that_one_read_shows_and_others_are_clipped_at(repeat, tmp_path):
    insertion = ("chr1", 999, "G", "G" + UNIT * 4)
    bam = clipped(repeat, ([insertion], []), tmp_path)
    call_variants(repeat.reference, bam, Outputs(tmp_path / "x.vcf.gz"))
    assert called(tmp_path / "x.vcf.gz") == {insertion: 1}


def test_clips_at_one_end_of_a_repeat_and_an_insertion_at_the_other_are_one_change(repeat, tmp_path):
    """Both ends alone would each be explained by an insertion of their own."""
    sequence = repeat.sequences["chr1"]
    variants = [("chr1", 999, "G", "G" + UNIT * 4), ("chr1", 1045, sequence[1045], "C")]
    bam = clipped(repeat, (variants, variants), tmp_path)
    call_variants(repeat.reference, bam, Outputs(tmp_path / "x.vcf.gz"))
    inserted = [len(alternative) - len(reference) for _, _, reference, alternative in called(tmp_path / "x.vcf.gz")]
    assert sum(inserted) == 20

"""Which chromosome a contig is, by digest whatever its name, and where X and Y of a male have two copies."""

from __future__ import annotations

import json

import pytest

from genopipe.call.ploidy import copies_at, is_autosomal, is_mitochondrial, ploidy_spans, sex_chromosome
from genopipe.formats.assembly import pseudoautosomal, regions_to_mask
from genopipe.formats.contig_names import manifests_folder
from genopipe.formats.vcf import VcfContig

X38, Y38 = "49527016a48497d9d1cbd8e4a9049bd3", "b2b7e6369564d89059e763cd6e736837"
Y37_HG19, Y37_MASKED = "1e86411d73e6f00a10590f976be01623", "1fa3474750af0948bdf97d5a0ee52e51"


def test_the_regions_are_those_that_the_genome_reference_consortium_gives():
    """Its tables, 1-based: PAR1 X:10,001-2,781,479 and PAR2 X:155,701,383-156,030,895 of GRCh38, for one."""
    assert pseudoautosomal(X38, 156_040_895) == ((10_000, 2_781_479), (155_701_382, 156_030_895))
    assert pseudoautosomal(Y37_HG19, 59_373_566) == ((10_000, 2_649_520), (59_034_049, 59_363_566))


def test_a_region_is_as_long_on_x_as_on_y_in_every_known_genome():
    found = 0
    for path in manifests_folder().glob("*.json"):
        contigs = {contig["names"][0]: contig for contig in json.loads(path.read_text())["contigs"]}
        x, y = ([end - start for start, end in contigs[name]["pseudoautosomal"]] for name in "XY")
        assert x == y
        found += 1
    assert found == 4


def test_only_a_y_that_is_not_masked_yet_is_masked():
    assert set(regions_to_mask()) == {Y38, Y37_HG19}


@pytest.mark.parametrize("name", ["chrX", "X", "NC_000023.11", "scaffold_9"])
def test_a_known_sequence_is_x_whatever_its_name(name):
    contig = VcfContig(name, 156_040_895, X38)
    assert sex_chromosome(contig) == "X"
    assert [copies_at(contig, place, "male") for place in (9_999, 10_000, 2_781_478, 2_781_479)] == [1, 2, 2, 1]


@pytest.mark.parametrize("md5", [Y37_HG19, Y37_MASKED, "0" * 32, None])
def test_a_y_that_is_masked_in_a_way_nobody_knows_is_known_by_its_length(md5):
    spans = ploidy_spans(VcfContig("chrY", 59_373_566, md5), "male")
    assert [ploidy for _, _, ploidy in spans] == [1, 2, 1, 2, 1]
    assert (spans[0][0], spans[-1][1]) == (0, 59_373_566)


def test_a_sequence_that_nobody_knows_goes_by_its_name():
    assert [sex_chromosome(VcfContig(name, 9, "f" * 32)) for name in ("chrX", "Y", "chrXY", "17")] == ["X", "Y", None, None]
    assert [is_mitochondrial(VcfContig(name, 9, None)) for name in ("MT", "M", "chrM", "chrMT", "chrMx")] == [True] * 4 + [False]
    assert [is_autosomal(VcfContig(name, 9, None)) for name in ("chr7", "7", "chrX", "chr7_alt")] == [True, True, False, False]

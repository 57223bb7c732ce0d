"""The family's variants: they fit the reference, obey Mendel, and are as many and as written as in a real family."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysam.bcftools
from hypothesis import given
from hypothesis import strategies as st

from genopipe.simulate.family import Family, Plan, make_world
from genopipe.simulate.variation import left_aligned
from tests.simulate.conftest import Record, read_records

CODE = {letter: code for code, letter in enumerate("ACGT")}


def apply(reference: str, position: int, old: str, new: str) -> str:
    assert reference[position : position + len(old)] == old
    return reference[:position] + new + reference[position + len(old) :]


@given(st.text("AC", min_size=8, max_size=40), st.data())
def test_left_alignment_keeps_the_sequence_and_is_leftmost(reference: str, data: st.DataObject) -> None:
    """Oracle: every placement of an indel of this size that gives the same sequence, by trying all."""
    position = data.draw(st.integers(0, len(reference) - 5))
    size = data.draw(st.integers(1, 4))
    anchor = reference[position]
    if data.draw(st.booleans()):
        old, new = reference[position : position + 1 + size], anchor
    else:
        old, new = anchor, anchor + data.draw(st.text("AC", min_size=size, max_size=size))
    changed = apply(reference, position, old, new)
    base = np.array([CODE[letter] for letter in reference], np.uint8)
    at, left_old, left_new = left_aligned(base, position, old, new)
    assert apply(reference, at, left_old, left_new) == changed
    assert min(len(left_old), len(left_new)) == 1
    shift = len(changed) - len(reference)
    possible = [
        i
        for i in range(len(reference))
        if reference[: i + 1] == changed[: i + 1] and reference[i + 1 + max(0, -shift) :] == changed[i + 1 + max(0, shift) :]
    ]
    assert at == min(possible) or at == 0


def test_reference_alleles_are_those_of_the_genome(truth: list[Record], genome: dict[str, str]) -> None:
    for record in truth:
        start = record.position - 1
        assert genome[record.contig][start : start + len(record.reference)] == record.reference


def test_bcftools_norm_changes_nothing(family: Family, truth: list[Record]) -> None:
    normal = pysam.bcftools.norm("-f", str(family.genome), str(family.truth)).splitlines()
    rows = [line.split("\t") for line in normal if not line.startswith("#")]
    assert [f"{r[0]}-{r[1]}-{r[3]}-{r[4]}" for r in rows] == [r.name for r in truth]


def test_variants_are_sorted_and_apart(truth: list[Record]) -> None:
    for left, right in pairwise(truth):
        assert left.contig != right.contig or left.position + len(left.reference) < right.position


def mendelian(record: Record) -> bool:
    """The newborn is a girl: on chrX the father gives his only allele, chrY is absent, the mitochondrion is the mother's."""
    newborn, mother, father = (genotype.split("|") for genotype in record.genotypes)
    if record.contig == "chrY":
        return newborn == mother == ["."]
    if record.contig == "chrM":
        return newborn == mother
    return newborn[0] in mother and newborn[1] in father


def test_only_the_de_novo_variant_breaks_inheritance(family: Family, truth: list[Record]) -> None:
    assert [record.name for record in truth if not mendelian(record)] == [family.causal_variant]


def test_ploidy_follows_sex(truth: list[Record]) -> None:
    copies = {
        contig: {tuple(len(g.split("|")) * (g != ".") for g in r.genotypes) for r in truth if r.contig == contig}
        for contig in ("chr1", "chrX", "chrY", "chrM")
    }
    assert copies == {"chr1": {(2, 2, 2)}, "chrX": {(2, 2, 1)}, "chrY": {(0, 0, 1)}, "chrM": {(1, 1, 1)}}


def test_a_person_differs_as_often_as_people_do(truth: list[Record], genome: dict[str, str]) -> None:
    """About one SNV in 1,000 bases and one indel in 8,000, autosomes of the mother."""
    length = len(genome["chr1"]) + len(genome["chr2"])
    hers = [r for r in truth if r.contig in ("chr1", "chr2") and "1" in r.genotypes[1]]
    n_snvs = sum(len(r.reference) == len(r.alternative) for r in hers)
    assert 0.7 < 1000 * n_snvs / length < 1.4
    assert 0.5 < 8000 * (len(hers) - n_snvs) / length < 2.0


def test_indels_are_of_1_to_30_bases_both_ways(truth: list[Record]) -> None:
    sizes = [len(r.alternative) - len(r.reference) for r in truth if len(r.alternative) != len(r.reference)]
    assert min(sizes) < -3 and max(sizes) > 3
    assert max(map(abs, sizes)) <= 30


def test_crossovers_are_at_most_one_per_contig_and_parent(truth: list[Record]) -> None:
    """Where the mother is heterozygous, which of her haplotypes the newborn got may change once along a contig."""
    for contig in ("chr1", "chr2", "chrX"):
        got = []
        for r in truth:
            hers = r.genotypes[1].split("|")
            if r.contig == contig and len(set(hers)) == 2 and "de_novo" not in r.info:
                got.append(hers.index(r.genotypes[0].split("|")[0]))
        assert sum(a != b for a, b in pairwise(got)) <= 1


def test_mitochondrial_variants_come_from_the_mother(truth: list[Record]) -> None:
    genotypes = Counter(r.genotypes for r in truth if r.contig == "chrM")
    assert set(genotypes) == {("1", "1", "0"), ("0", "0", "1")}


def test_members_have_the_variants_they_carry(family: Family, truth: list[Record]) -> None:
    for i, member in enumerate(family.members):
        assert [r.name for r in read_records(member.truth)] == [r.name for r in truth if "1" in r.genotypes[i]]


def test_a_boy_has_one_x_from_his_mother_and_his_fathers_y(tmp_path: Path) -> None:
    world = make_world(tmp_path, Plan(150_000, 30, 200, "male", 6000, 5))
    x = [v for v in world.variants if v.contig == "chrX"]
    y = [v for v in world.variants if v.contig == "chrY"]
    assert x and all(len(v.genotype[0]) == 1 and v.genotype[0][0] in v.genotype[1] for v in x)
    assert y and all(v.genotype[0] == v.genotype[2] and v.genotype[1] == () for v in y)

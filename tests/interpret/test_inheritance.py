"""Modes of inheritance for every kind of genotype, and the answers that slivar's own test cases state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.formats.ped import Member, Sex, read_ped
from genopipe.interpret.inheritance import Family, call_faults, parentage
from genopipe.interpret.kinship import relation
from genopipe.interpret.subject import Subject
from genopipe.interpret.variants import Variants, read_variants

Call = tuple[str, int, int, int]
"""GT, depth, reads of the ALT, quality."""


def subject(sex: Sex = "female", *, father: bool = False, mother: bool = False, sibling: bool | None = None) -> Subject:
    family = [Member("F", "kid", "dad", "mum", sex, True), Member("F", "dad", None, None, "male", father)]
    family.append(Member("F", "mum", None, None, "female", mother))
    if sibling is not None:
        family.append(Member("F", "sib", "dad", "mum", "male", sibling))
    return Subject("C", "kid", sex, (), (), None, tuple(family), Path("case.yaml"))


def variants(rows: list[tuple[str, list[str]]], samples: tuple[str, ...] = ("kid", "dad", "mum")) -> Variants:
    """Variants (contig, one GT a sample) with 30 reads and GQ 99; `0?` is a REF call with 3 reads."""
    n, m = len(rows), len(samples)
    gt = [[call.replace("?", "") for call in calls] for _, calls in rows]
    count = np.array([[-1 if "." in call else call.count("1") for call in calls] for calls in gt], np.int8).reshape(n, m)
    ploidy = np.array([[0 if "." in call else len(call.replace("|", "/").split("/")) for call in calls] for calls in gt], np.int8).reshape(
        n, m
    )
    depth = np.array([[3 if "?" in call else 30 for call in calls] for _, calls in rows], np.int32).reshape(n, m)
    share = count / np.maximum(ploidy, 1)
    phase = np.array(
        [[call.split("|").index("1") if "|" in call and call.count("1") == 1 else -1 for call in calls] for calls in gt], np.int8
    )
    return Variants(
        samples=samples,
        contig=[f"chr{contig}" for contig, _ in rows],
        key=[contig for contig, _ in rows],
        position=np.arange(n, dtype=np.int32) * 100 + 5_000_000,
        end=np.arange(n, dtype=np.int32) * 100 + 5_000_001,
        structural=np.zeros(n, bool),
        ref=["A"] * n,
        alt=["C"] * n,
        passed=np.ones(n, bool),
        in_dbsnp=np.zeros(n, bool),
        alt_count=count,
        ploidy=ploidy,
        depth=depth,
        alt_depth=(depth * np.maximum(share, 0)).astype(np.int32),
        genotype_quality=np.full((n, m), 99, np.int32),
        haplotype=phase.reshape(n, m),
        phase_set=np.zeros((n, m), np.int32),
        new=np.full(n, np.nan),
        other_allele=np.zeros((n, m), bool),
        record=np.arange(n, dtype=np.int32),
    )


def modes(
    who: Subject, rows: list[tuple[str, list[str]]], samples: tuple[str, ...] = ("kid", "dad", "mum")
) -> list[tuple[str, tuple[int, ...], float]]:
    family = Family(who, variants(rows, samples), assembly="GRCh38")
    return [(pattern.mode, pattern.rows, pattern.weight) for pattern in family.patterns(list(range(len(rows))))]


@pytest.mark.parametrize(
    ("calls", "who", "expected"),
    [
        (("1", ["0/1", "0/0", "0/0"]), subject(), ("AD_de_novo", 1.0)),
        (("1", ["0/1", "0/0", "0/0?"]), subject(), ("AD", 0.8)),
        (("1", ["0/1", "0/0", "./."]), subject(), ("AD", 0.8)),
        (("1", ["0/1", "0/1", "0/0"]), subject(father=True), ("AD", 1.0)),
        (("1", ["0/1", "0/1", "0/0"]), subject(), ("AD_incomplete", 0.25)),
        (("1", ["0/1", "0/0", "0/1"]), subject(father=True), ("AR_single", 0.05)),
        (("1", ["1/1", "0/1", "0/1"]), subject(), ("AR_hom", 1.0)),
        (("1", ["1/1", "1/1", "0/1"]), subject(), ("AR_single", 0.05)),
        (("X", ["1", "0", "0/1"]), subject("male"), ("XR", 1.0)),
        (("X", ["1/1", "0", "0/1"]), subject("male"), ("XR", 1.0)),
        (("X", ["1", "0", "0/0"]), subject("male"), ("XR_de_novo", 1.0)),
        (("X", ["1", "1", "0/1"]), subject("male"), ("AR_single", 0.05)),
        (("X", ["0/1", "0", "0/0"]), subject(), ("XD_de_novo", 1.0)),
        (("X", ["1/1", "1", "0/1"]), subject(father=True), ("XR", 1.0)),
        (("MT", ["1", "0", "1"]), subject(mother=True), ("MT", 1.0)),
        (("MT", ["1", "0", "1"]), subject(), ("MT", 0.25)),
        (("MT", ["0/1", "1/1", "0/0"]), subject(), ("MT", 1.0)),
    ],
)
def test_one_variant(calls: tuple[str, list[str]], who: Subject, expected: tuple[str, float]) -> None:
    assert [(mode, weight) for mode, _, weight in modes(who, [calls])] == [expected]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["0/1", "0/1", "0/0"], ["0/1", "0/0", "0/1"], 1.0),
        (["0/1", "0/1", "0/0"], ["0/1", "0/1", "0/0"], None),
        (["0/1", "0/1", "0/0"], ["0/1", "0/0", "./."], 0.7),
        (["0|1", "./.", "./."], ["1|0", "./.", "./."], 1.0),
        (["0|1", "./.", "./."], ["0|1", "./.", "./."], None),
        (["0/1", "0/1", "0/1"], ["0/1", "0/0", "0/1"], None),
    ],
)
def test_two_hits(first: list[str], second: list[str], expected: float | None) -> None:
    """In trans by parents or by phase, in cis, unknown, and both in an unaffected mother."""
    pairs = [weight for mode, _, weight in modes(subject(), [("1", first), ("1", second)]) if mode == "AR_comphet"]
    assert pairs == ([] if expected is None else [expected])


def test_an_unaffected_sibling_with_both_hits_speaks_against_the_pair() -> None:
    rows = [("1", ["0/1", "0/1", "0/0", "0/1"]), ("1", ["0/1", "0/0", "0/1", "0/1"])]
    samples = ("kid", "dad", "mum", "sib")
    assert "AR_comphet" not in {mode for mode, _, _ in modes(subject(sibling=False), rows, samples)}
    assert "AR_comphet" in {mode for mode, _, _ in modes(subject(sibling=True), rows, samples)}


@pytest.mark.parametrize(
    ("first", "second", "sibling", "fits"),
    [("0/1", "0/1", True, True), ("0/1", "0/0", True, False), ("./.", "0/1", True, True), ("./.", "0/1", False, True)],
)
def test_a_sibling_bears_out_a_pair_or_speaks_against_it(first: str, second: str, sibling: bool, fits: bool) -> None:
    rows = [("1", ["0/1", "0/1", "0/0", first]), ("1", ["0/1", "0/0", "0/1", second])]
    found = modes(subject(sibling=sibling), rows, ("kid", "dad", "mum", "sib"))
    assert ("AR_comphet" in {mode for mode, _, _ in found}) == fits


def test_an_unaffected_man_with_one_of_a_pair_on_his_x_speaks_against_it() -> None:
    rows = [("X", ["0/1", "1", "0/0"]), ("X", ["0/1", "0", "0/1"])]
    assert "XR_comphet" not in {mode for mode, _, _ in modes(subject(), rows)}
    assert "XR_comphet" in {mode for mode, _, _ in modes(subject(), rows, ("kid", "other", "mum"))}


@pytest.mark.parametrize(
    ("sibling", "genotype", "weight"), [(True, "0/1", 1.0), (True, "0/0", 0.25), (False, "0/0", 1.0), (False, "0/1", 0.25)]
)
def test_a_new_variant_that_other_relatives_contradict_weighs_less(sibling: bool, genotype: str, weight: float) -> None:
    found = modes(subject(sibling=sibling), [("1", ["0/1", "0/0", "0/0", genotype])], ("kid", "dad", "mum", "sib"))
    assert found == [("AD_de_novo", (0,), weight)]


def test_two_alts_of_one_record_are_in_trans() -> None:
    rows = variants([("1", ["0/1", "./.", "./."]), ("1", ["0/1", "./.", "./."])])
    rows.record[1] = rows.record[0]
    pairs = [pattern for pattern in Family(subject(), rows, assembly=None).patterns([0, 1]) if len(pattern.rows) == 2]
    assert [(pattern.weight, pattern.in_trans) for pattern in pairs] == [(1.0, True)]


@pytest.mark.parametrize(
    ("calls", "mode", "weight"),
    [(["1", "0", "."], "YL_de_novo", 1.0), (["1", "1", "0/0"], "AR_single", 0.05), (["1", ".", "0/0"], "YL", 1.0)],
)
def test_the_y_comes_from_the_father(calls: list[str], mode: str, weight: float) -> None:
    assert [(found, size) for found, _, size in modes(subject("male"), [("Y", calls)])] == [(mode, weight)]


@pytest.mark.parametrize(("own", "hers", "weight"), [(21, 5, 1.0), (5, 21, 0.25), (29, 27, 0.25)])
def test_mitochondria_make_ill_by_their_share(own: int, hers: int, weight: float) -> None:
    rows = variants([("MT", ["0/1", "0/0", "0/1"])])
    rows.alt_depth[0] = [own, 0, hers]
    (pattern,) = Family(subject(), rows, assembly=None).patterns([0])
    assert pattern.weight == weight
    assert f"in {100 * own / 30:.0f} % of the child's copies; the unaffected mother has it too, in {100 * hers / 30:.0f} %" in pattern.why


@pytest.mark.parametrize(
    ("contig", "calls", "samples", "told"),
    [
        ("1", ["1/1", "0/0", "0/1"], ("kid", "dad", "mum"), "not found in the father: one copy may be deleted"),
        ("1", ["1/1", "0/0", "0/0"], ("kid", "dad", "mum"), "not found in the mother and the father: check the samples"),
        ("X", ["1/1", "0", "0/1"], ("kid", "dad", "mum"), "inherited from the mother"),
        ("1", ["0/1"], ("kid",), "as the mother and the father were not sequenced"),
        ("1", ["0/1", "0/0"], ("kid", "mum"), "as the father was not sequenced"),
        ("1", ["0/1", "./.", "0/0"], ("kid", "dad", "mum"), "as not both parents were read well there"),
        ("1", ["0/1", "1/1", "0/1", "1/1"], ("kid", "dad", "mum", "sib"), "inherited from an unaffected relative"),
    ],
)
def test_what_is_said_of_the_parents(contig: str, calls: list[str], samples: tuple[str, ...], told: str) -> None:
    (pattern,) = Family(subject(), variants([(contig, calls)], samples), assembly=None).patterns([0])
    assert told in pattern.why


def test_some_reads_in_a_parent_are_told() -> None:
    rows = variants([("1", ["0/1", "0/0", "0/0"])])
    rows.alt_depth[0, 1] = 4
    (pattern,) = Family(subject(), rows, assembly=None).patterns([0])
    assert (pattern.mode, pattern.weight) == ("AD", 0.8)
    assert "some reads of the father have it too" in pattern.why


@pytest.mark.parametrize(
    "contig, position, inside",
    [
        ("X", 100_000, True),
        ("X", 155_701_382, True),
        ("X", 2_781_479, False),
        ("Y", 56_887_902, True),
        ("Y", 56_887_901, False),
        ("Y", 2_781_478, True),
    ],
)
def test_a_pseudoautosomal_region_is_no_sex_chromosome(contig: str, position: int, inside: bool) -> None:
    """Places of GRCh38 by the Genome Reference Consortium."""
    rows = variants([(contig, ["0/1", "0/1", "0/0"])])
    rows.position[0] = position
    modes = [pattern.mode for pattern in Family(subject("male"), rows, assembly="GRCh38").patterns([0])]
    assert (modes == ["AD_incomplete"]) == inside


def test_a_doubtful_genotype_of_a_parent_is_unknown() -> None:
    """One that says the father has it speaks against a dominant mode only from GQ 10 on."""
    found = {}
    for quality in (9, 10):
        rows = variants([("1", ["0/1", "0/1", "0/0"])])
        rows.genotype_quality[0, 1] = quality
        found[quality] = [(pattern.mode, pattern.weight) for pattern in Family(subject(), rows, assembly="GRCh38").patterns([0])]
    assert found == {9: [("AD", 0.8)], 10: [("AD_incomplete", 0.25)]}


def test_a_call_needs_depth_quality_and_balance() -> None:
    rows = variants([("1", ["0/1", "0/0", "0/0"])] * 5 + [("MT", ["0/1", "0/0", "0/0"])])
    rows.depth[1, 0] = 5
    rows.genotype_quality[2, 0] = 19
    rows.alt_depth[3, 0] = rows.alt_depth[5, 0] = 3
    rows.passed[4] = False
    faults = list(call_faults(rows, male=False).values())
    assert (~np.logical_or.reduce(faults)).tolist() == [True, False, False, False, False, True]


def test_parents_who_are_not_are_noticed() -> None:
    rows = variants(
        [("1", ["0/1", "0/1", "0/0"])] * 8 + [("1", ["0/1", "0/0", "0/0"])] + [("1", ["1/1", "0/0", "0/1"]), ("X", ["1/1", "0/0", "0/0"])]
    )
    assert parentage(rows, 1, 2) == (10, 2)
    assert parentage(rows, None, 2) == (0, 0)
    rows.depth[8, 2], rows.depth[0, 0] = 5, -1
    assert parentage(rows, 1, 2) == (9, 1)


def test_slivars_compound_heterozygotes(data: Path) -> None:
    """The published test case: two affected children, one pair in trans in both of them, by the parents' genotypes."""
    folder = data / "trio/slivar_tests"
    family = read_ped(folder / "comphet-test-case.ped")
    proband = next(member for member in family if member.affected)
    who = Subject("C", proband.sample, proband.sex, (), (), None, family, folder)
    people = [proband.sample, *(member.sample for member in family if member.sample != proband.sample)]
    called = read_variants(folder / "comphet-test-case.vcf", people)
    found = Family(who, called, assembly="GRCh38").patterns(range(len(called)))
    pairs = [pattern for pattern in found if pattern.mode == "AR_comphet" and pattern.in_trans]
    for pattern in pairs:
        origins = [tuple(called.alt_count[row, [people.index(proband.father), people.index(proband.mother)]]) for row in pattern.rows]
        assert sorted(origins) == [(0, 1), (1, 0)]
    assert pairs


def test_slivars_pairs_gene_by_gene(data: Path) -> None:
    """Its file says of each variant whether it belongs to a pair: inherited from both parents, one of them new, several that match; not two
    new ones, two of one parent, nor one that both parents have."""
    path = data / "trio/slivar_tests/comphet.vcf"
    family = (Member("F", "HG002", "HG003", "HG004", "male", True), Member("F", "HG003", None, None, "male", False))
    family += (Member("F", "HG004", None, None, "female", False),)
    called = read_variants(path, ["HG002", "HG003", "HG004"])
    with pysam.VariantFile(str(path)) as file:
        told = {record.start: (record.info["BCSQ"], record.info["expect"]) for record in file}
    genes = {gene for gene, _ in told.values()}
    found = set()
    for gene in genes:
        rows = [row for row in range(len(called)) if told[int(called.position[row])][0] == gene]
        patterns = Family(Subject("C", "HG002", "male", (), (), None, family, path), called, assembly="GRCh37").patterns(rows)
        found |= {int(called.position[row]) for pattern in patterns if pattern.mode == "AR_comphet" for row in pattern.rows}
    assert found == {position for position, (_, expected) in told.items() if str(expected).startswith(("yes", "('yes"))}
    assert len(genes) == 6


def test_slivars_new_variants(data: Path) -> None:
    """Its test states four variants of the trio that are new by its condition; they are, and nothing else that PASSes, by ours."""
    path = data / "trio/ashk-trio.vcf.gz"
    called = read_variants(path, ["HG002", "HG003", "HG004"])
    family = tuple(Member("F", name, *parents, "male", None) for name, parents in _ASHKENAZI.items())
    trio = Family(Subject("C", "HG002", "male", (), (), None, family, path), called, assembly="GRCh37")
    good = ~np.logical_or.reduce(list(call_faults(called, male=True).values()))
    new = {int(called.position[row]) + 1 for row in np.flatnonzero(good) if called.alt_count[row, 0] == 1 and trio.is_new(int(row))}
    assert {15_752_321, 155_036_260, 200_080_462} <= new
    assert len(new) <= 6


_ASHKENAZI = {"HG002": ("HG003", "HG004"), "HG003": (None, None), "HG004": (None, None)}


def test_the_ashkenazi_trio(data: Path) -> None:
    """HG002 and parents: the genotypes confirm the trio, and do not with the child and a parent exchanged."""
    path = data / "trio/ashk-trio.vcf.gz"
    right = read_variants(path, ["HG002", "HG003", "HG004"])
    known, contradictions = parentage(right, 1, 2)
    assert known > 1000
    assert contradictions < 0.03 * known
    known, contradictions = parentage(read_variants(path, ["HG003", "HG002", "HG004"]), 1, 2)
    assert contradictions > 0.05 * known


LARGE = (
    Member("F", "kid", "dad", "mum", "male", True),
    Member("F", "dad", "gpa", "gma", "male", False),
    Member("F", "mum", None, "nan", "female", False),
    Member("F", "gpa", None, None, "male", False),
    Member("F", "gma", None, None, "female", True),
    Member("F", "nan", None, None, "female", None),
    Member("F", "aunt", "gpa", "gma", "female", True),
    Member("F", "twin", "dad", "mum", "male", True),
    Member("F", "half", "other", "mum", "female", False),
    Member("F", "step", None, "mum", "unknown", False),
    Member("F", "child", "kid", None, "female", None),
    Member("F", "far", None, None, "male", False),
)


def test_what_everybody_is_to_the_patient() -> None:
    """A pedigree of four generations; a sibling of whom one parent is unknown is not called half."""
    told = {member.sample: relation(member, LARGE[0], LARGE) for member in LARGE}
    assert told == {
        "kid": "patient",
        "dad": "father",
        "mum": "mother",
        "gpa": "paternal grandfather",
        "gma": "paternal grandmother",
        "nan": "maternal grandmother",
        "aunt": "paternal aunt",
        "twin": "brother",
        "half": "half-sister",
        "step": "sibling",
        "child": "daughter",
        "far": "relative",
    }


def large(affected: dict[str, bool | None], calls: dict[str, str], *, contig: str = "1") -> list[tuple[str, float]]:
    """Modes of one variant in the large family, of whom `calls` were sequenced; the patient has it."""
    family = tuple(replace(member, affected=affected.get(member.sample, member.affected)) for member in LARGE)
    samples = ("kid", *calls)
    own = "1" if contig in ("X", "Y") else "0/1"
    who = Subject("C", "kid", "male", (), (), None, family, Path("case.yaml"))
    return [(mode, weight) for mode, _, weight in modes(who, [(contig, [own, *calls.values()])], samples)]


@pytest.mark.parametrize(
    ("affected", "calls", "contig", "expected"),
    [
        # an affected grandmother and aunt share it, the father between them is unaffected and has it
        ({}, {"gma": "0/1", "aunt": "0/1", "dad": "0/1"}, "1", [("AD_incomplete", 0.25)]),
        ({"dad": True}, {"gma": "0/1", "aunt": "0/1", "dad": "0/1"}, "1", [("AD", 1.0)]),
        ({"dad": None}, {"gma": "0/1", "aunt": "0/1", "dad": "0/1"}, "1", [("AD", 1.0)]),
        # an affected aunt lacks it
        ({}, {"gma": "0/1", "aunt": "0/0"}, "1", [("AR_single", 0.05)]),
        # a twin has the same new variant: one mutation of the germ line
        ({}, {"dad": "0/0", "mum": "0/0", "twin": "0/1"}, "1", [("AD_de_novo", 1.0)]),
        # an unaffected half-sister has it from the mother
        ({}, {"mum": "0/1", "half": "0/1"}, "1", [("AD_incomplete", 0.25)]),
        # only grandparents were sequenced
        ({"gma": False}, {"gpa": "0/0", "gma": "0/0"}, "1", [("AD", 0.8)]),
        # on the X of a boy: the maternal grandmother carries it, the father's side says nothing
        ({}, {"mum": "0/1", "nan": "0/1", "gpa": "0"}, "X", [("XR", 1.0)]),
        ({}, {"mum": "0/1", "gpa": "1"}, "X", [("AR_single", 0.05)]),
        # mitochondria go by the mother: a twin without it speaks against it, an aunt on the father's side does not count
        ({}, {"twin": "0/0"}, "MT", [("MT", 0.25)]),
        ({}, {"aunt": "0/0"}, "MT", [("MT", 1.0)]),
        ({}, {"half": "1/1"}, "MT", [("MT", 0.25)]),
    ],
)
def test_large_families(affected: dict[str, bool | None], calls: dict[str, str], contig: str, expected: list[tuple[str, float]]) -> None:
    assert large(affected, calls, contig=contig) == expected


def test_a_girl_has_no_y() -> None:
    """What is called there in her fits no mode; of unknown sex it counts as a boy's."""
    assert modes(subject("female"), [("Y", ["1", ".", "."])]) == [("AR_single", (0,), 0.05)]
    assert modes(subject("unknown"), [("Y", ["1", ".", "."])]) == [("YL", (0,), 1.0)]

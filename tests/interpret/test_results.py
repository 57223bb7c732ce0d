"""Genotypes, pictures and pages as people see them, and what is missing in an evidence set."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.ped import Member
from genopipe.interpret import consequence
from genopipe.interpret.acmg import Classification, Criterion
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.drawing import pedigree_chart, score_chart
from genopipe.interpret.evidence import Release, add, lock
from genopipe.interpret.findings import Finding, Hit, Request
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.limits import not_looked_for
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import genotype, write_results
from genopipe.interpret.subject import load_subject
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.world import OBO, write_annotations, write_family_vcf

SVG = "{http://www.w3.org/2000/svg}"


def packet(folder: Path, *, name: str = "KID", sex: str = "MALE") -> Path:
    path = folder / "packet.json"
    person = {"id": "packet one", "subject": {"id": name, "sex": sex}, "phenotypicFeatures": [{"type": {"id": "HP:0001250"}}]}
    path.write_text(json.dumps(person))
    return path


@pytest.mark.parametrize(("call", "gt"), [("0/1", "0/1"), ("1/1", "1/1"), ("1", "1"), ("0|1", "0|1"), ("1|0", "1|0"), ("1/2", "./1")])
def test_genotypes_are_written_as_they_were_read(setting: Setting, tmp_path: Path, call: str, gt: str) -> None:
    ref = setting.world.bases("chr1", 100, 101)
    alt, other = [base for base in "ACGT" if base != ref][:2]
    path = write_family_vcf(tmp_path / "v.vcf", ["S"], [(("chr1", 100, ref, f"{alt},{other}"), [f"{call}:.:30:99"])])
    variants = read_variants(path, ["S"], genome=setting.genome)
    assert genotype(variants, 0, 0) == gt


def test_a_family_phenopacket_brings_its_pedigree(tmp_path: Path) -> None:
    """Version 1 and 2 name the parts alike; ids of people are no case id."""
    persons = [
        {"individualId": "KID", "paternalId": "DAD", "maternalId": "MUM", "sex": "FEMALE", "affectedStatus": "AFFECTED"},
        {"individualId": "DAD", "sex": "MALE", "affectedStatus": "UNAFFECTED"},
        {"individualId": "MUM", "sex": "FEMALE"},
    ]
    features = [{"type": {"id": "HP:0001250"}}, {"type": {"id": "HP:0000988"}, "excluded": True}]
    family = {"id": "f:1", "proband": {"subject": {"id": "KID"}, "phenotypicFeatures": features}, "pedigree": {"persons": persons}}
    path = tmp_path / "family.json"
    path.write_text(json.dumps(family))
    subject = load_subject(path)
    assert subject.case == "f-1"
    assert (subject.observed, subject.excluded) == (("HP:0001250",), ("HP:0000988",))
    assert subject.family == (
        Member("family", "KID", "DAD", "MUM", "female", True),
        Member("family", "DAD", None, None, "male", False),
        Member("family", "MUM", None, None, "female", None),
    )


def test_three_generations_are_drawn_without_overlap() -> None:
    """Every person once, nobody upon somebody else, the affected filled, labels escaped."""
    family = (
        Member("F", "kid", "dad", "mum", "female", True),
        Member("F", "sib", "dad", "mum", "male", False),
        Member("F", "dad", "gdad", "gmum", "male", None),
        Member("F", "mum", None, None, "female", False),
        Member("F", "gdad", None, None, "male", True),
        Member("F", "gmum", None, None, "unknown", False),
    )
    root = ElementTree.fromstring(pedigree_chart(family, "kid", {"kid": ["<patient>", "one copy"]}))
    squares = [(float(e.get("x", 0)) + 17, float(e.get("y", 0)) + 17) for e in root.iter(f"{SVG}rect")]
    circles = [(float(e.get("cx", 0)), float(e.get("cy", 0))) for e in root.iter(f"{SVG}circle")]
    assert (len(squares), len(circles)) == (3, 2)
    places = squares + circles
    assert all(abs(a[0] - b[0]) >= 100 or abs(a[1] - b[1]) >= 100 for i, a in enumerate(places) for b in places[:i])
    assert [element.text for element in root.iter(f"{SVG}text")] == ["<patient>", "one copy"]


def test_the_score_chart_shows_what_there_is() -> None:
    assert len(list(ElementTree.fromstring(score_chart(0.5, 1.0, 0.55)).iter(f"{SVG}rect"))) == 6
    assert len(list(ElementTree.fromstring(score_chart(0.5, None, 0.5)).iter(f"{SVG}rect"))) == 2


def test_the_page_of_a_pair_tells_both_hits_and_everyones_genotype(setting: Setting, tmp_path: Path) -> None:
    world = setting.world
    pair = [world.codon_change("GENC", 8, "TAA"), world.codon_change("GENC", 40, "TAA")]
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(place, ["0/1"]) for place in pair])
    request = Request(load_subject(packet(tmp_path)), setting.evidence, path, setting.genome, setting.reference)
    result = interpret(request)
    write_results(result, tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert result.findings[0].pattern is not None
    assert result.findings[0].pattern.mode == "AR_comphet"
    assert "whether on the same copy is unknown" in page
    assert re.search(r"A: one copy", page)
    assert re.search(r"B: one copy", page)
    for told in ("Not looked for", "Repeat expansions", "not a medical device", "PP5 and BP6 are never used"):
        assert told in page
    with pysam.VariantFile(str(tmp_path / "out/findings.vcf.gz")) as file:
        assert [record.info["MODE"] for record in file] == [("AR_comphet",), ("AR_comphet",)]


def evidence_of(folder: Path, kinds: tuple[str, ...]):  # type: ignore[no-untyped-def]
    (folder / "hpo").write_text(OBO)
    write_annotations(folder / "hpo-annotations")
    for kind in kinds:
        add(folder / "E", kind, folder / kind, release=Release(kind, "1", "2026-01-01", "x", None))
    return lock(folder / "E", "set")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (("hpo",), "the evidence set set has no hpo-annotations"),
        (("hpo-annotations",), "the evidence set set has no hpo"),
        (("hpo", "hpo-annotations"), "the evidence set set has no gene models"),
    ],
)
def test_what_an_evidence_set_lacks_is_named(setting: Setting, tmp_path: Path, kinds: tuple[str, ...], message: str) -> None:
    evidence = evidence_of(tmp_path, kinds)
    ref = setting.world.bases("chr1", 100, 101)
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(("chr1", 100, ref, "A" if ref != "A" else "C"), ["0/1"])])
    with pytest.raises(BadInput) as caught:
        interpret(Request(load_subject(packet(tmp_path)), evidence, path, setting.genome, setting.reference))
    assert message in str(caught.value)


def test_a_failing_csq_is_told_in_one_line(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consequence, "fasta_path", lambda _: tmp_path / "absent.fa")
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(setting.world.codon_change("GENA", 9, "TAA"), ["0/1"])])
    with pytest.raises(BadEnvironment, match="bcftools csq failed") as caught:
        interpret(Request(load_subject(packet(tmp_path)), setting.evidence, path, setting.genome, setting.reference))
    assert "\n" not in str(caught.value)


def test_people_who_are_not_in_the_vcf_are_counted(setting: Setting, tmp_path: Path) -> None:
    case = packet(tmp_path)
    person = json.loads(case.read_text())
    case.write_text(json.dumps({"id": "x", "proband": person, "pedigree": {"persons": [{"individualId": "KID"}, {"individualId": "MUM"}]}}))
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(setting.world.codon_change("GENA", 9, "TAA"), ["0/1"])])
    result = interpret(Request(load_subject(case), setting.evidence, path, setting.genome, setting.reference))
    assert "1 of 2 people of the pedigree are not in the VCF." in result.notes


def test_what_was_not_looked_for_is_that_of_the_case(setting: Setting, tmp_path: Path) -> None:
    """A class that was looked for is not told; of a phenotype alone nothing is."""
    subject = load_subject(packet(tmp_path))
    vcf = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(("chr1", 100, setting.world.bases("chr1", 100, 101), "N"), ["0/1"])])
    plain = interpret(Request(subject, setting.evidence, vcf))
    named = {what for what, _ in not_looked_for(plain)}
    assert {"Which amino acids change", "Whether a variant is new", "Mitochondrial variants", "Repeat expansions"} <= named
    assert any(what.startswith("Large deletions") for what in named)
    more = replace(plain, request=replace(plain.request, structural=vcf, genome=setting.genome))
    assert named - {what for what, _ in not_looked_for(more)} == {
        "Which amino acids change",
        "Large deletions, duplications, inversions and translocations",
    }
    assert not_looked_for(interpret(Request(subject, setting.evidence))) == ()


def test_a_certain_variant_is_a_candidate_though_the_phenotype_is_incomplete() -> None:
    """Pathogenic by points and new in the child: shown where the phenotype fits better than chance, not where it does not fit."""
    stop = Consequence("G", "g", "T", ("stop_gained",), "HIGH")
    acmg = Classification((Criterion("PVS1", 8, ""), Criterion("PM6_supporting", 1, ""), Criterion("PM2_supporting", 1, "")))
    hit = Hit(0, "1-1-A-C", stop, 1.0, 0.0, 0, None, acmg)
    finding = Finding(1, "G", 0.2, 0.2, 1.0, Pattern("AD_de_novo", (0,), 1.0, "", new=True), (hit,))
    assert finding.candidate
    assert not replace(finding, phenotype_score=0.1).candidate
    assert not replace(finding, variant_score=0.5).candidate
    assert not replace(finding, hits=(replace(hit, acmg=Classification(())),)).candidate


@pytest.mark.parametrize(
    ("n", "more"), [(5, ""), (7, "The first 5 are told in detail below."), (30, "18 more candidates stand under further genes")]
)
def test_many_candidates_stand_at_a_glance(setting: Setting, tmp_path: Path, n: int, more: str) -> None:
    """Twelve at most, so that what cannot be ruled out stays on the first page; all of them stand on the page."""
    known = setting.world.codon_change("GENC", 20, "TAA")
    variants = write_family_vcf(tmp_path / "v.vcf", ["KID"], [(known, ["1/1"])])
    told = packet(tmp_path)
    told.write_text(told.read_text().replace("HP:0001250", "HP:0008066"))
    result = interpret(Request(load_subject(told), setting.evidence, variants, setting.genome, setting.reference))
    first = result.findings[0]
    assert first.candidate
    many = replace(result, findings=tuple(replace(first, gene=f"GENE{i:02d}", rank=i + 1) for i in range(n)))
    write_results(many, tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    glance = page.split("At a glance")[1].split("What this result cannot rule out")[0]
    assert glance.count('data-label="Gene"') == min(n, 12)
    assert more in glance
    assert ("told in detail" in glance) == (n > 5)
    assert all(f"GENE{i:02d}" in page for i in range(n))
    name = first.hits[0].consequence.hgvs_p
    headline = f"In ClinVar {name} is pathogenic (2 stars); by the criteria that data decides without that: {first.hits[0].acmg.verdict}."
    assert f"<b>Best candidate: GENE00, {name}</b>" in page
    assert headline in page


def test_a_file_without_a_variant_of_the_patient_is_no_negative_result(setting: Setting, tmp_path: Path) -> None:
    variants = write_family_vcf(tmp_path / "v.vcf", ["KID"], [])
    write_results(interpret(Request(load_subject(packet(tmp_path)), setting.evidence, variants, setting.genome)), tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "No result: the VCF has no variant of the patient" in page
    assert "Negative result" not in page

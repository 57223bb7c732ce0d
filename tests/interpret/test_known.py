"""What ClinVar knows as pathogenic is shown wherever it lies: in an intron, in a gene without protein, between genes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from genopipe.interpret.annotate import Assertion
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.findings import Interpretation, Request
from genopipe.interpret.known import places_of_known
from genopipe.interpret.ranking import interpret
from genopipe.interpret.reasons import clinvar_words
from genopipe.interpret.report import report
from genopipe.interpret.results import findings_document
from genopipe.interpret.subject import load_subject
from genopipe.interpret.variants import Variants, read_variants
from tests.interpret import world as invented
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file
from tests.interpret.world import write_family_vcf

Place = tuple[str, int, str, str]


def change_at(setting: Setting, contig: str, position: int) -> Place:
    ref = setting.world.bases(contig, position, position + 1)
    return contig, position, ref, "A" if ref != "A" else "C"


def deep_in_an_intron(setting: Setting) -> Place:
    """70 bases behind the first exon of GENA."""
    transcript = setting.world.transcripts["GENA"]
    return change_at(setting, transcript.contig, transcript.exons[0][1] + 69)


def with_clinvar(setting: Setting, folder: Path, place: Place, gene: str) -> EvidenceSet:
    """The setting's evidence, in which ClinVar knows one variant more."""
    store = setting.evidence.store.root
    told = f"CLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel;CLNDN=Fits{f';GENEINFO={gene}:1' if gene else ''}"
    name = f"known-{place[0]}-{place[1]}{gene}"
    vcf = invented.write_sites(folder / "known.vcf.gz", invented.CLINVAR_HEADER, [(*place, told)])
    add(store, "clinvar", vcf, release=Release(name, "1", "2026-01-01", "CC0", "world"), genome=setting.genome)
    return lock(store, name, only=[*(dataset.name for dataset in setting.evidence.datasets), name])


def interpreted(setting: Setting, folder: Path, place: Place, gene: str, *, reference: bool = True) -> Interpretation:
    evidence = with_clinvar(setting, folder, place, gene)
    vcf = write_family_vcf(folder / "v.vcf", ["KID", "MUM", "DAD"], [(place, ["0/1", "0/0", "0/0"])])
    genome = setting.genome if reference else None
    return interpret(Request(load_subject(case_file(folder, setting)), evidence, vcf, genome, setting.reference if reference else None))


@pytest.mark.parametrize("reference", [True, False])
def test_a_known_variant_deep_in_an_intron_is_found(setting: Setting, tmp_path: Path, reference: bool) -> None:
    """bcftools csq names no transcript for introns, and without a reference only exons are looked at."""
    result = interpreted(setting, tmp_path, deep_in_an_intron(setting), "GENA", reference=reference)
    (finding,) = result.candidates
    assert (finding.gene, finding.hits[0].consequence.terms) == ("GENA", ("intron_variant",))
    assert (finding.hits[0].consequence.hgvs_c or "+70").split(":")[-1].find("+70") > -1
    assert any("lies in an intron" in reason for reason in finding.reasons)


def test_a_known_variant_between_genes_goes_to_the_gene_that_clinvar_names(setting: Setting, tmp_path: Path) -> None:
    result = interpreted(setting, tmp_path, change_at(setting, "chr1", 20_000), "GENA")
    (finding,) = result.candidates
    (hit,) = finding.hits
    assert (finding.gene, hit.consequence.terms, hit.consequence.gene_id) == ("GENA", ("intergenic_variant",), "hgnc.symbol:GENA")
    assert f"{hit.name} lies outside of all gene models; ClinVar ties it to this gene." in finding.reasons
    page = report(result, findings_document(result, None))
    assert "no certain name" in page
    assert f"In ClinVar {hit.name} is pathogenic (3 stars); by the criteria that data decides without that: uncertain significance." in page


def test_a_known_variant_without_any_gene_is_told_in_a_note(setting: Setting, tmp_path: Path) -> None:
    place = change_at(setting, "chr1", 20_001)
    result = interpreted(setting, tmp_path, place, "")
    assert not result.findings
    assert result.notes == (f"ClinVar knows chr1-20002-{place[2]}-{place[3]} as pathogenic; it lies outside of all gene models.",)


def read_one(setting: Setting, folder: Path, place: Place) -> Variants:
    return read_variants(write_family_vcf(folder / "v.vcf", ["KID"], [(place, ["0/1"])]), ["KID"], genome=setting.genome)


def test_a_gene_without_protein_is_a_gene(setting: Setting, tmp_path: Path) -> None:
    transcript = replace(setting.world.transcripts["GENA"], coding=(), biotype="snRNA")
    variants = read_one(setting, tmp_path, change_at(setting, "chr1", transcript.exons[1][0] + 5))
    known = {0: Assertion("1", "pathogenic", 3, "", "")}
    found = places_of_known(variants, known, [transcript], called={}, genome=setting.genome)
    assert found[0]["GENA"].terms == ("non_coding_transcript_exon_variant",)


def test_an_intron_of_another_gene_adds_nothing_to_an_effect(setting: Setting, tmp_path: Path) -> None:
    place = deep_in_an_intron(setting)
    called = {0: {"GENZ": Consequence("GENZ", "G", "T", ("missense_variant",), "MODERATE")}}
    known = {0: Assertion("1", "pathogenic", 3, "", "GENZ")}
    transcripts = list(setting.world.transcripts.values())
    assert places_of_known(read_one(setting, tmp_path, place), known, transcripts, called=called, genome=setting.genome) == {}


def test_of_overlapping_genes_the_one_that_clinvar_names_counts(setting: Setting, tmp_path: Path) -> None:
    transcript = setting.world.transcripts["GENA"]
    transcripts = [transcript, replace(transcript, id="other", gene="GENZ")]
    variants = read_one(setting, tmp_path, deep_in_an_intron(setting))
    for gene, expected in (("GENZ", {"GENZ"}), ("GENQ", {"GENA", "GENZ"})):
        known = {0: Assertion("1", "pathogenic", 3, "", gene)}
        assert set(places_of_known(variants, known, transcripts, called={}, genome=None)[0]) == expected


@pytest.mark.parametrize(
    ("codon", "new", "known", "candidate"),
    [(30, "TGG", True, True), (31, "TGG", False, False), (32, "TAG", False, True)],
    ids=["ClinVar knows it", "nobody knows it", "likely pathogenic by points"],
)
def test_a_parent_without_signs_does_not_clear_a_pathogenic_variant(
    setting: Setting, tmp_path: Path, codon: int, new: str, known: bool, candidate: bool
) -> None:
    """A dominant gene that fits, inherited from an unaffected mother."""
    place = setting.world.codon_change("GENA", codon, new)
    evidence = with_clinvar(setting, tmp_path, place, "GENA") if known else setting.evidence
    vcf = write_family_vcf(tmp_path / "v.vcf", ["KID", "MUM", "DAD"], [(place, ["0/1", "0/1", "0/0"])])
    result = interpret(Request(load_subject(case_file(tmp_path, setting)), evidence, vcf, setting.genome, setting.reference))
    assert [(finding.gene, finding.pattern.mode) for finding in result.findings if finding.pattern] == [("GENA", "AD_incomplete")]
    assert [finding.gene for finding in result.candidates] == (["GENA"] if candidate else [])


def test_conditions_are_told_once_each_and_few() -> None:
    """As ClinVar lists them: by submitter, in any case, with words for none."""
    told = "not provided|Glycogen storage disease, type II|GLYCOGEN STORAGE DISEASE, TYPE II|a|b|c"
    assert clinvar_words(Assertion("1", "likely_pathogenic", 2, told, "GAA")) == (
        "likely pathogenic (2 stars; Glycogen storage disease, type II; a; b; and 1 more)"
    )
    assert clinvar_words(Assertion("1", "benign", 1, "not specified", "GAA")) == "benign (1 star; no condition)"

"""Predictors from score tables of the evidence to variant scores, criteria and the report."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.findings import Finding, Request
from genopipe.interpret.predictors import Prediction, chosen_tool, effect_of
from genopipe.interpret.ranking import interpret
from genopipe.interpret.subject import load_subject
from tests.interpret.conftest import Setting
from tests.interpret.test_codon import whole_codons
from tests.interpret.test_interpret import case_file
from tests.interpret.world import write_family_vcf

Variant = tuple[str, int, str, str]


@pytest.mark.parametrize(
    ("prediction", "terms", "usual", "effect"),
    [
        (Prediction("revel", 0.9), ("missense_variant",), 0.6, 0.9),
        (Prediction("revel", 0.1), ("missense_variant",), 0.6, 0.1),
        (Prediction("revel", nan), ("missense_variant",), 0.6, 0.6),
        (Prediction("cadd", 31.0), ("missense_variant",), 0.6, 0.6),
        (Prediction("revel", 0.1, 0.8), ("missense_variant",), 0.6, 0.8),
        (Prediction("revel", 0.1), ("stop_gained",), 1.0, 1.0),
        (Prediction("", nan, 0.9), ("synonymous_variant",), 0.0, 0.9),
        (Prediction("", nan, 0.19), ("intron_variant",), 0.0, 0.0),
        (Prediction(), ("missense_variant",), 0.6, 0.6),
    ],
)
def test_the_effect_is_what_the_predictor_says(prediction: Prediction, terms: tuple[str, ...], usual: float, effect: float) -> None:
    """Missense by the predictor that counts, never less than a predicted change of splicing; CADD is no probability and stays out."""
    assert effect_of(prediction, terms, usual) == effect


def test_the_predictor_is_chosen_by_the_set() -> None:
    assert chosen_tool({"cadd": 0, "alphamissense": 0, "revel": 0, "spliceai": 0}) == "revel"
    assert chosen_tool({"cadd": 0, "alphamissense": 0}) == "alphamissense"
    assert chosen_tool({"cadd": 0}) == "cadd"
    assert chosen_tool({"spliceai": 0}) == ""


def missense(setting: Setting) -> Variant:
    return setting.world.codon_change("GENA", whole_codons(setting, "GENA")[7], "TGG")


def in_intron(setting: Setting) -> Variant:
    contig, position = "chr1", setting.world.transcripts["GENA"].exons[0][1] + 40
    ref = setting.world.bases(contig, position, position + 1)
    return contig, position, ref, "A" if ref != "A" else "C"


@pytest.fixture
def evidence(setting: Setting, tmp_path: Path) -> EvidenceSet:
    """AlphaMissense knows the missense variant, CADD too, SpliceAI the one in the intron."""
    store = setting.evidence.store.root
    contig, position, ref, alt = missense(setting)
    head = "#CHROM\tPOS\tREF\tALT\tgenome\tuniprot_id\ttranscript_id\tprotein_variant\tam_pathogenicity\tam_class\n"
    (tmp_path / "am.tsv").write_text(head + f"{contig}\t{position + 1}\t{ref}\t{alt}\tworld\tP\tT\tA1W\t0.9551\tpathogenic\n")
    (tmp_path / "cadd.tsv").write_text(f"## CADD\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n1\t{position + 1}\t{ref}\t{alt}\t3.1\t12.5\n")
    contig, position, ref, alt = in_intron(setting)
    line = f"{contig}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\tSpliceAI={alt}|GENA|0.01|0.02|0.87|0.00|5|6|7|8\n"
    (tmp_path / "splice.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + line)
    for kind, name in (("alphamissense", "am.tsv"), ("cadd", "cadd.tsv"), ("spliceai", "splice.vcf")):
        add(store, kind, tmp_path / name, release=Release(f"predict-{kind}", "1", "2026-01-01", "CC0", "world"))
    kept = [dataset.name for dataset in setting.evidence.datasets]
    return lock(store, "predicted", only=(*kept, "predict-alphamissense", "predict-cadd", "predict-spliceai"))


def ranked(setting: Setting, evidence: EvidenceSet, folder: Path, variant: Variant) -> list[Finding]:
    vcf = write_family_vcf(folder / "v.vcf", ["KID", "MUM", "DAD"], [(variant, ["0/1", "0/0", "0/0"])])
    request = Request(load_subject(case_file(folder, setting)), evidence, vcf, setting.genome, setting.reference)
    return list(interpret(request).findings)


def test_a_missense_variant_scores_and_counts_by_one_predictor(setting: Setting, evidence: EvidenceSet, tmp_path: Path) -> None:
    """AlphaMissense is before CADD, which would say BP4."""
    [finding] = ranked(setting, evidence, tmp_path, missense(setting))
    assert finding.hits[0].score == pytest.approx(0.9551)
    codes = {criterion.code: criterion.why for criterion in finding.hits[0].acmg.criteria}
    assert codes["PP3_moderate"] == "AlphaMissense 0.955: harmful by its calibration"
    assert not any(code.startswith("BP4") for code in codes)
    assert any(reason.startswith("AlphaMissense gives") for reason in finding.reasons)


def test_a_variant_of_an_intron_counts_where_splicing_is_predicted_to_change(
    setting: Setting, evidence: EvidenceSet, tmp_path: Path
) -> None:
    [finding] = ranked(setting, evidence, tmp_path, in_intron(setting))
    assert finding.hits[0].consequence.terms == ("intron_variant",)
    assert finding.hits[0].score == pytest.approx(0.87)
    assert "PP3" in {criterion.code for criterion in finding.hits[0].acmg.criteria}
    assert ranked(setting, setting.evidence, tmp_path, in_intron(setting)) == []

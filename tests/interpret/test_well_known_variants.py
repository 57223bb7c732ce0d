"""Well-known variants, with invented evidence like the real one that a run can have, and the class that the rules of ClinGen give with it.

What is known of many of them from the laboratory and from other patients (PS3, PS4, PM3 of the literature) no run has: they stay uncertain
here and are shown with ClinVar's class beside it.
"""

from __future__ import annotations

from typing import Any

import pytest

from genopipe.interpret.codon import Around, Effect, Known
from genopipe.interpret.consequence import Consequence, impact_of
from genopipe.interpret.criteria import Circumstances, classify
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.predictors import Prediction
from genopipe.interpret.protein_loss import Loss

AD, AR, XR, XD, MT = (frozenset({mode}) for mode in ("AD", "AR", "XR", "XD", "MT"))
NEW, NEW_X = Pattern("AD_de_novo", (0,), 1.0, "", new=True), Pattern("XD_de_novo", (0,), 1.0, "", new=True)
ONE, TWICE, BOY, MITO = (Pattern(mode, (0,), 1.0, "") for mode in ("AD", "AR_hom", "XR", "MT"))
TRANS = Pattern("AR_comphet", (0, 1), 1.0, "", in_trans=True)
BESIDE = Pattern("AR_comphet", (0, 1), 1.0, "")
BOTH_KINDS, MISSENSE_GENE, LOSS_GENE = Around(n_lost=90, n_missense=90), Around(n_missense=300, n_lost=5), Around(n_missense=10, n_lost=90)
HOT = Around(n_pathogenic=9, n_missense=90, n_lost=3, n_harmless=1)
DECAY, LAST_EXON, TAIL = Loss(True, 0.6, 0, 0), Loss(False, 0.65, 0, 0), Loss(False, 0.03, 0, 0)


def codon_of(significance: str, stars: int = 2) -> Known:
    return Known((1, "A", "C"), "VCV1", significance, stars, Effect("missense", 1, "W"))


def revel(score: float) -> Prediction:
    return Prediction("revel", score)


def spliced(score: float) -> Prediction:
    return Prediction("revel", splicing=score)


P, LP, VUS, LB, B = "pathogenic", "likely pathogenic", "uncertain significance", "likely benign", "benign"
MISSENSE, STOP, SHIFT, DONOR = "missense_variant", "stop_gained", "frameshift_variant", "splice_donor_variant"
FIVE = Around(n_lost=90, n_missense=90, same_codon=codon_of("pathogenic"))

WELL_KNOWN: list[tuple[str, str, float, Pattern, frozenset[str], dict[str, Any], str, str]] = [
    ("CFTR F508del, two copies", "inframe_deletion", 0.0124, TWICE, AR, {"residues": 1, "in_repeat": False}, "PM4_supporting", VUS),
    ("CFTR G551D, F508del in trans", MISSENSE, 0.0004, TRANS, AR, {"partner": P, "prediction": revel(0.96)}, "PM3 PP3_strong", LP),
    ("CFTR W1282X, two copies", STOP, 0.0004, TWICE, AR, {"loss": DECAY}, "PVS1", LP),
    ("CFTR 621+1G>T, F508del in trans", DONOR, 0.00006, TRANS, AR, {"partner": P, "loss": DECAY}, "PVS1 PM2_supporting PM3", P),
    ("CFTR 3849+10kbC>T", "intron_variant", 0.00005, TRANS, AR, {"partner": P, "prediction": spliced(0.6)}, "PM2_supporting PM3 PP3", VUS),
    ("CFTR M470V", MISSENSE, 0.5, TWICE, AR, {"homozygotes": 9999}, "BA1", B),
    ("HBB E6V", MISSENSE, 0.045, TWICE, AR, {"homozygotes": 30, "established": True, "around": FIVE}, "PM5", VUS),
    ("GJB2 35delG", SHIFT, 0.011, TWICE, AR, {"homozygotes": 10, "established": True, "loss": LAST_EXON}, "PVS1_strong", VUS),
    ("GJB2 V37I", MISSENSE, 0.08, TWICE, AR, {"homozygotes": 90, "excepted": True, "prediction": revel(0.6)}, "", VUS),
    ("HFE C282Y", MISSENSE, 0.06, TWICE, AR, {"homozygotes": 90, "excepted": True, "prediction": revel(0.9)}, "PP3_moderate", VUS),
    (
        "PAH R408W, in trans",
        MISSENSE,
        0.0013,
        TRANS,
        AR,
        {"partner": P, "around": FIVE, "prediction": revel(0.95)},
        "PM3 PM5 PP3_strong",
        LP,
    ),
    ("PAH new frameshift, in trans", SHIFT, 0.0, TRANS, AR, {"partner": P, "loss": DECAY}, "PVS1 PM2_supporting PM3", P),
    (
        "PAH new missense, a new frameshift in trans",
        MISSENSE,
        0.0,
        TRANS,
        AR,
        {"partner": LP, "prediction": revel(0.95)},
        "PM2_supporting PM3 PP3_strong",
        LP,
    ),
    (
        "PAH new missense, phase unknown",
        MISSENSE,
        0.0,
        BESIDE,
        AR,
        {"partner": LP, "prediction": revel(0.8)},
        "PM2_supporting PP3_moderate",
        VUS,
    ),
    ("ACADM K304E", MISSENSE, 0.0055, TWICE, AR, {"homozygotes": 5, "established": True, "prediction": revel(0.9)}, "PP3_moderate", VUS),
    ("GALT Q188R, in trans", MISSENSE, 0.0018, TRANS, AR, {"partner": P, "prediction": revel(0.97)}, "PM3 PP3_strong", LP),
    ("SERPINA1 Z", MISSENSE, 0.018, TWICE, AR, {"homozygotes": 20, "established": True, "prediction": revel(0.7)}, "PP3", VUS),
    ("the same, were it known to nobody", MISSENSE, 0.018, TWICE, AR, {"homozygotes": 20}, "BS1 BS2", B),
    ("USH2A missense, two copies", MISSENSE, 0.00002, TWICE, AR, {"prediction": revel(0.4)}, "PM2_supporting PM3_supporting", VUS),
    ("MTHFR C677T", MISSENSE, 0.5, TWICE, AR, {}, "BA1", B),
    (
        "FGFR3 G380R, by the rarer base",
        MISSENSE,
        0.0,
        NEW,
        AD,
        {"around": Around(n_missense=30, same_change=codon_of("pathogenic")), "prediction": revel(0.9)},
        "PS2_moderate PM2_supporting PS1 PP3_moderate",
        LP,
    ),
    (
        "FGFR3 G380R, the first ever",
        MISSENSE,
        0.0,
        NEW,
        AD,
        {"around": Around(n_missense=30), "prediction": revel(0.9)},
        "PS2_moderate PM2_supporting PP3_moderate PP2",
        LP,
    ),
    ("BRAF frameshift", SHIFT, 0.0, ONE, AD, {"loeuf": 0.25, "around": Around(n_missense=60), "loss": DECAY}, "PM2_supporting", VUS),
    (
        "PTPN11 N308D",
        MISSENSE,
        0.0,
        NEW,
        AD,
        {"around": Around(n_pathogenic=9, n_missense=90, same_codon=codon_of("pathogenic")), "prediction": revel(0.8)},
        "PS2_moderate PM2_supporting PM5 PM1 PP3_moderate",
        LP,
    ),
    ("SCN1A R222X", STOP, 0.0, NEW, AD, {"loeuf": 0.08, "around": BOTH_KINDS, "loss": DECAY}, "PVS1 PS2_moderate PM2_supporting", P),
    ("SCN1A skipped exon, in frame", DONOR, 0.0, NEW, AD, {"loeuf": 0.08, "loss": TAIL}, "PVS1_moderate PS2_moderate PM2_supporting", VUS),
    (
        "KCNQ2 missense in the pore",
        MISSENSE,
        0.0,
        NEW,
        AD,
        {"around": HOT, "prediction": revel(0.97)},
        "PS2_moderate PM2_supporting PM1 PP3_strong",
        LP,
    ),
    (
        "MECP2 R106W",
        MISSENSE,
        0.0,
        NEW_X,
        XD,
        {"around": FIVE, "prediction": revel(0.97)},
        "PS2_moderate PM2_supporting PM5 PP3_strong",
        LP,
    ),
    ("MECP2 R168X, in the last exon", STOP, 0.0, NEW_X, XD, {"loss": LAST_EXON}, "PVS1_strong PS2_moderate PM2_supporting", LP),
    ("MECP2 frameshift at the very end", SHIFT, 0.0, NEW_X, XD, {"loss": TAIL}, "PVS1_moderate PS2_moderate PM2_supporting", VUS),
    ("DMD deletion of exon 45", "exon_loss_variant", 0.0, BOY, XR, {"covered": False, "loss": DECAY}, "PVS1", LP),
    (
        "DMD deletion of exons 45 to 55, in frame",
        "exon_loss_variant",
        0.0,
        BOY,
        XR,
        {"covered": False, "loss": Loss(False, 0.16, 0, 0)},
        "PVS1_strong",
        VUS,
    ),
    ("STXBP1 deletion", "transcript_ablation", 0.0, NEW, AD, {"covered": False, "loeuf": 0.1}, "PVS1 PS2_moderate", P),
    ("BRCA1 5382insC", SHIFT, 0.0002, ONE, AD, {"loss": DECAY}, "PVS1", LP),
    ("BRCA2 K3326X", STOP, 0.009, ONE, AD, {"homozygotes": 14, "loss": TAIL}, "PVS1_moderate BS2", LB),
    ("TP53 R175H", MISSENSE, 0.0, NEW, AD, {"around": FIVE, "prediction": revel(0.95)}, "PS2_moderate PM2_supporting PM5 PP3_strong", LP),
    ("MYBPC3 c.2373dup", SHIFT, 0.00008, ONE, AD, {"loeuf": 0.8, "loss": DECAY}, "PVS1", LP),
    (
        "MYH7 R403Q",
        MISSENSE,
        0.0,
        ONE,
        AD,
        {"around": Around(n_pathogenic=9, n_missense=300, same_codon=codon_of("pathogenic")), "prediction": revel(0.95)},
        "PM2_supporting PM5 PM1 PP3_strong",
        LP,
    ),
    ("MYH7 stop", STOP, 0.0, ONE, AD, {"around": MISSENSE_GENE, "loss": DECAY}, "PM2_supporting", VUS),
    ("LMNA G608G", "synonymous_variant", 0.0, NEW, AD, {"prediction": spliced(0.9)}, "PS2_moderate PM2_supporting PP3", VUS),
    ("F5 Leiden", MISSENSE, 0.03, ONE, AD, {"homozygotes": 40, "established": True}, "", VUS),
    ("a silent change", "synonymous_variant", 0.0, ONE, AD, {"prediction": spliced(0.02)}, "PM2_supporting BP4 BP7", LB),
    (
        "a new change of a gene without disease",
        MISSENSE,
        0.0,
        NEW,
        frozenset(),
        {"prediction": revel(0.95)},
        "PM2_supporting PP3_strong",
        VUS,
    ),
    ("a stop in such a gene", STOP, 0.0, NEW, frozenset(), {"loeuf": 0.05, "around": Around(), "loss": DECAY}, "PM2_supporting", VUS),
    (
        "OTC start codon, harmful ones known before the next",
        "start_lost",
        0.0,
        BOY,
        XR,
        {"loss": Loss(False, 0.2, 0, 9, first_codon=True), "critical": True},
        "PVS1_moderate PM2_supporting",
        VUS,
    ),
    ("a stop codon lost", "stop_lost", 0.0, ONE, AD, {}, "PM2_supporting PM4", VUS),
    (
        "PHOX2B one alanine more, in a repeat",
        "inframe_insertion",
        0.0,
        ONE,
        AD,
        {"residues": 1, "in_repeat": True},
        "PM2_supporting BP3",
        VUS,
    ),
    (
        "missense where only loss is known",
        MISSENSE,
        0.0,
        ONE,
        AD,
        {"around": LOSS_GENE, "prediction": revel(0.25)},
        "PM2_supporting BP4 BP1",
        LB,
    ),
    ("MT-TL1 m.3243A>G", "non_coding_transcript_exon_variant", 0.0002, MITO, MT, {"mitochondrial": True}, "", VUS),
    ("MT-ND4 m.11778G>A", MISSENSE, 0.0, MITO, MT, {"mitochondrial": True, "around": Around()}, "PM2_supporting", VUS),
    ("a mitochondrial haplogroup's", MISSENSE, 0.02, MITO, MT, {"mitochondrial": True}, "BA1", B),
]


@pytest.mark.parametrize(("name", "term", "frequency", "pattern", "modes", "more", "codes", "verdict"), WELL_KNOWN)
def test_what_experts_would_make_of_that_evidence(
    name: str, term: str, frequency: float, pattern: Pattern, modes: frozenset[str], more: dict[str, Any], codes: str, verdict: str
) -> None:
    consequence = Consequence("G", "g", "T.1", (term,), impact_of([term]))
    usual: dict[str, Any] = {"covered": True, "mitochondrial": False, "loeuf": None, "around": BOTH_KINDS}
    about = Circumstances(
        consequence, frequency, pattern=pattern, parentage_checked=True, pli=None, phenotype=0.8, modes=modes, **(usual | more)
    )
    found = classify(about)
    assert sorted(found.codes.split("+")) == sorted(codes.split(" "))
    assert found.verdict == verdict

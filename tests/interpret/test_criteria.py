"""Which circumstances meet which ACMG criterion, at which strength."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from genopipe.interpret.codon import Around, Effect, Known
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.criteria import Circumstances, classify, not_evaluated
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.predictors import Prediction
from genopipe.interpret.protein_loss import Loss

STOP = Consequence("G", "g", "T.1", ("stop_gained",), "HIGH")
MISSENSE = Consequence("G", "g", "T.1", ("missense_variant",), "MODERATE")
NEW = Pattern("AD_de_novo", (0,), 1.0, "", new=True)
TWICE = Pattern("AR_hom", (0,), 1.0, "")
PAIR = Pattern("AR_comphet", (0, 1), 1.0, "", in_trans=True)
EVERY_MODE = frozenset({"AD", "AR", "XD", "XR", "MT"})
PLAIN = Circumstances(MISSENSE, 0.001, True, False, None, False, None, None, 0.9, modes=EVERY_MODE)
DECAY, LARGE, SMALL, NOTHING = (Loss(decay, share, 0, 9) for decay, share in ((True, 0.6), (False, 0.2), (False, 0.1), (False, 0.0)))


def codes(about: Circumstances) -> list[str]:
    return [criterion.code for criterion in classify(about).criteria]


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (PLAIN, []),
        (replace(PLAIN, consequence=STOP, loeuf=0.2), ["PVS1"]),
        (replace(PLAIN, consequence=STOP, loeuf=0.9), []),
        (replace(PLAIN, consequence=STOP, loeuf=None, pli=0.99), ["PVS1"]),
        (replace(PLAIN, consequence=STOP, loeuf=0.2, modes=frozenset()), []),
        (replace(PLAIN, consequence=replace(STOP, terms=("transcript_ablation",)), loeuf=0.2), ["PVS1"]),
        (replace(PLAIN, consequence=replace(STOP, terms=("exon_loss_variant",)), loeuf=0.2), ["PVS1_strong"]),
        (replace(PLAIN, consequence=replace(STOP, terms=("feature_truncation",)), loeuf=0.9), []),
        (replace(PLAIN, consequence=replace(STOP, terms=("stop_lost",))), ["PM4"]),
        (replace(PLAIN, pattern=NEW), ["PM6_supporting"]),
        (replace(PLAIN, pattern=NEW, phenotype=0.4), []),
        (replace(PLAIN, pattern=NEW, parentage_checked=True, modes=frozenset({"AR"})), []),
        (replace(PLAIN, pattern=replace(NEW, mode="XD_de_novo"), parentage_checked=True, modes=frozenset({"XR"})), ["PS2_moderate"]),
        (replace(PLAIN, pattern=NEW, parentage_checked=True), ["PS2_moderate"]),
        (replace(PLAIN, pattern=NEW, parentage_checked=True, phenotype=0.4), ["PS2_supporting"]),
        (replace(PLAIN, pattern=NEW, parentage_checked=True, phenotype=0.1), []),
        (replace(PLAIN, frequency=nan), ["PM2_supporting"]),
        (replace(PLAIN, frequency=nan, covered=False), []),
        (replace(PLAIN, frequency=0.00009), ["PM2_supporting"]),
        (replace(PLAIN, frequency=0.00009, pattern=replace(NEW, new=False)), []),
        (replace(PLAIN, frequency=0.00003, pattern=replace(NEW, new=False)), ["PM2_supporting"]),
        (replace(PLAIN, frequency=0.00003, pattern=Pattern("MT", (0,), 1.0, ""), mitochondrial=True), []),
        (replace(PLAIN, frequency=0.06), ["BA1"]),
        (replace(PLAIN, frequency=0.02), ["BS1"]),
        (replace(PLAIN, frequency=0.006, mitochondrial=True), ["BS1"]),
        (replace(PLAIN, frequency=0.011, mitochondrial=True), ["BA1"]),
        (replace(PLAIN, pattern=PAIR, partner="pathogenic"), ["PM3"]),
        (replace(PLAIN, pattern=PAIR, partner="likely pathogenic"), ["PM3"]),
        (replace(PLAIN, pattern=PAIR, partner="uncertain significance"), []),
        (replace(PLAIN, pattern=PAIR, partner="pathogenic", modes=frozenset({"AD"})), []),
        (replace(PLAIN, pattern=PAIR, partner="pathogenic", phenotype=0.1), []),
        (replace(PLAIN, pattern=replace(PAIR, in_trans=False), partner="pathogenic"), ["PM3_supporting"]),
        (replace(PLAIN, pattern=replace(PAIR, in_trans=False), partner="likely pathogenic"), []),
        (replace(PLAIN, pattern=TWICE), []),
        (replace(PLAIN, pattern=TWICE, frequency=nan), ["PM2_supporting", "PM3_supporting"]),
        (replace(PLAIN, pattern=TWICE, frequency=nan, phenotype=0.4), ["PM2_supporting"]),
        (replace(PLAIN, pattern=PAIR), []),
        (replace(PLAIN, consequence=replace(STOP, terms=("start_lost",)), loeuf=0.2), ["PVS1_moderate"]),
        (replace(PLAIN, consequence=replace(STOP, terms=("start_lost",)), loeuf=0.9), []),
        (replace(PLAIN, pattern=PAIR, homozygotes=2), []),
        (replace(PLAIN, pattern=PAIR, homozygotes=3), ["BS2"]),
        (replace(PLAIN, pattern=replace(PAIR, mode="AD"), homozygotes=5), []),
        (replace(PLAIN, pattern=replace(PAIR, mode="AD"), homozygotes=6), ["BS2"]),
        (replace(PLAIN, pattern=PAIR, homozygotes=900, frequency=0.06), ["BA1"]),
        (replace(PLAIN, homozygotes=900), []),
    ],
)
def test_what_meets_which_criterion(about: Circumstances, expected: list[str]) -> None:
    assert codes(about) == expected


@pytest.mark.parametrize(
    ("term", "loss", "critical", "expected"),
    [
        ("frameshift_variant", DECAY, False, ["PVS1"]),
        ("frameshift_variant", LARGE, False, ["PVS1_strong"]),
        ("frameshift_variant", SMALL, False, ["PVS1_moderate"]),
        ("frameshift_variant", SMALL, True, ["PVS1_strong"]),
        ("frameshift_variant", None, False, ["PVS1"]),
        ("splice_donor_variant", DECAY, False, ["PVS1"]),
        ("splice_donor_variant", SMALL, False, ["PVS1_moderate"]),
        ("splice_donor_variant", NOTHING, False, []),
        ("splice_donor_variant", replace(SMALL, first_codon=True), False, ["PVS1_supporting"]),
        ("splice_donor_variant", None, False, ["PVS1_strong"]),
        ("exon_loss_variant", DECAY, False, ["PVS1"]),
        ("exon_loss_variant", LARGE, False, ["PVS1_strong"]),
        ("exon_loss_variant", SMALL, False, ["PVS1_moderate"]),
        ("feature_truncation", None, False, ["PVS1_strong"]),
        ("feature_elongation", DECAY, False, ["PVS1_strong"]),
        ("feature_elongation", LARGE, False, []),
        ("feature_elongation", None, False, []),
        ("transcript_amplification", None, False, []),
        ("start_lost", replace(SMALL, first_codon=True), False, ["PVS1_supporting"]),
        ("start_lost", replace(SMALL, first_codon=True), True, ["PVS1_moderate"]),
        ("start_lost", None, False, ["PVS1_moderate"]),
    ],
)
def test_how_much_a_loss_of_function_counts(term: str, loss: Loss | None, critical: bool, expected: list[str]) -> None:
    """The leaves of Abou Tayoun 2018, figure 1."""
    about = replace(PLAIN, consequence=replace(STOP, terms=(term,)), loeuf=0.2, loss=loss, critical=critical)
    assert codes(about) == expected


REVEL = {0.003: "BP4_very_strong", 0.004: "BP4_strong", 0.016: "BP4_strong", 0.17: "BP4_moderate", 0.183: "BP4_moderate"}
REVEL |= {0.184: "BP4", 0.29: "BP4", 0.3: "", 0.643: "", 0.644: "PP3", 0.772: "PP3", 0.773: "PP3_moderate", 0.931: "PP3_moderate"}
REVEL |= {0.932: "PP3_strong", 1.0: "PP3_strong"}
ALPHA_MISSENSE = {0.07: "BP4_strong", 0.099: "BP4_moderate", 0.169: "BP4", 0.17: "", 0.791: "", 0.792: "PP3", 0.906: "PP3_moderate"}
ALPHA_MISSENSE |= {0.99: "PP3_strong"}
CADD = {0.15: "BP4_strong", 17.3: "BP4_moderate", 22.7: "BP4", 25.2: "", 25.3: "PP3", 28.1: "PP3_moderate", 60.0: "PP3_moderate"}


@pytest.mark.parametrize(
    ("tool", "score", "code"),
    [
        (tool, score, code)
        for tool, of_tool in (("revel", REVEL), ("alphamissense", ALPHA_MISSENSE), ("cadd", CADD))
        for score, code in of_tool.items()
    ],
)
def test_predictors_count_by_their_calibration(tool: str, score: float, code: str) -> None:
    """The intervals of Pejaver 2022, table 2, and Bergquist 2025, at both ends of each."""
    assert codes(replace(PLAIN, prediction=Prediction(tool, score))) == ([code] if code else [])


SILENT = replace(MISSENSE, terms=("synonymous_variant",), impact="LOW")
INTRON = replace(MISSENSE, terms=("intron_variant",), impact="MODIFIER")
STAYS = Prediction("", nan, 0.1)
CHANGES = Prediction("", nan, 0.2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prediction": CHANGES}, ["PP3"]),
        ({"prediction": Prediction("revel", 0.2, 0.2)}, ["PP3"]),
        ({"prediction": Prediction("revel", 0.95, 0.9)}, ["PP3_strong"]),
        ({"prediction": Prediction("revel", 0.2, 0.0)}, ["BP4"]),
        ({"prediction": Prediction("revel", nan, nan)}, []),
        ({"prediction": STAYS}, []),
        ({"consequence": SILENT, "prediction": STAYS}, ["BP4", "BP7"]),
        ({"consequence": SILENT, "prediction": Prediction("", nan, 0.15)}, []),
        ({"consequence": SILENT, "prediction": CHANGES}, ["PP3"]),
        ({"consequence": SILENT}, []),
        ({"consequence": replace(INTRON, hgvs_c="T.1:c.12+7A>G"), "prediction": STAYS}, ["BP4", "BP7"]),
        ({"consequence": replace(INTRON, hgvs_c="T.1:c.12+6A>G"), "prediction": STAYS}, ["BP4"]),
        ({"consequence": replace(INTRON, hgvs_c="T.1:c.13-21A>G"), "prediction": STAYS}, ["BP4", "BP7"]),
        ({"consequence": replace(INTRON, hgvs_c="T.1:c.13-20A>G"), "prediction": STAYS}, ["BP4"]),
        ({"consequence": replace(STOP, terms=("splice_donor_variant",)), "prediction": CHANGES}, []),
    ],
)
def test_splicing(changes: dict[str, Any], expected: list[str]) -> None:
    """Walker 2023: 0.2 and 0.1, not beside PVS1; BP7 for what is silent, or deep in an intron."""
    assert codes(replace(PLAIN, **changes)) == expected


def known(stars: int, residue: str, significance: str = "pathogenic") -> Known:
    return Known((10, "A", "C"), "VCV1", significance, stars, Effect("missense", 3, residue))


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (Around(same_change=known(2, "W")), ["PS1"]),
        (Around(same_change=known(2, "W", "likely_pathogenic")), ["PS1_moderate"]),
        (Around(same_codon=known(2, "W", "likely_pathogenic")), ["PM5_supporting"]),
        (Around(same_change=known(1, "W")), ["PS1_moderate"]),
        (Around(same_change=known(1, "W"), same_codon=known(3, "F")), ["PS1_moderate"]),
        (Around(same_codon=known(2, "F")), ["PM5"]),
        (Around(same_codon=known(1, "F")), ["PM5_supporting"]),
        (Around(n_pathogenic=4), ["PM1"]),
        (Around(n_pathogenic=4, n_uncertain=4), ["PM1_supporting"]),
        (Around(n_pathogenic=9, n_benign=1), []),
        (Around(n_pathogenic=3), []),
        (Around(n_missense=8, n_lost=2), ["PP2"]),
        (Around(n_missense=8, n_lost=2, n_harmless=1), []),
        (Around(n_missense=7, n_lost=2), []),
        (Around(n_missense=2, n_lost=8), ["BP1"]),
        (Around(n_missense=2, n_lost=8, same_codon=known(2, "F")), ["PM5"]),
    ],
)
def test_what_clinvar_knows_around_a_missense_variant(around: Around, expected: list[str]) -> None:
    assert codes(replace(PLAIN, around=around)) == expected


def test_the_same_amino_acid_change_says_nothing_where_splicing_changes() -> None:
    assert codes(replace(PLAIN, around=Around(same_change=known(2, "W")), prediction=CHANGES)) == ["PP3"]


@pytest.mark.parametrize(("n_lost", "expected"), [(2, []), (3, ["PVS1"])])
def test_loss_of_function_is_a_cause_where_clinvar_knows_three_others(n_lost: int, expected: list[str]) -> None:
    """Of a recessive gene, which healthy people bear losing one copy of."""
    assert codes(replace(PLAIN, consequence=STOP, loeuf=1.2, around=Around(n_lost=n_lost))) == expected


@pytest.mark.parametrize(
    ("n_missense", "n_lost", "expected"), [(0, 0, ["PVS1"]), (9, 0, ["PVS1"]), (10, 0, []), (90, 10, []), (90, 11, ["PVS1"])]
)
def test_loss_is_no_cause_where_clinvar_knows_other_kinds_of_variants(n_missense: int, n_lost: int, expected: list[str]) -> None:
    """Abou Tayoun 2018: more than a tenth of the pathogenic variants; such as BRAF, which healthy people do not lose either."""
    assert codes(replace(PLAIN, consequence=STOP, loeuf=0.1, around=Around(n_missense=n_missense, n_lost=n_lost))) == expected


@pytest.mark.parametrize(
    ("residues", "in_repeat", "near", "expected"),
    [(2, False, 0, ["PM4"]), (1, False, 0, ["PM4_supporting"]), (1, True, 0, ["BP3"]), (1, True, 1, []), (1, None, 0, [])],
)
def test_changes_in_frame(residues: int, in_repeat: bool | None, near: int, expected: list[str]) -> None:
    """None: no reference tells whether there is a repeat."""
    consequence = replace(MISSENSE, terms=("inframe_deletion",))
    about = replace(PLAIN, consequence=consequence, residues=residues, in_repeat=in_repeat, around=Around(n_pathogenic=near))
    assert codes(about) == expected


@pytest.mark.parametrize("frequency", [0.02, 0.3])
def test_an_exception_to_ba1_is_not_called_benign_for_its_frequency(frequency: float) -> None:
    """Ghosh 2018."""
    assert codes(replace(PLAIN, frequency=frequency, excepted=True, homozygotes=99, pattern=PAIR)) == []


def test_what_a_run_lacks_is_told_with_the_reason() -> None:
    everything = {"clinvar", "frequency", "constraint", "revel", "spliceai"}
    assert set(not_evaluated(everything, genome=True, parents=True)) == {"PS3", "BS3", "PS4", "PP1", "BS4", "PP4", "BP2", "BP5"}
    nothing = not_evaluated((), genome=False, parents=False)
    assert {"PS1", "PP3", "BP4", "BP7", "BP3", "PVS1", "PM2", "PS2", "PM1", "PP2"} <= set(nothing)
    assert not {"PP5", "BP6"} & set(nothing)

"""ACMG criteria, their points, and the classes they add up to."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from genopipe.interpret.acmg import NOT_EVALUATED, Circumstances, Classification, Criterion, classify
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.inheritance import Pattern

STOP = Consequence("G", "g", "T.1", ("stop_gained",), "HIGH")
MISSENSE = Consequence("G", "g", "T.1", ("missense_variant",), "MODERATE")
NEW = Pattern("AD_de_novo", (0,), 1.0, "", new=True)
PAIR = Pattern("AR_comphet", (0, 1), 1.0, "", in_trans=True)
PLAIN = Circumstances(MISSENSE, 0.001, True, False, None, False, False, None, None, 0.9)


def codes(about: Circumstances) -> list[str]:
    return [criterion.code for criterion in classify(about).criteria]


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (PLAIN, []),
        (replace(PLAIN, consequence=STOP, loeuf=0.2), ["PVS1"]),
        (replace(PLAIN, consequence=STOP, loeuf=0.9), []),
        (replace(PLAIN, consequence=STOP, loeuf=None, pli=0.99), ["PVS1"]),
        (replace(PLAIN, consequence=replace(STOP, escapes_decay=True), loeuf=0.2), ["PVS1_strong"]),
        (replace(PLAIN, consequence=replace(STOP, terms=("stop_lost",))), ["PM4"]),
        (replace(PLAIN, pattern=NEW), ["PM6_supporting"]),
        (replace(PLAIN, pattern=NEW, parentage_checked=True), ["PS2_moderate"]),
        (replace(PLAIN, pattern=NEW, parentage_checked=True, phenotype=0.1), ["PS2_supporting"]),
        (replace(PLAIN, frequency=nan), ["PM2_supporting"]),
        (replace(PLAIN, frequency=nan, covered=False), []),
        (replace(PLAIN, frequency=0.06), ["BA1"]),
        (replace(PLAIN, frequency=0.02), ["BS1"]),
        (replace(PLAIN, frequency=0.006, mitochondrial=True), ["BS1"]),
        (replace(PLAIN, pattern=PAIR, partner_pathogenic=True), ["PM3"]),
        (replace(PLAIN, pattern=replace(PAIR, in_trans=False), partner_pathogenic=True), ["PM3_supporting"]),
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
    ("points", "verdict"),
    [
        (10, "pathogenic"),
        (9, "likely pathogenic"),
        (6, "likely pathogenic"),
        (5, "uncertain significance"),
        (0, "uncertain significance"),
        (-1, "likely benign"),
        (-6, "likely benign"),
        (-7, "benign"),
    ],
)
def test_points_and_classes(points: int, verdict: str) -> None:
    """Boundaries of Tavtigian 2020."""
    assert Classification((Criterion("X", points, ""),)).verdict == verdict


def test_ba1_stands_alone() -> None:
    assert Classification((Criterion("PVS1", 8, ""), Criterion("BA1", -8, ""))).verdict == "benign"


@pytest.mark.parametrize(
    ("points", "posterior"),
    [(-7, 0.0007), (-6, 0.0014), (-1, 0.051), (0, 0.1), (1, 0.188), (2, 0.325), (4, 0.675), (6, 0.9), (8, 0.975), (10, 0.994)],
)
def test_the_posterior(points: int, posterior: float) -> None:
    """Published values for odds of 350 and a prior of 0.1."""
    assert Classification((Criterion("X", points, ""),)).posterior == pytest.approx(posterior, abs=6e-4)


def test_a_code_is_left_out_at_any_strength() -> None:
    """Exomiser 15 takes PP4 and BS4 out before it uses the posterior."""
    all_of = Classification((Criterion("PP4_moderate", 2, ""), Criterion("BS4", -4, ""), Criterion("PVS1", 8, "")))
    assert all_of.without("PP4", "BS4").codes == "PVS1"


def test_verdicts_of_others_are_never_scored() -> None:
    assert not {"PP5", "BP6"} & set(NOT_EVALUATED)

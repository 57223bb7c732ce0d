"""ACMG criteria as points, and the classes they add up to."""

from __future__ import annotations

from itertools import product

import pytest

from genopipe.interpret.acmg import NEVER_BY_DATA, Classification, Criterion, criterion


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
    assert not {"PP5", "BP6"} & set(NEVER_BY_DATA)


def test_a_hot_spot_and_a_prediction_count_four_points_at_most() -> None:
    """Pejaver 2022: PM1 and PP3 together are no stronger than strong."""
    hot, predicted, rare = Criterion("PM1", 2, ""), Criterion("PP3_strong", 4, ""), Criterion("PM2_supporting", 1, "")
    assert Classification((hot, predicted, rare)).points == 5
    assert Classification((hot, Criterion("PP3_moderate", 2, ""))).points == 4
    assert Classification((hot, Criterion("PP3", 1, ""))).points == 3


def test_a_criterion_is_named_by_its_strength() -> None:
    assert criterion("PM2", "supporting", "moderate", "") == Criterion("PM2_supporting", 1, "")
    assert criterion("BP4", "strong", "supporting", "") == Criterion("BP4_strong", -4, "")
    assert criterion("PVS1", "very strong", "very strong", "") == Criterion("PVS1", 8, "")


_RULES = (
    ("pathogenic", "PVS1 PS", "PVS1 PM PM", "PVS1 PM PP", "PVS1 PP PP", "PS PS", "PS PM PM PM", "PS PM PM PP PP", "PS PM PP PP PP PP"),
    ("likely pathogenic", "PVS1 PM", "PS PM", "PS PM PM", "PS PP PP", "PM PM PM", "PM PM PP PP", "PM PP PP PP PP"),
    ("benign", "BA1", "BS BS"),
    ("likely benign", "BS BP", "BP BP"),
    ("uncertain significance", "", "PVS1", "PS PP", "PM PM PP", "PM PP PP PP", "BS", "BP", "PVS1 PS BS BS", "PM PM PM BP BP"),
)
_POINTS = {"PVS1": 8, "PS": 4, "PM": 2, "PP": 1, "BA1": -8, "BS": -4, "BP": -1}


@pytest.mark.parametrize(("verdict", "codes"), [(row[0], codes) for row in _RULES for codes in row[1:]])
def test_the_combining_rules_of_2015(verdict: str, codes: str) -> None:
    """Table 5 of Richards et al. 2015, row by row, and what lies just below each."""
    met = tuple(Criterion(f"{code}_x", _POINTS[code], "") if code != "BA1" else Criterion("BA1", -8, "") for code in codes.split())
    assert Classification(met).verdict_2015 == verdict


def test_more_evidence_for_harm_never_makes_a_variant_less_harmful() -> None:
    """Every combination of up to three of each: adding a pathogenic criterion keeps or raises the class of 2015."""
    order = ("uncertain significance", "likely pathogenic", "pathogenic")
    for counts in product(range(2), range(3), range(4), range(4)):
        met = [Criterion(f"x{i}", points, "") for points, n in zip((8, 4, 2, 1), counts, strict=True) for i in range(n)]
        before = order.index(Classification(tuple(met)).verdict_2015)
        for points in (4, 2, 1):
            assert order.index(Classification((*met, Criterion("more", points, ""))).verdict_2015) >= before

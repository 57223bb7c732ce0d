"""What predictors say of a variant: which one counts, how strong its score is by calibration, and its share of the variant score.

For missense one predictor counts, the first that the evidence set has of REVEL, AlphaMissense and CADD: it is chosen by the set, before
any variant is seen. Splicing is SpliceAI's. Intervals are given as the least score of PP3 and the highest of BP4 at each strength.

Sources: Pejaver et al., American Journal of Human Genetics 2022 (REVEL, CADD); Bergquist et al., Genetics in Medicine 2025
(AlphaMissense); Walker et al., American Journal of Human Genetics 2023 (SpliceAI).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan

SPLICING = "spliceai"
SPLICED, NOT_SPLICED = 0.2, 0.1
"""SpliceAI's largest difference: from here on PP3, up to here BP4."""

NAMES = {"revel": "REVEL", "alphamissense": "AlphaMissense", "cadd": "CADD", SPLICING: "SpliceAI"}
_HARMFUL = {
    "revel": (("strong", 0.932), ("moderate", 0.773), ("supporting", 0.644)),
    "alphamissense": (("strong", 0.990), ("moderate", 0.906), ("supporting", 0.792)),
    "cadd": (("moderate", 28.1), ("supporting", 25.3)),
}
_HARMLESS = {
    "revel": (("very strong", 0.003), ("strong", 0.016), ("moderate", 0.183), ("supporting", 0.290)),
    "alphamissense": (("strong", 0.070), ("moderate", 0.099), ("supporting", 0.169)),
    "cadd": (("strong", 0.15), ("moderate", 17.3), ("supporting", 22.7)),
}
MISSENSE = tuple(_HARMFUL)
"""In this order the first that the evidence set has is the one that counts."""
IN_SCORE = ("revel", "alphamissense")
"""Those that stand for the effect of a missense variant: they are probabilities, CADD is not."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The missense predictor that counts with its score, and SpliceAI's; NaN where unknown, `tool` empty where the set has none."""

    tool: str = ""
    missense: float = nan
    splicing: float = nan

    @property
    def scores(self) -> dict[str, float]:
        """The scores by predictor; NaN where unknown."""
        missense = {self.tool: self.missense} if self.tool else {}
        return missense | {SPLICING: self.splicing}

    @property
    def strength(self) -> tuple[str, str] | None:
        """("PP3" or "BP4", strength) of the missense score; None between them and where it is unknown."""
        if not self.tool or isnan(self.missense):
            return None
        for strength, least in _HARMFUL[self.tool]:
            if self.missense >= least:
                return "PP3", strength
        for strength, most in _HARMLESS[self.tool]:
            if self.missense <= most:
                return "BP4", strength
        return None

    @property
    def spliced(self) -> bool | None:
        """True where splicing is predicted to change, False where not; None between and where unknown."""
        if isnan(self.splicing) or NOT_SPLICED < self.splicing < SPLICED:
            return None
        return self.splicing >= SPLICED


def chosen_tool(kinds: Mapping[str, object]) -> str:
    """The missense predictor that counts in a run; empty where the set has none."""
    return next((tool for tool in MISSENSE if tool in kinds), "")


def effect_of(prediction: Prediction, terms: tuple[str, ...], usual: float) -> float:
    """How harmful an effect is, 0 to 1: of missense what the predictor says in the place of the `usual`, never less than SpliceAI says.

    Source: Smedley et al., Nature Protocols 2015 (predictors in the place of the default of missense).
    """
    scored = prediction.tool in IN_SCORE and not isnan(prediction.missense)
    missense = scored and terms and terms[0] == "missense_variant"
    own = prediction.missense if missense else usual
    return max(own, prediction.splicing) if prediction.spliced else own

"""ACMG/AMP criteria as points, and the classes that they add up to.

Points: supporting 1, moderate 2, strong 4, very strong 8; benign ones negative; pathogenic from 10, likely pathogenic from 6, likely benign
from -1 down to -6, benign from -7. BA1 stands alone. PM1 and PP3 together count 4 at most, as both say that the place matters. PP5 and BP6
(somebody else's verdict) are never used, so ClinVar is shown but scores nothing by itself. The combining rules of 2015 are told beside the
points, so that a reader sees where the two differ. `criteria` decides which criteria a variant meets.

Sources: Richards et al. 2015; Tavtigian et al. 2018 and 2020 (points, posterior); Pejaver et al. 2022 (PM1 with PP3).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

STRENGTH = {"supporting": 1, "moderate": 2, "strong": 4, "very strong": 8}
MOST_FOR_PLACE = 4
"""Points of PM1 and PP3 together."""

NEVER_BY_DATA = {
    "PS3": "needs a curated table of functional assays",
    "BS3": "needs a curated table of functional assays",
    "PS4": "needs counts of affected carriers",
    "PP1": "needs a family large enough to count meioses",
    "BS4": "needs a family whose healthy members are surely healthy",
    "PP4": "the phenotype counts in the rank already",
    "BP2": "needs carriers known to be healthy",
    "BP5": "needs another cause that a clinician has accepted",
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion that is met: its code with the strength it is used at, its points, and why."""

    code: str
    points: int
    why: str


def criterion(code: str, strength: str, usual: str, why: str) -> Criterion:
    """A criterion at a strength, named by it where that is not the `usual` one; benign codes have negative points."""
    name = code if strength == usual else f"{code}_{strength.replace(' ', '_')}"
    return Criterion(name, STRENGTH[strength] * (-1 if code.startswith("B") else 1), why)


@dataclass(frozen=True, slots=True)
class Classification:
    """The criteria met by one variant, and what they add up to."""

    criteria: tuple[Criterion, ...]

    @property
    def points(self) -> int:
        place = sum(one.points for one in self.criteria if _base(one) in ("PM1", "PP3"))
        return sum(one.points for one in self.criteria) - max(place - MOST_FOR_PLACE, 0)

    @property
    def verdict(self) -> str:
        if any(one.code == "BA1" for one in self.criteria):
            return "benign"
        points = self.points
        if points >= 10:
            return "pathogenic"
        if points >= 6:
            return "likely pathogenic"
        if points >= 0:
            return "uncertain significance"
        return "likely benign" if points >= -6 else "benign"

    @property
    def verdict_2015(self) -> str:
        """The class by the combining rules of 2015. Source: Richards et al. 2015, table 5."""
        n = Counter((one.points < 0, abs(one.points)) for one in self.criteria if one.code != "BA1")
        very_strong, strong, moderate, supporting = (n[False, points] for points in (8, 4, 2, 1))
        pathogenic = _pathogenic(very_strong, strong, moderate, supporting)
        likely = _likely_pathogenic(very_strong, strong, moderate, supporting)
        benign = any(one.code == "BA1" for one in self.criteria) or n[True, 4] >= 2
        likely_benign = n[True, 4] + n[True, 2] + n[True, 1] >= 2
        if (pathogenic or likely) and (benign or likely_benign):
            return "uncertain significance"
        by_rule = {"pathogenic": pathogenic, "likely pathogenic": likely, "benign": benign, "likely benign": likely_benign}
        return next((verdict for verdict, met in by_rule.items() if met), "uncertain significance")

    @property
    def posterior(self) -> float:
        """Probability of being pathogenic, prior 0.1."""
        odds = 350.0 ** (self.points / 8)
        return odds * 0.1 / ((odds - 1) * 0.1 + 1)

    def without(self, *codes: str) -> Classification:
        """The same without some codes, at whatever strength."""
        return Classification(tuple(one for one in self.criteria if _base(one) not in codes))

    @property
    def codes(self) -> str:
        return "+".join(one.code for one in self.criteria)


def _base(one: Criterion) -> str:
    return one.code.split("_")[0]


def _pathogenic(very_strong: int, strong: int, moderate: int, supporting: int) -> bool:
    if very_strong:
        return very_strong > 1 or strong >= 1 or moderate >= 2 or (moderate >= 1 and supporting >= 1) or supporting >= 2
    return strong >= 2 or (strong == 1 and (moderate >= 3 or (moderate == 2 and supporting >= 2) or (moderate == 1 and supporting >= 4)))


def _likely_pathogenic(very_strong: int, strong: int, moderate: int, supporting: int) -> bool:
    if very_strong or strong:
        return moderate >= 1 or (strong > 0 and supporting >= 2)
    return moderate >= 3 or (moderate == 2 and supporting >= 2) or (moderate == 1 and supporting >= 4)

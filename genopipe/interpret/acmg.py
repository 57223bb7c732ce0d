"""ACMG/AMP criteria that data alone decides, as points, with the sentence that supports each.

Points: supporting 1, moderate 2, strong 4, very strong 8, benign ones negative; pathogenic from 10, likely pathogenic from 6, likely benign
from -1 down to -6, benign from -7. BA1 stands alone. What data cannot decide is listed as not evaluated. PP5 and BP6 (somebody else's
verdict) are never used, so ClinVar is shown but scores nothing by itself.

Sources: Richards et al. 2015; Tavtigian et al. 2018 and 2020 (points, posterior); Abou Tayoun et al. 2018 (PVS1); ClinGen SVI on
PM2 (2020), PS2/PM6 and PM3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from genopipe.interpret.consequence import Consequence
from genopipe.interpret.inheritance import Pattern

STRENGTH = {"supporting": 1, "moderate": 2, "strong": 4, "very strong": 8}
LOF_INTOLERANT_LOEUF, LOF_INTOLERANT_PLI = 0.35, 0.9
"""gnomAD's own limits for genes that do not bear losing a copy."""
COMMON, FREQUENT, FREQUENT_MITOCHONDRIAL, RARE = 0.05, 0.015, 0.005, 0.0001
MOST_HOMOZYGOTES, MOST_HOMOZYGOTES_DOMINANT = 2, 5
"""Homozygotes in a population that a recessive or X-linked, and a dominant, disorder of full penetrance leaves room for."""
FITTING_PHENOTYPE = 0.5
LOSS_OF_FUNCTION = ("frameshift_variant", "stop_gained", "splice_donor_variant", "splice_acceptor_variant", "transcript_ablation")

NOT_EVALUATED = (
    "PS1", "PS3", "PS4", "PM1", "PM5", "PP1", "PP2", "PP3", "PP4", "BS3", "BS4", "BP1", "BP2", "BP3", "BP4", "BP5", "BP7",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion that is met: its code with the strength it is used at, its points, and why."""

    code: str
    points: int
    why: str


@dataclass(frozen=True, slots=True)
class Classification:
    """The criteria met by one variant, and what they add up to."""

    criteria: tuple[Criterion, ...]

    @property
    def points(self) -> int:
        return sum(criterion.points for criterion in self.criteria)

    @property
    def verdict(self) -> str:
        if any(criterion.code == "BA1" for criterion in self.criteria):
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
    def posterior(self) -> float:
        """Probability of being pathogenic, prior 0.1."""
        odds = 350.0 ** (self.points / 8)
        return odds * 0.1 / ((odds - 1) * 0.1 + 1)

    def without(self, *codes: str) -> Classification:
        """The same without some codes, at whatever strength."""
        return Classification(tuple(criterion for criterion in self.criteria if criterion.code.split("_")[0] not in codes))

    @property
    def codes(self) -> str:
        return "+".join(criterion.code for criterion in self.criteria)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about one variant in one case.

    `frequency` is NaN and `homozygotes` -1 where no table has it; `covered` says whether one could.
    """

    consequence: Consequence
    frequency: float
    covered: bool
    mitochondrial: bool
    pattern: Pattern | None
    parentage_checked: bool
    partner_pathogenic: bool
    loeuf: float | None
    pli: float | None
    phenotype: float
    homozygotes: int = -1


def classify(about: Circumstances) -> Classification:
    """The criteria that `about` meets."""
    found = (_loss_of_function(about), _new(about), _frequency(about), _homozygotes(about), _partner(about), _stop_lost(about))
    return Classification(tuple(criterion for criterion in found if criterion is not None))


def _criterion(code: str, strength: str, usual: str, why: str) -> Criterion:
    name = code if strength == usual else f"{code}_{strength.replace(' ', '_')}"
    return Criterion(name, STRENGTH[strength], why)


def _loss_of_function(about: Circumstances) -> Criterion | None:
    intolerant = (about.loeuf is not None and about.loeuf < LOF_INTOLERANT_LOEUF) or (
        about.pli is not None and about.pli >= LOF_INTOLERANT_PLI
    )
    lost = any(term in LOSS_OF_FUNCTION for term in about.consequence.terms)
    if not intolerant or not (lost or "start_lost" in about.consequence.terms):
        return None
    strength, tail = "very strong", ""
    if not lost:
        strength, tail = "moderate", ", though translation may begin at a later start codon"
    elif about.consequence.escapes_decay:
        strength, tail = "strong", ", though near the end of the transcript"
    measure = f"LOEUF {about.loeuf:.2f}" if about.loeuf is not None else f"pLI {about.pli:.2f}"
    return _criterion("PVS1", strength, "very strong", f"loss of function in a gene that does not bear it ({measure}){tail}")


def _new(about: Circumstances) -> Criterion | None:
    if about.pattern is None or not about.pattern.new:
        return None
    fitting = about.phenotype >= FITTING_PHENOTYPE
    if about.parentage_checked:
        strength = "moderate" if fitting else "supporting"
        return _criterion("PS2", strength, "strong", "new in the child; the genotypes confirm both parents")
    return _criterion("PM6", "supporting", "moderate", "new in the child; parentage is assumed")


def _frequency(about: Circumstances) -> Criterion | None:
    frequency = 0.0 if isnan(about.frequency) else about.frequency
    if frequency > COMMON:
        return Criterion("BA1", -8, f"found in {100 * frequency:.1f} % of a population")
    if frequency > (FREQUENT_MITOCHONDRIAL if about.mitochondrial else FREQUENT):
        return Criterion("BS1", -4, f"found in {100 * frequency:.1f} % of a population, too often for a rare disease")
    if about.covered and frequency < RARE:
        told = "absent from the frequency tables" if frequency == 0 else f"found in {100 * frequency:.4f} % only"
        return _criterion("PM2", "supporting", "moderate", told)
    return None


def _homozygotes(about: Circumstances) -> Criterion | None:
    """BS2, not beside BA1, which already stands alone."""
    if about.pattern is None or about.mitochondrial or about.frequency > COMMON:
        return None
    most = MOST_HOMOZYGOTES_DOMINANT if about.pattern.family == "AD" else MOST_HOMOZYGOTES
    if about.homozygotes <= most:
        return None
    return Criterion("BS2", -4, f"{about.homozygotes} people of the population have two copies, which leaves room for {most}")


def _partner(about: Circumstances) -> Criterion | None:
    if about.pattern is None or not about.partner_pathogenic or about.pattern.family not in ("AR", "XR"):
        return None
    if about.pattern.in_trans:
        return _criterion("PM3", "moderate", "moderate", "on the other copy of the gene is a known pathogenic variant")
    if len(about.pattern.rows) == 2:
        return _criterion("PM3", "supporting", "moderate", "beside a known pathogenic variant, phase unknown")
    return None


def _stop_lost(about: Circumstances) -> Criterion | None:
    if "stop_lost" not in about.consequence.terms:
        return None
    return _criterion("PM4", "moderate", "moderate", "the stop codon is lost and the protein becomes longer")

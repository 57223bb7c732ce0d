"""What an interpretation is made of: the request, the hits of a gene, the findings, and the whole result."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.interpret.acmg import Classification
from genopipe.interpret.annotate import Assertion
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.criteria import CHANCE, FITTING_PHENOTYPE
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.hgvs import Change
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.ontology import Ontology
from genopipe.interpret.phenotype import Match
from genopipe.interpret.predictors import Prediction
from genopipe.interpret.subject import Subject
from genopipe.interpret.unseen import Unseen
from genopipe.interpret.variants import Variants
from genopipe.model import Genome

CANDIDATE = 0.3
"""A gene from this score on is told as a candidate; a case without one is negative."""
GRAVE_CANDIDATE = 0.25
"""With a (likely) pathogenic variant, by points or in ClinVar, a fitting gene is a candidate from this variant score on, that of a mode the
gene is known for with incomplete penetrance: a parent without signs does not clear such a variant.
"""
CERTAIN_CANDIDATE = 0.7
"""And from this variant score on, that of a mode that fits the family and the gene, where the phenotype fits better than by chance: one
that is incomplete, as a newborn's is, does not clear such a variant either.
"""


def candidate_if_grave(phenotype_score: float, variant_score: float) -> bool:
    """True where a (likely) pathogenic variant makes a gene a candidate, whatever its score."""
    fitting = phenotype_score >= FITTING_PHENOTYPE and variant_score >= GRAVE_CANDIDATE
    return fitting or (phenotype_score > CHANCE and variant_score >= CERTAIN_CANDIDATE)


@dataclass(frozen=True, slots=True)
class Hit:
    """One variant of a finding: its consequence on the gene, what evidence says, and its ACMG points.

    `id` is the GA4GH identifier of the allele, the same in every case; None without a reference and for structural variants. Where others
    of the same codon and copy are read together with it, `consequence` is that of all, made by `change`, `beside` names the others, and
    `alone` is what it would do by itself. Where no frequency table reaches it, it is not `covered`, and a missing frequency says nothing.
    """

    row: int
    name: str
    consequence: Consequence
    score: float
    frequency: float
    homozygotes: int
    clinvar: Assertion | None
    acmg: Classification = field(default_factory=lambda: Classification(()))
    id: str | None = None
    prediction: Prediction = field(default_factory=Prediction)
    alone: Consequence | None = None
    beside: tuple[str, ...] = ()
    change: Change | None = None
    structural: bool = False
    covered: bool = True

    @property
    def known_pathogenic(self) -> bool:
        """(Likely) pathogenic in ClinVar, with a star."""
        return self.clinvar is not None and self.clinvar.pathogenic

    @property
    def pathogenic(self) -> bool:
        """(Likely) pathogenic by its points, or in ClinVar."""
        return self.known_pathogenic or self.acmg.verdict in ("pathogenic", "likely pathogenic")


@dataclass(frozen=True, slots=True)
class Finding:
    """One gene in the ranked list. Without variants `variant_score` is None and `hits` is empty.

    `absent` are the terms that the gene is known for and the patient was found not to have. `tier` is that of `tiers`, None for none;
    `panels` name the panels that have the gene green; `late` is the gene's earliest known onset, where that is too late for the patient and
    counted against it.
    """

    rank: float
    gene: str
    score: float
    phenotype_score: float
    variant_score: float | None
    pattern: Pattern | None
    hits: tuple[Hit, ...]
    matches: tuple[Match, ...] = ()
    absent: tuple[str, ...] = ()
    diseases: tuple[str, ...] = ()
    loeuf: float | None = None
    reasons: tuple[str, ...] = ()
    tier: str | None = None
    panels: tuple[str, ...] = ()
    late: str | None = None

    @property
    def candidate(self) -> bool:
        """True for what a clinician should look at."""
        if self.pattern is None or self.variant_score is None:
            return False
        if self.score >= CANDIDATE or not any(hit.pathogenic for hit in self.hits):
            return self.score >= CANDIDATE
        return candidate_if_grave(self.phenotype_score, self.variant_score)


@dataclass(frozen=True, slots=True)
class Request:
    """What to interpret, and with what."""

    subject: Subject
    evidence: EvidenceSet
    variants: Path | None = None
    genome: Genome | None = None
    reference: Path | None = None
    score: str = "genopipe"
    uncallable: Path | None = None
    structural: Path | None = None
    pgx: Path | None = None
    reads: Path | None = None
    panels: tuple[str, ...] = ()
    by_onset: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What took the variants on their way: masks over the variants, and for those left the consequences called and the hits by gene.

    `genes` are those that may be ranked, None for all.

    faults     by name, (variants) bool: poor calls
    rare       (variants) bool: well called, and rare or known as pathogenic
    frequency  (variants) float64, NaN where unknown
    """

    faults: Mapping[str, NDArray[np.bool_]]
    rare: NDArray[np.bool_]
    frequency: NDArray[np.float64]
    called: Mapping[int, Mapping[str, Consequence]]
    hits: Mapping[str, Mapping[int, Hit]]
    genes: Set[str] | None = None


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The ranked list and what stands behind it. `kept` counts the variants after each step; `notes` are limits of this run.

    `unseen` are the genes of the panels, or those that fit the phenotype, that could not be seen whole, those that fit best first.
    """

    request: Request
    ontology: Ontology
    findings: tuple[Finding, ...]
    variants: Variants | None
    kept: Mapping[str, int]
    notes: tuple[str, ...]
    parentage: tuple[int, int]
    trace: Trace | None = None
    unseen: tuple[Unseen, ...] = ()

    @property
    def candidates(self) -> tuple[Finding, ...]:
        """Findings that a clinician should look at; empty for a negative result."""
        return tuple(finding for finding in self.findings if finding.candidate)

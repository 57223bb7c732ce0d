"""Which ACMG/AMP criteria a variant meets, each at its strength and with the sentence that supports it.

Data decides: BA1, BS1, BS2, PM2 (population frequency), PVS1 and PM4/BP3 (consequence), PS1, PM5, PM1, PP2 and BP1 (ClinVar's other
variants of the gene), PP3, BP4 and BP7 (predictors), PS2 or PM6 and PM3 (the family). A criterion whose evidence a run lacks is listed as
not evaluated, with the reason.

Sources: Richards et al. 2015; Abou Tayoun et al. 2018 (PVS1); ClinGen SVI on PM2 (2020), PS2/PM6 and PM3; Ghosh et al. 2018 (BA1); Pejaver
et al. 2022 (PP3, BP4); Walker et al. 2023 (splicing, BP7).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from math import isnan

from genopipe.interpret.acmg import NEVER_BY_DATA, Classification, Criterion, criterion
from genopipe.interpret.codon import Around, Known
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.predictors import MISSENSE, NAMES, SPLICING, Prediction

LOF_INTOLERANT_LOEUF, LOF_INTOLERANT_PLI = 0.35, 0.9
"""gnomAD's own limits for genes that do not bear losing a copy."""
LEAST_LOST = 3
"""Pathogenic loss-of-function variants of a gene from which on losing it is a known cause. Source: Abou Tayoun et al. 2018."""
COMMON, FREQUENT, FREQUENT_MITOCHONDRIAL, RARE = 0.05, 0.015, 0.005, 0.0001
MOST_HOMOZYGOTES, MOST_HOMOZYGOTES_DOMINANT = 2, 5
"""Homozygotes in a population that a recessive or X-linked, and a dominant, disorder of full penetrance leaves room for."""
FITTING_PHENOTYPE = 0.5
LEAST_NEAR = 4
"""Pathogenic missense variants nearby, and no benign one, that make a hot spot."""
LEAST_KNOWN, MOST_HARMLESS, MAINLY = 10, 0.05, 0.75
"""Pathogenic variants of a gene from which on their kinds are told, the share of benign missense for PP2, the share of the main kind."""
LOSS_OF_FUNCTION = ("frameshift_variant", "stop_gained", "splice_donor_variant", "splice_acceptor_variant", "transcript_ablation")
BROKEN = ("exon_loss_variant", "feature_truncation")
"""Of structural variants: a part of the gene is lost, and whether the frame is kept is not told."""
IN_FRAME = ("inframe_insertion", "inframe_deletion")
_DEEP = re.compile(r"\d(?:\+(\d+)|-(\d+))[ACGT]>[ACGT]$")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about one variant in one case.

    `frequency` is NaN and `homozygotes` -1 where no table has it; `covered` says whether one could. `residues` counts the amino acids that
    a change in frame adds or removes, `in_repeat` is None where no reference tells; `excepted` is True for ClinGen's exceptions to BA1.
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
    prediction: Prediction = field(default_factory=Prediction)
    around: Around = field(default_factory=Around)
    residues: int = 0
    in_repeat: bool | None = None
    excepted: bool = False

    @property
    def term(self) -> str:
        """The gravest term."""
        return self.consequence.terms[0] if self.consequence.terms else ""


def classify(about: Circumstances) -> Classification:
    """The criteria that `about` meets."""
    found = [_loss_of_function(about), _new(about), _frequency(about), _homozygotes(about), _partner(about), _length(about)]
    found += [_same_place(about), _hot_spot(about), _predicted(about), _silent(about)]
    if not {one.code.split("_")[0] for one in found if one is not None} & {"PS1", "PM1", "PM5"}:
        found.append(_missense_gene(about))
    return Classification(tuple(one for one in found if one is not None))


def not_evaluated(kinds: Collection[str], *, genome: bool, parents: bool) -> dict[str, str]:
    """By code, why it is not evaluated in a run whose evidence has `kinds`."""
    found = dict(NEVER_BY_DATA)
    if "clinvar" not in kinds or not genome:
        found |= dict.fromkeys(("PS1", "PM1", "PM5", "PP2", "BP1"), "needs ClinVar and a reference")
    if not {*MISSENSE, SPLICING} & set(kinds):
        found |= dict.fromkeys(("PP3", "BP4"), "needs a table of REVEL, AlphaMissense, CADD or SpliceAI")
    if SPLICING not in kinds:
        found["BP7"] = "needs a table of SpliceAI"
    if not genome:
        found["BP3"] = "needs a reference"
    if "frequency" not in kinds:
        found |= dict.fromkeys(("BA1", "BS1", "BS2", "PM2"), "needs a table of population frequencies")
    if "constraint" not in kinds and "clinvar" not in kinds:
        found["PVS1"] = "needs a table of constraint, or ClinVar"
    if not parents:
        found |= dict.fromkeys(("PS2", "PM6"), "needs both parents")
    return dict(sorted(found.items()))


def _loss_of_function(about: Circumstances) -> Criterion | None:
    cause, terms = _mechanism(about), about.consequence.terms
    lost, broken = (any(term in of_kind for term in terms) for of_kind in (LOSS_OF_FUNCTION, BROKEN))
    if cause is None or not (lost or broken or "start_lost" in terms):
        return None
    strength, tail = "very strong", ""
    if broken:
        strength, tail = "strong", ", though a part of it is lost and the frame may be kept"
    elif not lost:
        strength, tail = "moderate", ", though translation may begin at a later start codon"
    elif about.consequence.escapes_decay:
        strength, tail = "strong", ", though near the end of the transcript"
    return criterion("PVS1", strength, "very strong", f"loss of function in a gene {cause}{tail}")


def _mechanism(about: Circumstances) -> str | None:
    """Why losing the gene is a known cause of disease; None where it is not."""
    if about.loeuf is not None and about.loeuf < LOF_INTOLERANT_LOEUF:
        return f"that does not bear it (LOEUF {about.loeuf:.2f})"
    if about.pli is not None and about.pli >= LOF_INTOLERANT_PLI:
        return f"that does not bear it (pLI {about.pli:.2f})"
    if about.around.n_lost >= LEAST_LOST:
        return f"of which ClinVar knows {about.around.n_lost} other loss-of-function variants as pathogenic"
    return None


def _new(about: Circumstances) -> Criterion | None:
    if about.pattern is None or not about.pattern.new:
        return None
    fitting = about.phenotype >= FITTING_PHENOTYPE
    if about.parentage_checked:
        strength = "moderate" if fitting else "supporting"
        return criterion("PS2", strength, "strong", "new in the child; the genotypes confirm both parents")
    return criterion("PM6", "supporting", "moderate", "new in the child; parentage is assumed")


def _frequency(about: Circumstances) -> Criterion | None:
    frequency = 0.0 if isnan(about.frequency) else about.frequency
    if about.excepted:
        return None
    if frequency > COMMON:
        return Criterion("BA1", -8, f"found in {100 * frequency:.1f} % of a population")
    if frequency > (FREQUENT_MITOCHONDRIAL if about.mitochondrial else FREQUENT):
        return criterion("BS1", "strong", "strong", f"found in {100 * frequency:.1f} % of a population, too often for a rare disease")
    if about.covered and frequency < RARE:
        told = "absent from the frequency tables" if frequency == 0 else f"found in {100 * frequency:.4f} % only"
        return criterion("PM2", "supporting", "moderate", told)
    return None


def _homozygotes(about: Circumstances) -> Criterion | None:
    """BS2, not beside BA1, which already stands alone."""
    if about.pattern is None or about.mitochondrial or about.excepted or about.frequency > COMMON:
        return None
    most = MOST_HOMOZYGOTES_DOMINANT if about.pattern.family == "AD" else MOST_HOMOZYGOTES
    if about.homozygotes <= most:
        return None
    told = f"{about.homozygotes} people of the population have two copies, which leaves room for {most}"
    return criterion("BS2", "strong", "strong", told)


def _partner(about: Circumstances) -> Criterion | None:
    if about.pattern is None or not about.partner_pathogenic or about.pattern.family not in ("AR", "XR"):
        return None
    if about.pattern.in_trans:
        return criterion("PM3", "moderate", "moderate", "on the other copy of the gene is a known pathogenic variant")
    if len(about.pattern.rows) == 2:
        return criterion("PM3", "supporting", "moderate", "beside a known pathogenic variant, phase unknown")
    return None


def _length(about: Circumstances) -> Criterion | None:
    """PM4 for a protein of another length, BP3 for one in a repeat in which nothing harmful is known."""
    if "stop_lost" in about.consequence.terms:
        return criterion("PM4", "moderate", "moderate", "the stop codon is lost and the protein becomes longer")
    if about.term not in IN_FRAME or about.in_repeat is None:
        return None
    if about.in_repeat:
        if about.around.n_pathogenic:
            return None
        return criterion("BP3", "supporting", "supporting", "a change in frame within a repeat; no harmful variant is known nearby")
    many = "amino acids" if about.residues > 1 else "amino acid"
    told = f"the protein's length changes by {about.residues} {many}, outside of repeats"
    return criterion("PM4", "moderate" if about.residues > 1 else "supporting", "moderate", told)


def _same_place(about: Circumstances) -> Criterion | None:
    """PS1, else PM5."""
    if about.term != "missense_variant":
        return None
    same, other = about.around.same_change, about.around.same_codon
    if same is not None and not about.prediction.spliced:
        strength = "strong" if same.stars >= 2 else "moderate"
        return criterion("PS1", strength, "strong", f"the same amino acid change by another base change is {_called(same)}")
    if other is not None:
        strength = "moderate" if other.stars >= 2 else "supporting"
        return criterion("PM5", strength, "moderate", f"another change of the same amino acid is {_called(other)}")
    return None


def _called(known: Known) -> str:
    stars = "1 star" if known.stars == 1 else f"{known.stars} stars"
    return f"{known.significance.replace('_', ' ')} in ClinVar ({known.accession}, {stars})"


def _hot_spot(about: Circumstances) -> Criterion | None:
    near = about.around
    if about.term != "missense_variant" or near.n_pathogenic < LEAST_NEAR or near.n_benign:
        return None
    told = f"{near.n_pathogenic} missense variants within 25 bases are pathogenic in ClinVar, none benign, {near.n_uncertain} uncertain"
    return criterion("PM1", "moderate" if near.n_pathogenic > near.n_uncertain else "supporting", "moderate", told)


def _missense_gene(about: Circumstances) -> Criterion | None:
    """PP2 or BP1, by what kind of variant ClinVar knows as pathogenic in the gene."""
    gene = about.around
    known = gene.n_missense + gene.n_lost
    if about.term != "missense_variant" or known < LEAST_KNOWN:
        return None
    if gene.n_missense >= MAINLY * known and gene.n_harmless <= MOST_HARMLESS * (gene.n_harmless + gene.n_missense):
        told = f"{gene.n_missense} of {known} pathogenic variants of the gene in ClinVar are missense, and benign ones are rare"
        return criterion("PP2", "supporting", "supporting", told)
    if gene.n_lost >= MAINLY * known:
        told = f"{gene.n_lost} of {known} pathogenic variants of the gene in ClinVar are loss of function"
        return criterion("BP1", "supporting", "supporting", told)
    return None


def _predicted(about: Circumstances) -> Criterion | None:
    """PP3 or BP4: of missense by the predictor that counts, of splicing by SpliceAI; the stronger for harm, else what both allow."""
    if any(term in LOSS_OF_FUNCTION for term in about.consequence.terms):
        return None
    says, spliced = about.prediction, about.prediction.spliced
    missense = says.strength if about.term == "missense_variant" else None
    told = f"{NAMES.get(says.tool, '')} {says.missense:.3g}"
    if missense is not None and missense[0] == "PP3":
        return criterion("PP3", missense[1], "supporting", f"{told}: harmful by its calibration")
    if spliced:
        return criterion("PP3", "supporting", "supporting", f"SpliceAI {says.splicing:.2f}: splicing is likely to change")
    if missense is not None:
        return criterion("BP4", missense[1], "supporting", f"{told}: harmless by its calibration")
    if spliced is False and about.consequence.impact in ("LOW", "MODIFIER"):
        return criterion("BP4", "supporting", "supporting", f"SpliceAI {says.splicing:.2f}: splicing is not likely to change")
    return None


def _silent(about: Circumstances) -> Criterion | None:
    """BP7: synonymous, or deep in an intron (from +7 and -21 on), and splicing not predicted to change."""
    if about.prediction.spliced is not False:
        return None
    if about.term == "synonymous_variant":
        return criterion("BP7", "supporting", "supporting", "no amino acid changes, nor is splicing likely to")
    deep = _DEEP.search(about.consequence.hgvs_c or "") if about.term == "intron_variant" else None
    if deep is not None and (int(deep[1] or 0) >= 7 or int(deep[2] or 0) >= 21):
        return criterion("BP7", "supporting", "supporting", "deep in an intron, and splicing is not likely to change")
    return None

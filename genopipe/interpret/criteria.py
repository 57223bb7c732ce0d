"""Which ACMG/AMP criteria a variant meets, each at its strength and with the sentence that supports it.

Data decides: BA1, BS1, BS2, PM2 (population frequency), PVS1 and PM4/BP3 (consequence), PS1, PM5, PM1, PP2 and BP1 (ClinVar's other
variants of the gene), PP3, BP4 and BP7 (predictors), PS2 or PM6 and PM3 (the family). A criterion whose evidence a run lacks is listed as
not evaluated, with the reason.

Sources: Richards et al. 2015; Abou Tayoun et al. 2018 (PVS1); ClinGen SVI on PM2 (2020), PS2/PM6 and PM3; Ghosh et al. 2018 (BA1);
Kelly et al. 2018 (PM2 of dominant disorders); McCormick et al. 2020 (mitochondria); Pejaver et al. 2022 (PP3, BP4); Walker et al. 2023
(splicing, BP7).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Set
from dataclasses import dataclass, field
from math import isnan

from genopipe.interpret.acmg import NEVER_BY_DATA, Classification, Criterion, criterion
from genopipe.interpret.codon import Around, Known
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.predictors import MISSENSE, NAMES, SPLICING, Prediction
from genopipe.interpret.protein_loss import SPLICED, Loss

LOF_INTOLERANT_LOEUF, LOF_INTOLERANT_PLI = 0.35, 0.9
"""gnomAD's own limits for genes that do not bear losing a copy."""
LEAST_LOST, LEAST_SHARE_LOST = 3, 0.1
"""Pathogenic loss-of-function variants of a gene from which on losing it is a known cause, and their share of its pathogenic variants.
Source: Abou Tayoun et al. 2018.
"""
LARGE_PART = 0.1
"""Share of a protein whose loss counts as strong. Source: Abou Tayoun et al. 2018."""
COMMON, FREQUENT = 0.05, 0.015
COMMON_MITOCHONDRIAL, FREQUENT_MITOCHONDRIAL = 0.01, 0.005
RARE = {"AD": 0.00004, "XD": 0.00004, "MT": 0.00002}
"""Frequency below which a variant is rare, by mode."""
RARE_RECESSIVE = 0.0001
LIMITS = (*RARE.values(), RARE_RECESSIVE, FREQUENT_MITOCHONDRIAL, COMMON_MITOCHONDRIAL, FREQUENT)
"""Frequencies at which a criterion changes, up to that above which variants are left out."""
MOST_HOMOZYGOTES, MOST_HOMOZYGOTES_DOMINANT = 2, 5
"""Homozygotes in a population that a recessive or X-linked, and a dominant, disorder of full penetrance leaves room for."""
FITTING_PHENOTYPE, CHANCE = 0.5, 0.12
"""Fit of the phenotype from which on it is that of the gene, and up to which it is no better than chance."""
LEAST_NEAR = 4
"""Pathogenic missense variants nearby, and no benign one, that make a hot spot."""
LEAST_KNOWN, MOST_HARMLESS, MAINLY = 10, 0.05, 0.75
"""Pathogenic variants of a gene from which on their kinds are told, the share of benign missense for PP2, the share of the main kind."""
LOSS_OF_FUNCTION = ("frameshift_variant", "stop_gained", "splice_donor_variant", "splice_acceptor_variant", "transcript_ablation")
BROKEN = ("exon_loss_variant", "feature_truncation")
"""Of structural variants: a part of the gene is lost."""
HARMFUL = ("pathogenic", "likely pathogenic")
IN_FRAME = ("inframe_insertion", "inframe_deletion", "protein_altering_variant")
_DEEP = re.compile(r"\d(?:\+(\d+)|-(\d+))[ACGT]>[ACGT]$")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about one variant in one case.

    `frequency` is NaN and `homozygotes` -1 where no table has it; `covered` says whether one could. `residues` counts the amino acids that
    a change in frame adds or removes, `in_repeat` is None where no reference tells; `excepted` is True for ClinGen's exceptions to BA1,
    `established` for what ClinVar has as pathogenic by several submitters: its disorder may be too frequent for the limits of BS1 and BS2,
    as sickle cell disease is. `loss` is what the protein loses, None where no sequence tells; `critical` says that ClinVar knows pathogenic
    variants in that part. `partner` is the class of the other variant of a pair, empty without one. `modes` are those the gene is known
    for, all of them where only the gene is known, none where it is known for no disease.
    """

    consequence: Consequence
    frequency: float
    covered: bool
    mitochondrial: bool
    pattern: Pattern | None
    parentage_checked: bool
    loeuf: float | None
    pli: float | None
    phenotype: float
    homozygotes: int = -1
    prediction: Prediction = field(default_factory=Prediction)
    around: Around = field(default_factory=Around)
    residues: int = 0
    in_repeat: bool | None = None
    excepted: bool = False
    established: bool = False
    loss: Loss | None = None
    critical: bool = False
    modes: Set[str] = frozenset()
    partner: str = ""

    @property
    def term(self) -> str:
        """The gravest term."""
        return self.consequence.terms[0] if self.consequence.terms else ""

    @property
    def fits_gene(self) -> bool:
        """True where the gene is known for the mode, X-linked ones taken alike, and for something that the patient shows."""
        family = self.pattern.family if self.pattern is not None else ""
        return self.phenotype > CHANCE and not {family, *(("XD", "XR") if family in ("XD", "XR") else ())}.isdisjoint(self.modes)

    @property
    def rare(self) -> bool:
        """True where a frequency table reaches it, and it is not there or rarer than the mode allows."""
        limit = RARE.get(self.pattern.family if self.pattern is not None else "", RARE_RECESSIVE)
        return self.covered and not self.frequency >= limit


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
    cause = _mechanism(about)
    found = _strength_of_loss(about) if cause is not None else None
    if found is None:
        return None
    strength, tail = found
    return criterion("PVS1", strength, "very strong", f"loss of function in a gene {cause}{tail}")


def _strength_of_loss(about: Circumstances) -> tuple[str, str] | None:
    """How much a loss of function counts, and why no more. Source: Abou Tayoun et al. 2018, figure 1."""
    terms, loss = about.consequence.terms, about.loss
    if "transcript_ablation" in terms:
        return "very strong", ""
    if "start_lost" in terms or (loss is not None and loss.first_codon):
        tail = ", though translation may begin at a later start codon"
        return ("moderate", tail) if about.critical or loss is None else ("supporting", f"{tail} and nothing harmful is known before it")
    if "feature_elongation" in terms:
        return ("strong", ", if the copy lies in tandem") if loss is not None and loss.decay else None
    broken = any(term in BROKEN for term in terms)
    if not broken and not any(term in LOSS_OF_FUNCTION for term in terms):
        return None
    if loss is None:
        untold = broken or any(term in SPLICED for term in terms)
        return ("strong", ", though a part of it is lost and the frame may be kept") if untold else ("very strong", "")
    if loss.decay:
        return "very strong", ""
    if not loss.share:
        return None
    told = f", though the transcript stays and {100 * loss.share:.0f} % of the protein is lost"
    if about.critical:
        return "strong", f"{told}, a part in which ClinVar knows pathogenic variants"
    return "strong" if loss.share > LARGE_PART else "moderate", told


def _mechanism(about: Circumstances) -> str | None:
    """Why losing the gene is a known cause of disease; None where it is not."""
    lost, known = about.around.n_lost, about.around.n_lost + about.around.n_missense
    by_clinvar = lost > LEAST_SHARE_LOST * known
    if about.modes and (by_clinvar or known < LEAST_KNOWN):
        if about.loeuf is not None and about.loeuf < LOF_INTOLERANT_LOEUF:
            return f"that does not bear it (LOEUF {about.loeuf:.2f})"
        if about.pli is not None and about.pli >= LOF_INTOLERANT_PLI:
            return f"that does not bear it (pLI {about.pli:.2f})"
    if lost >= LEAST_LOST and by_clinvar:
        return f"of which ClinVar knows {lost} other loss-of-function variants as pathogenic"
    return None


def _new(about: Circumstances) -> Criterion | None:
    """PS2 or PM6, where the gene is known for that mode and the phenotype is that of the gene, by the points of ClinGen SVI."""
    if about.pattern is None or not about.pattern.new or not about.fits_gene:
        return None
    fitting = about.phenotype >= FITTING_PHENOTYPE
    if about.parentage_checked:
        strength = "moderate" if fitting else "supporting"
        return criterion("PS2", strength, "strong", "new in the child; the genotypes confirm both parents")
    return criterion("PM6", "supporting", "moderate", "new in the child; parentage is assumed") if fitting else None


def _frequency(about: Circumstances) -> Criterion | None:
    if about.excepted:
        return None
    frequency = 0.0 if isnan(about.frequency) else about.frequency
    common, frequent = (COMMON_MITOCHONDRIAL, FREQUENT_MITOCHONDRIAL) if about.mitochondrial else (COMMON, FREQUENT)
    if frequency > common:
        return Criterion("BA1", -8, f"found in {100 * frequency:.1f} % of a population")
    if frequency > frequent and not about.established:
        return criterion("BS1", "strong", "strong", f"found in {100 * frequency:.1f} % of a population, too often for a rare disease")
    if about.rare:
        told = "absent from the frequency tables" if frequency == 0 else f"found in {100 * frequency:.4f} % only"
        return criterion("PM2", "supporting", "moderate", told)
    return None


def _homozygotes(about: Circumstances) -> Criterion | None:
    """BS2, not beside BA1, which already stands alone."""
    if about.pattern is None or about.mitochondrial or about.excepted or about.established or about.frequency > COMMON:
        return None
    most = MOST_HOMOZYGOTES_DOMINANT if about.pattern.family == "AD" else MOST_HOMOZYGOTES
    if about.homozygotes <= most:
        return None
    told = f"{about.homozygotes} people of the population have two copies, which leaves room for {most}"
    return criterion("BS2", "strong", "strong", told)


def _partner(about: Circumstances) -> Criterion | None:
    """PM3 by the points of ClinGen SVI: the other copy of the gene carries a (likely) pathogenic variant, or this one again."""
    pattern = about.pattern
    if pattern is None or not about.fits_gene:
        return None
    if pattern.mode == "AR_hom" and about.rare and about.phenotype >= FITTING_PHENOTYPE:
        return criterion("PM3", "supporting", "moderate", "both copies of the gene carry it, in a patient whose phenotype fits")
    if not pattern.mode.endswith("_comphet") or about.partner not in HARMFUL:
        return None
    if pattern.in_trans:
        return criterion("PM3", "moderate", "moderate", f"on the other copy of the gene is a {about.partner} variant")
    if about.partner == "pathogenic":
        return criterion("PM3", "supporting", "moderate", "beside a pathogenic variant, phase unknown")
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
        strength = "strong" if same.established else "moderate"
        return criterion("PS1", strength, "strong", f"the same amino acid change by another base change is {_called(same)}")
    if other is not None:
        strength = "moderate" if other.established else "supporting"
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

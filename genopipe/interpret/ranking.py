"""From variants, family, phenotype and evidence to a ranked list of genes, each with its reasons.

1. Variants of the proband are read, and poor calls left out.
2. They are joined with frequency and ClinVar; common ones are left out, unless ClinVar knows them as pathogenic.
3. Consequences are called, and variants without effect on a gene left out, again unless ClinVar knows them as pathogenic; in a gene without
   protein any change of an exon counts, where the gene is known for a disease.
4. For each gene the pattern of inheritance that fits best gives the variant score.
5. Phenotype and variant score make the gene's score; genes are ranked, equal scores share their mean rank.

Variant score of a variant: frequency factor * effect; the effect defaults and the factor are those published with Exomiser
(Smedley et al., Nature Protocols 2015). Of a pattern: the mean over its variants * the weight of the pattern * 0.5 where the gene is known
for other modes only. Where no frequency table reaches, a variant that its VCF flags as known to dbSNP counts a tenth, as most of these are
common. Combined score: `genopipe` = variant score * phenotype score, the latter at least 0.02, so that genes of which nothing is known are
ranked too; `exomiser14` and `exomiser15` = the logistic functions that those versions of that program use, over the Phenodigm similarity,
the variant score and, in 15, the mean ACMG posterior of the variants without PP4 and BS4, as both would count the phenotype again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, isnan, nan
from pathlib import Path

import numpy as np

from genopipe.errors import BadInput
from genopipe.formats.assembly import pseudoautosomal_of
from genopipe.formats.gff import Transcript
from genopipe.interpret.annotate import Knowledge, annotate
from genopipe.interpret.codon import by_id
from genopipe.interpret.consequence import Consequence, consequences
from genopipe.interpret.copy_numbers import Usual
from genopipe.interpret.criteria import CHANCE, FITTING_PHENOTYPE
from genopipe.interpret.evaluation import LEAST_TRIO_VARIANTS, MOST_CONTRADICTIONS, Evaluation
from genopipe.interpret.evidence import canonical_assembly
from genopipe.interpret.findings import Finding, Hit, Interpretation, Request, Trace
from genopipe.interpret.haplotypes import Together, read_together
from genopipe.interpret.inheritance import LIMIT, Family, Pattern, call_faults, parentage
from genopipe.interpret.introns import intron_consequences
from genopipe.interpret.known import places_of_known
from genopipe.interpret.onset import FACTOR, age_of, too_late
from genopipe.interpret.ontology import INHERITANCE, Annotations, Ontology
from genopipe.interpret.phenotype import PhenotypeScorer, load_scorer
from genopipe.interpret.predictors import SPLICED, SPLICING, Prediction, chosen_tool, effect_of
from genopipe.interpret.reasons import reasons
from genopipe.interpret.rna_genes import rna_consequences
from genopipe.interpret.structural import structural_consequences, with_structural
from genopipe.interpret.tiers import GREEN, Panels
from genopipe.interpret.transcripts import touched_transcripts, transcripts_of
from genopipe.interpret.unseen import Unseen, unseen_genes
from genopipe.interpret.variants import read_variants
from genopipe.progress import log

MOST_FREQUENT = 0.02
EFFECT = {
    **dict.fromkeys(("frameshift_variant", "stop_gained", "stop_lost", "start_lost", "exon_loss_variant", "transcript_ablation"), 1.0),
    **dict.fromkeys(("splice_donor_variant", "splice_acceptor_variant", "feature_truncation"), 1.0),
    "feature_elongation": 0.8,
    "transcript_amplification": 0.5,
    **dict.fromkeys(("inframe_insertion", "inframe_deletion", "protein_altering_variant"), 0.85),
    "splice_region_variant": 0.8,
    "missense_variant": 0.6,
    "coding_sequence_variant": 0.6,
    "non_coding_transcript_exon_variant": 0.6,
    "synonymous_variant": 0.1,
}
LEAST_WATCHED = 20
"""Genes whose gaps are told, the best by phenotype, though they may fit less than `FITTING_PHENOTYPE`."""
BENIGN_FACTOR = 0.1
"""What is left of the score of a variant that ClinVar calls benign, with a star."""
IN_DBSNP_FACTOR = 0.1
LEAST_PHENOTYPE = 0.02
NO_SIGNS = ("HP:0000005", "HP:0012823", "HP:0040279")
"""Modes of inheritance, clinical modifiers and frequencies: terms below these say nothing of what a patient shows."""


def interpret(request: Request) -> Interpretation:
    """Ranks the genes of one case. Raises BadInput for what cannot be interpreted."""
    subject = request.subject
    scorer = load_scorer(request.evidence)
    ontology, annotations = scorer.ontology, scorer.annotations
    observed = [ontology.resolve(term, path=subject.path, key="phenotypes") for term in subject.observed]
    excluded = [ontology.resolve(term, path=subject.path, key="excluded") for term in subject.excluded]
    notes = []
    shown = _describing(ontology, observed)
    if len(shown) < len(observed):
        others = ", ".join(ontology.names[term] for term in observed if term not in shown)
        notes.append(f"Left out, as it says nothing of what the patient shows: {others}.")
        log.warning("terms that say nothing of what the patient shows are left out: %s", others)
        observed = shown
    if not subject.observed:
        notes.append("No phenotype was given: genes are ranked by their variants alone.")
        log.warning("no phenotype was given: genes are ranked by their variants alone")
    phenotype = np.round(scorer.score(observed, excluded, method="genopipe" if request.score == "genopipe" else "phenodigm"), 6)
    if subject.observed and not phenotype.any():
        notes.append("No term of the phenotype is known of any gene: genes are ranked by their variants alone.")
        log.warning("no term of the phenotype is known of any gene: genes are ranked by their variants alone")
    named = request.panels or subject.panels
    panels = Panels(request.evidence, named)
    if named:
        notes.append(panels.told(named))
    late = too_late(ontology, annotations, age_of(subject)) if request.by_onset else {}
    by_gene = dict(zip(annotations.genes, map(float, phenotype), strict=True))
    if request.variants is None:
        findings = [_by_phenotype(gene, score, late.get(gene)) for gene, score in by_gene.items() if panels.allow(gene)]
        ranked = _explained(_ranked(findings), scorer, observed, excluded)
        return Interpretation(request, ontology, ranked, None, {}, tuple(notes), (0, 0))
    case = _Case(request, annotations, phenotype=by_gene, late=late, panels=panels)
    findings = case.findings()
    if request.genome is None:
        notes.append("No reference was given: which amino acid changes is unknown, and only coding exons and splice sites were looked at.")
    ranked = _explained(_ranked(findings), scorer, observed, excluded)
    told = (*notes, *case.notes)
    return Interpretation(request, ontology, ranked, case.variants, case.kept, told, case.parentage, case.trace, case.unseen)


def _by_phenotype(gene: str, score: float, late: str | None) -> Finding:
    return Finding(0, gene, round(score * (FACTOR if late is not None else 1.0), 6), score, None, None, (), late=late)


def _describing(ontology: Ontology, terms: Sequence[int]) -> list[int]:
    """The terms that tell what a patient shows."""
    roots = [ontology.number[term] for term in NO_SIGNS if term in ontology.number]
    return [term for term in terms if not np.isin(roots, ontology.ancestors(term)).any()]


class _Case:
    """The way of one family's variants to findings."""

    def __init__(
        self, request: Request, annotations: Annotations, *, phenotype: Mapping[str, float], late: Mapping[str, str], panels: Panels
    ) -> None:
        self.request, self.annotations, self.phenotype, self.late, self.panels = request, annotations, phenotype, late, panels
        self.any_phenotype = any(phenotype.values())
        self.notes: list[str] = []
        assert request.variants is not None
        _check_assembly(request)
        subject = request.subject
        people = [subject.proband, *(member.sample for member in subject.family if member.sample != subject.proband)]
        self.variants = read_variants(request.variants, people, genome=request.genome, assembly=request.evidence.assembly)
        if request.structural is not None:
            sexes = {member.sample: member.sex for member in subject.family} | {subject.proband: subject.sex}
            usual = Usual(sexes, pseudoautosomal_of(request.evidence.assembly))
            self.variants, left_out = with_structural(self.variants, request.structural, genome=request.genome, usual=usual)
            self._note_left_out(left_out)
        self.family = Family(subject, self.variants, assembly=request.evidence.assembly)
        self.parentage = parentage(self.variants, self.family.father, self.family.mother)
        self.knowledge: Knowledge = annotate(self.variants, request.evidence)
        self.kept = {"in the proband": len(self.variants)}
        self._note_gaps(people)
        self.unseen = self._unseen(request.uncallable) if request.uncallable is not None else ()

    def _warn(self, told: str) -> None:
        self.notes.append(told)
        log.warning(told)

    def _note_left_out(self, structural: Mapping[str, int]) -> None:
        if structural:
            told = ", ".join(f"{alt} ({n})" for alt, n in sorted(structural.items()))
            self._warn(f"Structural variants of the patient that were left out, as their kind or their end is not told: {told}.")

    def _note_gaps(self, people: Sequence[str]) -> None:
        if not len(self.variants):
            self._warn("The VCF has no variant of the patient: that nothing was found says nothing. Check the file and the calling.")
        absent = len(people) - len(self.variants.samples)
        if absent:
            self.notes.append(f"{absent} of {len(people)} people of the pedigree are not in the VCF.")
        if self.variants.structural.any():
            self.notes.append("How frequent a structural variant is in the population was not looked up: common ones were not left out.")
        if not self.request.evidence.of_kind("frequency"):
            flagged = "; those that the VCF flags as known to dbSNP count a tenth" if self.variants.in_dbsnp.any() else ""
            self.notes.append(f"The evidence set has no population frequencies: common variants were not left out{flagged}.")
        known, contradictions = self.parentage
        if known >= LEAST_TRIO_VARIANTS and contradictions > MOST_CONTRADICTIONS * known:
            self._warn(f"{contradictions} of {known} genotypes contradict the pedigree: check for a sample swap or wrong parentage.")

    def _unseen(self, uncallable: Path) -> tuple[Unseen, ...]:
        """Genes that could not be seen whole: of those of the panels; else of those that fit, and of the best in any case."""
        above = {gene for gene, score in self.phenotype.items() if score > CHANCE} if self.panels.genes is None else self.panels.genes
        ordered = sorted(above, key=lambda gene: (-self.phenotype.get(gene, 0.0), gene))
        if self.panels.genes is None:
            ordered = [gene for place, gene in enumerate(ordered) if place < LEAST_WATCHED or self.phenotype[gene] >= FITTING_PHENOTYPE]
        transcripts = transcripts_of(self.request.evidence, ordered)
        female = self.request.subject.sex == "female"
        found = unseen_genes(uncallable, [transcript for transcript in transcripts if not (female and transcript.contig == "Y")])
        return tuple(sorted(found, key=lambda one: ordered.index(one.gene)))

    def findings(self) -> list[Finding]:
        hits = self._hits(self._worth_a_look())
        self.trace = Trace(self.faults, self.rare, self.knowledge.frequency, self.called, hits, self.panels.genes)
        if self.panels.genes is not None:
            hits = {gene: of_gene for gene, of_gene in hits.items() if gene in self.panels.genes}
            self.kept["in a gene of the panels"] = len({row for of_gene in hits.values() for row in of_gene})
        return [finding for gene in sorted(hits) if (finding := self._finding(gene, hits[gene])) is not None]

    def _worth_a_look(self) -> list[int]:
        known, variants = self.knowledge, self.variants
        pathogenic = np.zeros(len(variants), bool)
        pathogenic[list(known.pathogenic)] = True
        self.faults = call_faults(variants, male=self.request.subject.sex == "male")
        good = ~np.logical_or.reduce(list(self.faults.values()))
        self.kept["well called"] = int(good.sum())
        rare = good & (np.isnan(known.frequency) | (known.frequency <= MOST_FREQUENT) | pathogenic)
        self.kept["rare, or known as pathogenic"] = int(rare.sum())
        self.rare = rare
        return [int(row) for row in np.flatnonzero(rare)]

    def _hits(self, rows: list[int]) -> dict[str, dict[int, Hit]]:
        request = self.request
        transcripts = touched_transcripts(request.evidence, self.variants, rows)
        small = [row for row in rows if not self.variants.structural[row]]
        called = consequences(self.variants, small, transcripts, genome=request.genome, reference=request.reference)
        called |= structural_consequences(self.variants, [row for row in rows if self.variants.structural[row]], transcripts)
        for row, genes in rna_consequences(self.variants, small, transcripts, known=self.annotations.number).items():
            called[row] = called.get(row, {}) | genes
        splicing = self.knowledge.scores.get(SPLICING, np.full(len(self.variants), nan))
        spliced = [row for row in small if splicing[row] >= SPLICED]
        for row, genes in intron_consequences(self.variants, spliced, transcripts, called=called, genome=request.genome).items():
            called[row] = called.get(row, {}) | genes
        rare = set(rows)
        known = {row: assertion for row, assertion in self.knowledge.pathogenic.items() if row in rare}
        for row, genes in places_of_known(self.variants, known, transcripts, called=called, genome=request.genome).items():
            called[row] = genes | called.get(row, {})
            if not called[row]:
                self.notes.append(f"ClinVar knows {self.variants.name(row)} as pathogenic; it lies outside of all gene models.")
        self.called = called
        together = self._together(transcripts)
        hits: dict[str, dict[int, Hit]] = {}
        for row, genes in sorted(called.items()):
            for gene, consequence in genes.items():
                hit = self._hit(row, consequence, together.get(row, {}).get(gene))
                if hit.score > 0:
                    hits.setdefault(gene, {})[row] = hit
        self.kept["with an effect on a gene"] = len({row for of_gene in hits.values() for row in of_gene})
        every = [hit for of_gene in hits.values() for hit in of_gene.values()]
        self.evaluation = Evaluation(request, self.variants, self.knowledge, every, transcripts=transcripts, parentage=self.parentage)
        return hits

    def _together(self, transcripts: Sequence[Transcript]) -> dict[int, dict[str, Together]]:
        """Variants of one codon on one copy, whose consequences then are those of all of them."""
        if self.request.genome is None:
            return {}
        good = ~np.logical_or.reduce(list(self.faults.values()))
        return read_together(self.variants, self.called, by_id(transcripts), well_called=good, genome=self.request.genome)

    def _hit(self, row: int, alone: Consequence, together: Together | None) -> Hit:
        frequency = float(self.knowledge.frequency[row])
        assertion = self.knowledge.clinvar.get(row)
        consequence = alone if together is None else together.consequence
        usual = max((EFFECT.get(term, 0.0) for term in consequence.terms), default=0.0)
        if usual <= EFFECT["synonymous_variant"]:
            usual = 0.0
        prediction = self._prediction(row, predictable=together is None)
        score = effect_of(prediction, consequence.terms, usual) * frequency_factor(frequency)
        if assertion is not None and assertion.pathogenic:
            score = 1.0
        elif assertion is not None and assertion.stars and assertion.significance in ("benign", "likely_benign"):
            score *= BENIGN_FACTOR
        elif self.variants.in_dbsnp[row] and not self.knowledge.covered[row]:
            score *= IN_DBSNP_FACTOR
        homozygotes = int(self.knowledge.homozygotes[row])
        name = self.variants.name(row)
        structural, covered = bool(self.variants.structural[row]), bool(self.knowledge.covered[row])
        hit = Hit(row, name, consequence, score, frequency, homozygotes, assertion, structural=structural, covered=covered)
        hit = replace(hit, prediction=prediction)
        if together is None:
            return hit
        beside = tuple(self.variants.name(other) for other in together.rows if other != row)
        return replace(hit, alone=alone, beside=beside, change=together.change)

    def _prediction(self, row: int, *, predictable: bool) -> Prediction:
        """What predictors say; nothing of variants read together, as they judged each alone."""
        scores = self.knowledge.scores if predictable else {}
        tool = chosen_tool(scores)
        missense = float(scores[tool][row]) if tool else nan
        return Prediction(tool, missense, float(scores[SPLICING][row]) if SPLICING in scores else nan)

    def _finding(self, gene: str, hits: Mapping[int, Hit]) -> Finding | None:
        patterns = [pattern for pattern in self.family.patterns(sorted(hits)) if self._within_limit(pattern, hits)]
        if not patterns:
            return None
        scored = [(self._pattern_score(gene, pattern, hits), pattern) for pattern in patterns]
        score, best = max(scored, key=lambda pair: (pair[0], [-row for row in pair[1].rows]))
        phenotype = self.phenotype.get(gene, 0.0)
        loeuf, _ = self.evaluation.constraint.get(gene, (None, None))
        modes = self._known_modes(gene) if gene in self.annotations.number else frozenset()
        chosen = self.evaluation.classified([hits[row] for row in best.rows], best, phenotype=phenotype, modes=modes)
        posterior = sum(hit.acmg.without("PP4", "BS4").posterior for hit in chosen) / len(chosen)
        combined = combine(phenotype, score, self.request.score, posterior=posterior) if self.any_phenotype else score
        late = self.late.get(gene)
        return Finding(
            0,
            gene,
            round(combined * (FACTOR if late is not None else 1.0), 6),
            phenotype,
            round(score, 6),
            best,
            chosen,
            diseases=self.annotations.diseases.get(gene, ()),
            loeuf=loeuf,
            tier=self.panels.tier(gene, best, chosen, male=self.family.male),
            panels=tuple(panel.name for panel, about in self.panels.of(gene) if about.confidence == GREEN),
            late=late,
        )

    def _within_limit(self, pattern: Pattern, hits: Mapping[int, Hit]) -> bool:
        limit = LIMIT[pattern.family]
        return all(isnan(hit.frequency) or hit.frequency <= limit or hit.known_pathogenic for hit in (hits[row] for row in pattern.rows))

    def _pattern_score(self, gene: str, pattern: Pattern, hits: Mapping[int, Hit]) -> float:
        mean = sum(hits[row].score for row in pattern.rows) / len(pattern.rows)
        return mean * pattern.weight * (1.0 if pattern.family in self._known_modes(gene) else 0.5)

    def _known_modes(self, gene: str) -> set[str]:
        """The modes a gene is known for; all where nothing is known."""
        terms = self.annotations.inheritance.get(gene, ())
        return set().union(*(INHERITANCE[term] for term in terms)) or set(LIMIT)


def _check_assembly(request: Request) -> None:
    """The genome's name may be an assembly's; then it must be that of the evidence."""
    genome, evidence = request.genome, request.evidence
    if genome is None or evidence.assembly is None:
        return
    name = canonical_assembly(genome.name)
    if name != evidence.assembly and name in ("GRCh37", "GRCh38") and evidence.assembly in ("GRCh37", "GRCh38"):
        raise BadInput(
            f"the evidence set {evidence.name} is on {evidence.assembly}, the reference is {genome.name}",
            wanted="evidence and reference of one assembly",
            do="Use an evidence set for this reference.",
            path=evidence.store.root / evidence.name,
        )


def frequency_factor(frequency: float) -> float:
    """1 for a variant nobody has, falling to 0 at 2 %. Source: Exomiser's published frequency score."""
    percent = 0.0 if isnan(frequency) else 100 * frequency
    if percent <= 0:
        return 1.0
    return 0.0 if percent > 2 else max(1.13533 - 0.13533 * exp(percent), 0.0)


def combine(phenotype: float, variant: float, method: str, *, posterior: float) -> float:
    """The combined score, 0 to 1; `posterior` is the mean probability of the variants to be pathogenic."""
    if method == "exomiser14":
        return 1 / (1 + exp(13.28813 - 10.39451 * phenotype - 9.18381 * variant))
    if method == "exomiser15":
        return 1 / (1 + exp(16.64975766487485 - 10.04400174 * phenotype - 6.49073924 * variant - 4.85807901 * posterior))
    return variant * max(phenotype, LEAST_PHENOTYPE)


def _ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Best first; equal scores share their mean rank and stand in the order of their genes."""
    ordered = sorted(findings, key=lambda finding: (-finding.score, finding.gene))
    scores = np.array([finding.score for finding in ordered])
    before = np.searchsorted(-scores, -scores, "left")
    until = np.searchsorted(-scores, -scores, "right")
    return [replace(finding, rank=float((b + u + 1) / 2)) for finding, b, u in zip(ordered, before, until, strict=True)]


EXPLAINED = 50
"""Findings whose matching terms are worked out; further down nobody reads them."""


def _explained(
    findings: Sequence[Finding], scorer: PhenotypeScorer, observed: Sequence[int], excluded: Sequence[int]
) -> tuple[Finding, ...]:
    explained = []
    for place, finding in enumerate(findings):
        matched = finding
        if place < EXPLAINED:
            matched = replace(finding, matches=scorer.matches(finding.gene, observed), absent=scorer.shown(finding.gene, excluded))
        explained.append(replace(matched, reasons=reasons(matched, scorer.ontology)))
    return tuple(explained)

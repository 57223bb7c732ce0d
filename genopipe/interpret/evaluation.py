"""One case's evidence brought together for the criteria: constraint, ClinVar's neighbours, predictions, parentage and repeats.

Made once the hits of a case are known, as only their genes are looked up in ClinVar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from functools import lru_cache

import pyarrow.parquet as pq

from genopipe.formats.gff import Transcript
from genopipe.interpret.annotate import Knowledge
from genopipe.interpret.ba1_exceptions import exceptions
from genopipe.interpret.codon import Around, Reading, around, by_id, known_in
from genopipe.interpret.criteria import Circumstances, classify, not_evaluated
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.findings import Hit, Interpretation, Request
from genopipe.interpret.gene_names import load_gene_names
from genopipe.interpret.hgvs import Change, change_of
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.protein_loss import Loss, loss_of, touches
from genopipe.interpret.repeats import in_repeat
from genopipe.interpret.sequence import bases_of
from genopipe.interpret.structural import kind_of
from genopipe.interpret.variants import Variants
from genopipe.interpret.vrs import allele_id

LEAST_TRIO_VARIANTS, MOST_CONTRADICTIONS = 100, 0.03
"""The genotypes confirm parentage when this many are known and no larger share contradicts it."""


class Evaluation:
    """Gives the hits of a case their criteria and their identifiers."""

    def __init__(
        self,
        request: Request,
        variants: Variants,
        knowledge: Knowledge,
        hits: Iterable[Hit],
        *,
        transcripts: Sequence[Transcript],
        parentage: tuple[int, int],
    ) -> None:
        self.request, self.variants, self.knowledge = request, variants, knowledge
        self.confirmed = parentage[0] >= LEAST_TRIO_VARIANTS and parentage[1] <= MOST_CONTRADICTIONS * parentage[0]
        self.constraint = constraint(request.evidence)
        self.excepted = exceptions(request.evidence.assembly)
        used = {hit.consequence.transcript for hit in hits}
        self.transcripts = {name: transcript for name, transcript in by_id(transcripts).items() if name in used}
        genome = request.genome
        self.bases = None if genome is None else lambda contig: bases_of(genome, contig)
        self.readings = {name: Reading(transcript, self.bases) for name, transcript in self.transcripts.items()}
        self.known = known_in(request.evidence, list(self.transcripts.values()), self.bases)

    def classified(self, hits: Sequence[Hit], pattern: Pattern, *, phenotype: float, modes: Set[str]) -> tuple[Hit, ...]:
        """The hits of a pattern with their classes and identifiers; `modes` as in `Circumstances`."""
        about = [self._circumstances(hit, pattern, phenotype=phenotype, modes=modes) for hit in hits]
        classes = [_class_of(hit, classify(of_hit).verdict) for hit, of_hit in zip(hits, about, strict=True)]
        partners = classes[::-1] if len(hits) == 2 else [""] * len(hits)
        return tuple(
            replace(hit, acmg=classify(replace(of_hit, partner=partner)), id=self._id(hit.row))
            for hit, of_hit, partner in zip(hits, about, partners, strict=True)
        )

    def _circumstances(self, hit: Hit, pattern: Pattern, *, phenotype: float, modes: Set[str]) -> Circumstances:
        row, change = hit.row, self._change(hit)
        loeuf, pli = self.constraint.get(hit.consequence.gene, (None, None))
        loss = self._loss(hit, change)
        return Circumstances(
            consequence=hit.consequence,
            frequency=hit.frequency,
            covered=bool(self.knowledge.covered[row]),
            mitochondrial=pattern.family == "MT",
            pattern=pattern,
            parentage_checked=self.confirmed,
            loeuf=loeuf,
            pli=pli,
            phenotype=phenotype,
            homozygotes=hit.homozygotes,
            prediction=hit.prediction,
            around=self._around(hit, change),
            residues=abs(len(change.inserted) - (change.end - change.start)) // 3,
            in_repeat=self._in_repeat(row, change),
            excepted=self._place(row) in self.excepted,
            established=hit.clinvar is not None and hit.clinvar.established,
            loss=loss,
            critical=loss is not None and self._critical(hit, loss),
            modes=modes,
        )

    def _place(self, row: int) -> tuple[str, int, str, str]:
        variants = self.variants
        return variants.key[row], int(variants.position[row]), variants.ref[row], variants.alt[row]

    def _change(self, hit: Hit) -> Change:
        return hit.change or change_of(*self._place(hit.row)[1:])

    def _around(self, hit: Hit, change: Change) -> Around:
        transcript = self.transcripts.get(hit.consequence.transcript)
        if transcript is None or self.variants.structural[hit.row]:
            return Around()
        return around(self._place(hit.row)[1:], self.readings[transcript.id].effect(change), self.known[transcript.id])

    def _loss(self, hit: Hit, change: Change) -> Loss | None:
        """What the protein loses, where the sequence of its transcript is known."""
        reading, variants = self.readings.get(hit.consequence.transcript), self.variants
        if reading is None or reading.model is None or not reading.transcript.coding:
            return None
        if not hit.structural:
            return loss_of(reading.model, change, hit.consequence.terms, mitochondrial=reading.mitochondrial)
        span = Change(int(variants.position[hit.row]) + 1, int(variants.end[hit.row]), "")
        return loss_of(reading.model, span, hit.consequence.terms, kind=kind_of(variants.alt[hit.row]))

    def _critical(self, hit: Hit, loss: Loss) -> bool:
        """Whether ClinVar knows a pathogenic variant in the lost part of the protein."""
        name = hit.consequence.transcript
        model, own = self.readings[name].model, self._place(hit.row)[1:]
        assert model is not None
        return touches(model, loss, [one.place[0] for one in self.known[name] if one.pathogenic and one.place != own])

    def _in_repeat(self, row: int, change: Change) -> bool | None:
        if self.bases is None or self.variants.structural[row]:
            return None
        return in_repeat(change, self.bases(self.variants.contig[row]))

    def _id(self, row: int) -> str | None:
        genome, variants = self.request.genome, self.variants
        if genome is None or variants.structural[row]:
            return None
        contig = next(contig for contig in genome.contigs if contig.name == variants.contig[row])
        place = int(variants.position[row]), variants.ref[row], variants.alt[row]
        return allele_id(contig.refget, *place, fetch=bases_of(genome, contig.name), length=contig.length)


def _class_of(hit: Hit, verdict: str) -> str:
    """ClinVar's class, where it is (likely) pathogenic with a star, else the verdict."""
    return hit.clinvar.significance.replace("_", " ") if hit.clinvar is not None and hit.clinvar.pathogenic else verdict


def unevaluated(result: Interpretation) -> dict[str, str]:
    """By code, why a criterion was not evaluated for any variant of a case."""
    request = result.request
    kinds = {dataset.kind for dataset in request.evidence.datasets}
    proband = request.subject.member
    samples = result.variants.samples if result.variants is not None else ()
    parents = proband.father in samples and proband.mother in samples
    return not_evaluated(kinds, genome=request.genome is not None, parents=parents)


@lru_cache(maxsize=2)
def constraint(evidence: EvidenceSet) -> Mapping[str, tuple[float | None, float | None]]:
    """By gene symbol, LOEUF and pLI."""
    dataset = evidence.one("constraint")
    if dataset is None:
        return {}
    names = load_gene_names(evidence)
    column = pq.read_table(evidence.table(dataset)).to_pydict()
    return {names.current(gene): (loeuf, pli) for gene, loeuf, pli in zip(column["gene"], column["loeuf"], column["pli"], strict=True)}

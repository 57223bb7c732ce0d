"""One case's evidence brought together for the criteria: constraint, ClinVar's neighbours, predictions, parentage and repeats.

Made once the hits of a case are known, as only their genes are looked up in ClinVar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from genopipe.interpret.repeats import in_repeat
from genopipe.interpret.sequence import bases_of
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

    def classified(self, hit: Hit, pattern: Pattern, partners: Mapping[int, Hit], phenotype: float) -> Hit:
        """The hit with its class and identifier; `partners` are the other hits of the gene."""
        row, change = hit.row, self._change(hit)
        loeuf, pli = self.constraint.get(hit.consequence.gene, (None, None))
        about = Circumstances(
            consequence=hit.consequence,
            frequency=hit.frequency,
            covered=bool(self.knowledge.covered[row]),
            mitochondrial=pattern.family == "MT",
            pattern=pattern,
            parentage_checked=self.confirmed,
            partner_pathogenic=any(partners[other].known_pathogenic for other in pattern.rows if other != row),
            loeuf=loeuf,
            pli=pli,
            phenotype=phenotype,
            homozygotes=hit.homozygotes,
            prediction=hit.prediction,
            around=self._around(hit, change),
            residues=abs(len(change.inserted) - (change.end - change.start)) // 3,
            in_repeat=self._in_repeat(row, change),
            excepted=self._place(row) in self.excepted,
        )
        return replace(hit, acmg=classify(about), id=self._id(row))

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

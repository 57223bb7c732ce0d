"""Where a variant lies that ClinVar knows as pathogenic, though no consequence of it is called: in an intron, in a gene without
protein, or between genes. Such variants are too many to look at unless somebody has already shown what one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genopipe.formats.gff import Transcript
from genopipe.interpret.annotate import Assertion
from genopipe.interpret.consequence import Consequence, consequence_of, name_changes
from genopipe.interpret.hgvs import change_of
from genopipe.interpret.transcripts import preference
from genopipe.interpret.variants import Variants
from genopipe.model import Genome

Called = Mapping[int, Mapping[str, Consequence]]
"""By row and gene symbol, the consequence on the transcript that stands for the gene."""


def places_of_known(
    variants: Variants, known: Mapping[int, Assertion], transcripts: Sequence[Transcript], *, called: Called, genome: Genome | None
) -> dict[int, dict[str, Consequence]]:
    """By row and gene symbol, the place of those `known` variants for which no effect was `called`.

    Outside of all gene models it is the gene that ClinVar names; where it names none, there is no gene.
    """
    found = {
        row: _genes_of(variants, row, assertion, transcripts) for row, assertion in known.items() if not _has_effect(called.get(row, {}))
    }
    if genome is not None:
        name_changes(variants, found, transcripts, genome)
    return found


def _has_effect(genes: Mapping[str, Consequence]) -> bool:
    return any(consequence.impact != "MODIFIER" for consequence in genes.values())


def _genes_of(variants: Variants, row: int, assertion: Assertion, transcripts: Sequence[Transcript]) -> dict[str, Consequence]:
    """The gene that ClinVar names, if the variant lies in it, else every gene that it lies in."""
    genes: dict[str, Consequence] = {}
    for transcript in sorted(_around(variants, row, transcripts), key=preference):
        genes.setdefault(transcript.gene, consequence_of(transcript, [_place(variants, row, transcript)]))
    if assertion.gene in genes:
        return {assertion.gene: genes[assertion.gene]}
    return genes or ({assertion.gene: _between_genes(assertion.gene)} if assertion.gene else {})


def _between_genes(gene: str) -> Consequence:
    return Consequence(gene, f"hgnc.symbol:{gene}", "", ("intergenic_variant",), "MODIFIER")


def _span(variants: Variants, row: int) -> tuple[int, int]:
    change = change_of(int(variants.position[row]), variants.ref[row], variants.alt[row])
    return change.start, max(change.end, change.start + 1)


def _around(variants: Variants, row: int, transcripts: Sequence[Transcript]) -> list[Transcript]:
    start, end = _span(variants, row)
    return [
        transcript
        for transcript in transcripts
        if transcript.contig == variants.contig[row] and transcript.start < end and start < transcript.end
    ]


def _place(variants: Variants, row: int, transcript: Transcript) -> str:
    start, end = _span(variants, row)
    if not any(first < end and start < last for first, last in transcript.exons):
        return "intron_variant"
    return "coding_sequence_variant" if transcript.coding else "non_coding_transcript_exon_variant"

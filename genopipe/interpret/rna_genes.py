"""Variants in genes that make RNA and no protein: what lies in an exon of one counts, where the gene is known for a disease.

Such as RNU4-2, RMRP and the mitochondrial tRNA and rRNA genes. Of the thousands of others nobody knows what a variant does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Sequence

from genopipe.formats.gff import Transcript
from genopipe.interpret.consequence import Consequence, consequence_of
from genopipe.interpret.transcripts import preference
from genopipe.interpret.variants import Variants

TERM = "non_coding_transcript_exon_variant"


def rna_consequences(
    variants: Variants, rows: Sequence[int], transcripts: Sequence[Transcript], *, known: Container[str]
) -> dict[int, dict[str, Consequence]]:
    """By row and gene symbol, for the `known` genes of which no transcript is coding; `rows` are small variants."""
    coding = {transcript.gene for transcript in transcripts if transcript.coding}
    places = sorted((variants.contig[row], int(variants.position[row]), row) for row in rows)
    found: dict[int, dict[str, Consequence]] = {}
    for transcript in sorted(transcripts, key=preference):
        if transcript.gene in coding or transcript.gene not in known:
            continue
        for start, end in transcript.exons:
            first = bisect_left(places, (transcript.contig, start, -1))
            for _, _, row in places[first : bisect_left(places, (transcript.contig, end, -1))]:
                found.setdefault(row, {}).setdefault(transcript.gene, consequence_of(transcript, [TERM]))
    return found

"""Variants deep in introns that are predicted to change splicing: in which genes they lie, as no consequence is called of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from genopipe.formats.gff import Transcript
from genopipe.interpret.consequence import Consequence, consequence_of, name_changes
from genopipe.interpret.transcripts import preference
from genopipe.interpret.variants import Variants
from genopipe.model import Genome

TERM = "intron_variant"


def intron_consequences(
    variants: Variants,
    rows: Sequence[int],
    transcripts: Sequence[Transcript],
    *,
    called: Mapping[int, Mapping[str, Consequence]],
    genome: Genome | None,
) -> dict[int, dict[str, Consequence]]:
    """By row and gene symbol, for the genes of whose transcripts an intron holds the variant, where nothing is `called` of it."""
    ordered = sorted(transcripts, key=preference)
    contig = np.array([transcript.contig for transcript in ordered], object)
    start, end = (np.array([getattr(transcript, name) for transcript in ordered], np.int64) for name in ("start", "end"))
    found: dict[int, dict[str, Consequence]] = {}
    for row in rows:
        position = int(variants.position[row])
        for place in np.flatnonzero((contig == variants.contig[row]) & (start <= position) & (position < end)):
            transcript = ordered[place]
            if transcript.gene not in called.get(row, {}):
                found.setdefault(row, {}).setdefault(transcript.gene, consequence_of(transcript, [TERM]))
    if genome is not None:
        name_changes(variants, found, transcripts, genome)
    return found

"""Sorted records to a BAM with its index: made, flagged, summed up for the index and compressed by workers, put in order by one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.align.duplicates import flag_records
from genopipe.align.duplication_metrics import Metrics
from genopipe.align.sorting import Chunk, Part, Sorter
from genopipe.formats import bai
from genopipe.formats.bam import header_bytes
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.held_alignments import AlignmentStore
from genopipe.model import Genome
from genopipe.outputs import whole_file

COMPRESSION_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Marked:
    """All reads, the bits of those that are duplicates, what the header says, and the duplicate metrics."""

    genome: Genome
    header: str
    sorter: Sorter | None
    store: AlignmentStore | None
    bits: NDArray[np.uint8]
    metrics: list[Metrics]

    def flagged(self, part: Part) -> tuple[Chunk, bai.Summary]:
        """A part of the records with their duplicate flags, and what the index must know of them."""
        chunk = part()
        flag_records(chunk.record, chunk.start, chunk.ordinal, self.bits)
        return chunk, bai.summary_of(chunk.record, chunk.start)


def write_bam(marked: Marked, output: Path, advance: Callable[[int], object]) -> None:
    """Writes the records and the index; `advance` is told of them, and may raise to end that."""
    sorter, contigs = marked.sorter, marked.genome.contigs
    assert sorter is not None
    workers = sorter.workers
    index = bai.Builder([contig.length for contig in contigs])
    with whole_file(output.with_name(output.name + ".bai")) as table, whole_file(output) as partial:
        with BgzfWriter(partial, threads=workers.threads, level=COMPRESSION_LEVEL, pool=workers.pool) as bam:
            bam.write(header_bytes(marked.header, contigs))
            bam.flush()
            for chunk, summary in workers.in_order(marked.flagged, sorter.parts(), most_ahead=sorter.parts_at_once):
                index.add(summary, bam.tell())
                bam.give(chunk.record.data)
                advance(len(chunk.key))
        index.write(table, bam)

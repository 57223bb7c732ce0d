"""The gene models that a case touches, and the coordinates of a transcript: where a base of the contig is in it, and its sequence.

`Model` is one transcript laid out in its own direction. Offsets count from 0 along the spliced transcript; `coding_start` and `coding_end`
are such offsets, the stop codon included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.gff import Span, Transcript
from genopipe.interpret.evidence import GENE_MODELS, EvidenceSet
from genopipe.interpret.gene_names import load_gene_names
from genopipe.interpret.normalise import Fetch, contig_key
from genopipe.interpret.sequence import reverse_complement
from genopipe.interpret.variants import Variants

FLANK = 50
"""Bases around a transcript within which a variant still calls for it; splice sites of its introns lie inside anyway."""


def touched_transcripts(evidence: EvidenceSet, variants: Variants, rows: Iterable[int]) -> tuple[Transcript, ...]:
    """Transcripts that the given variants lie in, their contigs named as the variants name them.

    Raises BadInput when the set has no gene models.
    """
    table, reach = gene_models(evidence), _reach(evidence)
    kept = np.zeros(len(table), bool)
    names: dict[str, str] = {}
    of_contig: dict[str, list[int]] = {}
    for row in rows:
        key = variants.key[row]
        names[key] = variants.contig[row]
        if key not in reach:
            continue
        if variants.structural[row]:
            models, start, end = reach[key]
            kept[models[(start < int(variants.end[row])) & (end > int(variants.position[row]))]] = True
        else:
            of_contig.setdefault(key, []).append(int(variants.position[row]))
    for key, positions in of_contig.items():
        models, start, end = reach[key]
        sorted_positions = np.sort(np.array(positions))
        kept[models[np.searchsorted(sorted_positions, end) > np.searchsorted(sorted_positions, start)]] = True
    return tuple(_transcript(row, names) for row in table.take(np.flatnonzero(kept)).to_pylist())


@lru_cache(maxsize=2)
def _reach(evidence: EvidenceSet) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """By contig key the rows of `gene_models`, and from where to where a variant calls for each."""
    table = gene_models(evidence)
    key = np.array([contig_key(str(name)) for name in table["contig"].to_pylist()], object)
    start, end = table["start"].to_numpy() - FLANK, table["end"].to_numpy() + FLANK
    return {name: (rows := np.flatnonzero(key == name), start[rows], end[rows]) for name in dict.fromkeys(key)}


def transcripts_of(evidence: EvidenceSet, genes: Iterable[str]) -> tuple[Transcript, ...]:
    """The transcripts of the named genes, their contigs named by `contig_key`. Raises BadInput when the set has no gene models."""
    table = gene_models(evidence)
    chosen = table.filter(pa.array(np.isin(table["gene"].to_numpy(), list(genes)))).to_pylist()
    keys = {contig_key(str(row["contig"])) for row in chosen}
    return tuple(_transcript(row, {key: key for key in keys}) for row in chosen)


@lru_cache(maxsize=2)
def gene_models(evidence: EvidenceSet) -> pa.Table:
    """The table of gene models, genes under the names of the set. Raises BadInput when the set has none."""
    dataset = next((found for kind in GENE_MODELS if (found := evidence.one(kind)) is not None), None)
    if dataset is None:
        raise BadInput(
            f"the evidence set {evidence.name} has no gene models",
            wanted="data of kind genes or coding-exons, to interpret variants",
            do="Add a GFF3 or GTF with `genopipe evidence add genes` and lock a new set.",
            path=evidence.store.root / evidence.name,
        )
    table = pq.read_table(evidence.table(dataset))
    names = load_gene_names(evidence).renamed(table["gene"], table["ncbi_id"])
    return table.set_column(table.column_names.index("gene"), "gene", names)


def _transcript(row: Mapping[str, object], names: Mapping[str, str]) -> Transcript:
    def spans(kind: str) -> tuple[Span, ...]:
        return tuple(zip(row[f"{kind}_start"], row[f"{kind}_end"], strict=True))  # type: ignore[call-overload]

    kept = ("id", "gene_id", "gene", "biotype", "strand", "phase", "mane", "canonical")
    values = {name: row[name] for name in kept}
    contig = names[contig_key(str(row["contig"]))]
    return Transcript(**values, contig=contig, exons=spans("exon"), coding=spans("coding"))  # type: ignore[arg-type]


def preference(transcript: Transcript) -> tuple[bool, bool, bool, int, str]:
    """Sorts the transcript that stands for a gene first: MANE, then canonical, then coding, then the longest."""
    coding = sum(end - start for start, end in transcript.coding)
    length = coding or sum(end - start for start, end in transcript.exons)
    return (not transcript.mane, not transcript.canonical, not transcript.coding, -length, transcript.id)


@dataclass(frozen=True)
class Model:
    """A transcript in its own direction, over the bases of its contig."""

    transcript: Transcript
    fetch: Fetch

    @property
    def forward(self) -> bool:
        return self.transcript.strand == "+"

    @cached_property
    def exons(self) -> tuple[Span, ...]:
        """Exons as spans of the contig, in the direction of transcription."""
        return self.transcript.exons if self.forward else self.transcript.exons[::-1]

    @cached_property
    def exon_start(self) -> tuple[int, ...]:
        """Offset at which each exon begins."""
        lengths = [end - start for start, end in self.exons]
        return tuple(sum(lengths[:i]) for i in range(len(lengths)))

    @cached_property
    def coding_start(self) -> int:
        spans = self.transcript.coding
        return self.offset(spans[0][0] if self.forward else spans[-1][1] - 1)[0]

    @cached_property
    def coding_end(self) -> int:
        spans = self.transcript.coding
        return self.offset(spans[-1][1] - 1 if self.forward else spans[0][0])[0] + 1

    @cached_property
    def sequence(self) -> str:
        """The spliced transcript."""
        joined = "".join(self.fetch(start, end) for start, end in self.transcript.exons)
        return joined if self.forward else reverse_complement(joined)

    def offset(self, position: int) -> tuple[int, int]:
        """Offset of a base, and how far into the intron after (> 0) or before (< 0) that offset it lies; 0 within an exon.

        Raises ValueError outside of the transcript.
        """
        for (start, end), begins in zip(self.exons, self.exon_start, strict=True):
            if start <= position < end:
                return (begins + (position - start if self.forward else end - 1 - position), 0)
        for (left, right), begins in zip(pairwise(self.exons), self.exon_start[1:], strict=True):
            low, high = (left[1], right[0]) if self.forward else (right[1], left[0])
            if low <= position < high:
                after = position - low + 1 if self.forward else high - position
                before = high - position if self.forward else position - low + 1
                return (begins - 1, after) if after <= before else (begins, -before)
        raise ValueError(position)

    def region(self, position: int) -> int | None:
        """Number of the exon (2 i) or intron (2 i + 1) that a base lies in; None outside of the transcript."""
        for i, (start, end) in enumerate(self.exons):
            if start <= position < end:
                return 2 * i
        for i, (left, right) in enumerate(pairwise(self.exons)):
            if min(left[1], right[1]) <= position < max(left[0], right[0]):
                return 2 * i + 1
        return None

    @property
    def whole(self) -> bool:
        """True for a coding sequence of whole codons that begins with its start and ends with its stop, one interval of the transcript."""
        length = sum(end - start for start, end in self.transcript.coding)
        return self.transcript.phase == 0 and length > 3 and length % 3 == 0 and self.coding_end - self.coding_start == length

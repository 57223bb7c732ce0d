"""What ClinVar knows around a variant: of each gene that a case touches, ClinVar's small variants in the coding exons and splice sites of
one transcript, with what each does to the protein by our own reading of the code, and from them the facts that criteria ask for.

Only records with a star count, and never the variant itself. Without a reference only frame and splice sites can be told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genopipe.formats.gff import Transcript
from genopipe.interpret.annotate import ESTABLISHED
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.hgvs import Change, change_of
from genopipe.interpret.normalise import Fetch, contig_key
from genopipe.interpret.sequence import reverse_complement, translate
from genopipe.interpret.transcripts import Model

SPLICE_SITE = 2
"""Bases of an intron beside each exon."""
NEAR = 8
"""Codons on either side that count as the same place: 25 bases."""

Bases = Callable[[str], Fetch]
"""Gives the letters of a contig."""


@dataclass(frozen=True, slots=True)
class Effect:
    """missense, synonymous, lost (of function), inframe or other; of the first two the codon, from 0, and its new amino acid."""

    kind: str
    codon: int = -1
    residue: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """One record of ClinVar; `place` is position from 0, REF and ALT."""

    place: tuple[int, str, str]
    accession: str
    significance: str
    stars: int
    effect: Effect

    @property
    def pathogenic(self) -> bool:
        return self.significance in ("pathogenic", "likely_pathogenic")

    @property
    def established(self) -> bool:
        """As of `annotate.Assertion`."""
        return self.significance == "pathogenic" and self.stars >= ESTABLISHED

    @property
    def benign(self) -> bool:
        return self.significance in ("benign", "likely_benign")


@dataclass(frozen=True, slots=True)
class Around:
    """What is known around one variant, without itself.

    same_change, same_codon   a pathogenic missense variant that writes the same, or another, amino acid over the codon
    n_pathogenic, n_uncertain, n_benign   missense variants within `NEAR` codons, without those of the same codon
    n_lost, n_missense, n_harmless        of the whole gene: pathogenic loss of function, pathogenic and benign missense
    """

    same_change: Known | None = None
    same_codon: Known | None = None
    n_pathogenic: int = 0
    n_uncertain: int = 0
    n_benign: int = 0
    n_lost: int = 0
    n_missense: int = 0
    n_harmless: int = 0


class Reading:
    """One transcript, and what changes of it do; without `bases` only what needs no sequence."""

    def __init__(self, transcript: Transcript, bases: Bases | None) -> None:
        self.transcript = transcript
        self.model = Model(transcript, bases(transcript.contig)) if bases is not None else None
        self.mitochondrial = contig_key(transcript.contig) == "MT"
        ends, starts = [end for _, end in transcript.exons[:-1]], [start for start, _ in transcript.exons[1:]]
        self.sites = sorted([(end, end + SPLICE_SITE) for end in ends] + [(start - SPLICE_SITE, start) for start in starts])

    def effect(self, change: Change) -> Effect:
        """What a change does to the coding sequence."""
        first, last = change.start, max(change.end, change.start + 1)
        if _reaches(self.sites, first, last):
            return Effect("lost")
        if not _reaches(self.transcript.coding, first, last):
            return Effect("other")
        grown = len(change.inserted) - (change.end - change.start)
        if grown:
            return Effect("inframe" if grown % 3 == 0 else "lost")
        return self._rewritten(self.model, change) if self.model is not None else Effect("other")

    def _rewritten(self, model: Model, change: Change) -> Effect:
        """The effect of as many bases as before, within one codon of a whole coding sequence."""
        inside = any(start <= change.start and change.end <= end for start, end in self.transcript.coding)
        if not inside or not model.whole:
            return Effect("other")
        codon, within = divmod(model.offset(change.start if model.forward else change.end - 1)[0] - model.coding_start, 3)
        inserted = change.inserted if model.forward else reverse_complement(change.inserted)
        if within + len(inserted) > 3:
            return Effect("other")
        start = model.coding_start + 3 * codon
        old = model.sequence[start : start + 3]
        new = old[:within] + inserted + old[within + len(inserted) :]
        before, after = (translate(text, mitochondrial=self.mitochondrial) for text in (old, new))
        if before == after:
            return Effect("synonymous", codon, after)
        if after == "*":
            return Effect("lost", codon, after)
        return Effect("other" if before == "*" or codon == 0 else "missense", codon, after)


def _reaches(spans: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    """Whether one of some sorted spans that do not overlap has a base from `first` to `last`."""
    at = bisect_left(spans, (first, -1))
    return (at > 0 and spans[at - 1][1] > first) or (at < len(spans) and spans[at][0] < last)


def known_in(evidence: EvidenceSet, transcripts: Sequence[Transcript], bases: Bases | None) -> dict[str, tuple[Known, ...]]:
    """By transcript id, ClinVar's records with a star in its coding exons and splice sites."""
    found: dict[str, list[Known]] = {transcript.id: [] for transcript in transcripts}
    by_contig: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        if transcript.coding:
            by_contig.setdefault(contig_key(transcript.contig), []).append(transcript)
    for dataset in evidence.of_kind("clinvar"):
        for key, here in by_contig.items():
            records = list(_records(evidence.table(dataset), key, here))
            positions = [place[0] for place, *_ in records]
            for transcript in here:
                found[transcript.id] += _of_transcript(transcript, records, positions, bases)
    return {name: tuple(known) for name, known in found.items()}


_Record = tuple[tuple[int, str, str], str, str, int]


def _records(table: Path, key: str, transcripts: Sequence[Transcript]) -> Iterator[_Record]:
    """(place, accession, significance, stars) of one contig within the coding exons, sorted by position."""
    spans = sorted((start - SPLICE_SITE, end + SPLICE_SITE) for transcript in transcripts for start, end in transcript.coding)
    start, end = np.array(spans, np.int64).T
    end = np.maximum.accumulate(end)
    starred = _starred(table, key)
    position = starred["position"].to_numpy()
    before = np.searchsorted(start, position, "right") - 1
    inside = (before >= 0) & (position < end[np.maximum(before, 0)])
    column = starred.take(np.flatnonzero(inside)).to_pydict()
    places = zip(column["position"], column["ref"], column["alt"], strict=True)
    yield from zip(places, column["accession"], column["significance"], column["stars"], strict=True)


@lru_cache(maxsize=64)
def _starred(table: Path, key: str) -> pa.Table:
    """The records of one contig that have a star, sorted by position; kept for the cases that come after."""
    where = (pc.field("contig") == key) & (pc.field("stars") >= 1)
    columns = ["position", "ref", "alt", "accession", "significance", "stars"]
    return pq.read_table(table, columns=columns, filters=where, use_threads=False)


def _of_transcript(transcript: Transcript, records: Sequence[_Record], positions: Sequence[int], bases: Bases | None) -> Iterable[Known]:
    reading = Reading(transcript, bases)
    first, last = transcript.coding[0][0] - SPLICE_SITE, transcript.coding[-1][1] + SPLICE_SITE
    for place, accession, significance, stars in records[bisect_left(positions, first) : bisect_left(positions, last)]:
        yield Known(place, accession, significance, stars, reading.effect(change_of(*place)))


def around(place: tuple[int, str, str], effect: Effect, known: Iterable[Known]) -> Around:
    """What `known` says around a variant with an effect."""
    others = [one for one in known if one.place != place]
    pathogenic = [one for one in others if one.pathogenic]
    missense = [one for one in others if one.effect.kind == "missense"]
    best = sorted((one for one in missense if one.pathogenic), key=lambda one: (not one.established, -one.stars, one.place))
    in_codon = [one for one in best if effect.kind == "missense" and one.effect.codon == effect.codon]
    near = [one for one in missense if effect.codon >= 0 and 0 < abs(one.effect.codon - effect.codon) <= NEAR]
    return Around(
        same_change=next((one for one in in_codon if one.effect.residue == effect.residue), None),
        same_codon=next((one for one in in_codon if one.effect.residue != effect.residue), None),
        n_pathogenic=sum(one.pathogenic for one in near),
        n_uncertain=sum(one.significance in ("uncertain", "conflicting") for one in near),
        n_benign=sum(one.benign for one in near),
        n_lost=sum(one.effect.kind == "lost" for one in pathogenic),
        n_missense=sum(one.pathogenic for one in missense),
        n_harmless=sum(one.benign for one in missense),
    )


def by_id(transcripts: Iterable[Transcript]) -> Mapping[str, Transcript]:
    """The transcripts by their ids."""
    return {transcript.id: transcript for transcript in transcripts}

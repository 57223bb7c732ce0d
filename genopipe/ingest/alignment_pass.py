"""One pass over a sorted BAM: everything that is measured of its alignments, contig by contig, so that one contig is held at a time.

The memory is four bytes for each base of the longest contig with reads. Contigs of the BAM are matched with those of the genome when their
first read comes; one of the same name and length but another digest is taken with a warning, as references are masked for aligners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bam_index import bad_bam
from genopipe.formats.bam_stream import BamStream, open_stream
from genopipe.formats.contig_names import resolve_contig
from genopipe.formats.gff import Transcript
from genopipe.ingest.alignment_counts import (
    DEEPEST,
    LONGEST_TEMPLATE,
    OneContig,
    count_contig,
    count_flags,
    depth_of,
    spans_depth,
)
from genopipe.ingest.counted import Targets, left_out
from genopipe.ingest.sites import Sites
from genopipe.model import Contig, Genome
from genopipe.progress import log, progress

THRESHOLDS = (5, 10, 20, 30)
"""Depths whose share of bases is told."""


@dataclass(slots=True)
class AlignmentCounts:
    """What a pass over a BAM gives.

    flags      (8) int64: rows of `alignment_counts.READS` and so on
    template   (LONGEST_TEMPLATE + 1) int64: proper pairs by template length
    depth      by contig name, (DEEPEST + 1) int64: bases that count, by depth
    allele     (sites, 5) int64: bases A, C, G, T and others at each common site
    gene       by gene, (2 + thresholds) int64: coding bases, their depths together, those at each of `THRESHOLDS`
    """

    flags: NDArray[np.int64] = field(default_factory=lambda: np.zeros(8, np.int64))
    template: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LONGEST_TEMPLATE + 1, np.int64))
    depth: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    allele: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 5), np.int64))
    gene: dict[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured besides depth: common sites, and transcripts whose coding bases stand for their genes.

    With `targets`, the depth of the bases in them is measured in place of that of whole contigs.
    """

    genome: Genome
    sites: Sites | None = None
    transcripts: Sequence[Transcript] = ()
    targets: Targets | None = None


def count_alignments(path: Path, wanted: Wanted, *, threads: int = 1) -> AlignmentCounts:
    """Counts all records of a BAM sorted by coordinate. Raises BadInput for one that is damaged, unsorted or of another reference."""
    counts = AlignmentCounts()
    counts.allele = np.zeros((len(wanted.sites) if wanted.sites else 0, 5), np.int64)
    bam = open_stream(path, threads=threads)
    done = _Contigs(bam, wanted, counts)
    with progress(f"measuring {path.name}", unit="reads") as told:
        for batch in bam.batches():
            offset = batch.start[:-1]
            count_flags(batch.byte, offset, counts.flags, counts.template)
            done.add(batch.byte, offset)
            told.advance(len(batch))
    done.finish()
    for transcript in wanted.transcripts:
        bases = sum(end - start for start, end in transcript.coding)
        counts.gene.setdefault(transcript.gene, np.array([bases, *[0] * (1 + len(THRESHOLDS))], np.int64))
    return counts


class _Contigs:
    """The contigs of a BAM, one after another."""

    def __init__(self, bam: BamStream, wanted: Wanted, counts: AlignmentCounts) -> None:
        self._bam, self._wanted, self._counts = bam, wanted, counts
        self._digest = dict(re.findall(r"^@SQ\t(?:.*\t)?SN:([^\t\n]*)(?:.*)\tM5:([0-9a-fA-F]{32})", bam.text, re.MULTILINE))
        self._number = {contig.name: i for i, contig in enumerate(wanted.genome.contigs)}
        self._seen: set[int] = set()
        self._last = -2
        self._contig: Contig | None = None
        self._one = OneContig.of(0, np.zeros(0, np.int64))

    def add(self, buffer: NDArray[np.uint8], offset: NDArray[np.int64]) -> None:
        while len(offset):
            contig = int.from_bytes(buffer[offset[0] + 4 : offset[0] + 8].tobytes(), "little", signed=True)
            if contig != self._last:
                self._begin(contig)
            n, sound = count_contig(buffer, offset, contig, self._one.difference, self._one.site, self._one.allele)
            if not sound:
                name = self._contig.name if self._contig else "*"
                raise bad_bam(self._bam.path, f"a read lies outside of contig {name}", "a sound BAM", "Make the file again.")
            offset = offset[n:]

    def _begin(self, contig: int) -> None:
        self.finish()
        if contig in self._seen or self._last == -1:
            raise bad_bam(self._bam.path, "the reads are not sorted by position", "a BAM sorted by coordinate", "Sort it: samtools sort.")
        self._seen.add(contig)
        self._last = contig
        self._contig = self._matched(contig) if contig >= 0 else None
        self._one = OneContig.of(self._contig.length if self._contig else 0, self._sites())

    def _matched(self, contig: int) -> Contig:
        if contig >= len(self._bam.contigs):
            raise bad_bam(self._bam.path, f"a read on contig number {contig + 1}", f"{len(self._bam.contigs)} contigs", "Make it again.")
        name, length = self._bam.contigs[contig]
        same = next((ours for ours in self._wanted.genome.contigs if ours.name == name and ours.length == length), None)
        digest = self._digest.get(name)
        if same is not None:
            if digest is not None and digest.lower() != same.md5:
                log.warning("%s: contig %s has another digest than in the reference", self._bam.path, name)
            return same
        ours = resolve_contig(self._wanted.genome, name, md5=digest, path=self._bam.path)
        if ours.length != length:
            raise _other_length(self._bam.path, name, length, ours)
        return ours

    def _sites(self) -> NDArray[np.int64]:
        sites = self._wanted.sites
        if sites is None or self._contig is None:
            return np.zeros(0, np.int64)
        return sites.position[sites.contig == self._number[self._contig.name]]

    def finish(self) -> None:
        """Takes the finished contig into the counts."""
        if self._contig is None:
            return
        contig, one, counts, wanted = self._contig, self._one, self._counts, self._wanted
        self._contig = None
        histogram = counts.depth.setdefault(contig.name, np.zeros(DEEPEST + 1, np.int64))
        depth_of(one.difference, left_out(wanted.genome, contig, wanted.targets), histogram)
        if wanted.sites is not None:
            counts.allele[wanted.sites.contig == self._number[contig.name]] = one.allele
        for transcript in _here(wanted.transcripts, contig):
            start, end = np.ascontiguousarray(np.array(transcript.coding, np.int64).T)
            seen = spans_depth(one.difference, start, end, np.array(THRESHOLDS, np.int64)).sum(0)
            counts.gene[transcript.gene] = counts.gene.get(transcript.gene, 0) + seen


def _here(transcripts: Sequence[Transcript], contig: Contig) -> Iterator[Transcript]:
    return (transcript for transcript in transcripts if transcript.contig == contig.name)


def _other_length(path: Path, name: str, length: int, ours: Contig) -> BadInput:
    came = f"contig {name} has {length:,} bases"
    return bad_bam(path, came, f"{ours.length:,}, as {ours.name} of the reference", "Give the reference that the reads were aligned to.")

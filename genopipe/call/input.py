"""The reads to call from, checked against the genome: the BAM, its sample, and which of its contigs is which of the genome's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.call.ploidy import is_autosomal, sex_chromosome
from genopipe.errors import BadInput
from genopipe.formats.bam_index import Bam, BamContig, open_bam, sample_of
from genopipe.formats.cram_stretch import is_cram, open_cram
from genopipe.formats.genome import fasta_path, resolve_contig
from genopipe.model import Contig, Genome
from genopipe.progress import log


@dataclass(frozen=True, slots=True)
class Input:
    """The BAM, the row in it of each contig of the genome, the hashes of the sample's read groups (None: all), and the sample."""

    bam: Bam
    row: dict[str, int]
    read_groups: NDArray[np.uint64] | None
    sample: str


def open_input(
    reference: Path, genome: Genome, source: Path | Bam, *, sample: str | None = None, accept_other_digests: bool = False
) -> Input:
    """The reads of one sample, of a file or of a BAM that is open; `reference` is the folder of the genome.

    Raises BadInput for a BAM that is damaged, unsorted, unindexed, of another reference, or of an unclear sample.
    """
    bam = source if isinstance(source, Bam) else _opened(source, reference)
    name, read_groups = sample_of(bam, sample)
    row = match_contigs(genome, bam, accept_other_digests=accept_other_digests)
    alias = {bam.contigs[i].name: contig for contig, i in row.items() if bam.contigs[i].name != contig}
    return Input(replace(bam, alias=alias), row, read_groups, name)


def _opened(path: Path, reference: Path) -> Bam:
    return open_cram(path, fasta_path(reference)) if is_cram(path) else open_bam(path)


def match_contigs(genome: Genome, bam: Bam, *, accept_other_digests: bool = False) -> dict[str, int]:
    """Row in the BAM of each contig of the genome that it has.

    Raises BadInput where a name has another length or (unless that is accepted) digest, and where a chromosome with reads, or every
    contig with reads, is unknown.
    """
    row: dict[str, int] = {}
    known = {contig.name: contig for contig in genome.contigs}
    strange: list[BamContig] = []
    for i, ours in enumerate(bam.contigs):
        contig = known.get(ours.name)
        if contig is None and bam.has_reads[i]:
            contig = _by_alias(genome, ours.name, ours.md5)
            if contig is None:
                strange.append(ours)
        if contig is None:
            continue
        if contig.length != ours.length:
            raise _other_reference(bam.path, f"{ours.name} has {ours.length:,} bases in the BAM and {contig.length:,} in the reference")
        if ours.md5 is not None and ours.md5.lower() != contig.md5:
            _check_digest(bam.path, ours, contig, accept_other_digests)
        row[contig.name] = i
    _check_strange(bam, strange, any_known=any(bam.has_reads[i] for i in row.values()))
    return row


def _check_strange(bam: Bam, strange: list[BamContig], *, any_known: bool) -> None:
    """Raises BadInput where contigs with reads that the reference lacks are chromosomes, or all there are; others are told."""
    names = [contig.name for contig in strange]
    numbered = [contig.name for contig in strange if is_autosomal(contig) or sex_chromosome(contig) is not None]
    lacking = numbered if any_known else names
    if lacking:
        raise _other_reference(bam.path, f"reads lie on {', '.join(lacking[:3])}, which the reference lacks")
    if names:
        log.warning("%s: no calls on %d contigs that the reference lacks: %s", bam.path, len(names), ", ".join(names[:5]))


def _check_digest(path: Path, ours: BamContig, contig: Contig, accept: bool) -> None:
    if not accept:
        raise BadInput(
            f"{ours.name} has the MD5 {ours.md5} in the BAM and {contig.md5} in the reference, though the same length",
            wanted="a BAM aligned to this reference",
            do="Give the reference that the reads were aligned to; if it only masks other bases, say so with --accept-other-digests.",
            path=path,
        )
    log.warning("%s: %s has another digest than in the reference, though the same length; accepted, as asked", path, ours.name)


def _by_alias(genome: Genome, name: str, md5: str | None) -> Contig | None:
    try:
        return resolve_contig(genome, name, md5=md5)
    except BadInput:
        return None


def _other_reference(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="a BAM aligned to this reference", do="Give the reference that the reads were aligned to.", path=path)

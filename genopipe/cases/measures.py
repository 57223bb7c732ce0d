"""The alignments of a sample measured with what a locked evidence set knows: gene models, and the common variants of the population."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from genopipe.call.targets import wanted_targets
from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.formats.genome import load_genome
from genopipe.formats.gff import Transcript, read_genes
from genopipe.ingest.aligned import measure_aligned, representative_transcripts
from genopipe.ingest.alignment_pass import Wanted
from genopipe.ingest.counted import Targets, counted_bases
from genopipe.ingest.sites import LEAST_FREQUENCY, Row, Sites, choose_sites, read_sites
from genopipe.interpret.evidence import EvidenceSet, open_set
from genopipe.interpret.normalise import contig_key
from genopipe.model import Genome


def measure_with(
    bam: Path,
    sample: str,
    folder: Path,
    *,
    reference: Path,
    evidence: Path | None,
    sites: Path | None,
    genes: Path | None,
    targets: Path | None = None,
    sex: str | None,
    threads: int,
) -> dict[str, Any]:
    """`measure_aligned` with sites and genes from files, else from an evidence set, else without; of a captured sample by its targets."""
    genome = load_genome(reference)
    known = open_set(evidence) if evidence else None
    wanted = Wanted(genome, targets=targets_on(genome, targets) if targets else None)
    if sites:
        wanted = replace(wanted, sites=read_sites(sites, genome))
    elif known:
        wanted = replace(wanted, sites=common_sites(known, genome))
    if genes:
        wanted = replace(wanted, transcripts=_on_genome(read_genes(genes), genome, genes))
    elif known:
        wanted = replace(wanted, transcripts=gene_models(known, genome))
    return measure_aligned(bam, sample, folder, wanted=wanted, sex=sex, threads=threads)


def targets_on(genome: Genome, bed: Path) -> Targets:
    """The targets of a capture kit by contig. Raises BadInput, with the line, where they do not fit the genome; and where there is none."""
    found = wanted_targets(bed, None, genome)
    assert found is not None
    targets = {name: np.stack((here.start, here.end), axis=1) for name, here in found.on.items()}
    if not any(counted_bases(genome, contig, targets) for contig in genome.contigs):
        raise BadInput("no interval with a known base", wanted="the targets of a capture kit", do="Give the kit's BED.", path=bed)
    return targets


def common_sites(evidence: EvidenceSet, genome: Genome) -> Sites | None:
    """The common sites among the frequencies of an evidence set; None where it has none."""
    tables = [evidence.table(dataset) for dataset in evidence.of_kind("frequency")]
    return choose_sites(_common(tables, genome), genome, path=evidence.store.root) if tables else None


def _common(tables: list[Path], genome: Genome) -> Iterator[Row]:
    """Common SNVs of autosomes and X that the genome has, streamed."""
    name = {contig_key(contig.name): contig.name for contig in genome.contigs}
    wanted = (pc.field("af") >= LEAST_FREQUENCY) & (pc.field("af") <= 1 - LEAST_FREQUENCY)
    wanted &= (pc.utf8_length(pc.field("ref")) == 1) & (pc.utf8_length(pc.field("alt")) == 1)
    columns = ["contig", "position", "ref", "alt", "af"]
    for table in tables:
        for batch in ds.dataset(table).to_batches(columns=columns, filter=wanted):
            for row in batch.to_pylist():
                if row["contig"] in name:
                    yield name[row["contig"]], row["position"], row["ref"], row["alt"], row["af"]


def gene_models(evidence: EvidenceSet, genome: Genome) -> list[Transcript]:
    """One coding transcript for each gene of an evidence set, on the genome's contigs; none where it has no gene models."""
    dataset = evidence.one("genes")
    if dataset is None:
        return []
    name = {contig_key(contig.name): contig.name for contig in genome.contigs}
    rows = pq.read_table(evidence.table(dataset)).to_pylist()
    return representative_transcripts([_transcript(row, name[key]) for row in rows if (key := contig_key(row["contig"])) in name])


def _transcript(row: dict[str, Any], contig: str) -> Transcript:
    kept = {key: row[key] for key in ("id", "gene_id", "gene", "biotype", "strand", "phase", "mane", "canonical")}
    exons, coding = (tuple(zip(row[f"{kind}_start"], row[f"{kind}_end"], strict=True)) for kind in ("exon", "coding"))
    return Transcript(**kept, contig=contig, exons=exons, coding=coding)


def _on_genome(transcripts: tuple[Transcript, ...], genome: Genome, path: Path) -> list[Transcript]:
    name = {contig: resolve_contig(genome, contig, path=path).name for contig in {one.contig for one in transcripts}}
    return representative_transcripts([replace(one, contig=name[one.contig]) for one in transcripts])

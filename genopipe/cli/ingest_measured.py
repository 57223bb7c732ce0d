"""`genopipe ingest aligned`, `family` and `called`: what is measured after the reads."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, OutputFile, OutputFolder, check_each_once, reference_option, threads_option


@click.command()
@click.argument("bam", type=ExistingFile, metavar="IN.bam")
@reference_option
@click.option("--sample", required=True, help="Name of the sample: letters, digits, - _ and .")
@click.option("--evidence", type=ExistingFile, help="A locked evidence set, for gene models and common variants.")
@click.option("--sites", type=ExistingFile, help="VCF of population frequencies, in place of the evidence set's.")
@click.option("--genes", type=ExistingFile, help="GFF3 or GTF of gene models, in place of the evidence set's.")
@click.option("--targets", type=ExistingFile, help="BED of a capture kit: depth and sex go by its intervals, each base once.")
@click.option("--sex", type=click.Choice(["female", "male", "unknown"]), help="What the sample is said to be.")
@click.option("-o", "--output", type=OutputFolder, required=True, help="Folder for SAMPLE.aligned.json and its companions.")
@threads_option
def aligned(
    bam: Path,
    reference: Path,
    sample: str,
    evidence: Path | None,
    sites: Path | None,
    genes: Path | None,
    targets: Path | None,
    sex: str | None,
    output: Path,
    threads: int,
) -> None:
    """Measure the alignments of a sample: coverage, sex, contamination, and a fingerprint of common sites.

    \b
    genopipe ingest aligned S1.bam --reference refs/GRCh38 --sample S1 --evidence evidence/2026-11 -o qc
    genopipe ingest aligned S1.bam --reference refs/GRCh38 --sample S1 --sites gnomad.vcf.gz --genes genes.gff3.gz -o qc
    genopipe ingest aligned S1.bam --reference refs/GRCh38 --sample S1 --targets kit.bed -o qc
    """
    from genopipe.cases.measures import measure_with

    known = {"evidence": evidence, "sites": sites, "genes": genes}
    measure_with(bam, sample, output, reference=reference, **known, targets=targets, sex=sex, threads=threads)


@click.command()
@click.argument("fingerprints", nargs=-1, required=True, type=ExistingFile, metavar="SAMPLE.fingerprint.tsv...")
@click.option("--ped", type=ExistingFile, required=True, help="Pedigree of the samples.")
@click.option("-o", "--output", type=OutputFile, required=True, help="JSON of all pairs.")
def family(fingerprints: tuple[Path, ...], ped: Path, output: Path) -> None:
    """Compare samples with each other and with their pedigree.

    \b
    genopipe ingest family qc/S1.fingerprint.tsv qc/S2.fingerprint.tsv --ped family.ped -o qc/family.json
    """
    from genopipe.ingest.family import compare_family

    check_each_once(fingerprints)
    compare_family(fingerprints, ped, output)


@click.command()
@click.argument("vcf", type=ExistingFile, metavar="CALLS.vcf.gz")
@click.option("-o", "--output", type=OutputFile, required=True, help="JSON of all samples.")
def called(vcf: Path, output: Path) -> None:
    """Count the variants of each sample: SNVs and indels, transitions to transversions, heterozygotes to homozygotes.

    \b
    genopipe ingest called family.vcf.gz -o qc/calls.json
    """
    from genopipe.ingest.called import measure_called

    measure_called(vcf, output)


@click.command()
@click.argument("run_folder", type=ExistingFolder, metavar="RUN_FOLDER")
@click.option("-o", "--output", type=OutputFile, required=True, help="JSON of lanes, reads and indexes.")
def interop(run_folder: Path, output: Path) -> None:
    """Summarise what the instrument measured: density, clusters that pass, phasing, quality, errors, indexes.

    \b
    genopipe ingest interop /runs/261120_A00123_0042_AHXXX -o qc/run.json
    """
    from genopipe.ingest.lane_metrics import measure_run

    measure_run(run_folder, output)

"""`genopipe ingest`: reads checked and measured."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.ingest_measured import aligned, called, family, interop
from genopipe.cli.ingest_run import run
from genopipe.cli.options import ExistingFolder, OutputFolder, check_each_once, platform_option, threads_option

ReadsFile = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group()
def ingest() -> None:
    """Check and measure reads.

    \b
    genopipe ingest fastq S1_R1.fastq.gz S1_R2.fastq.gz --sample S1 -o qc
    """


@ingest.command()
@click.argument("files", nargs=-1, type=ReadsFile, metavar="[R1 [R2]]")
@click.option("-1", "r1", multiple=True, type=ReadsFile, help="First reads of a lane; may be given once for each lane.")
@click.option("-2", "r2", multiple=True, type=ReadsFile, help="Second reads of a lane, in the order of -1.")
@click.option("--interleaved", is_flag=True, help="Mates follow each other in one file.")
@click.option("--reference", type=ExistingFolder, help="Genome that a CRAM of aligned reads was written with.")
@click.option("--sample", required=True, help="Name of the sample: letters, digits, - _ and .")
@click.option(
    "--as",
    "form",
    type=click.Choice(["fastq", "bam", "cram"]),
    help="Also pass the reads on, all lanes in one file: FASTQ as it is, or an unaligned BAM or CRAM.  [default: measure only]",
)
@click.option("--library", help="With --as bam or cram: library of reads without a read group; the sample's name when not given.")
@click.option("--read-group", help="With --as bam or cram: read group of reads that have none; the sample's name when not given.")
@platform_option
@click.option("-o", "--output", type=OutputFolder, required=True, help="Folder for SAMPLE.qc.json and SAMPLE.qc.html.")
@threads_option
def fastq(
    files: tuple[Path, ...],
    r1: tuple[Path, ...],
    r2: tuple[Path, ...],
    interleaved: bool,
    reference: Path | None,
    sample: str,
    form: str | None,
    library: str | None,
    read_group: str | None,
    platform: str,
    output: Path,
    threads: int,
) -> None:
    """Check every record of FASTQ, BAM or CRAM files and measure them; writes SAMPLE.qc.json and SAMPLE.qc.html.

    \b
    genopipe ingest fastq S1_R1.fastq.gz S1_R2.fastq.gz --sample S1 -o qc
    genopipe ingest fastq -1 L1_R1.fq.gz -2 L1_R2.fq.gz -1 L2_R1.fq.gz -2 L2_R2.fq.gz --sample S1 -o qc
    genopipe ingest fastq movie.hifi_reads.bam --sample S1 -o qc
    genopipe ingest fastq -1 run1.fastq.gz -1 run2.fastq.gz --sample S1 --as bam --platform ONT -o reads
    """
    from genopipe.formats.bam import ReadGroup
    from genopipe.ingest.measure import PassOn, measure_fastq, paired_lanes

    if len(files) > 2 or bool(files) == bool(r1):
        raise click.UsageError("Give R1 and R2 as arguments, or lanes by -1 and -2.")
    if files:
        r1, r2 = files[:1], files[1:]
    if len(r2) not in (0, len(r1)) or (r2 and interleaved):
        raise click.UsageError("Give -2 once for each -1, or not at all; with --interleaved, not at all.")
    if form not in ("bam", "cram") and (library or read_group):
        raise click.UsageError("Give --library and --read-group with --as bam or --as cram.")
    check_each_once([*r1, *r2])
    pass_on = PassOn(form, ReadGroup(read_group or sample, sample, library or sample, platform)) if form else None
    measure_fastq(paired_lanes(r1, r2, interleaved=interleaved), sample, output, reference=reference, pass_on=pass_on, threads=threads)


for command in (run, aligned, family, called, interop):
    ingest.add_command(command)

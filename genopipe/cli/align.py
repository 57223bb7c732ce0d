"""`genopipe align`: reads to a sorted, duplicate-marked, indexed BAM."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import (
    OutputFile,
    check_each_once,
    device_option,
    memory_option,
    pixels_option,
    platform_option,
    reference_option,
    threads_option,
)
from genopipe.device import Request

Reads = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@reference_option
@click.option(
    "-1",
    "r1",
    type=Reads,
    multiple=True,
    required=True,
    help="FASTQ of the first (or only) reads, or BAM or CRAM; once a lane; - is stdin.",
)
@click.option("-2", "r2", type=Reads, multiple=True, help="FASTQ of the second reads, as often as -1.")
@click.option("--interleaved", is_flag=True, help="-1 holds first and second reads in turn.")
@click.option("--sample", required=True, help="Sample name (SM).")
@click.option("--library", help="Library name (LB); the sample's name when not given.")
@click.option("--read-group", help="Read group ID; the sample's name when not given.")
@platform_option
@click.option("-o", "--output", type=OutputFile, required=True, help="OUT.bam or OUT.cram.")
@click.option("--xa", "other_places", type=click.IntRange(0), default=0, help="Tag XA for reads with at most so many other places.")
@click.option("--trim-adapters", "trim", is_flag=True, help="Cut off adapters that both reads of a pair were read through into.")
@pixels_option
@threads_option
@memory_option
@device_option
def align(
    reference: Path,
    r1: tuple[Path, ...],
    r2: tuple[Path, ...],
    interleaved: bool,
    sample: str,
    library: str | None,
    read_group: str | None,
    platform: str,
    output: Path,
    other_places: int,
    trim: bool,
    pixels: int,
    threads: int,
    memory: int,
    device: Request,
) -> None:
    """Align reads: sorted, duplicate-marked, indexed.

    \b
    genopipe align --reference refs/GRCh38 -1 S1_R1.fastq.gz -2 S1_R2.fastq.gz --sample S1 -o S1.bam
    """
    if r2 and (interleaved or len(r1) != len(r2)):
        raise click.UsageError("give -2 as often as -1, or --interleaved without -2")
    check_each_once([*r1, *r2])
    from genopipe.align.pipeline import Options
    from genopipe.align.run import align_files
    from genopipe.device import take
    from genopipe.formats.bam import ReadGroup

    group = ReadGroup(read_group or sample, sample, library or sample, platform)
    options = Options(threads, memory, pixels, other_places, trim, take(device))
    align_files(r1, r2, reference, output, interleaved=interleaved, read_group=group, options=options)

"""`genopipe secondary`: FASTQ to variants in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from genopipe.cli.options import (
    ExistingFile,
    OutputFile,
    check_each_once,
    device_option,
    memory_option,
    platform_option,
    reference_option,
    threads_option,
)
from genopipe.device import Request


@click.command()
@reference_option
@click.option("-1", "r1", type=ExistingFile, multiple=True, required=True, help="FASTQ of the first reads, or BAM or CRAM; once a lane.")
@click.option("-2", "r2", type=ExistingFile, multiple=True, help="FASTQ of the second reads, as often as -1.")
@click.option("--sample", required=True, help="Sample name (SM).")
@click.option("--library", help="Library name (LB); the sample's name when not given.")
@click.option("--read-group", help="Read group ID; the sample's name when not given.")
@platform_option
@click.option("--sex", type=click.Choice(["female", "male"]), help="X and Y of a male are called with one copy.  [default: by depth]")
@click.option("-o", "--output", "prefix", type=OutputFile, required=True, metavar="PREFIX", help="PREFIX of the files to write.")
@click.option("--no-bam", is_flag=True, help="Do not keep PREFIX.bam.")
@threads_option
@memory_option
@device_option
def secondary(
    reference: Path,
    r1: tuple[Path, ...],
    r2: tuple[Path, ...],
    sample: str,
    library: str | None,
    read_group: str | None,
    platform: str,
    sex: Literal["female", "male"] | None,
    prefix: Path,
    no_bam: bool,
    threads: int,
    memory: int,
    device: Request,
) -> None:
    """Align reads and call their variants: PREFIX.vcf.gz, PREFIX.g.vcf.gz and PREFIX.bam.

    The files are those of `genopipe align` and `genopipe call`, to the byte.

    \b
    genopipe secondary --reference refs/GRCh38 -1 S1_R1.fastq.gz -2 S1_R2.fastq.gz --sample S1 -o results/S1
    """
    if r2 and len(r1) != len(r2):
        raise click.UsageError("give -2 as often as -1")
    check_each_once([*r1, *r2])
    from genopipe.align.pipeline import Options
    from genopipe.call.caller import Sample
    from genopipe.cases.secondary import Reads, run_secondary
    from genopipe.device import take
    from genopipe.formats.bam import ReadGroup

    reads = Reads(r1, r2, ReadGroup(read_group or sample, sample, library or sample, platform))
    run_secondary(
        reads, reference, prefix, options=Options(threads, memory, device=take(device)), whom=Sample(None, sex), keep_bam=not no_bam
    )

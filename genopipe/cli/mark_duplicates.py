"""`genopipe mark-duplicates`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFile, memory_option, pixels_option, threads_option


@click.command()
@click.argument("bam", type=ExistingFile, metavar="IN.bam")
@click.option("-o", "--output", type=OutputFile, required=True, help="BAM to write; its .bai appears beside where it is sorted.")
@pixels_option
@threads_option
@memory_option
def mark_duplicates(bam: Path, output: Path, pixels: int, threads: int, memory: int) -> None:
    """Mark the duplicates of an existing BAM, in any order of its records.

    Flags that are there are set anew; all else stays. OUT.duplicates.tsv, beside, has the counts of each library.

    \b
    genopipe mark-duplicates S1.bam -o S1.marked.bam
    """
    from genopipe.align.mark import mark_duplicates as mark

    mark(bam, output, threads=threads, memory=memory, pixels=pixels)

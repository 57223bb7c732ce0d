"""`genopipe init`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFolder, OutputFile


@click.command()
@click.argument("folder", type=ExistingFolder)
@click.option("-o", "--output", type=OutputFile, default=Path("case.yaml"), show_default=True, help="The case file to write.")
def init(folder: Path, output: Path) -> None:
    """Write a commented case file for the FASTQ files in FOLDER, or for a sequencer's run folder.

    \b
    genopipe init reads/ -o NICU-0001.yaml
    """
    from genopipe.cases.init import write_case
    from genopipe.progress import counted

    reads = write_case(folder, output)
    click.echo(
        f"{output}: {counted(len({files.sample for files in reads}), 'samples')}, {counted(len(reads), 'lanes')}."
        " Fill in what the comments ask for.",
        err=True,
    )

"""`genopipe reference`: genomes, packed and indexed once."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFolder, threads_option


@click.group()
def reference() -> None:
    """Prepare a reference genome.

    \b
    genopipe reference build GRCh38.fa.gz -o refs/GRCh38
    """


@reference.command()
@click.argument("fasta", type=ExistingFile)
@click.option("-o", "--output", type=OutputFolder, required=True, help="Folder to make.")
@click.option("--name", help="Name of the genome; the folder's name when not given.")
@click.option("--alt", "alt_file", type=ExistingFile, help="File .alt of bwa: contigs that are alternatives, besides those known by name.")
@click.option("--keep-par", is_flag=True, help="Do not mask the pseudoautosomal regions of Y.")
@threads_option
def build(fasta: Path, output: Path, name: str | None, alt_file: Path | None, keep_par: bool, threads: int) -> None:
    """Pack and index a genome once; every command that needs it takes the folder as --reference.

    The pseudoautosomal regions of Y are masked where it is known (GRCh37, GRCh38); a human genome that is no analysis set is told.

    \b
    genopipe reference build GRCh38.fa.gz -o refs/GRCh38 --name GRCh38
    """
    from genopipe.align.index import build_reference
    from genopipe.progress import counted

    name = name or output.resolve().name
    genome = build_reference(fasta, output, name=name, threads=threads, alt_file=alt_file, keep_pseudoautosomal=keep_par)
    bases = sum(contig.length for contig in genome.contigs)
    click.echo(f"{output}: {counted(len(genome.contigs), 'contigs')}, {bases:,} bases", err=True)

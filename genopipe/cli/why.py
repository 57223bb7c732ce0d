"""`genopipe why`: what became of one variant."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFolder


@click.command()
@click.argument("variant")
@click.option("-r", "--results", type=ExistingFolder, required=True, help="Folder written by `genopipe interpret`.")
def why(variant: str, results: Path) -> None:
    """Tell which rule took a variant, or where it is ranked.

    VARIANT is CHROM-POS-REF-ALT, left-aligned as interpretation writes it.

    \b
    genopipe why 10-123256215-T-G -r findings
    """
    from genopipe.interpret.trace import why as answer

    for sentence in answer(variant, results).sentences:
        click.echo(f"{variant}: {sentence}")

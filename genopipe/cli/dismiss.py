"""`genopipe dismiss`: a reviewer's word on a change."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFolder, OutputFile


@click.command()
@click.argument("case")
@click.argument("gene")
@click.option("-r", "--reanalysis", type=ExistingFolder, required=True, help="Folder written by `genopipe reanalyze`.")
@click.option("--reviews", type=OutputFile, required=True, help="Table of dismissals; made, or added to.")
@click.option("--reason", default="", help="Why, on one line; no names.")
def dismiss(case: str, gene: str, reanalysis: Path, reviews: Path, reason: str) -> None:
    """Dismiss a change: `genopipe reanalyze --reviews` leaves it out until its evidence changes.

    \b
    genopipe dismiss NICU-0001 BRCA2 -r changes --reviews reviews.tsv --reason "does not segregate"
    """
    from genopipe.cases.reviews import dismiss as add

    add(reanalysis, case, gene, reviews=reviews, reason=reason)

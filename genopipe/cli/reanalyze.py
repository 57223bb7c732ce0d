"""`genopipe reanalyze`: what new evidence changes for archived cases."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, Instant, OutputFolder, archive_option
from genopipe.store import Location


@click.command()
@archive_option
@click.option("--evidence", type=click.Path(path_type=Path), required=True, help="The new evidence set, E/NEW.")
@click.option("--since", type=click.Path(path_type=Path), help="The set to compare with, E/OLD; else each case's own, from beside NEW.")
@click.option(
    "--reference", type=ExistingFolder, help="The reference of then; else it is taken from archived alignments, which takes longer."
)
@click.option(
    "--reviews", type=ExistingFile, help="Table of `genopipe dismiss`; what stands there is left out while its evidence is the same."
)
@click.option("--issued", type=Instant(), help="Date for the results, such as 2026-11-20T10:00:00Z; without it none is written.")
@click.option("-o", "--output", type=OutputFolder, required=True, help="Folder for what changed.")
def reanalyze(
    root: Location,
    evidence: Path,
    since: Path | None,
    reference: Path | None,
    reviews: Path | None,
    issued: str | None,
    output: Path,
) -> None:
    """Tell what new evidence changes for archived cases: new, stronger, weaker and withdrawn findings.

    \b
    genopipe reanalyze --archive A --evidence evidence/2026-12 --reference GRCh38 -o changes
    genopipe reanalyze --archive A --evidence evidence/2026-12 --since evidence/2026-11 --reviews reviews.tsv -o changes
    """
    from genopipe.cases.reanalyze import Reanalysis
    from genopipe.cases.reanalyze import reanalyze as look_again
    from genopipe.formats.genome import load_genome
    from genopipe.interpret.evidence import open_set

    genome = load_genome(reference) if reference is not None else None
    old = open_set(since) if since is not None else None
    look_again(Reanalysis(root, open_set(evidence), old, output, genome, reference, reviews, issued))

"""`genopipe demo`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import OutputFolder


@click.command()
@click.argument("folder", type=OutputFolder, default=Path("demo"))
@click.option("--cores", type=click.IntRange(min=1), help="Cores to use.  [default: all]")
def demo(folder: Path, cores: int | None) -> None:
    """Simulate a newborn and both parents and run the whole workflow on them.

    \b
    genopipe demo
    genopipe demo /tmp/demo --cores 2
    """
    from genopipe.cases.demo import run_demo

    click.echo(run_demo(folder, cores=cores))

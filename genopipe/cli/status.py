"""`genopipe status`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFolder


@click.command()
@click.argument("results", type=ExistingFolder, default=Path("results"))
def status(results: Path) -> None:
    """Show how far every case in a results folder has come.

    \b
    genopipe status
    genopipe status /data/results
    """
    from rich.console import Console
    from rich.table import Table

    from genopipe.cases.plan import STAGES
    from genopipe.cases.status import case_statuses

    table = Table("case", *STAGES, "state")
    for case in case_statuses(results):
        table.add_row(case.case, *("done" if stage in case.done else "" for stage in STAGES), case.state)
    Console().print(table)

"""`genopipe doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--warm/--no-warm", default=True, show_default=True, help="Compile the kernels into the cache on disk.")
def doctor(warm: bool) -> None:
    """Check this machine, say what to do, and warm up the kernels.

    \b
    genopipe doctor
    """
    from genopipe.cases.doctor import examine, warm_kernels

    checks = list(examine(Path.cwd()))
    for check in checks:
        click.echo(f"{'ok  ' if check.good else 'BAD '} {check.name:<14} {check.found}" + ("" if check.good else f"\n     {check.do}"))
    if warm:
        warm_kernels()
        click.echo("ok   kernels        compiled and cached")
    sys.exit(0 if all(check.good for check in checks) else 1)

"""`genopipe run`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFolder

STAGES = click.Choice(["ingest", "align", "call", "interpret", "archive", "ehr"])


@click.command()
@click.argument("case_file", metavar="CASE.yaml", type=ExistingFile)
@click.option("--profile", help="A shipped profile (local) or a folder with a Snakemake profile.")
@click.option("--cores", type=click.IntRange(min=1), help="Cores to use.  [default: all]")
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), help="Where the kernels run.  [default: auto]")
@click.option("--results", type=OutputFolder, help="Folder of the results of all cases.  [default: results]")
@click.option("--issued", help="The instant results carry, such as 2026-11-20T10:00:00Z.  [default: when the case first starts]")
@click.option("--from", "first", type=STAGES, help="Do this stage and all after it again.")
@click.option("--until", "last", type=STAGES, help="Stop after this stage.")
@click.option("--dry-run", is_flag=True, help="Show what would be used and done, and do nothing.")
@click.argument("more", nargs=-1, metavar="[-- SNAKEMAKE ARGUMENTS]", type=click.UNPROCESSED)
def run(
    case_file: Path,
    profile: str | None,
    cores: int | None,
    device: str | None,
    results: Path | None,
    issued: str | None,
    first: str | None,
    last: str | None,
    dry_run: bool,
    more: tuple[str, ...],
) -> None:
    """Run a case from reads to pointers; a run that was stopped continues.

    \b
    genopipe run NICU-0001.yaml
    genopipe run NICU-0001.yaml --until call --cores 8
    genopipe run NICU-0001.yaml --dry-run
    """
    if first and last and STAGES.choices.index(first) > STAGES.choices.index(last):
        raise click.UsageError(f"--from {first} comes after --until {last}")
    from genopipe.cases.checks import check_case
    from genopipe.cases.plan import plan_case
    from genopipe.cases.run import describe, run_case, show_steps, snakemake_command

    given = {"cores": cores, "device": device, "results": str(results) if results else None, "issued": issued}
    plan = plan_case([case_file], given)
    check_case(plan, last, first=first)
    command = snakemake_command(plan, first=first, last=last, profile=profile, more=more)
    if dry_run:
        click.echo(describe(plan))
        show_steps(command)
    else:
        run_case(plan, command)

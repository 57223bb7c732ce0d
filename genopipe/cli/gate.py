"""`genopipe gate`."""

from __future__ import annotations

from pathlib import Path

import click

from genopipe.cli.options import ExistingFile, OutputFile, OutputFolder


@click.command()
@click.argument("measures", nargs=-1, required=True, type=ExistingFile, metavar="MEASURES.json...")
@click.option("--case", "case_file", type=ExistingFile, help="Case file whose `gates:` and `targets:` change the limits.")
@click.option("--results", type=OutputFolder, help="Results folder of the case: a stop writes its report there.")
@click.option("-o", "--output", type=OutputFile, required=True, help="JSON of the verdicts; OUT.stopped.json in its place for a stop.")
def gate(measures: tuple[Path, ...], case_file: Path | None, results: Path | None, output: Path) -> None:
    """Judge measures of `genopipe ingest` by quality gates: pass, warn, or stop with exit code 1.

    \b
    genopipe gate qc/S1.qc.json qc/S1.aligned.json -o qc/S1.gates.json
    genopipe gate qc/S1.qc.json --case case.yaml -o qc/S1.gates.json
    """
    from genopipe.cases.gate_report import keep_judgement
    from genopipe.cases.gates import gates_with, judge
    from genopipe.config import load_case, load_settings

    case = load_case(case_file, with_reads=False) if case_file else None
    changed = [load_settings({}).value["gates"], *([case.gates] if case else [])]
    gates = gates_with(*changed, captured=case is not None and case.targets is not None)
    keep_judgement(judge(list(measures), gates), output, results=results)

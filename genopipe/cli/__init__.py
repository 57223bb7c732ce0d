"""The command line: one module per command group, no logic, loaded only when asked for.

This is also the one place that turns errors into exit codes: 0 done, 1 bad data or environment, 2 wrong command line, 130 interrupted.
A traceback is shown only with `--debug`.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys

import click

from genopipe import __version__
from genopipe.cli.interrupts import interruptible
from genopipe.errors import GenopipeError

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Loading libraries makes hundreds of thousands of objects, all of which stay: looking through them each 700 takes a tenth of the start."""

COMMANDS = {
    "demo": "Simulate a newborn and parents and run the whole workflow.",
    "run": "Run a case from reads to pointers.",
    "init": "Write a commented case file for a folder of reads.",
    "status": "Show how far every case has come.",
    "doctor": "Check this machine and warm up the kernels.",
    "reference": "Prepare a reference genome.",
    "ingest": "Check and measure reads.",
    "gate": "Judge measures by quality gates.",
    "align": "Align reads: sorted, duplicate-marked, indexed.",
    "mark-duplicates": "Mark the duplicates of an existing BAM.",
    "fit": "Learn what a sample's reads are like.",
    "secondary": "Align and call in one go: FASTQ to variants.",
    "call": "Call small variants.",
    "train-filter": "Train a filter on donors with a truth.",
    "joint": "Genotype a family from its gVCFs.",
    "evidence": "Keep versioned annotation data.",
    "interpret": "Rank and explain variants.",
    "why": "Tell which rule took a variant.",
    "pgx": "Name star alleles and what they do.",
    "archive": "Keep files losslessly, and get them back.",
    "reanalyze": "Tell what new evidence changes for archived cases.",
    "dismiss": "Dismiss a change that a re-analysis told.",
    "ehr": "Write FHIR pointer records.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `genopipe.cli.<name>` and are imported when used, so that `--help` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"genopipe.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="genopipe")
@click.option("--debug", is_flag=True, help="Show a traceback and debug messages when something fails.")
def genopipe(debug: bool) -> None:
    """From a sequencer's reads to a ranked, explained finding, a lossless archive and pointers into it.

    \b
    genopipe demo                 a whole family, simulated and analysed
    genopipe run case.yaml        a case of your own

    Research software: not a medical device.
    """
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("genopipe").setLevel(level)


def main() -> None:
    """Entry point of the `genopipe` program."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's would stand idle, and be in the way of processes that are forked
    debug = "--debug" in sys.argv[1:]
    try:
        interruptible(lambda: genopipe(prog_name="genopipe", standalone_mode=False))
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except GenopipeError as error:
        if debug:
            raise
        _stop(f"error: {error}", error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        _stop(f"error: {_operating_system_error(error)}", 1)


def _stop(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)


def _operating_system_error(error: OSError) -> str:
    from genopipe.outputs import environment_error

    told = environment_error(error, error.filename or "output")
    return str(told) if told is not None else str(error)

"""`genopipe ingest run`: a sequencer's run folder becomes demultiplexed reads."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from genopipe.cli.options import ExistingFile, ExistingFolder, threads_option

STANDARD_OUTPUT = Path("-")


class Duration(click.ParamType[float]):
    """A length of time such as 90s, 30m or 3h, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is no length of time; write for example 90s, 30m or 3h", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


class Cycles(click.ParamType[tuple[int, ...]]):
    """Cycles with commas between, such as 75,151."""

    name = "cycles"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", str(value)):
            self.fail(f"{value!r} are no cycles; write for example 75,151", param, ctx)
        return tuple(map(int, str(value).split(",")))


class Tiles(click.ParamType[frozenset[tuple[int, int]]]):
    """Tiles with commas between, lane before tile, such as 1_1101,2_2205."""

    name = "tiles"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[tuple[int, int]]:
        if isinstance(value, frozenset):
            return value
        if not re.fullmatch(r"\d{1,2}_\d{1,6}(,\d{1,2}_\d{1,6})*", str(value)):
            self.fail(f"{value!r} are no tiles; write lane and tile, for example 1_1101,2_2205", param, ctx)
        pairs = (tile.split("_") for tile in str(value).split(","))
        return frozenset((int(lane), int(tile)) for lane, tile in pairs)


class Setting(click.ParamType[tuple[str, str]]):
    """A setting of BCL Convert, such as AdapterRead1=AGATCGGAAGAGC."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is no setting; write for example AdapterRead1=AGATCGGAAGAGC", param, ctx)
        return name, text


@click.command()
@click.argument("run_folder", type=ExistingFolder)
@click.option(
    "--sample-sheet", type=ExistingFile, show_default="RUN_FOLDER/SampleSheet.csv", help="Sample sheet, or a Picard barcode file."
)
@click.option("--no-sample-sheet", is_flag=True, help="No samples: all reads go to Undetermined.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the reads; - is standard output.")
@click.option(
    "--format", "form", type=click.Choice(["fastq", "bam", "cram"]), default="fastq", show_default=True, help="BAM and CRAM are unaligned."
)
@click.option("--sample", help="With -o -: the sample whose reads are written, interleaved.")
@click.option("--only", multiple=True, help="Write the reads of this sample alone; may be given several times.")
@click.option("--read-structure", help="Cycles in place of RunInfo.xml: T read, B barcode, M molecular index, S skip; 151T8B8B151T.")
@click.option("--follow", is_flag=True, help="Convert while the sequencer runs, until the run is complete.")
@click.option(
    "--stalled-after", type=Duration(), default="3h", show_default=True, help="With --follow: stop if nothing is written for so long."
)
@click.option("--checkpoint-cycles", type=Cycles(), default=(), help="Hand on read 1 so far at these cycles, such as 75,151.")
@click.option(
    "--setting",
    "settings",
    type=Setting(),
    multiple=True,
    help="A setting as in a sample sheet, in its place: AdapterRead1=AGATCGGAAGAGC; may be given several times.",
)
@click.option(
    "--trim-quality", type=click.IntRange(0, 60), default=0, help="Cut the ends of reads below this quality, as bwa -q does.  [default: no]"
)
@click.option("--barcode-mismatches", type=click.IntRange(0, 2), help="Allowed in each index, whatever the sheet says.")
@click.option(
    "--index2-orientation",
    type=click.Choice(["auto", "as-read", "forward"]),
    default="auto",
    show_default=True,
    help="auto: turn index 2 where RunInfo.xml says so; as-read: never; forward: also where the instrument is known to need it.",
)
@click.option("--include-non-pf/--exclude-non-pf", default=None, help="Keep reads that failed the filter.  [default: exclude]")
@click.option("--mask-q0", is_flag=True, help="Write bases of quality 0 as N.")
@click.option("--minimum-quality", type=click.IntRange(0, 40), default=2, show_default=True, help="Lowest quality that a .bcl may hold.")
@click.option("--eamss/--no-eamss", default=None, help="Lower the qualities of bad ends to 2 as Picard does.  [default: no-eamss]")
@click.option("--index-reads/--no-index-reads", default=None, help="Write the index reads and molecular indexes too.")
@click.option("--no-lane-splitting/--lane-splitting", default=None, help="One file for all lanes of a sample.")
@click.option("--exclude-tiles", type=Tiles(), default=frozenset(), help="Leave out damaged tiles, such as 1_1101,2_2205.")
@click.option("--instrument", help="Instrument in the read names, in place of RunInfo.xml's.")
@click.option("--run-number", help="Number of the run in the read names.")
@click.option("--flowcell", help="Flow cell in the read names.")
@threads_option
def run(
    run_folder: Path,
    sample_sheet: Path | None,
    no_sample_sheet: bool,
    output: Path,
    form: Any,
    sample: str | None,
    threads: int,
    **given: Any,
) -> None:
    """Demultiplex a run folder; writes FASTQ, or unaligned BAM or CRAM, and demultiplex.json.

    \b
    genopipe ingest run 20231108_LH00188_0028_B22F52TLT3 --sample-sheet SampleSheet.csv -o reads
    genopipe ingest run RUN --follow --checkpoint-cycles 75,151 -o reads
    genopipe ingest run RUN --sample S1 -o - | genopipe align --reference GRCh38 -1 - --interleaved --sample S1 -o S1.bam

    Sheets of version 1 and 2 are read. A second run continues where the first one stopped.
    """
    from genopipe.ingest.run import Following, ingest_run, stream_run
    from genopipe.ingest.run_folder import Decoding
    from genopipe.ingest.run_plan import Options

    if (output == STANDARD_OUTPUT) != (sample is not None) or (sample is not None and (given["follow"] or form == "cram")):
        raise click.UsageError("Give --sample together with -o -, for FASTQ or BAM of a run that is complete.")
    if no_sample_sheet and sample_sheet:
        raise click.UsageError("Give either --sample-sheet or --no-sample-sheet.")
    follow, stalled_after = given.pop("follow"), given.pop("stalled_after")
    following = Following(stalled_after if follow else None, given.pop("checkpoint_cycles"))
    decoding = Decoding(given.pop("mask_q0"), given.pop("minimum_quality"))
    options = Options(decoding=decoding, only=frozenset(given.pop("only")), **given)
    sheet = None if no_sample_sheet else sample_sheet or run_folder / "SampleSheet.csv"
    if sample is not None:
        stream_run(run_folder, sheet, sample, options, bam=form == "bam", threads=threads, sink=sys.stdout.buffer)
    else:
        ingest_run(run_folder, sheet, output, options, form=form, following=following, threads=threads)

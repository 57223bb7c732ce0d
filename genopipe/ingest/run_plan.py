"""What is to be done with a run folder, checked before any base call is read.

Run information (or a read structure in its place), run parameters and sample sheet are read and compared: flow cell and run must be the
same, lanes must exist, masks and indexes must fit the reads, and no two samples of a lane may collide. What comes out is, for each lane,
how its tiles are decoded, which sample a cluster belongs to, and how each sample's reads are cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.barcode_parameters import is_barcode_parameters, read_barcode_parameters
from genopipe.formats.read_structure import RunRead, Segment, parse_override_cycles, parse_read_structure, whole_reads
from genopipe.formats.run_info import RunInfo, read_run_info
from genopipe.formats.run_parameters import RunParameters, read_run_parameters, reads_index2_reversed
from genopipe.formats.sample_sheet import SETTINGS, Sample, SampleSheet, read_sample_sheet
from genopipe.ingest import barcodes, trimming
from genopipe.ingest.layout import Columns, Layout, columns_of, layout_of
from genopipe.ingest.run_folder import Decoding, lane_files, lanes_of
from genopipe.ingest.tiles import TileReader

UNDETERMINED = "Undetermined"
Orientation = Literal["auto", "as-read", "forward"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about a run; None leaves the choice to the sample sheet."""

    read_structure: str | None = None
    instrument: str | None = None
    run_number: str | None = None
    flowcell: str | None = None
    decoding: Decoding = field(default_factory=Decoding)
    barcode_mismatches: int | None = None
    index2_orientation: Orientation = "auto"
    include_non_pf: bool | None = None
    eamss: bool | None = None
    no_lane_splitting: bool | None = None
    index_reads: bool | None = None
    exclude_tiles: frozenset[tuple[int, int]] = frozenset()
    only: frozenset[str] = frozenset()
    settings: tuple[tuple[str, str], ...] = ()
    trim_quality: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """One sample of a lane: its number in the sheet (0: the rest), how its reads are cut and trimmed. `sample` is None for the rest."""

    name: str
    number: int
    sample: Sample | None
    layout: Layout
    adapters: tuple[trimming.Adapters, trimming.Adapters]

    @property
    def barcode(self) -> str:
        return "" if self.sample is None else "+".join(filter(None, self.sample.indexes))

    @property
    def library(self) -> str:
        return self.name if self.sample is None else self.sample.library or self.name


@dataclass(frozen=True, slots=True)
class LanePlan:
    """One lane; `outputs` are its samples in sheet order and, last, the rest. `tiles_known`: its tiles are as RunInfo.xml lists them."""

    number: int
    tiles: tuple[int, ...]
    tiles_known: bool
    reader: TileReader
    matching: barcodes.Matching
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run; names are those of its read headers. `read1_cycles` are the cycles (from 0) of read 1.

    Where the sheet does not say it, clusters that failed the filter are left out, and no tail is masked (`eamss`); with Picard's parameter
    files both are as Picard does: with BCL files all clusters are written and tails masked, with CBCL files neither. `only`
    are the samples whose reads are written; where it is empty, all, and the rest.
    """

    folder: Path
    instrument: str
    run_number: str
    flowcell: str
    lanes: tuple[LanePlan, ...]
    samples: tuple[str, ...]
    only: frozenset[str]
    include_non_pf: bool
    eamss: bool
    lane_splitting: bool
    index_reads: bool
    trimming: trimming.Trimming
    read1_cycles: tuple[int, ...]


def read_sheet(path: Path) -> SampleSheet:
    """A sample sheet, or a Picard parameter file in its place."""
    if not path.exists():
        do = "Name it with --sample-sheet, or say --no-sample-sheet."
        raise BadInput("no such file", wanted="the sample sheet of the run", do=do, path=path)
    return read_barcode_parameters(path) if is_barcode_parameters(path) else read_sample_sheet(path)


def plan_run(folder: Path, sheet_path: Path | None, options: Options) -> RunPlan:
    """Reads and checks everything about a run but its base calls; without a sheet, no read has a sample. Raises BadInput."""
    sheet = SampleSheet(folder, ()) if sheet_path is None else read_sheet(sheet_path)
    sheet = _with_settings(sheet, dict(options.settings))
    trim = trimming.trimming_of(sheet, options.trim_quality)
    trimming.check_mismatches(sheet)
    run = _Run(folder, options, sheet)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(sample.name for sample in sheet.samples), 1)}
    by_lane = {lane: [sample for sample in sheet.samples if sample.lane in (None, lane)] for lane in run.lanes}
    layouts = {lane: run.outputs(samples, numbers) for lane, samples in by_lane.items() if samples or not sheet.samples}
    if not layouts:
        raise sheet.bad("no sample in any lane of the run", f"samples in lanes {', '.join(map(str, run.lanes))}", None)
    matchings = {lane: run.matching(by_lane[lane], outputs) for lane, (_, outputs) in layouts.items()}
    lanes = tuple(run.lane_plan(lane, columns, outputs, matchings[lane]) for lane, (columns, outputs) in layouts.items())
    as_picard = sheet.by_picard and not any(lane.reader.files.is_cbcl for lane in lanes)
    return RunPlan(
        folder=folder,
        instrument=options.instrument or (run.info.instrument if run.info else "instrument"),
        run_number=options.run_number or (run.info.number if run.info else "0"),
        flowcell=options.flowcell or (run.info.flowcell if run.info else "flowcell"),
        lanes=lanes,
        samples=tuple(numbers),
        only=_known(options.only, sheet),
        include_non_pf=as_picard if options.include_non_pf is None else options.include_non_pf,
        eamss=as_picard if options.eamss is None else options.eamss,
        lane_splitting=not (
            trimming.flag(sheet, "nolanesplitting", False) if options.no_lane_splitting is None else options.no_lane_splitting
        ),
        index_reads=trimming.flag(sheet, "createfastqforindexreads", False) if options.index_reads is None else options.index_reads,
        trimming=trim,
        read1_cycles=run.read1_cycles,
    )


class _Run:
    """The run's reads, lanes and tiles, and the sheet's samples in them."""

    def __init__(self, folder: Path, options: Options, sheet: SampleSheet) -> None:
        self.folder, self.options, self.sheet = folder, options, sheet
        self.info: RunInfo | None = None
        self.parameters = _parameters(folder)
        self._check_flowcell(self.parameters.flowcell if self.parameters else "")
        if options.read_structure:
            self.segments = parse_read_structure(options.read_structure)
            self.reads: tuple[RunRead, ...] = tuple(RunRead(len(segment), segment.kind == "I") for segment in self.segments)
        else:
            self.info = read_run_info(folder / "RunInfo.xml")
            self.reads = self.info.reads
            self.segments = whole_reads(self.reads)
        self._check_run()
        self.read1_cycles = self._read1_cycles()
        self.reverse = self._reversed_reads()
        self.index_reads = [number for number, read in enumerate(self.reads) if read.is_index]
        self.rest_segments = self._masked(sheet.settings.get("overridecycles"), sheet.setting_line.get("overridecycles"))
        self.lanes = self._lanes()

    def outputs(self, samples: Sequence[Sample], numbers: dict[str, int]) -> tuple[Columns, tuple[Output, ...]]:
        """The columns of a lane and its outputs. The rest is cut like the samples where all are cut alike."""
        segments = [
            self._masked(sample.override_cycles, sample.line) if sample.override_cycles else self.rest_segments for sample in samples
        ]
        rest = segments[0] if len(set(segments)) == 1 else self.rest_segments
        columns = columns_of([*segments, rest], self.reverse)
        outputs = []
        for sample, cut in zip([*samples, None], [*segments, rest], strict=True):
            layout = layout_of(cut, columns, self.index_reads)
            if sample is not None:
                masked = bool(sample.override_cycles or "overridecycles" in self.sheet.settings)
                barcodes.check_lengths(self.sheet, sample, layout, masked=masked)
            name = UNDETERMINED if sample is None else sample.name
            outputs.append(Output(name, numbers.get(name, 0), sample, layout, trimming.adapters_of(self.sheet, sample)))
        return columns, tuple(outputs)

    def matching(self, samples: Sequence[Sample], outputs: Sequence[Output]) -> barcodes.Matching:
        layouts = [output.layout for output in outputs[:-1] or outputs]
        turned = [read in self.reverse for read in self.index_reads]
        return barcodes.matching(samples, layouts, turned, self.sheet, self.options.barcode_mismatches)

    def lane_plan(self, lane: int, columns: Columns, outputs: tuple[Output, ...], matching: barcodes.Matching) -> LanePlan:
        files = lane_files(self.folder, lane)
        listed = [tile for of_lane, tile in self.info.tiles if of_lane == lane] if self.info else []
        excluded = {tile for of_lane, tile in self.options.exclude_tiles if of_lane == lane}
        if listed and not excluded <= set(listed):
            no_tile = f"no tile {lane}_{min(excluded - set(listed))} in the run"
            raise BadInput(no_tile, wanted="tiles that RunInfo.xml lists", do="Correct --exclude-tiles.", path=self.folder)
        tiles = tuple(tile for tile in listed or files.tiles() if tile not in excluded)
        reader = TileReader(files, lane, columns.cycles, columns.complemented, self.options.decoding)
        return LanePlan(lane, tiles, bool(listed), reader, matching, outputs)

    def _read1_cycles(self) -> tuple[int, ...]:
        first = next((segment for segment in self.segments if segment.kind == "Y"), None)
        if first is None:
            raise BadInput("no read but indexes", wanted="a read", do="Correct the read structure.", path=self.folder)
        return tuple(range(first.start, first.end))

    def _masked(self, mask: str | None, line: int | None) -> tuple[Segment, ...]:
        if not mask:
            return self.segments
        if self.options.read_structure:
            raise self.sheet.bad("OverrideCycles beside --read-structure", "one of them", line, do="Leave one out.")
        try:
            return parse_override_cycles(mask, self.reads)
        except ValueError as error:
            reads = ";".join(f"{'I' if read.is_index else 'Y'}{read.cycles}" for read in self.reads)
            raise self.sheet.bad(f"OverrideCycles {mask}: {error}", f"a mask for the reads {reads}", line) from error

    def _check_flowcell(self, flowcell: str) -> None:
        if self.sheet.flowcell and flowcell and not flowcell.endswith(self.sheet.flowcell):
            came = f"the sheet is of flow cell {self.sheet.flowcell}"
            raise self.sheet.bad(came, flowcell, self.sheet.flowcell_line, do="Take the sheet of this run.")

    def _check_run(self) -> None:
        self._check_flowcell(self.info.flowcell if self.info else "")
        if self.info and self.parameters and self.parameters.run and self.parameters.run != self.info.run:
            raise BadInput(
                f"RunParameters.xml is of run {self.parameters.run}",
                wanted=self.info.run,
                do="Put the files of one run together.",
                path=self.folder / "RunInfo.xml",
            )

    def _reversed_reads(self) -> frozenset[int]:
        """The reads taken from the other strand: as RunInfo says; where it does not, index 2 by what the command line says."""
        said = frozenset(number for number, read in enumerate(self.reads) if read.is_index and read.reverse_complement)
        silent = all(read.reverse_complement is None for read in self.reads)
        indexes = [number for number, read in enumerate(self.reads) if read.is_index]
        if self.options.index2_orientation == "as-read":
            return frozenset()
        if self.options.index2_orientation == "auto" or not silent or len(indexes) < 2:
            return said
        instrument = self.info.instrument if self.info else self.options.instrument or ""
        turned = reads_index2_reversed(instrument, self.parameters, self.folder)
        return frozenset({indexes[1]}) if turned else frozenset()

    def _lanes(self) -> tuple[int, ...]:
        lanes = tuple(range(1, self.info.lanes + 1)) if self.info and self.info.lanes else tuple(lanes_of(self.folder))
        for sample in self.sheet.samples:
            if sample.lane is not None and sample.lane not in lanes:
                raise self.sheet.bad(
                    f"lane {sample.lane} of sample {sample.name}", f"a lane of the run: {', '.join(map(str, lanes))}", sample.line
                )
        return lanes


def _with_settings(sheet: SampleSheet, given: Mapping[str, str]) -> SampleSheet:
    """The sheet with the settings of the command line, which go before its own."""
    settings = {name.lower(): value for name, value in given.items()}
    unknown = settings.keys() - SETTINGS
    if unknown:
        wanted = f"one of {', '.join(sorted(SETTINGS.values()))}"
        raise BadConfiguration(f"no setting {min(unknown)}", wanted=wanted, do="Correct its name.", key="--setting")
    lines = {key: line for key, line in sheet.setting_line.items() if key not in settings}
    return replace(sheet, settings={**sheet.settings, **settings}, setting_line=lines)


def _known(only: frozenset[str], sheet: SampleSheet) -> frozenset[str]:
    unknown = only - {sample.name for sample in sheet.samples}
    if unknown:
        raise sheet.bad(f"no sample {min(unknown)}", "the samples asked for with --only", None, do="Correct the command or the sheet.")
    return only


def _parameters(folder: Path) -> RunParameters | None:
    """The run parameters where there are any; HiSeq writes the name with a small letter."""
    for name in ("RunParameters.xml", "runParameters.xml"):
        if (folder / name).is_file():
            return read_run_parameters(folder / name)
    return None

"""A run folder becomes demultiplexed reads: tile by tile, each lane's files whole at the end.

Order of things: the plan is made and checked (`run_plan`); each tile is decoded (`tiles`), its clusters are given to samples, and the reads
of each sample are written by a pool of threads in a fixed order (`encode`) into the growing files of its lane (`unit`). What was counted
becomes `demultiplex.json`. A run that was stopped goes on with the first tile that is not noted as done.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from genopipe import __version__
from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.bgzf import END_OF_FILE
from genopipe.ingest import encode, tally
from genopipe.ingest.run_plan import UNDETERMINED, LanePlan, Options, Output, RunPlan
from genopipe.ingest.tiles import Tile
from genopipe.ingest.unaligned import bam_header, to_cram
from genopipe.ingest.unit import Unit
from genopipe.kernels.barcodes import assign
from genopipe.kernels.read_tails import mask_tails
from genopipe.outputs import make_folder, write_json
from genopipe.progress import Progress, progress

Format = Literal["fastq", "bam", "cram"]
REPORT = "demultiplex.json"

_PIECES_AHEAD = 64
"""Slices of reads written but not yet in their file; about a megabyte each."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A tile whose clusters have been given to the lane's outputs (the last: nobody's); `kept` are those to write."""

    tile: Tile
    output: NDArray[np.int32]
    mismatches: NDArray[np.int32]
    kept: NDArray[np.bool_]

    def clusters_of(self, n_outputs: int) -> Iterator[NDArray[np.int64]]:
        """The clusters to write of each output in turn, in the order of the tile."""
        chosen = np.flatnonzero(self.kept)
        order = chosen[np.argsort(self.output[chosen].astype(np.uint16), kind="stable")]
        ends = np.cumsum(np.bincount(self.output[chosen], minlength=n_outputs))
        yield from np.split(order, ends[:-1])


def assign_samples(plan: RunPlan, lane: LanePlan, tile: Tile) -> Assigned:
    """Which output each cluster of a tile belongs to."""
    n = len(tile.calls)
    output, mismatches = np.empty(n, np.int32), np.empty(n, np.int32)
    assign(tile.calls, lane.matching.column, lane.matching.word_of, lane.matching.barcodes, output, mismatches)
    output[output < 0] = len(lane.outputs) - 1
    if plan.eamss:
        _mask_tails(lane, tile)
    return Assigned(tile, output, mismatches, np.ones(n, bool) if plan.include_non_pf else tile.passed)


def _mask_tails(lane: LanePlan, tile: Tile) -> None:
    """Once for every read, index and molecular barcode that any sample of the lane has."""
    layouts = [output.layout for output in lane.outputs]
    parts = [part for layout in layouts for part in (*layout.reads, *layout.indexes, *layout.umis) if len(part)]
    for start, end in sorted({(int(part[0]), int(part[-1]) + 1) for part in parts}):
        mask_tails(tile.calls, start, end)


class Converter:
    """Writes the tiles of a run into the files of its units."""

    def __init__(self, plan: RunPlan, output: Path, pool: ThreadPoolExecutor, *, form: Format, settings: str) -> None:
        self.plan, self.pool, self.form = plan, pool, form
        self.output = make_folder(output)
        self.lanes = {lane.number: lane for lane in plan.lanes}
        lanes = [[lane] for lane in plan.lanes] if plan.lane_splitting else [list(plan.lanes)]
        names = [f"L{unit[0].number:03d}" if plan.lane_splitting else "all" for unit in lanes]
        self.units = [(Unit(self.output, name, settings), unit) for name, unit in zip(names, lanes, strict=True)]

    def convert(self, unit: Unit, lane: LanePlan, number: int) -> None:
        """One tile into the files of its unit."""
        assigned = assign_samples(self.plan, lane, lane.reader.read(number, self.pool))
        for name, data, first in self._written(assigned, lane):
            unit.append(name, data, first=first)
        counts = unit.counts or {}
        of_lane = counts.setdefault(str(lane.number), tally.empty_counts())
        tally.add_tile(of_lane, lane, assigned.tile, assigned.output, assigned.mismatches, assigned.kept)
        nobody = assigned.kept & (assigned.output == len(lane.outputs) - 1)
        tally.add_unknown(of_lane, lane, assigned.tile.calls[nobody])
        unit.tile_done(f"{lane.number}_{number}", counts)

    def finish(self, unit: Unit, lanes: Sequence[LanePlan]) -> None:
        """Closes the files of a unit; a sample without reads has empty ones."""
        for lane in lanes:
            for output in lane.outputs:
                for stream in self._streams(output):
                    unit.append(self.file_name(lane, output, stream), b"", first=self._first(lane, output, stream))
        unit.close()
        if self.form == "cram":
            for name in sorted(
                {self.file_name(lane, output, stream) for lane in lanes for output in lane.outputs for stream in self._streams(output)}
            ):
                to_cram(unit.file(name), unit.file(name.replace(".bam", ".cram")))
                unit.replace(name, name.replace(".bam", ".cram"))
        unit.finish()

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Notes what is done when the work inside is stopped by an error or an interrupt."""
        try:
            yield
        except BaseException:
            for unit, _ in self.units:
                if unit.done and not unit.finished:
                    unit.save()
            raise

    def report(self) -> dict[str, Any]:
        """Writes `demultiplex.json` and gives its document."""
        counts = {int(lane): of_lane for unit, _ in self.units for lane, of_lane in unit.counts.items()}
        document = tally.report(self.plan, {lane: counts.get(lane, tally.empty_counts()) for lane in self.lanes})
        write_json(self.output / REPORT, document)
        return document

    def file_name(self, lane: LanePlan, output: Output, stream: encode.Stream) -> str:
        parts = [output.name, f"S{output.number}"]
        if self.plan.lane_splitting:
            parts.append(f"L{lane.number:03d}")
        return "_".join(parts) + ".bam" if stream.bam else "_".join([*parts, stream.kind, "001"]) + ".fastq.gz"

    def _streams(self, output: Output) -> list[encode.Stream]:
        if self.plan.only and output.name not in self.plan.only:
            return []
        if self.form == "fastq":
            return encode.fastq_streams(output, index_reads=self.plan.index_reads)
        return [encode.interleaved(output, bam=True)]

    def _first(self, lane: LanePlan, output: Output, stream: encode.Stream) -> bytes:
        """What stands at the beginning of a file."""
        lanes = [lane.number] if self.plan.lane_splitting else list(self.lanes)
        return bam_header(self.plan, output, lanes) if stream.bam else b""

    def _written(self, assigned: Assigned, lane: LanePlan) -> Iterator[tuple[str, bytes, bytes]]:
        """Name, bytes and beginning of each piece, in a fixed order; a few pieces ahead of the one that is taken."""
        queue: deque[tuple[Output, encode.Stream, Future[bytes]]] = deque()

        def oldest() -> tuple[str, bytes, bytes]:
            output, stream, data = queue.popleft()
            return self.file_name(lane, output, stream), data.result(), self._first(lane, output, stream)

        for output, chosen in zip(lane.outputs, assigned.clusters_of(len(lane.outputs)), strict=True):
            for stream, piece in encode.pieces(self.plan, assigned.tile, output, self._streams(output), chosen):
                queue.append((output, stream, self.pool.submit(piece)))
                if len(queue) >= _PIECES_AHEAD:
                    yield oldest()
        while queue:
            yield oldest()


def settings_digest(form: Format, files: Sequence[Path], options: Options) -> str:
    """A digest of everything but base calls that the files of a unit depend on."""
    said = {key: sorted(value) if isinstance(value, frozenset) else value for key, value in asdict(options).items()}
    digest = hashlib.sha256(repr((__version__, form, said)).encode())
    for path in files:
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def convert_all(converter: Converter) -> dict[str, Any]:
    """Converts every tile that is not done yet and writes the report. Raises BadInput at the first tile that cannot be read."""
    total = sum(len(lane.tiles) for lane in converter.lanes.values())
    with progress("demultiplexing", total=total, unit="tiles") as counter, converter.saving():
        for unit, lanes in converter.units:
            if not unit.finished:
                _convert_unit(converter, unit, lanes, counter)
    return converter.report()


def _convert_unit(converter: Converter, unit: Unit, lanes: Sequence[LanePlan], counter: Progress) -> None:
    for lane in lanes:
        if not lane.tiles:
            raise no_tiles(lane)
        for number in lane.tiles:
            if f"{lane.number}_{number}" not in unit.done:
                converter.convert(unit, lane, number)
            counter.advance()
    converter.finish(unit, lanes)


def no_tiles(lane: LanePlan) -> BadInput:
    return BadInput(
        f"no tile of lane {lane.number}", wanted="base calls", do="Copy the lane from the instrument.", path=lane.reader.files.folder
    )


def write_interleaved(plan: RunPlan, sample: str, sink: BinaryIO, pool: ThreadPoolExecutor, *, bam: bool) -> None:
    """Writes the reads of one sample, lane after lane, mates one after the other: FASTQ text or unaligned BAM."""
    names = [*plan.samples, UNDETERMINED]
    if sample not in names:
        raise BadConfiguration(f"no sample {sample}", wanted=f"one of {', '.join(names)}"[:300], do="Correct it.", key="--sample")
    lanes = [(lane, output) for lane in plan.lanes for output in lane.outputs if output.name == sample]
    if bam:
        sink.write(bam_header(plan, lanes[0][1], [lane.number for lane, _ in lanes]))
    write = encode.compressed if bam else _text
    for lane, output in lanes:
        stream = encode.interleaved(output, bam=bam)
        for number in lane.tiles:
            assigned = assign_samples(plan, lane, lane.reader.read(number, pool))
            chosen = np.flatnonzero(assigned.kept & (assigned.output == lane.outputs.index(output)))
            for data in pool.map(partial(write, plan, assigned.tile, output, stream), encode.slices(chosen)):
                sink.write(data)
    if bam:
        sink.write(END_OF_FILE)
    sink.flush()


def _text(plan: RunPlan, tile: Tile, output: Output, stream: encode.Stream, chosen: NDArray[np.int64]) -> bytes:
    return encode.plain(plan, tile, output, stream, chosen).tobytes()

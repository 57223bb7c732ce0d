"""The reads of an unfinished run: read 1 as far as it has been read, handed on lane by lane at given cycles.

At each cycle asked for, a lane whose tiles all have it becomes single-end FASTQ in a folder of its own: by sample where the index reads are
on disk by then, otherwise as one file for the lane. The final conversion does not look at these files.

Source of the idea: Loka et al. 2019, reliable variant calling during runtime of Illumina sequencing, doi:10.1038/s41598-019-52991-z.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadConfiguration, BadInput
from genopipe.ingest.barcodes import Matching
from genopipe.ingest.demultiplex import Converter
from genopipe.ingest.layout import Layout
from genopipe.ingest.run_plan import LanePlan, Output, RunPlan
from genopipe.progress import log


class Checkpoints:
    """Which cycles of read 1 are still to be handed on, for which lanes. Raises BadConfiguration for a cycle that read 1 has not."""

    def __init__(self, plan: RunPlan, cycles: Sequence[int], output: Path, pool: ThreadPoolExecutor, settings: str) -> None:
        self.plan, self.output, self.pool, self.settings = plan, output, pool, settings
        for cycle in cycles:
            if not 1 <= cycle <= len(plan.read1_cycles):
                wanted = f"cycles of read 1, 1 to {len(plan.read1_cycles)}"
                raise BadConfiguration(f"cycle {cycle}", wanted=wanted, do="Choose others.", key="--checkpoint-cycles")
        self._pending = [(cycle, lane) for cycle in sorted(set(cycles)) for lane in plan.lanes]

    def hand_on(self) -> None:
        """Writes every lane that has come as far as one of the cycles."""
        self._pending = [each for each in self._pending if not self._hand_on(*each)]

    def _hand_on(self, cycle: int, lane: LanePlan) -> bool:
        tiles = lane.tiles or tuple(lane.reader.files.tiles())
        last = self.plan.read1_cycles[cycle - 1]
        if not tiles or not all(lane.reader.files.cycle_path(tile, last).is_file() for tile in reversed(tiles)):
            return False
        plan = replace(self.plan, lanes=(_so_far(lane, tiles, self.plan.read1_cycles[:cycle]),), lane_splitting=True, index_reads=False)
        converter = Converter(plan, self.output / f"checkpoint-{cycle:03d}", self.pool, form="fastq", settings=self.settings)
        unit, lanes = converter.units[0]
        try:
            for tile in tiles:
                if f"{lane.number}_{tile}" not in unit.done:
                    converter.convert(unit, lanes[0], tile)
        except BadInput as error:
            log.debug("lane %d has not come to cycle %d yet: %s", lane.number, cycle, error)
            return False
        if not unit.finished:
            converter.finish(unit, lanes)
            log.info("lane %d: reads of %d cycles are in %s", lane.number, cycle, converter.output)
        return True


def _so_far(lane: LanePlan, tiles: Sequence[int], read1: Sequence[int]) -> LanePlan:
    """The lane with read 1 as far as `read1` and the indexes if they are there; without them, without samples."""
    reader = lane.reader
    index_columns = set(map(int, lane.matching.column))
    wanted = [column for column, cycle in enumerate(reader.cycles) if cycle in read1 or column in index_columns]
    whole = replace(reader, cycles=tuple(reader.cycles[column] for column in wanted), filter_needed=False)
    indexed = all(whole.missing_cycle(tile) is None for tile in tiles)
    if not indexed:
        wanted = [column for column in wanted if column not in index_columns]
    of_column = {column: at for at, column in enumerate(wanted)}
    short = replace(
        reader,
        cycles=tuple(reader.cycles[column] for column in wanted),
        complemented=tuple(reader.complemented[column] for column in wanted),
        filter_needed=False,
    )
    outputs = tuple(_short_output(output, of_column) for output in (lane.outputs if indexed else lane.outputs[-1:]))
    return replace(lane, tiles=tuple(tiles), reader=short, outputs=outputs, matching=_short_matching(lane.matching, of_column, indexed))


def _short_output(output: Output, of_column: dict[int, int]) -> Output:
    layout = output.layout
    reads = tuple(_mapped(part, of_column) for part in layout.reads[:1])
    whole = [tuple(_mapped(part, of_column) for part in parts) for parts in (layout.indexes, layout.umis)]
    indexes, umis = (
        tuple(new if len(new) == len(old) else new[:0] for new, old in zip(news, olds, strict=True))
        for news, olds in zip(whole, (layout.indexes, layout.umis), strict=True)
    )
    return replace(output, layout=Layout(reads, indexes, umis))


def _mapped(part: NDArray[np.int64], of_column: dict[int, int]) -> NDArray[np.int64]:
    return np.array([of_column[int(column)] for column in part if int(column) in of_column], np.int64)


def _short_matching(matching: Matching, of_column: dict[int, int], indexed: bool) -> Matching:
    if indexed:
        return replace(matching, column=_mapped(matching.column, of_column))
    nobody = matching.barcodes._replace(bits=matching.barcodes.bits[:0], limit=matching.barcodes.limit[:0])
    return Matching(np.empty(0, np.int64), np.empty(0, np.int64), nobody)

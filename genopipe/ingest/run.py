"""`genopipe ingest run`: from a run folder to reads, finished or followed, into files or into a pipe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from genopipe.ingest.checkpoint import Checkpoints
from genopipe.ingest.demultiplex import Converter, Format, convert_all, settings_digest, write_interleaved
from genopipe.ingest.follow import Watch, convert_following, is_complete, wait_for_base_calls
from genopipe.ingest.run_plan import Options, plan_run


@dataclass(frozen=True, slots=True)
class Following:
    """How a run is followed: cycles of read 1 to hand on; the seconds without change after which it has stalled (None: not followed)."""

    stalled_after: float | None = None
    checkpoint_cycles: tuple[int, ...] = ()


def ingest_run(
    folder: Path, sheet: Path | None, output: Path, options: Options, *, form: Format, following: Following, threads: int
) -> dict[str, Any]:
    """Demultiplexes a run folder into files of `output` and gives the document of `demultiplex.json`. Raises BadInput."""
    plan = plan_run(folder, sheet, options)
    watch = None if following.stalled_after is None else Watch(folder, following.stalled_after)
    if watch is not None and not is_complete(folder):
        wait_for_base_calls(folder, [lane.number for lane in plan.lanes], watch)
        plan = plan_run(folder, sheet, options)
    settings = settings_digest(form, [*filter(None, [sheet]), folder / "RunInfo.xml"], options)
    with ThreadPoolExecutor(threads) as pool:
        checkpoints = Checkpoints(plan, following.checkpoint_cycles, output, pool, settings)
        converter = Converter(plan, output, pool, form=form, settings=settings)
        if watch is not None:
            return convert_following(converter, watch, checkpoints)
        checkpoints.hand_on()
        return convert_all(converter)


def stream_run(folder: Path, sheet: Path | None, sample: str, options: Options, *, bam: bool, threads: int, sink: BinaryIO) -> None:
    """Writes the reads of one sample to `sink`: interleaved FASTQ, or unaligned BAM. Raises BadInput."""
    plan = plan_run(folder, sheet, options)
    with ThreadPoolExecutor(threads) as pool:
        write_interleaved(plan, sample, sink, pool, bam=bam)

"""A run folder that is still being written: tiles are converted as soon as their last cycle is there.

The folder is looked at again and again, less often the longer a look takes. Tiles of a lane are taken in order, so that the files are the
same as those of a finished folder; lanes do not wait for each other, and a lane's files appear when all its tiles are in. A tile that
cannot be read yet, because a file is missing or not written to its end, is tried again at the next look; once `CopyComplete.txt` or
`RTAComplete.txt` is there, it is an error. So is a folder in which nothing has changed for a given time: the message names what is missing.
At given cycles of read 1 the reads so far are handed on (`checkpoint`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.ingest.checkpoint import Checkpoints
from genopipe.ingest.demultiplex import Converter, no_tiles
from genopipe.ingest.run_folder import BASE_CALLS
from genopipe.ingest.run_plan import LanePlan
from genopipe.ingest.unit import Unit
from genopipe.progress import Progress, log, progress

COMPLETE = ("CopyComplete.txt", "RTAComplete.txt")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_PAUSE_FOR_A_LOOK = 20
"""How many times as long as a look at the folder takes, the next one waits."""


def is_complete(folder: Path) -> bool:
    """Whether the instrument has said that the folder is whole."""
    names = {name.lower() for name in COMPLETE}
    return any(entry.name.lower() in names for entry in folder.iterdir())


@dataclass(slots=True)
class Watch:
    """Looks at a folder until it is complete. `stalled_after` is in seconds."""

    folder: Path
    stalled_after: float
    _seen: tuple[int, int] = (-1, -1)
    _grown: float = field(default_factory=time.monotonic)
    _look_took: float = 0.0

    def wait(self, missing: Callable[[], str]) -> None:
        """Pauses before the next look. Raises BadInput, naming what is `missing`, where nothing has changed for too long."""
        started = time.monotonic()
        now = _size_of(self.folder / BASE_CALLS.parent)
        self._look_took = time.monotonic() - started
        if now != self._seen:
            self._seen, self._grown = now, time.monotonic()
        elif time.monotonic() - self._grown > self.stalled_after:
            raise BadInput(
                f"nothing has been written for {self.stalled_after:,.0f} s and {missing()}",
                wanted=f"base calls, or {' or '.join(COMPLETE)}",
                do="Look at the instrument and the copying; run the same command again when the folder goes on, what is done is kept.",
                path=self.folder,
            )
        pause = min(max(_SHORTEST_PAUSE, _PAUSE_FOR_A_LOOK * self._look_took), _LONGEST_PAUSE)
        time.sleep(min(pause, max(self.stalled_after / 4, 0.01)))


def _size_of(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes; what disappears while we look is passed over."""
    files = size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(root, name)).st_size  # noqa: PTH118, PTH116  faster on large folders
                files += 1
            except FileNotFoundError:
                continue
    return files, size


def wait_for_base_calls(folder: Path, lanes: Sequence[int], watch: Watch) -> None:
    """Waits until every lane has its first base calls, which tell how its files are laid out."""

    def started(lane: int) -> bool:
        base_calls = folder / BASE_CALLS / f"L{lane:03d}"
        return any(base_calls.glob("C*.1/*")) or any(base_calls.glob("*.bcl.bgzf"))

    while not is_complete(folder) and not all(map(started, lanes)):
        watch.wait(lambda: f"lane {next(lane for lane in lanes if not started(lane))} has no base calls")


def convert_following(converter: Converter, watch: Watch, checkpoints: Checkpoints) -> dict[str, Any]:
    """Converts every tile as it becomes whole and writes the report when the run is complete."""
    total = sum(len(lane.tiles) for lane in converter.lanes.values())
    with progress("demultiplexing", total=total, unit="tiles") as counter, converter.saving():
        open_units = [(unit, lanes) for unit, lanes in converter.units if not unit.finished]
        complete = False
        while open_units or not complete:
            complete = is_complete(watch.folder)
            checkpoints.hand_on()
            done = [_advance(converter, unit, lanes, complete, counter) for unit, lanes in open_units]
            open_units = [each for each in open_units if not each[0].finished]
            if not complete and not any(done):
                watch.wait(partial(_missing, *open_units[:1]))
    return converter.report()


def _advance(converter: Converter, unit: Unit, lanes: Sequence[LanePlan], complete: bool, counter: Progress) -> bool:
    """Converts the next tile of a unit if it is whole; finishes the unit after the last. Whether anything was done.

    Without a list of tiles, more of them may come until the run is complete.
    """
    tile = _next_tile(unit, lanes)
    if tile is None:
        if not complete and not all(lane.tiles_known for lane in lanes):
            return False
        converter.finish(unit, lanes)
        return True
    lane, number = tile
    if lane.reader.missing_cycle(number) is not None and not complete:
        return False
    try:
        converter.convert(unit, lane, number)
    except BadInput as error:
        if complete:
            raise
        log.debug("lane %d tile %d is not whole yet: %s", lane.number, number, error)
        return False
    counter.advance()
    return True


def _next_tile(unit: Unit, lanes: Sequence[LanePlan]) -> tuple[LanePlan, int] | None:
    for lane in lanes:
        tiles = lane.tiles or tuple(lane.reader.files.tiles())
        if not tiles:
            raise no_tiles(lane)
        for number in tiles:
            if f"{lane.number}_{number}" not in unit.done:
                return lane, number
    return None


def _missing(*open_units: tuple[Unit, Sequence[LanePlan]]) -> str:
    tile = _next_tile(*open_units[0]) if open_units else None
    if tile is None:
        return "the run is not marked as complete"
    lane, number = tile
    cycle = lane.reader.missing_cycle(number)
    where = f"lane {lane.number} tile {number}"
    return f"{where} is not whole" if cycle is None else f"{where} has no cycle {cycle + 1} of {len(lane.reader.cycles)}"

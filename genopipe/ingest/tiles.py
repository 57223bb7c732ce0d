"""One tile decoded: the files of its cycles become a matrix of clusters by columns.

The columns are the cycles that somebody needs, in the direction of the sample sheet: an index read that the instrument takes from the
other strand runs backwards and is complemented. A few cycles are decoded side by side and turned at once, so that memory holds the matrix
of one tile and little more. All files of a tile must agree about its clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bcl import COPY_AGAIN
from genopipe.ingest.run_folder import Decoding, LaneFiles
from genopipe.kernels.base_calls import CYCLES_AT_ONCE, complement, turn
from genopipe.progress import log


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile; `all_clusters` counts those too that its files leave out because they failed the filter.

    calls     (clusters, columns, some more without meaning) uint8: quality << 2 | base, or NO_CALL
    position  (clusters, 2) int32: x and y as in a read name
    passed    (clusters) bool
    """

    lane: int
    number: int
    calls: NDArray[np.uint8]
    position: NDArray[np.int32]
    passed: NDArray[np.bool_]
    all_clusters: int


@dataclass(frozen=True, slots=True)
class TileReader:
    """Reads the tiles of a lane: the cycles (from 0) of the columns, and which of them to complement.

    Without `filter_needed`, all clusters of a tile whose filter is not there yet count as passed.
    """

    files: LaneFiles
    lane: int
    cycles: tuple[int, ...]
    complemented: tuple[bool, ...]
    decoding: Decoding
    filter_needed: bool = True

    def missing_cycle(self, tile: int) -> int | None:
        """The first cycle (from 0) that has no file yet."""
        return next((cycle for cycle in sorted(self.cycles) if not self.files.cycle_path(tile, cycle).is_file()), None)

    def read(self, tile: int, pool: Executor) -> Tile:
        """One tile. Raises BadInput where files are missing, damaged, or disagree about its clusters."""
        missing = self.missing_cycle(tile)
        if missing is not None:
            raise BadInput(
                f"lane {self.lane} tile {tile} has no base calls of cycle {missing + 1}",
                wanted=f"those of all {len(self.cycles)} cycles",
                do="Copy the cycle from the instrument; while the run goes on, say --follow.",
                path=self.files.cycle_path(tile, missing),
            )
        known = self.filter_needed or self.files.filter_path(tile).is_file()
        passed = self.files.passed(tile) if known else np.ones(len(self._calls(tile, self.cycles[0])), bool)
        only_passed = any(self.files.only_passed(tile, cycle) for cycle in self.cycles)
        clusters = np.flatnonzero(passed) if only_passed else np.arange(len(passed))
        calls = self._matrix(len(clusters), partial(self._row, tile, passed, clusters), pool)
        position, all_clusters = self._positions(tile, passed), len(passed)
        if only_passed:
            position, passed = position[passed], passed[passed]
        return Tile(self.lane, tile, calls, position, passed, all_clusters)

    def _matrix(self, clusters: int, row: Callable[[int], NDArray[np.uint8]], pool: Executor) -> NDArray[np.uint8]:
        """All columns, and empty ones up to a multiple of eight; a row more in memory, for kernels that take eight columns at a time."""
        matrix = np.empty((clusters + 1, -(-len(self.cycles) // 8)), np.uint64)[:clusters]
        rows = np.empty((CYCLES_AT_ONCE, -(-clusters // 8)), np.uint64)
        for first in range(0, len(self.cycles), CYCLES_AT_ONCE):
            columns = range(first, min(first + CYCLES_AT_ONCE, len(self.cycles)))
            for at, calls in enumerate(pool.map(row, columns)):
                rows[at].view(np.uint8)[:clusters] = calls
            turn(rows[: -(-len(columns) // 8) * 8], first // 8, matrix)
        return matrix.view(np.uint8).reshape(clusters, 8 * matrix.shape[1])

    def _row(self, tile: int, passed: NDArray[np.bool_], clusters: NDArray[np.int64], column: int) -> NDArray[np.uint8]:
        """The base calls of `clusters` in one column: of those that passed alone where another cycle holds no more."""
        cycle = self.cycles[column]
        calls = self._calls(tile, cycle)
        filtered = self.files.only_passed(tile, cycle)
        wanted = len(clusters) if filtered else len(passed)
        if len(calls) != wanted:
            raise BadInput(
                f"{len(calls)} clusters of lane {self.lane} tile {tile} in cycle {cycle + 1}",
                wanted=f"{wanted}, as {self.files.filter_path(tile)} says",
                do=COPY_AGAIN,
                path=self.files.cycle_path(tile, cycle),
            )
        if len(clusters) < len(calls):
            calls = calls[clusters]
        if self.complemented[column]:
            complement(calls)
        return calls

    def _calls(self, tile: int, cycle: int) -> NDArray[np.uint8]:
        return self.files.read(tile, cycle, self.decoding)

    def _positions(self, tile: int, passed: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Where the clusters lie; without a position file their numbers from 0, so that names stay unique."""
        position = self.files.positions(tile)
        if position is None:
            log.warning("lane %d tile %d has no positions; reads are named by their number", self.lane, tile)
            return np.stack([np.arange(len(passed), dtype=np.int32), np.zeros(len(passed), np.int32)], axis=1)
        if len(position) != len(passed):
            raise BadInput(
                f"positions of {len(position)} clusters of lane {self.lane} tile {tile}",
                wanted=f"{len(passed)}, as its filter says",
                do=COPY_AGAIN,
                path=self.files.filter_path(tile),
            )
        return position

"""What a run folder holds: its lanes, their tiles, and the base calls, filter and positions of each tile.

Three layouts are known, told by the files themselves: a `.bcl` or `.bcl.gz` for each tile and cycle, a `.bcl.bgzf` for each lane and cycle
(NextSeq 500), a `.cbcl` for each surface and cycle (NovaSeq and later). `lane_files` finds which one a lane has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import bcl, cbcl
from genopipe.formats.cluster_filter import read_filter
from genopipe.formats.cluster_positions import read_positions
from genopipe.kernels.base_calls import mark_no_calls

BASE_CALLS = Path("Data", "Intensities", "BaseCalls")

_LANE = re.compile(r"L(\d{3})")
_TILE_FILE = re.compile(r"s_\d+_(\d+)\.(?:bcl|bcl\.gz|filter)")
_CYCLE = re.compile(r"C(\d+)\.1")
_LANE_CYCLE = re.compile(r"(\d{4})\.bcl\.bgzf")


@dataclass(frozen=True, slots=True)
class Decoding:
    """How base calls are taken: bases of quality 0 as no-calls or not, and the lowest quality a `.bcl` may hold."""

    mask_q0: bool = False
    minimum_quality: int = 2


class LaneFiles(Protocol):
    """The files of one lane in one of the layouts; `is_cbcl` where that is CBCL."""

    folder: Path
    is_cbcl: bool

    def tiles(self) -> list[int]: ...
    def cycle_path(self, tile: int, cycle: int) -> Path: ...
    def read(self, tile: int, cycle: int, decoding: Decoding) -> NDArray[np.uint8]:
        """(clusters) uint8: the base calls of a cycle (from 0)."""
        ...

    def only_passed(self, tile: int, cycle: int) -> bool:
        """Whether the file holds only the clusters that passed the filter."""
        ...

    def passed(self, tile: int) -> NDArray[np.bool_]: ...
    def filter_path(self, tile: int) -> Path: ...
    def positions(self, tile: int) -> NDArray[np.int32] | None: ...


def lanes_of(run_folder: Path) -> list[int]:
    """The lanes that have a folder of base calls. Raises BadInput where there is none."""
    base_calls = run_folder / BASE_CALLS
    lanes = sorted(int(match[1]) for entry in _entries(base_calls) if (match := _LANE.fullmatch(entry.name)))
    if not lanes:
        raise BadInput(f"no lane in {BASE_CALLS}", wanted="folders L001 and so on", do="Name the run's folder.", path=run_folder)
    return lanes


def lane_files(run_folder: Path, lane: int) -> LaneFiles:
    """The files of a lane, in the layout it has."""
    folder = run_folder / BASE_CALLS / f"L{lane:03d}"
    names = {entry.name for entry in _entries(folder)}
    if any(_LANE_CYCLE.fullmatch(name) for name in names):
        return _LaneCycles(folder, lane)
    for name in sorted(names):
        if _CYCLE.fullmatch(name) and any(entry.suffix == ".cbcl" for entry in _entries(folder / name)):
            return _SurfaceCycles(folder, lane)
    return _TileCycles(folder, lane)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _first(paths: Sequence[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


class _Tiles:
    """What the layouts with a filter for each tile share."""

    def __init__(self, folder: Path, lane: int) -> None:
        self.folder, self.lane = folder, lane
        self._intensities = folder.parent.parent

    def filter_path(self, tile: int) -> Path:
        name = f"s_{self.lane}_{tile:04d}.filter"
        return _first([self.folder / name, self.folder.parent / name]) or self.folder / name

    def passed(self, tile: int) -> NDArray[np.bool_]:
        return read_filter(self.filter_path(tile))

    def positions(self, tile: int) -> NDArray[np.int32] | None:
        stem = f"s_{self.lane}_{tile:04d}"
        lane = self._intensities / self.folder.name
        names = [lane / f"{stem}.locs", lane / f"{stem}.clocs", self._intensities / "s.locs", lane / "s.locs"]
        names += [lane / f"{stem}_pos.txt", self._intensities / f"{stem}_pos.txt"]
        path = _first(names)
        return None if path is None else read_positions(path)

    def _filtered_tiles(self) -> set[int]:
        entries = [*_entries(self.folder), *(path for path in _entries(self.folder.parent) if path.name.startswith(f"s_{self.lane}_"))]
        return {int(match[1]) for entry in entries if (match := _TILE_FILE.fullmatch(entry.name))}


class _TileCycles(_Tiles):
    """`C1.1/s_1_1101.bcl` or `.bcl.gz`."""

    is_cbcl = False

    def tiles(self) -> list[int]:
        first = {int(match[1]) for entry in _entries(self.folder / "C1.1") if (match := _TILE_FILE.fullmatch(entry.name))}
        return sorted(self._filtered_tiles() | first)

    def cycle_path(self, tile: int, cycle: int) -> Path:
        path = self.folder / f"C{cycle + 1}.1" / f"s_{self.lane}_{tile:04d}.bcl"
        zipped = path.with_name(path.name + ".gz")
        return zipped if zipped.is_file() and not path.is_file() else path

    def read(self, tile: int, cycle: int, decoding: Decoding) -> NDArray[np.uint8]:
        path = self.cycle_path(tile, cycle)
        return _called(bcl.read_bcl(path), path, decoding, 4)

    def only_passed(self, tile: int, cycle: int) -> bool:
        return False


class _LaneCycles:
    """`0001.bcl.bgzf` with `s_1.bci`, `s_1.filter` and `s_1.locs` for all tiles of a lane."""

    is_cbcl = False

    def __init__(self, folder: Path, lane: int) -> None:
        self.folder, self.lane = folder, lane
        self._index: NDArray[np.void] | None = None

    def tiles(self) -> list[int]:
        return sorted(int(tile) for tile in self._tile_index()["tile"]) if self._index_path.is_file() else []

    def cycle_path(self, tile: int, cycle: int) -> Path:
        return self.folder / f"{cycle + 1:04d}.bcl.bgzf"

    def read(self, tile: int, cycle: int, decoding: Decoding) -> NDArray[np.uint8]:
        path = self.cycle_path(tile, cycle)
        index, at = self._tile_index(), self._place(tile)
        offsets = bcl.read_cycle_index(path.with_name(path.name + ".bci"), len(index))
        self._check_count(path)
        calls = bcl.read_bgzf_tile(path, int(offsets[at]), int(index["clusters"][at]))
        return _called(calls, path, decoding, 4 + self._before(at))

    def only_passed(self, tile: int, cycle: int) -> bool:
        return False

    def filter_path(self, tile: int) -> Path:
        return self.folder / f"s_{self.lane}.filter"

    def passed(self, tile: int) -> NDArray[np.bool_]:
        return self._part(read_filter(self.filter_path(tile)), tile, self.filter_path(tile))

    def positions(self, tile: int) -> NDArray[np.int32] | None:
        path = self.folder.parent.parent / self.folder.name / f"s_{self.lane}.locs"
        return self._part(read_positions(path), tile, path) if path.is_file() else None

    @property
    def _index_path(self) -> Path:
        return self.folder / f"s_{self.lane}.bci"

    def _tile_index(self) -> NDArray[np.void]:
        if self._index is None:
            self._index = bcl.read_tile_index(self._index_path)
        return self._index

    def _place(self, tile: int) -> int:
        return int(np.flatnonzero(self._tile_index()["tile"] == tile)[0])

    def _before(self, at: int) -> int:
        return int(self._tile_index()["clusters"][:at].sum(dtype=np.int64))

    def _check_count(self, path: Path) -> None:
        count, wanted = bcl.read_bgzf_count(path), int(self._tile_index()["clusters"].sum(dtype=np.int64))
        if count != wanted:
            raise bcl.damaged(f"{count} clusters by the count at byte 0", f"{wanted}, as {self._index_path.name} says", path)

    def _part(self, values: NDArray[Any], tile: int, path: Path) -> NDArray[Any]:
        at = self._place(tile)
        wanted = int(self._tile_index()["clusters"].sum(dtype=np.int64))
        if len(values) != wanted:
            raise bcl.damaged(f"{len(values)} clusters", f"{wanted}, as {self._index_path.name} says", path)
        return values[self._before(at) : self._before(at + 1)]


class _SurfaceCycles(_Tiles):
    """`C1.1/L001_1.cbcl`, a file for the tiles of each surface."""

    is_cbcl = True

    def tiles(self) -> list[int]:
        listed = {tile for path in self._surfaces(0) for tile in _cbcl_header(path, path.stat().st_mtime_ns, False).blocks}
        return sorted(self._filtered_tiles() | listed)

    def cycle_path(self, tile: int, cycle: int) -> Path:
        """The file whose header names the tile: that of its surface, in the folders of real instruments."""
        own = self._surface(cycle, tile // 1000)
        if own.is_file() and self._holds(own, tile):
            return own
        return next((path for path in self._surfaces(cycle) if self._holds(path, tile)), own)

    def read(self, tile: int, cycle: int, decoding: Decoding) -> NDArray[np.uint8]:
        path = self.cycle_path(tile, cycle)
        if not path.is_file():
            raise bcl.missing_file(path)
        header = _cbcl_header(path, path.stat().st_mtime_ns, decoding.mask_q0)
        return cbcl.read_tile(path, header, tile)

    def only_passed(self, tile: int, cycle: int) -> bool:
        path = self.cycle_path(tile, cycle)
        return path.is_file() and _cbcl_header(path, path.stat().st_mtime_ns, False).filtered

    def _surface(self, cycle: int, surface: int) -> Path:
        return self.folder / f"C{cycle + 1}.1" / f"L{self.lane:03d}_{surface}.cbcl"

    def _surfaces(self, cycle: int) -> list[Path]:
        return sorted((self.folder / f"C{cycle + 1}.1").glob("*.cbcl"))

    def _holds(self, path: Path, tile: int) -> bool:
        return tile in _cbcl_header(path, path.stat().st_mtime_ns, False).blocks


@lru_cache(4096)
def _cbcl_header(path: Path, written: int, mask_q0: bool) -> cbcl.CbclHeader:
    """The header of a file as it was `written`, so that a growing file is read again."""
    return cbcl.read_header(path, mask_q0=mask_q0)


def _called(raw: NDArray[np.uint8], path: Path, decoding: Decoding, offset: int) -> NDArray[np.uint8]:
    calls = np.empty_like(raw)
    low = mark_no_calls(raw, 4 if decoding.mask_q0 else 1, 4 * decoding.minimum_quality, calls)
    if low >= 0:
        raise bcl.low_quality(int(raw[low]) >> 2, decoding.minimum_quality, path, offset=offset + low)
    return calls

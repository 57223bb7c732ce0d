"""InterOp: what an Illumina instrument measures of each tile while it sequences, in binary files of fixed records.

Read are tile metrics (versions 2 and 3), empirical phasing (1 and 2), quality histograms (4 to 7), error rates (3 to 6) and index counts (1
and 2). A file begins with its version and, but for index counts, the size of a record; both are checked, and that whole records follow.

Source: the format pages of Illumina's InterOp library (illumina.github.io/interop: tile_v2, tile_v3, phasing_v1, phasing_v2, q_v4 to q_v7,
error_v3 to error_v6, index_v1, index_v2); codes of tile metrics version 2 as in Bioconductor's savR.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput

DENSITY, PF_DENSITY, CLUSTERS, PF_CLUSTERS = 100, 101, 102, 103
PHASING, PREPHASING, ALIGNED = 200, 201, 300
"""Codes of tile metrics: of a read (numbered from 0), `PHASING` and `PREPHASING` plus two times the read, `ALIGNED` plus the read."""

QUALITIES = 50

_SHORT, _LONG = [("lane", "<u2"), ("tile", "<u2")], [("lane", "<u2"), ("tile", "<u4")]
_CYCLE = [("cycle", "<u2")]


@dataclass(frozen=True, slots=True)
class TileMetrics:
    """Values by lane, tile and code, the last one written of each; `density` is that of all tiles where the file gives one for the run."""

    value: dict[tuple[int, int, int], float]
    density: float | None


@dataclass(frozen=True, slots=True)
class IndexCount:
    """Clusters of one index on one tile."""

    lane: int
    tile: int
    read: int
    index: str
    clusters: int
    sample: str
    project: str


def read_tile_metrics(path: Path) -> TileMetrics:
    """The metrics of `TileMetricsOut.bin`. Raises BadInput with the byte."""
    file = _File(path, (2, 3))
    if file.version == 2:
        records = file.records(2, [*_SHORT, ("code", "<u2"), ("value", "<f4")])
        return TileMetrics({(lane, tile, code): value for lane, tile, code, value in records.tolist()}, None)
    records = file.records(6, [*_LONG, ("code", "u1"), ("first", "<f4"), ("second", "<f4")])
    value: dict[tuple[int, int, int], float] = {}
    for lane, tile, code, first, second in records.tolist():
        if code == ord("t"):
            value[lane, tile, CLUSTERS], value[lane, tile, PF_CLUSTERS] = first, second
        elif code == ord("r"):
            value[lane, tile, ALIGNED + struct.unpack("<I", struct.pack("<f", first))[0] - 1] = second
    return TileMetrics(value, float(struct.unpack_from("<f", file.content, 2)[0]))


def read_phasing(path: Path) -> NDArray[Any]:
    """Records with lane, tile, cycle, phasing, prephasing of an `EmpiricalPhasingMetricsOut.bin`. Raises BadInput with the byte."""
    file = _File(path, (1, 2))
    place = _SHORT if file.version == 1 else _LONG
    return file.records(2, [*place, *_CYCLE, ("phasing", "<f4"), ("prephasing", "<f4")])


def read_qualities(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Records with lane, tile, cycle and count (bins) of `QMetricsOut.bin`, and the quality of each bin. Raises BadInput with the byte."""
    file = _File(path, (4, 5, 6, 7))
    place = _LONG if file.version == 7 else _SHORT
    quality, start = np.arange(1, QUALITIES + 1), 2
    if file.version > 4:
        has_bins = file.byte(2)
        n_bins, start = (file.byte(3), 4 + 3 * file.byte(3)) if has_bins else (QUALITIES, 3)
        table = np.frombuffer(file.part(4, start), np.uint8) if has_bins else None
        if table is not None:
            quality = (table[2::3] if file.version == 7 else table[2 * n_bins :]).astype(np.int64)
    n_columns = len(quality) if file.version >= 6 else QUALITIES
    records = file.records(start, [*place, *_CYCLE, ("count", "<u4", (n_columns,))])
    return records, quality if n_columns == len(quality) else np.arange(1, QUALITIES + 1)


def read_errors(path: Path) -> NDArray[Any]:
    """Records with lane, tile, cycle and rate (percent) of `ErrorMetricsOut.bin`. Raises BadInput with the byte."""
    file = _File(path, (3, 4, 5, 6))
    place, rate = (_SHORT if file.version < 5 else _LONG), [("rate", "<f4")]
    if file.version == 3:
        return file.records(2, [*place, *_CYCLE, *rate, ("reads", "<u4", (5,))])
    if file.version == 4:
        return file.records(2, [*place, *_CYCLE, *rate])
    if file.version == 5:
        return file.records(2, [*place, *_CYCLE, *rate, ("trimmed", "<f4")])
    n_adapters, n_bases = struct.unpack("<HH", file.part(2, 6))
    return file.records(6 + n_adapters * n_bases, [*place, *_CYCLE, *rate, ("trimmed", "<f4", (n_adapters,))])


def read_index_counts(path: Path) -> Iterator[IndexCount]:
    """The counts of `IndexMetricsOut.bin`, in file order. Raises BadInput with the byte."""
    file = _File(path, (1, 2), sized=False)
    head, count = ("<HHH", "<I") if file.version == 1 else ("<HIH", "<Q")
    at = 1
    while at < len(file.content):
        lane, tile, read = struct.unpack(head, file.part(at, at + struct.calcsize(head)))
        index, at = file.text(at + struct.calcsize(head))
        (clusters,) = struct.unpack(count, file.part(at, at + struct.calcsize(count)))
        sample, at = file.text(at + struct.calcsize(count))
        project, at = file.text(at)
        yield IndexCount(lane, tile, read, index, clusters, sample, project)


class _File:
    """The bytes of one file, its version checked."""

    def __init__(self, path: Path, versions: tuple[int, ...], *, sized: bool = True) -> None:
        if not path.is_file():
            raise BadInput("there is no such file", wanted="a file of InterOp", do="Copy it from the instrument's run folder.", path=path)
        self.path, self.content = path, path.read_bytes()
        self.version = self.byte(0)
        self.size = self.byte(1) if sized else 0
        if self.version not in versions:
            raise self._fault(f"version {self.version} at byte 0", "one of the versions " + ", ".join(map(str, versions)))

    def byte(self, at: int) -> int:
        return self.part(at, at + 1)[0]

    def part(self, start: int, end: int) -> bytes:
        if end > len(self.content):
            raise self._fault(f"the file ends at byte {len(self.content)}", f"at least {end} bytes")
        return self.content[start:end]

    def text(self, at: int) -> tuple[str, int]:
        """A string with its length before it, and where it ends."""
        (length,) = struct.unpack("<H", self.part(at, at + 2))
        return self.part(at + 2, at + 2 + length).decode("utf-8", "replace"), at + 2 + length

    def records(self, start: int, columns: list[Any]) -> NDArray[Any]:
        """The records from `start` to the end."""
        kind = np.dtype(columns)
        if kind.itemsize != self.size:
            raise self._fault(f"records of {self.size} bytes by byte 1", f"{kind.itemsize}, as version {self.version} has")
        rest = len(self.content) - start
        if rest < 0 or rest % kind.itemsize:
            whole = start + max(rest, 0) // kind.itemsize * kind.itemsize
            raise self._fault(f"the file ends at byte {len(self.content)}, inside the record at byte {whole}", "whole records")
        return np.frombuffer(self.content, kind, offset=start)

    def _fault(self, came: str, wanted: str) -> BadInput:
        return BadInput(came, wanted=wanted, do="Copy the file again from the instrument.", path=self.path)

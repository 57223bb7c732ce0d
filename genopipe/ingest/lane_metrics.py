"""What the instrument measured of a run, by lane and read: density, clusters that pass, phasing, quality, errors, indexes.

Density and phasing are those of Picard's CollectIlluminaLaneMetrics: clusters over the area of all tiles of a lane; the median over its
tiles of each read's phasing, tiles without one counting as 0. Where the instrument writes phasing by cycle (NovaSeq), a tile's phasing is
the slope of a straight line through the weights of its cycles. Quality leaves out the last cycle of a read, as Illumina's summary does.

Source: Picard (broadinstitute/picard, MIT), CollectIlluminaLaneMetrics; illumina.github.io/interop, q_metrics_requirement_q30.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import interop
from genopipe.formats.run_info import read_xml
from genopipe.ingest.ratios import ratio
from genopipe.outputs import write_json

SCHEMA_VERSION = 1
_TILES, _PHASING = "TileMetricsOut.bin", "EmpiricalPhasingMetricsOut.bin"


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a run: cycles `start` to `end` (0-based, half-open), whether it is an index."""

    number: int
    start: int
    end: int
    is_index: bool


def measure_run(folder: Path, output: Path) -> dict[str, Any]:
    """Summarises the InterOp files of a run folder and writes them as JSON; gives the summary.

    Raises BadInput for a folder without RunInfo.xml or tile metrics, and for a damaged file.
    """
    found = run_summary(folder)
    write_json(output, found)
    return found


def run_summary(folder: Path) -> dict[str, Any]:
    """The summary of a run folder."""
    reads = list(run_reads(folder / "RunInfo.xml"))
    tiles = _tile_metrics(folder, reads)
    lanes = sorted({lane for lane, _, code in tiles.value if code == interop.CLUSTERS})
    phasing = _phasing_by_cycle(folder, reads) if tiles.density is not None else _phasing(tiles, reads)
    quality, error = _qualities(folder, reads), _errors(folder, reads)
    told = [
        {
            **_lane(tiles, lane),
            "reads": [
                {
                    "read": read.number,
                    "index": read.is_index,
                    "cycles": read.end - read.start,
                    **_percent(phasing.get((lane, read.number))),
                    "q30_fraction": quality.get((lane, read.number)),
                    "error_percent": error.get((lane, read.number)),
                }
                for read in reads
            ],
        }
        for lane in lanes
    ]
    return {"schema": SCHEMA_VERSION, "measures": "run", "lanes": told, "indexes": list(_indexes(folder))}


def run_reads(path: Path) -> Iterator[Read]:
    """The reads of a RunInfo.xml, of which nothing else is needed here. Raises BadInput."""
    start = 0
    for number, read in enumerate(read_xml(path, "RunInfo").iterfind("./Run/Reads/Read"), 1):
        cycles = read.get("NumCycles", "")
        if not cycles.isdigit():
            raise BadInput(f"read {number} has {cycles!r} cycles", wanted="a whole number", do="Copy the file again.", path=path)
        yield Read(number, start, start + int(cycles), read.get("IsIndexedRead") == "Y")
        start += int(cycles)


def _tile_metrics(folder: Path, reads: Sequence[Read]) -> interop.TileMetrics:
    """Of the whole run, else of the last cycle that has any clusters."""
    places = [folder / "InterOp" / _TILES]
    places += [folder / "InterOp" / f"C{cycle}.1" / _TILES for cycle in range(max((read.end for read in reads), default=0), 0, -1)]
    for path in places:
        if path.is_file():
            tiles = interop.read_tile_metrics(path)
            if any(code == interop.CLUSTERS for _, _, code in tiles.value):
                return tiles
    wanted = f"{_TILES} with clusters, in InterOp or InterOp/C*.1"
    raise BadInput("no tile metrics", wanted=wanted, do="Copy the InterOp folder of the run.", path=folder / "InterOp")


def _lane(tiles: interop.TileMetrics, lane: int) -> dict[str, Any]:
    def of(code: int) -> dict[int, float]:
        return {tile: value for (one, tile, kind), value in tiles.value.items() if one == lane and kind == code}

    clusters, passed, density = of(interop.CLUSTERS), of(interop.PF_CLUSTERS), of(interop.DENSITY)
    if tiles.density is None:
        area = sum(n / density[tile] for tile, n in clusters.items() if density.get(tile))
        mean = sum(clusters.values()) / area if area else 0.0
    else:
        mean = tiles.density
    total, good = round(sum(clusters.values())), round(sum(passed.values()))
    return {
        "lane": lane,
        "tiles": len(clusters),
        "clusters": total,
        "passed": good,
        "passed_fraction": ratio(good, total),
        "density": round(mean, 6),
    }


_Phasing = dict[tuple[int, int], tuple[float, float]]
"""By lane and read: phasing and prephasing, as fractions."""


def _phasing(tiles: interop.TileMetrics, reads: Sequence[Read]) -> _Phasing:
    places = sorted({(lane, tile) for lane, tile, code in tiles.value if code == interop.CLUSTERS})
    found: _Phasing = {}
    for lane in {lane for lane, _ in places}:
        for read in reads:
            codes = [code + 2 * (read.number - 1) for code in (interop.PHASING, interop.PREPHASING)]
            values = [[tiles.value.get((lane, tile, code), 0.0) for one, tile in places if one == lane] for code in codes]
            found[lane, read.number] = float(np.median(values[0])), float(np.median(values[1]))
    return found


def _phasing_by_cycle(folder: Path, reads: Sequence[Read]) -> _Phasing:
    """The files hold percent."""
    found: _Phasing = {}
    for read in reads:
        weight: dict[tuple[int, int], list[tuple[int, float, float]]] = defaultdict(list)
        for cycle in range(read.start + 1, read.end + 1):
            path = folder / "InterOp" / f"C{cycle}.1" / _PHASING
            if path.is_file():
                for record in interop.read_phasing(path).tolist():
                    weight[record[0], record[1]].append((cycle - read.start, *record[3:]))
        slopes: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for (lane, _), rows in weight.items():
            cycle_of, phasing, prephasing = np.array(rows, np.float64).T
            slopes[lane].append((_slope(cycle_of, phasing), _slope(cycle_of, prephasing)))
        for lane, both in slopes.items():
            median = np.median(np.array(both), axis=0) / 100
            found[lane, read.number] = float(median[0]), float(median[1])
    return found


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Of the straight line of least squares; 0 through a single point."""
    spread = x - x.mean()
    return float(spread @ y / (spread @ spread)) if len(x) > 1 else 0.0


def _percent(phasing: tuple[float, float] | None) -> dict[str, float | None]:
    first, second = phasing or (None, None)
    told = [None if value is None else round(100 * value, 6) for value in (first, second)]
    return {"phasing_percent": told[0], "prephasing_percent": told[1]}


def _qualities(folder: Path, reads: Sequence[Read]) -> dict[tuple[int, int], float]:
    """By lane and read, the share of bases at Q30 over all cycles but the last."""
    path = folder / "InterOp" / "QMetricsOut.bin"
    if not path.is_file():
        return {}
    records, quality = interop.read_qualities(path)
    total, good = defaultdict(int), defaultdict(int)  # type: ignore[var-annotated]
    for read in reads:
        inside = (records["cycle"] > read.start) & (records["cycle"] < read.end)
        for lane in np.unique(records["lane"][inside]).tolist():
            counts = records["count"][inside & (records["lane"] == lane)].sum(0, dtype=np.int64)
            total[lane, read.number] += int(counts.sum())
            good[lane, read.number] += int(counts[quality >= 30].sum())
    return {place: ratio(good[place], n) for place, n in total.items()}


def _errors(folder: Path, reads: Sequence[Read]) -> dict[tuple[int, int], float]:
    """By lane and read, the mean over tiles of the mean error rate of their cycles but the last, in percent."""
    path = folder / "InterOp" / "ErrorMetricsOut.bin"
    if not path.is_file():
        return {}
    records = interop.read_errors(path)
    found = {}
    for read in reads:
        inside = records[(records["cycle"] > read.start) & (records["cycle"] < read.end)]
        for lane in np.unique(inside["lane"]).tolist():
            here = inside[inside["lane"] == lane]
            means = [float(here["rate"][here["tile"] == tile].mean(dtype=np.float64)) for tile in np.unique(here["tile"])]
            found[lane, read.number] = round(sum(means) / len(means), 6)
    return found


def _indexes(folder: Path) -> Iterator[dict[str, Any]]:
    """Clusters by lane, index and sample, over all tiles."""
    path = folder / "InterOp" / "IndexMetricsOut.bin"
    if not path.is_file():
        return
    clusters: dict[tuple[int, str, str, str], int] = defaultdict(int)
    for one in interop.read_index_counts(path):
        clusters[one.lane, one.index, one.sample, one.project] += one.clusters
    for (lane, index, sample, project), n in sorted(clusters.items()):
        yield {"lane": lane, "index": index, "sample": sample, "project": project, "clusters": n}

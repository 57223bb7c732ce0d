"""Any read structure cuts the cycles of any layout as it says: templates, barcodes, molecular indexes and skipped cycles in any order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from genopipe.formats.read_structure import RunRead
from genopipe.ingest.run import Following, ingest_run
from genopipe.ingest.run_plan import Options
from genopipe.simulate.run_folder import DrawnTile, Layout, draw_tile, write_run
from tests.ingest.runs import fastq
from tests.oracles.demultiplex import letters, qualities

CYCLES = 32
STREAMS = {"T": "R", "B": "I", "M": "U"}
CASES: list[tuple[str, Layout]] = [
    ("32T", "bcl"),
    ("3S9T4B2M6T8S", "bcl"),
    ("4B20T", "bcl.gz"),
    ("5T1B7T2S3B6T8M", "bcl.gz"),
    ("2M2M10T1S5B12T", "bgzf"),
    ("1T1S1M1B1T1S1M1B24T", "bgzf"),
    ("6B4S10T10T2B", "cbcl"),
    ("10S12T4B", "cbcl"),
]


def records(tiles: list[DrawnTile], structure: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """The name of its file and each record, cluster by cluster."""
    operations = re.findall(r"(\d+)([TBMS])", structure)
    cuts = list(itertools.pairwise(np.cumsum([0, *(int(length) for length, _ in operations)])))
    for tile in tiles:
        for cluster in np.flatnonzero(tile.passed):
            calls = list(map(int, tile.calls[cluster]))
            parts = [(kind, calls[start:end]) for (_, kind), (start, end) in zip(operations, cuts, strict=True)]
            x, y = (int(10 * float(pixel) + 1000.5) for pixel in tile.position[cluster])
            umi, index = ("+".join(letters(part) for kind, part in parts if kind == wanted) for wanted in "MB")
            name = ":".join(filter(None, [f"@instrument:0:flowcell:{tile.lane}:{tile.number}:{x}:{y}", umi]))
            for wanted, stream in STREAMS.items():
                for number, part in enumerate([part for kind, part in parts if kind == wanted], 1):
                    file = f"Undetermined_S0_L{tile.lane:03d}_{stream}{number}_001.fastq.gz"
                    yield file, (f"{name} {number}:N:0:{index}", letters(part), qualities(part))


@pytest.mark.parametrize("structure, layout", CASES)
def test_every_cycle_stands_where_the_read_structure_says(tmp_path: Path, structure: str, layout: Layout) -> None:
    """A tile without clusters, and one of which none passed the filter, have no reads."""
    rng = np.random.default_rng(5)
    reads = (RunRead(CYCLES, False),)
    tiles = [
        draw_tile(rng, place, clusters, reads, ()) for place, clusters in (((2, 1101), 9), ((2, 1102), 0), ((2, 2101), 3), ((7, 1101), 8))
    ]
    tiles[2].passed[:] = False
    for _ in write_run(tmp_path / "run", tiles, reads, layout):
        pass
    options = Options(read_structure=structure, index_reads=True)
    report = ingest_run(tmp_path / "run", None, tmp_path / "out", options, form="fastq", following=Following(), threads=1)
    expected: dict[str, list[tuple[str, str, str]]] = {}
    for file, record in records(tiles, structure):
        expected.setdefault(file, []).append(record)
    assert {path.name: fastq(path) for path in (tmp_path / "out").glob("*.gz")} == expected
    assert [lane["clusters"] for lane in report["lanes"]] == [12, 8]

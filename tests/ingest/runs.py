"""Small run folders to demultiplex, and the reads of FASTQ files."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genopipe.formats.read_structure import RunRead
from genopipe.ingest.demultiplex import Format
from genopipe.ingest.run import Following, ingest_run
from genopipe.ingest.run_plan import Options
from genopipe.simulate.run_folder import DrawnTile, Layout, draw_tile, write_run, write_sheet
from tests.ingest.documents import valid

READS = (RunRead(40, False), RunRead(8, True), RunRead(10, True), RunRead(30, False))
BARCODES = (("ACGTACGT", "TTTTGGGGCC"), ("GGGTACCC", "ACACACACAC"), ("TTGTCAAG", "GATTACAGAT"))
TILES = ((1, 1101), (1, 2101), (2, 1101))


def drawn(reads: Sequence[RunRead] = READS, *, clusters: int = 60, places: Sequence[tuple[int, int]] = TILES) -> list[DrawnTile]:
    rng = np.random.default_rng(11)
    return [draw_tile(rng, place, clusters, reads, BARCODES) for place in places]


def make_run(
    folder: Path, *, layout: Layout = "bcl", tiles: Sequence[DrawnTile] | None = None, reads: Sequence[RunRead] = READS, settings: str = ""
) -> Path:
    """A whole run folder with a sheet of the samples A, B and C in every lane."""
    tiles = drawn(reads) if tiles is None else tiles
    for _ in write_run(folder, tiles, reads, layout):
        pass
    lanes = sorted({tile.lane for tile in tiles})
    n_indexes = sum(read.is_index for read in reads)
    rows = [(lane, name, barcode[:n_indexes]) for lane in lanes for name, barcode in zip("ABC", BARCODES, strict=True)]
    write_sheet(folder / "SampleSheet.csv", rows, settings)
    return folder


def convert(
    folder: Path, output: Path, *, form: Format = "fastq", threads: int = 1, following: Following | None = None, **options: Any
) -> Any:
    """The document of `demultiplex.json`, which keeps to its schema."""
    sheet, following = folder / "SampleSheet.csv", following or Following()
    return valid(ingest_run(folder, sheet, output, Options(**options), form=form, following=following, threads=threads), "demultiplex")


def fastq(path: Path) -> list[tuple[str, str, str]]:
    """Header, bases and qualities of every record."""
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.name.endswith(".gz") else content).decode().splitlines()
    assert all(line == "+" for line in lines[2::4])
    return list(zip(lines[::4], lines[1::4], lines[3::4], strict=True))


def files(folder: Path) -> dict[str, bytes]:
    """Names and content of the files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}

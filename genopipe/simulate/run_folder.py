"""Run folders as a sequencer writes them: for tests, benchmarks and trying out.

A run is drawn tile by tile (`draw_tile`: random bases, the barcodes of given samples with errors, no-calls) and written in one of the
layouts of `ingest.run_folder`. `write_run` goes cycle by cycle, as an instrument does, and can be stopped anywhere between two cycles;
`CopyComplete.txt` comes last. The same seed gives the same files.

Source: the layouts are those of Illumina's bcl2fastq2 guide, document 15051736.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bgzf import PAYLOAD, compress_block
from genopipe.formats.read_structure import RunRead
from genopipe.kernels.base_calls import NO_CALL

Layout = Literal["bcl", "bcl.gz", "bgzf", "cbcl"]
BIN_QUALITIES = (0, 12, 23, 37)
"""What the bins of a CBCL stand for."""

_NAMES = {"instrument": "A00001", "run": "7", "flowcell": "HTESTDSXX"}


@dataclass(frozen=True, slots=True)
class DrawnTile:
    """One tile to write.

    calls     (clusters, cycles) uint8: quality << 2 | base, or NO_CALL, as the instrument reads it
    position  (clusters, 2) float32: x and y in pixels
    passed    (clusters) bool
    sample    (clusters) int64: the barcode it was given, -1 for a random one
    """

    lane: int
    number: int
    calls: NDArray[np.uint8]
    position: NDArray[np.float32]
    passed: NDArray[np.bool_]
    sample: NDArray[np.int64]


def draw_tile(
    rng: np.random.Generator, place: tuple[int, int], n_clusters: int, reads: Sequence[RunRead], barcodes: Sequence[Sequence[str]]
) -> DrawnTile:
    """A tile of random reads; nine clusters in ten carry the barcode of a sample, written as the instrument would read it."""
    n_cycles = sum(read.cycles for read in reads)
    base = rng.integers(0, 4, (n_clusters, n_cycles), np.uint8)
    quality = np.array(BIN_QUALITIES, np.uint8)[rng.choice(4, (n_clusters, n_cycles), p=[0, 0.1, 0.2, 0.7])]
    sample = (
        np.where(rng.random(n_clusters) < 0.9, rng.integers(0, max(len(barcodes), 1), n_clusters), -1)
        if barcodes
        else np.full(n_clusters, -1)
    )
    start = index = 0
    for read in reads:
        if read.is_index and barcodes:
            codes = np.array([_codes(barcode[index], read) for barcode in barcodes], np.uint8)
            width = codes.shape[1]
            base[:, start : start + width] = np.where((sample >= 0)[:, None], codes[sample], base[:, start : start + width])
            index += 1
        start += read.cycles
    calls = quality << 2 | base
    calls[rng.random(calls.shape) < 0.002] = NO_CALL
    position = rng.uniform(0, 2000, (n_clusters, 2)).astype(np.float32)
    return DrawnTile(*place, calls, position, rng.random(n_clusters) < 0.8, sample)


def _codes(barcode: str, read: RunRead) -> list[int]:
    codes = ["ACGT".index(letter) for letter in barcode]
    return [3 - code for code in reversed(codes)] if read.reverse_complement else codes


def write_run(folder: Path, tiles: Sequence[DrawnTile], reads: Sequence[RunRead], layout: Layout) -> Iterator[int]:
    """Writes a run folder; yields the number of cycles written so far, 0 when everything but base calls is there."""
    write_run_info(folder / "RunInfo.xml", tiles, reads)
    for lane in sorted({tile.lane for tile in tiles}):
        _write_lane(folder, [tile for tile in tiles if tile.lane == lane], lane, layout)
    yield 0
    for cycle in range(sum(read.cycles for read in reads)):
        for lane in sorted({tile.lane for tile in tiles}):
            _write_cycle(folder, [tile for tile in tiles if tile.lane == lane], lane, cycle, layout)
        yield cycle + 1
    (folder / "CopyComplete.txt").touch()


def write_run_info(path: Path, tiles: Sequence[DrawnTile], reads: Sequence[RunRead]) -> None:
    """The RunInfo.xml of a run; version 6 where the reads say whether they are reversed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yes = {True: "Y", False: "N"}
    rows = [
        f'<Read Number="{number}" NumCycles="{read.cycles}" IsIndexedRead="{yes[read.is_index]}"'
        + ("" if read.reverse_complement is None else f' IsReverseComplement="{yes[read.reverse_complement]}"')
        + "/>"
        for number, read in enumerate(reads, 1)
    ]
    lanes = max(tile.lane for tile in tiles)
    listed = "".join(f"<Tile>{tile.lane}_{tile.number}</Tile>" for tile in tiles)
    path.write_text(
        f'<?xml version="1.0"?>\n<RunInfo Version="6"><Run Id="261121_{_NAMES["instrument"]}_0007_A{_NAMES["flowcell"]}" Number="7">\n'
        f"<Flowcell>{_NAMES['flowcell']}</Flowcell><Instrument>{_NAMES['instrument']}</Instrument><Date>261121</Date>\n"
        f"<Reads>{''.join(rows)}</Reads>\n"
        f'<FlowcellLayout LaneCount="{lanes}" SurfaceCount="2" SwathCount="2" TileCount="99">'
        f'<TileSet TileNamingConvention="FourDigit"><Tiles>{listed}</Tiles></TileSet></FlowcellLayout></Run></RunInfo>\n'
    )


def write_sheet(path: Path, rows: Sequence[tuple[int, str, Sequence[str]]], settings: str = "") -> None:
    """A sample sheet of version 2: lane, sample and indexes of each row."""
    data = "\n".join(f"{lane},{name},{','.join([*indexes, ''][:2])}" for lane, name, indexes in rows)
    path.write_text(
        f"[Header]\nFileFormatVersion,2\n[BCLConvert_Settings]\n{settings}\n[BCLConvert_Data]\nLane,Sample_ID,Index,Index2\n{data}\n"
    )


def _base_calls(folder: Path, lane: int) -> Path:
    return folder / "Data" / "Intensities" / "BaseCalls" / f"L{lane:03d}"


def _write_lane(folder: Path, tiles: Sequence[DrawnTile], lane: int, layout: Layout) -> None:
    """Filters, positions and, where all tiles share a file, their index."""
    base_calls = _base_calls(folder, lane)
    positions = folder / "Data" / "Intensities" / f"L{lane:03d}"
    for place in (base_calls, positions):
        place.mkdir(parents=True, exist_ok=True)
    groups = {f"s_{lane}": tiles} if layout == "bgzf" else {f"s_{lane}_{tile.number:04d}": [tile] for tile in tiles}
    for name, group in groups.items():
        passed = np.concatenate([tile.passed for tile in group])
        pixel = np.concatenate([tile.position for tile in group])
        (base_calls / f"{name}.filter").write_bytes(struct.pack("<3I", 0, 3, len(passed)) + passed.astype(np.uint8).tobytes())
        (positions / f"{name}.locs").write_bytes(struct.pack("<IfI", 1, 1.0, len(passed)) + pixel.astype("<f4").tobytes())
    if layout == "bgzf":
        index = b"".join(struct.pack("<II", tile.number, len(tile.calls)) for tile in tiles)
        (base_calls / f"s_{lane}.bci").write_bytes(index)


def _write_cycle(folder: Path, tiles: Sequence[DrawnTile], lane: int, cycle: int, layout: Layout) -> None:
    base_calls = _base_calls(folder, lane)
    if layout == "bgzf":
        _write_bgzf(base_calls / f"{cycle + 1:04d}.bcl.bgzf", [_bcl(tile.calls[:, cycle]) for tile in tiles])
        return
    own = base_calls / f"C{cycle + 1}.1"
    own.mkdir(exist_ok=True)
    if layout == "cbcl":
        for surface in sorted({tile.number // 1000 for tile in tiles}):
            of_surface = [tile for tile in tiles if tile.number // 1000 == surface]
            (own / f"L{lane:03d}_{surface}.cbcl").write_bytes(_cbcl(of_surface, cycle, filtered=cycle >= 25))
        return
    for tile in tiles:
        content = struct.pack("<I", len(tile.calls)) + _bcl(tile.calls[:, cycle])
        path = own / f"s_{lane}_{tile.number:04d}.{layout}"
        path.write_bytes(gzip.compress(content, 1, mtime=0) if layout == "bcl.gz" else content)


def _bcl(calls: NDArray[np.uint8]) -> bytes:
    return np.where(calls == NO_CALL, 0, calls).astype(np.uint8).tobytes()


def _write_bgzf(path: Path, parts: list[bytes]) -> None:
    """The tiles of a lane one after the other, and the virtual offset of each."""
    content = struct.pack("<I", sum(map(len, parts))) + b"".join(parts)
    starts = np.cumsum([0] + [PAYLOAD] * (len(content) // PAYLOAD))
    blocks = [compress_block(content[start : start + PAYLOAD], 1) for start in starts]
    block_at = np.cumsum([0, *map(len, blocks)])
    path.write_bytes(b"".join(blocks))
    first = 4 + np.cumsum([0, *map(len, parts[:-1])])
    offsets = [int(block_at[at // PAYLOAD]) << 16 | int(at % PAYLOAD) for at in first]
    path.with_name(path.name + ".bci").write_bytes(
        struct.pack("<II", 0, len(parts)) + b"".join(struct.pack("<Q", offset) for offset in offsets)
    )


def _cbcl(tiles: Sequence[DrawnTile], cycle: int, *, filtered: bool) -> bytes:
    """The tiles of a surface; after the first 25 cycles only the clusters that passed the filter, as instruments do."""
    blocks, rows = [], []
    for tile in tiles:
        calls = tile.calls[tile.passed, cycle] if filtered else tile.calls[:, cycle]
        plain = _nibbles(calls)
        blocks.append(gzip.compress(plain, 1, mtime=0))
        rows.append(struct.pack("<4I", tile.number, len(calls), len(plain), len(blocks[-1])))
    bins = b"".join(struct.pack("<II", number, quality) for number, quality in enumerate(BIN_QUALITIES))
    body = bins + struct.pack("<I", len(tiles)) + b"".join(rows) + bytes([filtered])
    return struct.pack("<HIBBI", 1, 12 + len(body), 2, 2, len(BIN_QUALITIES)) + body + b"".join(blocks)


def _nibbles(calls: NDArray[np.uint8]) -> bytes:
    quality_bin = np.searchsorted(BIN_QUALITIES, calls >> 2)
    nibble = np.where(calls == NO_CALL, 0, quality_bin << 2 | calls & 3).astype(np.uint8)
    padded = np.append(nibble, np.zeros(len(nibble) & 1, np.uint8))
    return (padded[::2] | padded[1::2] << 4).astype(np.uint8).tobytes()

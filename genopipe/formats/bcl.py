"""Base calls of one cycle: `.bcl` and `.bcl.gz` (one file a tile), `.bcl.bgzf` (one file a lane, with the indexes `.bci`).

A file is a little-endian count of clusters and a byte a cluster: quality << 2 | base, bases in the order A, C, G, T; a byte of 0 is a
no-call. A lane's file is BGZF; `0001.bcl.bgzf.bci` gives the virtual offset of each tile in it, `s_1.bci` the tiles of the lane in that
order with their clusters.

Source: Illumina bcl2fastq2 Conversion Software guide, document 15051736, appendix "BCL files"; SAM specification 4.1 (virtual offsets).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats import bgzf
from genopipe.formats.inflate import inflated

COPY_AGAIN = "Copy the file again from the instrument, or leave its tile out with --exclude-tiles."

_COUNT = 4
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31
_SHORTEST_GZIP = 18
_TILE = np.dtype([("tile", "<u4"), ("clusters", "<u4")])


def read_bcl(path: Path) -> NDArray[np.uint8]:
    """(clusters) uint8: the base calls of a `.bcl` or `.bcl.gz` file. Raises BadInput where length and cluster count disagree."""
    content = _inflated_at_once(path) or b"".join(inflated(path))
    clusters = _cluster_count(content, path)
    if clusters != len(content) - _COUNT:
        raise damaged(
            f"{clusters} clusters by the count at byte 0 and {len(content) - _COUNT} base calls from byte {_COUNT}",
            f"a base call for each of the {clusters} clusters",
            path,
        )
    return np.frombuffer(content, np.uint8, offset=_COUNT)


def _inflated_at_once(path: Path) -> bytes:
    """The content of a gzip file of one whole member; empty for anything else, which is read, or refused, with more care."""
    if not path.is_file():
        return b""
    with open(path, "rb") as file:
        packed = file.read() if file.read(2) == _GZIP_MAGIC and not file.seek(0) else b""
    if len(packed) < _SHORTEST_GZIP:
        return b""
    member = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        content = member.decompress(packed, int.from_bytes(packed[-4:], "little") + 1)
    except (isal_zlib.error, MemoryError, OverflowError):  # type: ignore[misc]
        return b""
    return bytes(content) if member.eof and not member.unused_data else b""


def low_quality(quality: int, minimum: int, path: Path, *, offset: int) -> BadInput:
    """The error for a base of a quality that instruments do not write, at byte `offset`."""
    return damaged(
        f"byte {offset} is a base of quality {quality}",
        f"qualities of {minimum} or more",
        path,
        do="Say --minimum-quality 0 if the instrument writes such qualities; otherwise copy the file again.",
    )


def read_tile_index(path: Path) -> NDArray[np.void]:
    """(tiles) with fields `tile` and `clusters`, in the order of the lane's files: the content of `s_1.bci`."""
    content = read_bytes(path)
    if not content or len(content) % _TILE.itemsize:
        raise damaged(f"{len(content)} bytes", f"{_TILE.itemsize} bytes a tile", path)
    index = np.frombuffer(content, _TILE)
    if len(np.unique(index["tile"])) < len(index):
        raise damaged("a tile stands in it twice", "each tile once", path)
    return index


def read_cycle_index(path: Path, n_tiles: int) -> NDArray[np.uint64]:
    """(tiles) uint64: the virtual offset of each tile in a `.bcl.bgzf`. Raises BadInput for another number of tiles."""
    content = read_bytes(path)
    wanted = 8 + 8 * n_tiles
    if len(content) != wanted or struct.unpack_from("<I", content, 4)[0] != n_tiles:
        raise damaged(f"{len(content)} bytes", f"{wanted} bytes for the {n_tiles} tiles of the lane", path)
    return np.frombuffer(content, "<u8", offset=8)


def read_bgzf_tile(path: Path, virtual_offset: int, clusters: int) -> NDArray[np.uint8]:
    """(clusters) uint8: the base calls of one tile of a `.bcl.bgzf`."""
    start, skip = virtual_offset >> 16, virtual_offset & 0xFFFF
    parts, missing = [], clusters
    if missing and not path.exists():
        raise missing_file(path)
    for _, payload in bgzf.read_blocks(path, start=start, end=path.stat().st_size):
        part = payload[skip : skip + missing]
        parts.append(part)
        missing -= len(part)
        skip = max(skip - len(payload), 0)
        if not missing:
            return np.frombuffer(b"".join(parts), np.uint8)
    raise damaged(f"{clusters - missing} base calls from virtual offset {virtual_offset}", f"{clusters} for the tile", path)


def read_bgzf_count(path: Path) -> int:
    """Clusters of the whole lane, the count at the start of a `.bcl.bgzf`."""
    return _cluster_count(read_bgzf_tile(path, 0, _COUNT).tobytes(), path)


def read_bytes(path: Path) -> bytes:
    """The content of a small file. Raises BadInput where there is none."""
    if not path.is_file():
        raise missing_file(path)
    return path.read_bytes()


def missing_file(path: Path) -> BadInput:
    return BadInput("there is no such file", wanted="a file of the run folder", do="Copy it from the instrument.", path=path)


def damaged(came: str, wanted: str, path: Path, *, do: str = COPY_AGAIN) -> BadInput:
    return BadInput(came, wanted=wanted, do=do, path=path)


def _cluster_count(content: bytes, path: Path) -> int:
    if len(content) < _COUNT:
        raise damaged(f"the file ends at byte {len(content)}", f"a count of clusters in its first {_COUNT} bytes", path)
    return int(struct.unpack_from("<I", content)[0])

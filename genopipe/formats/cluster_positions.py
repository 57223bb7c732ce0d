"""Where the clusters of a tile lie: `.locs` (also one for all tiles, `s.locs`), `.clocs` and `_pos.txt`.

Every reader gives the numbers that stand in a read name: ten times the position in pixels plus 1000, rounded. `.locs` holds two floats a
cluster; `.clocs` two bytes a cluster, tenths of a pixel inside blocks of 25 by 25 pixels, 82 blocks a row; `_pos.txt` a line a cluster.

Source: Illumina bcl2fastq2 Conversion Software guide, document 15051736, appendix "Position files"; block geometry as Picard reads it.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bcl import damaged, read_bytes
from genopipe.formats.text_lines import read_lines

_LOCS = struct.Struct("<IfI")
_CLOCS = struct.Struct("<BI")
_BLOCK_WIDTH = 250
_BLOCKS_IN_A_ROW = 82


def read_positions(path: Path) -> NDArray[np.int32]:
    """(clusters, 2) int32: x and y as in a read name; the format is told by the end of the name. Raises BadInput."""
    if path.name.endswith(".clocs"):
        return read_clocs(path)
    return read_pos(path) if path.name.endswith(".txt") else read_locs(path)


def read_locs(path: Path) -> NDArray[np.int32]:
    """(clusters, 2) int32."""
    content = read_bytes(path)
    if len(content) < _LOCS.size:
        raise damaged(f"the file ends at byte {len(content)} inside its header", f"a header of {_LOCS.size} bytes", path)
    first, version, clusters = _LOCS.unpack_from(content)
    if (first, version) != (1, 1.0):
        raise damaged(f"it begins with {first} and version {version:g}", "1 and version 1, as a locs file begins", path)
    if len(content) != _LOCS.size + 8 * clusters:
        raise damaged(
            f"{clusters} clusters by byte 8 and {len(content) - _LOCS.size} bytes from byte {_LOCS.size}", "eight bytes a cluster", path
        )
    pixel = np.frombuffer(content, "<f4", offset=_LOCS.size).reshape(-1, 2)
    return _rounded(pixel.astype(np.float64), path)


def _rounded(pixel: NDArray[np.float64], path: Path) -> NDArray[np.int32]:
    if not np.isfinite(pixel).all() or (pixel.size and np.abs(pixel).max() > 1e8):
        raise damaged("a position that is no number of pixels", "finite positions", path)
    return np.floor(10 * pixel + 1000.5).astype(np.int32)


def read_clocs(path: Path) -> NDArray[np.int32]:
    """(clusters, 2) int32."""
    content = read_bytes(path)
    if len(content) < _CLOCS.size or content[0] != 1:
        raise damaged(f"{len(content)} bytes, the first {content[:1].hex() or 'none'}", "a clocs file of version 1", path)
    n_blocks = _CLOCS.unpack_from(content)[1]
    parts, at = [], _CLOCS.size
    for block in range(n_blocks):
        if at >= len(content):
            raise damaged(f"the file ends at byte {at} before block {block} of {n_blocks}", "every block", path)
        end = at + 1 + 2 * content[at]
        if end > len(content):
            raise damaged(f"the file ends at byte {len(content)} inside block {block} of {n_blocks}", "whole blocks", path)
        if end > at + 1:
            inside = np.frombuffer(content, np.uint8, 2 * content[at], at + 1).reshape(-1, 2).astype(np.int32)
            parts.append(inside + np.array([block % _BLOCKS_IN_A_ROW, block // _BLOCKS_IN_A_ROW], np.int32) * _BLOCK_WIDTH + 1000)
        at = end
    if at != len(content):
        raise damaged(f"{len(content) - at} bytes after the last of {n_blocks} blocks, from byte {at}", "nothing after the blocks", path)
    return np.concatenate(parts) if parts else np.empty((0, 2), np.int32)


def read_pos(path: Path) -> NDArray[np.int32]:
    """(clusters, 2) int32."""
    pixel = [_pixel(text, path, line) for line, text in read_lines(path)]
    if not pixel:
        raise damaged("an empty file", "a line for each cluster", path)
    return _rounded(np.array(pixel, np.float64), path)


def _pixel(text: str, path: Path, line: int) -> tuple[float, float]:
    try:
        x, y = map(float, text.split())
    except ValueError:
        raise BadInput(
            f"{text[:40]!r} are no two numbers", wanted="x and y in pixels", do="Get the file again.", path=path, line=line
        ) from None
    return x, y

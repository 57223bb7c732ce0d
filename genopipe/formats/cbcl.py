"""CBCL: the base calls of one cycle of all tiles of a surface, two clusters a byte, one gzip block a tile.

The header names the bits of a base and of a quality, the quality of each bin, and for each tile its clusters and the sizes of its block,
in file order. A nibble is quality bin << 2 | base; only nibble 0 is a no-call, so that an A, C, G or T of bin 0 keeps its letter. The
last byte of the header tells that the blocks hold only clusters that passed the filter, which may differ from cycle to cycle.

Source: Illumina bcl2fastq2 Conversion Software guide, document 15051736, appendix "CBCL files"; nibbles as Picard reads them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bcl import damaged, missing_file
from genopipe.kernels.base_calls import NO_CALL, expand_nibbles

_START = struct.Struct("<HIBBI")
_TILE = struct.Struct("<4I")
_HIGHEST_QUALITY = 62
_GZIP_WINDOW_BITS = 31
_BITS = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Where the base calls of one tile stand: `offset` in the file, clusters, bytes plain and compressed, whether it is the last.

    The last block ends with the file: there are instruments whose size of it is one too small.
    """

    offset: int
    clusters: int
    plain: int
    compressed: int
    last: bool


@dataclass(frozen=True, slots=True)
class CbclHeader:
    """What a CBCL says about itself; `call` gives the base call (quality << 2 | base) of each nibble, (16) uint8."""

    call: NDArray[np.uint8]
    blocks: dict[int, Block]
    filtered: bool


def read_header(path: Path, *, mask_q0: bool = False) -> CbclHeader:
    """The header of a CBCL; with `mask_q0`, bases of bin 0 become no-calls. Raises BadInput naming the byte."""
    if not path.is_file():
        raise missing_file(path)
    with open(path, "rb") as file:
        start = file.read(_START.size)
        if len(start) < _START.size:
            raise damaged(f"the file ends at byte {len(start)} inside its header", "a whole CBCL", path)
        version, size, base_bits, quality_bits, n_bins = _START.unpack(start)
        if version != 1 or (base_bits, quality_bits) != (_BITS, _BITS):
            raise damaged(
                f"version {version} with {base_bits} bits a base and {quality_bits} a quality in bytes 0 to 7",
                f"version 1 with {_BITS} and {_BITS}",
                path,
            )
        rest = file.read(max(size - _START.size, 0))
    if len(rest) < size - _START.size:
        raise damaged(f"the file ends at byte {_START.size + len(rest)} inside its header of {size} bytes", "a whole CBCL", path)
    return _parsed(rest, n_bins, size, path, mask_q0)


def _parsed(rest: bytes, n_bins: int, size: int, path: Path, mask_q0: bool) -> CbclHeader:
    tiles_at = 8 * n_bins
    if n_bins != 1 << _BITS or len(rest) < tiles_at + 4:
        raise damaged(f"{n_bins} quality bins by byte 8", f"{1 << _BITS} bins", path)
    n_tiles = struct.unpack_from("<I", rest, tiles_at)[0]
    if len(rest) != tiles_at + 4 + n_tiles * _TILE.size + 1:
        raise damaged(f"{n_tiles} tiles by byte {_START.size + tiles_at}, in a header of {size} bytes", "a size that fits the tiles", path)
    if rest[-1] > 1:
        raise damaged(f"byte {size - 1} is {rest[-1]}", "0, or 1 where only clusters that passed the filter are in it", path)
    bins = struct.unpack_from(f"<{2 * n_bins}I", rest)
    blocks: dict[int, Block] = {}
    offset = size
    for tile, clusters, plain, compressed in _TILE.iter_unpack(rest[tiles_at + 4 : -1]):
        if tile in blocks or plain < (clusters + 1) // 2:
            raise damaged(
                f"tile {tile} stands twice, or with {plain} bytes for {clusters} clusters", "each tile once, two calls a byte", path
            )
        blocks[tile] = Block(offset, clusters, plain, compressed, len(blocks) == n_tiles - 1)
        offset += compressed
    return CbclHeader(_calls(dict(zip(bins[::2], bins[1::2], strict=True)), path, mask_q0), blocks, rest[-1] == 1)


def _calls(quality_of_bin: dict[int, int], path: Path, mask_q0: bool) -> NDArray[np.uint8]:
    call = np.full(16, NO_CALL, np.uint8)
    for nibble in range(1, 16):
        quality_bin = nibble >> _BITS
        quality = quality_of_bin.get(quality_bin, _HIGHEST_QUALITY + 1)
        if quality > _HIGHEST_QUALITY or (quality == 0 and quality_bin):
            raise damaged(f"quality bin {quality_bin} stands for no quality or for {quality}", f"1 to {_HIGHEST_QUALITY}", path)
        if quality_bin or not mask_q0:
            call[nibble] = quality << _BITS | nibble & 3
    return call


def read_tile(path: Path, header: CbclHeader, tile: int) -> NDArray[np.uint8]:
    """(clusters) uint8: the base calls of one tile. Raises BadInput where the tile is not in the file or its block is damaged."""
    block = header.blocks.get(tile)
    if block is None:
        raise damaged(f"no block of tile {tile}", "base calls of every tile", path)
    with open(path, "rb") as file:
        file.seek(block.offset)
        compressed = file.read() if block.last else file.read(block.compressed)
    if len(compressed) < block.compressed:
        raise _bad_block(tile, block, f"ends after {len(compressed)} of {block.compressed} bytes", path)
    member = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        plain = member.decompress(compressed, block.plain + 1)
    except isal_zlib.error as error:  # type: ignore[misc]
        raise _bad_block(tile, block, f"cannot be inflated ({error})", path) from error
    if len(plain) != block.plain or not member.eof or member.unused_data:
        raise _bad_block(tile, block, f"does not inflate to {block.plain} bytes and end there", path)
    calls = np.empty(block.clusters, np.uint8)
    expand_nibbles(np.frombuffer(plain, np.uint8), header.call, calls)
    return calls


def _bad_block(tile: int, block: Block, what: str, path: Path) -> BadInput:
    return damaged(f"the block of tile {tile} at byte {block.offset} {what}", f"{block.plain} bytes for {block.clusters} clusters", path)

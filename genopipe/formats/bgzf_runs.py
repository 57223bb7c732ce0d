"""A bgzip file in runs of whole blocks, each of which any thread can inflate to where its content belongs.

A block is found by its size, which stands in its header where bgzip puts it, and the size of its content in its last bytes; a run of whole
blocks is a gzip file of many members, which isal inflates and checks in one go. Block by block, handing out would take as long.

Source: SAM/BAM format specification, section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from gzip import BadGzipFile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE

_PIECE = 1 << 20
_HEAD, _SUBFIELD = b"\x1f\x8b\x08\x04", b"BC\x02\x00"
_SIZE_AT = 16
MOST_CONTENT = 1 << 16
"""Bytes that a block may hold."""


class Run(NamedTuple):
    """Whole blocks, and how many bytes they hold."""

    blocks: bytes
    size: int


def runs(path: Path, most: int) -> Iterator[Run]:
    """The file in runs that hold at most so many bytes, or are one block. Raises BadInput for a file that is not as bgzip writes it."""
    rest = end_mark = b""
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            held, first, size, end = rest + piece, 0, 0, 0
            for end_of_block, n_bytes in _blocks(held, path):
                if size and size + n_bytes > most:
                    yield Run(held[first:end], size)
                    first, size = end, 0
                end, size = end_of_block, size + n_bytes
            if end > first:
                yield Run(held[first:end], size)
                end_mark = held[max(end - len(END_OF_FILE), 0) : end]
            rest = held[end:]
    if rest or end_mark != END_OF_FILE:
        raise _damaged(path, "it ends without its end mark")


def inflate_into(run: Run, out: NDArray[np.uint8], path: Path) -> None:
    """Fills `out`, of the run's size, with its content. Raises BadInput for one that is damaged."""
    room, n = out.data, 0
    try:
        # what has a public name copies: a third of the time goes into fresh memory then
        reader = isal_zlib._GzipReader(BytesIO(run.blocks))
        while read := reader.readinto(room[n:]):
            n += read
        # the last checksum is looked at only when more is asked for
        is_whole = n == len(out) and not reader.read(1)
    except (BadGzipFile, EOFError, isal_zlib.error) as error:  # type: ignore[misc]
        raise _damaged(path, str(error)) from error
    if not is_whole:
        raise _damaged(path, "blocks hold another number of bytes than they say")


def _blocks(held: bytes, path: Path) -> Iterator[tuple[int, int]]:
    """Where each whole block ends, and how many bytes it says that it holds."""
    at = 0
    while at + _SIZE_AT + 2 <= len(held):
        if held[at : at + 4] != _HEAD or held[at + 12 : at + 16] != _SUBFIELD:
            raise _damaged(path, f"no block begins at byte {at} of a run")
        at += int.from_bytes(held[at + _SIZE_AT : at + _SIZE_AT + 2], "little") + 1
        if at > len(held):
            break
        n_bytes = int.from_bytes(held[at - 4 : at], "little")
        if n_bytes > MOST_CONTENT:
            raise _damaged(path, f"a block of {n_bytes:,} bytes")
        yield at, n_bytes


def _damaged(path: Path, reason: str) -> BadInput:
    do = "Copy or write the file again."
    return BadInput(f"the bgzip data is damaged ({reason})", wanted="a whole bgzip file", do=do, path=path)

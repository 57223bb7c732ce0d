"""A bgzip file in runs of whole blocks, each of which any thread can inflate to where its content belongs.

A block is found by its size, which stands in its header where bgzip puts it, and the size of its content in its last bytes; a run of whole
blocks is a gzip file of many members, which isal inflates and checks in one go. Block by block, handing out would take as long.

Source: SAM/BAM format specification, section 4.1.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-defs=False, check-untyped-defs=False
from __future__ import annotations

from collections.abc import Callable, Iterator
from gzip import BadGzipFile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE
from genopipe.kernels.compiled import kernel

_PIECE = 1 << 18
"""Bytes read at a time: more of them would come in fresh memory each time, which takes longer than reading."""
_LEAST_BLOCK = len(END_OF_FILE)
MOST_CONTENT = 1 << 16
"""Bytes that a block may hold."""


class Run(NamedTuple):
    """Whole blocks, and how many bytes they hold."""

    blocks: bytes
    size: int


def runs(path: Path, most: Callable[[], int]) -> Iterator[Run]:
    """The file in runs that hold at most as many bytes as `most` says each time, or are one block.

    Raises BadInput for a file that is not as bgzip writes it.
    """
    rest = end_mark = b""
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            held = rest + piece
            end, content = _blocks(held, path)
            first = 0
            while first < len(end) - 1:
                last = max(int(np.searchsorted(content, content[first] + most(), side="right")) - 1, first + 1)
                yield Run(held[end[first] : end[last]], int(content[last] - content[first]))
                first = last
            if first:
                end_mark = held[max(end[-1] - len(END_OF_FILE), 0) : end[-1]]
            rest = held[end[-1] :]
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


def _blocks(held: bytes, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the first whole block begins and each one ends, and how many bytes those before hold, by what they say."""
    end, content = np.zeros((2, 2 + len(held) // _LEAST_BLOCK), np.int64)
    n, fault = _find_blocks(np.frombuffer(held, np.uint8), end, content)
    if fault >= 0:
        raise _damaged(path, f"no block begins at byte {fault} of a run")
    return end[: n + 1], content[: n + 1]


@kernel
def _find_blocks(held, end, content):
    """Fills `end` and `content` from their second row on; gives how many blocks there are, and where something else begins, or -1."""
    n, at = 0, 0
    while at + 18 <= len(held):
        sound = held[at] == 0x1F and held[at + 1] == 0x8B and held[at + 2] == 8 and held[at + 3] == 4
        sound &= held[at + 12] == 66 and held[at + 13] == 67 and held[at + 14] == 2 and held[at + 15] == 0
        size = 1 + (np.int64(held[at + 16]) | np.int64(held[at + 17]) << 8)
        if not sound or size < _LEAST_BLOCK:
            return n, at
        if at + size > len(held):
            break
        n_bytes = np.int64(0)
        for i in range(4):
            n_bytes |= np.int64(held[at + size - 4 + i]) << (8 * i)
        if n_bytes > MOST_CONTENT:
            return n, at
        at += size
        n += 1
        end[n], content[n] = at, content[n - 1] + n_bytes
    return n, -1


def _damaged(path: Path, reason: str) -> BadInput:
    do = "Copy or write the file again."
    return BadInput(f"the bgzip data is damaged ({reason})", wanted="a whole bgzip file", do=do, path=path)

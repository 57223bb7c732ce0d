"""Tables of text, too large for a line at a time: whole lines in blocks, and a block as Arrow columns of strings.

A file is inflated piece by piece and cut behind a line end, so memory is one block. `table_blocks` first gives the lines before the rows to
whoever has to read the header. Fields are never quoted.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv

from genopipe.errors import BadInput
from genopipe.formats.inflate import inflated

BLOCK_BYTES = 4 << 20
HEADER_BYTES = 32 << 20
"""Far more than any header has, so that a file of another kind is not held in memory."""

_LINE_FEED = 10


def table_blocks(path: Path, is_header: Callable[[str], bool]) -> tuple[list[str], Iterator[tuple[int, bytes]]]:
    """As `text_blocks`, each block with the number of its first line."""
    head, blocks = text_blocks(path, is_header)
    return head, _numbered(blocks, len(head) + 1)


def _numbered(blocks: Iterator[bytes], line: int) -> Iterator[tuple[int, bytes]]:
    for block in blocks:
        yield line, block
        line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LINE_FEED)) + 1


def text_blocks(path: Path, is_header: Callable[[str], bool]) -> tuple[list[str], Iterator[bytes]]:
    """The lines up to the first that `is_header`, that one included, and the lines after it in blocks, which end without a line end.

    Raises BadInput where none of the first `HEADER_BYTES` is the header, or the file cannot be read.
    """
    pieces = inflated(path)
    held = b""
    head: list[str] = []
    size = 0
    for piece in pieces:
        held += piece
        size += len(piece)
        *lines, held = held.split(b"\n") if b"\n" in piece else (held,)
        for number, line in enumerate(lines):
            head.append(line.decode(errors="replace").rstrip("\r"))
            if is_header(head[-1]):
                rest = b"".join(other + b"\n" for other in lines[number + 1 :]) + held
                return head, _blocks(rest, pieces)
        if size > HEADER_BYTES:
            raise _no_header(path)
    last = held.decode(errors="replace").rstrip("\r")
    if last and is_header(last):
        return [*head, last], iter(())
    raise _no_header(path)


def _no_header(path: Path) -> BadInput:
    return BadInput("no header line", wanted="a table with its header", do="Check kind and file.", path=path)


def _blocks(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    parts, size = [held], len(held)
    for piece in pieces:
        size += len(piece)
        if size >= BLOCK_BYTES and b"\n" in piece:
            end, _, rest = piece.rpartition(b"\n")
            yield b"".join((*parts, end))
            parts, size = [rest], len(rest)
        else:
            parts.append(piece)
    last = b"".join(parts).rstrip(b"\r\n")
    if last:
        yield last


def block_columns(
    block: bytes, names: Sequence[str], kept: Sequence[str], *, delimiter: str = "\t", path: Path | None = None, line: int = 1
) -> pa.Table:
    """The `kept` of the columns `names` as strings; empty lines are rows of empty strings. Raises BadInput with the line."""
    rows: list[tuple[int, int]] = []

    def note(row: pc_csv.InvalidRow) -> Literal["error"]:
        rows.append((row.number or 1, row.actual_columns))
        return "error"

    try:
        return pc_csv.read_csv(
            io.BytesIO(block),
            pc_csv.ReadOptions(column_names=list(names), use_threads=False, block_size=max(len(block), 1)),
            pc_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False, invalid_row_handler=note),
            pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=list(kept)),
        )
    except pa.ArrowInvalid as error:
        if not rows:
            raise BadInput("bytes that are no UTF-8", wanted="text", do="Check the file's encoding.", path=path, line=line) from error
        number, n_columns = rows[0]
        raise BadInput(
            f"{n_columns} columns", wanted=f"{len(names)}, as in the header", do="Correct this line.", path=path, line=line + number - 1
        ) from error

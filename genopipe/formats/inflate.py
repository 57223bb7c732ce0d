"""The bytes of a file in pieces, whether it is plain, gzip, bgzip or zstd, found out from its first bytes and never from its name.

isal inflates gzip. A file may hold many members (bgzip is nothing else); zero bytes after the last member are padding, anything else is
damage. The checksum and the length of every member are checked at its end. bgzip that lacks its closing empty block is damaged: whole
blocks may be missing. A zstd file may hold many frames. Pieces are small, so that they stay in recycled memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from io import BufferedReader
from pathlib import Path

from isal import isal_zlib
from isal.igzip import IGzipFile

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE, is_bgzf

PIECE = 128 << 10
COMPRESSED_PIECE = 32 << 10
STANDARD_INPUT = Path("-")

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def inflated(path: Path) -> Iterator[bytes]:
    """Pieces of the file's content, none of them empty; `-` is standard input.

    Raises BadInput for a file that is missing, or compressed data that is damaged or ends too early.
    """
    with _opened(path) as source:
        magic = source.peek(len(_ZSTD_MAGIC))
        if magic.startswith(_GZIP_MAGIC):
            yield from _members(path, source)
            _look_for_end_mark(path)
        elif magic.startswith(_ZSTD_MAGIC):
            yield from _frames(path, source)
        else:
            while piece := source.read(PIECE):
                yield piece


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    if path == STANDARD_INPUT:
        assert isinstance(sys.stdin.buffer, BufferedReader)
        yield sys.stdin.buffer
        return
    if not path.exists() or path.is_dir():
        raise BadInput("there is no such file", wanted="a file to read", do="Check the path.", path=path)
    with open(path, "rb") as source:
        yield source


def _members(path: Path, source: BufferedReader) -> Iterator[bytes]:
    try:
        with IGzipFile(fileobj=source) as members:  # type: ignore[no-untyped-call]
            while content := members.read1(PIECE):
                yield content
    except EOFError as error:
        do = "Copy or write the file again."
        raise BadInput("the gzip data ends before its end mark", wanted="a whole gzip file", do=do, path=path) from error
    except (BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]
        raise _damaged(path, str(error)) from error


def _look_for_end_mark(path: Path) -> None:
    """bgzip without its last, empty block may have lost whole blocks, which no checksum tells; few programs leave it out."""
    if path.is_file() and is_bgzf(path):
        with open(path, "rb") as source:
            source.seek(-len(END_OF_FILE), os.SEEK_END)
            if source.read() != END_OF_FILE:
                do = "Copy it again; if it is whole, write it anew with bgzip."
                raise BadInput("the bgzip data has no end mark: it may have been cut", wanted="a whole bgzip file", do=do, path=path)


def _frames(path: Path, source: BufferedReader) -> Iterator[bytes]:
    import zstandard

    frame = zstandard.ZstdDecompressor().decompressobj()
    started, piece = False, b""
    while piece or (piece := source.read(COMPRESSED_PIECE)):
        started = True
        try:
            content = frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise _damaged(path, str(error), "zstd") from error
        piece = frame.unused_data
        if frame.eof:
            frame, started = zstandard.ZstdDecompressor().decompressobj(), False
        if content:
            yield content
    if started:
        raise BadInput("the zstd data ends before its end", wanted="a whole zstd file", do="Copy or write the file again.", path=path)


def _damaged(path: Path, reason: str, kind: str = "gzip") -> BadInput:
    return BadInput(f"the {kind} data is damaged ({reason})", wanted=f"intact {kind} data", do="Copy or write the file again.", path=path)

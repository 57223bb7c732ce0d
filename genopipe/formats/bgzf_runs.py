"""The content of a bgzip file, inflated by several threads, many blocks at a time.

A block is found by its size, which stands in its header where bgzip puts it; a run of whole blocks is a gzip file of many members, which
isal inflates and checks in one go. Block by block, finding and handing out would take longer than inflating.

Source: SAM/BAM format specification, section 4.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from gzip import BadGzipFile
from io import BytesIO
from itertools import islice
from pathlib import Path

from isal import igzip, isal_zlib

from genopipe.errors import BadInput
from genopipe.formats.bgzf import END_OF_FILE
from genopipe.threads import threads_of_generator

_RUN = 1 << 20
_HEAD, _SUBFIELD = b"\x1f\x8b\x08\x04", b"BC\x02\x00"
_SIZE_AT = 16


def inflated_in_threads(path: Path, threads: int) -> Iterator[bytes]:
    """Pieces of the content, some megabytes each. Raises BadInput for a file that is damaged or not as bgzip writes it."""
    with threads_of_generator(threads) as pool:
        runs = _runs(path)
        waiting = deque(pool.submit(_inflated, run, path) for run in islice(runs, 2 * threads))
        while waiting:
            content = waiting.popleft().result()
            waiting.extend(pool.submit(_inflated, run, path) for run in islice(runs, 1))
            if content:
                yield content


def _inflated(run: bytes, path: Path) -> bytes:
    try:
        with igzip.IGzipFile(fileobj=BytesIO(run)) as members:  # type: ignore[no-untyped-call]
            content: bytes = members.read()
    except (BadGzipFile, EOFError, isal_zlib.error) as error:  # type: ignore[misc]
        raise _damaged(path, str(error)) from error
    return content


def _runs(path: Path) -> Iterator[bytes]:
    """The file in runs of whole blocks."""
    rest = last = b""
    with open(path, "rb") as file:
        while piece := file.read(_RUN):
            held = rest + piece
            end = _end_of_blocks(held, path)
            if end:
                last = held[:end]
                yield last
            rest = held[end:]
    if rest or not last.endswith(END_OF_FILE):
        raise _damaged(path, "it ends without its end mark")


def _end_of_blocks(held: bytes, path: Path) -> int:
    """Where the last whole block ends."""
    at = 0
    while at + _SIZE_AT + 2 <= len(held):
        if held[at : at + 4] != _HEAD or held[at + 12 : at + 16] != _SUBFIELD:
            raise _damaged(path, f"no block begins at byte {at} of a run")
        size = int.from_bytes(held[at + _SIZE_AT : at + _SIZE_AT + 2], "little") + 1
        if at + size > len(held):
            break
        at += size
    return at


def _damaged(path: Path, reason: str) -> BadInput:
    do = "Copy or write the file again."
    return BadInput(f"the bgzip data is damaged ({reason})", wanted="a whole bgzip file", do=do, path=path)

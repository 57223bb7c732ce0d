"""BGZF: gzip made of blocks that can be found and inflated one by one. BAM, VCF and FASTQ are written through here.

Written: the bytes are cut into blocks of `PAYLOAD` bytes, compressed by libdeflate in a pool of threads, a run of blocks at a time, and
written in order, so that the file does not depend on the number of threads. A short block follows where the writer was told to `flush`; the
empty block that marks the end of a file comes last. Read: blocks are found by their sizes, inflated, and checked against their length and
CRC.

Source: SAM/BAM format specification, section 4.1 (the BGZF compression format).
"""

from __future__ import annotations

import bisect
import struct
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import deflate

from genopipe.errors import BadInput
from genopipe.outputs import writing
from genopipe.threads import threads_of_generator

PAYLOAD = 65280
"""Bytes of a full block before compression: even stored uncompressed they fit a block of 65,536 bytes."""

END_OF_FILE = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

RUN = 16 * PAYLOAD
"""Bytes that are compressed at a time, at least, unless the writer is told to flush."""

Buffer = bytes | bytearray | memoryview

_HEADER = bytes.fromhex("1f8b08040000000000ff060042430200")
_FIXED = struct.Struct("<4s6xH")
_TAIL = struct.Struct("<II")


def compress_block(payload: Buffer, level: int = 6) -> bytes:
    """One block holding `payload`, at most `PAYLOAD` bytes."""
    deflated = deflate.deflate_compress(payload, level)
    size = len(_HEADER) + 2 + len(deflated) + _TAIL.size
    return b"".join((_HEADER, struct.pack("<H", size - 1), deflated, _TAIL.pack(deflate.crc32(payload), len(payload))))


def _compress_run(begin: bytes, rest: memoryview, level: int) -> list[bytes]:
    """The blocks that hold `begin` and, behind it, `rest`."""
    first = begin + rest[: -len(begin) % PAYLOAD]
    parts = (memoryview(first), rest[-len(begin) % PAYLOAD :])
    return [compress_block(part[at : at + PAYLOAD], level) for part in parts for at in range(0, len(part), PAYLOAD)]


class BgzfWriter:
    """Writes one BGZF file; a context manager that ends the file on a clean exit. Compresses in `pool`, where one is given.

    `block_plain` and `block_start` hold, for each block written, the offset of its first byte in the plain and in the compressed file.
    """

    def __init__(self, path: Path, *, threads: int = 1, level: int = 6, pool: ThreadPoolExecutor | None = None) -> None:
        self.path, self.level = Path(path), level
        self.block_plain = array("q")
        self.block_start = array("q")
        self._pending = bytearray()
        self._plain = self._compressed = 0
        self._queue: deque[Future[list[bytes]]] = deque()
        self._queue_limit = 2 * threads
        with writing(self.path):
            self._file = open(self.path, "wb")  # noqa: SIM115  closed by close()
        self._own_pool = ThreadPoolExecutor(threads) if threads > 1 and pool is None else None
        self._pool = pool or self._own_pool

    def __enter__(self) -> BgzfWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._release()

    def write(self, data: Buffer) -> None:
        """Adds bytes; `data` may be reused by the caller afterwards."""
        self.give(bytes(data))

    def give(self, data: Buffer) -> None:
        """Adds bytes that nobody changes afterwards."""
        view = memoryview(data).cast("B")
        while (held := len(self._pending) + len(view)) >= RUN:
            size = held // PAYLOAD * PAYLOAD if held < 2 * RUN else RUN
            taken = size - len(self._pending)
            self._send(view[:taken])
            view = view[taken:]
        self._pending += view

    def flush(self) -> None:
        """Ends the current block here."""
        if self._pending:
            self._send(memoryview(b""))

    def close(self) -> None:
        """Writes what is left and the end-of-file block."""
        try:
            self.flush()
            while self._queue:
                self._put(self._queue.popleft().result())
            with writing(self.path):
                self._file.write(END_OF_FILE)
        finally:
            self._release()

    def tell(self) -> int:
        """Offset of the next byte in the plain file."""
        return self._plain + len(self._pending)

    def virtual_offset(self, plain: int) -> int:
        """The virtual file offset of a plain offset. Call after `close`."""
        if plain == self._plain:
            return self._compressed << 16
        block = bisect.bisect_right(self.block_plain, plain) - 1
        return self.block_start[block] << 16 | (plain - self.block_plain[block])

    def _send(self, rest: memoryview) -> None:
        """Has what is pending compressed, and the rest of the run behind it."""
        begin = bytes(self._pending)
        self._pending.clear()
        end = self._plain + len(begin) + len(rest)
        self.block_plain.extend(range(self._plain, end, PAYLOAD))
        self._plain = end
        if self._pool is None:
            self._put(_compress_run(begin, rest, self.level))
            return
        self._queue.append(self._pool.submit(_compress_run, begin, rest, self.level))
        if len(self._queue) >= self._queue_limit:
            self._put(self._queue.popleft().result())

    def _put(self, blocks: list[bytes]) -> None:
        for block in blocks:
            self.block_start.append(self._compressed)
            self._compressed += len(block)
        with writing(self.path):
            self._file.writelines(blocks)

    def _release(self) -> None:
        for waiting in self._queue:
            waiting.cancel()
        if self._own_pool is not None:
            self._own_pool.shutdown()
        with writing(self.path):
            self._file.close()


def is_bgzf(path: Path) -> bool:
    """True when the file begins with a BGZF block."""
    with open(path, "rb") as file:
        start = file.read(18)
    return len(start) == 18 and start[:4] == _HEADER[:4] and start[12:16] == b"BC\x02\x00"


def inflate_block(block: Buffer, *, offset: int = 0, path: Path | None = None) -> bytes:
    """The payload of one whole block. `offset` is where the block begins, for messages. Raises BadInput where it is damaged."""
    extra = struct.unpack_from("<H", block, 10)[0]
    crc, length = _TAIL.unpack_from(block, len(block) - _TAIL.size)
    if length > 65536:
        raise _damaged(f"a block at byte {offset} claims {length} bytes", path)
    try:
        payload = deflate.deflate_decompress(memoryview(block)[12 + extra : -_TAIL.size], max(length, 1))
    except deflate.DeflateError:
        raise _damaged(f"the block at byte {offset} cannot be inflated", path) from None
    if len(payload) != length or deflate.crc32(payload) != crc:
        raise _damaged(f"the block at byte {offset} does not match its checksum", path)
    return bytes(payload)


def read_blocks(path: Path, *, start: int = 0, end: int | None = None, threads: int = 1) -> Iterator[tuple[int, bytes]]:
    """Offset and payload of each block that begins in bytes `start` to `end` of the file.

    Without `end`, the whole rest of the file is read and must close with the end-of-file block. Raises BadInput for truncated or damaged
    files, naming the byte.
    """
    with open(path, "rb", buffering=1 << 20) as file:
        file.seek(start)
        raw = _raw_blocks(file, path, start, end)
        if threads == 1:
            for offset, block in raw:
                yield offset, inflate_block(block, offset=offset, path=path)
            return
        yield from _inflated_in_threads(raw, path, threads)


def _inflated_in_threads(raw: Iterator[tuple[int, bytes]], path: Path, threads: int) -> Iterator[tuple[int, bytes]]:
    with threads_of_generator(threads) as pool:

        def send(item: tuple[int, bytes]) -> tuple[int, Future[bytes]]:
            return item[0], pool.submit(inflate_block, item[1], offset=item[0], path=path)

        queue = deque(map(send, islice(raw, 4 * threads)))
        while queue:
            offset, payload = queue.popleft()
            yield offset, payload.result()
            queue.extend(map(send, islice(raw, 1)))


def _raw_blocks(file: BinaryIO, path: Path, start: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    offset, last = start, b""
    while end is None or offset < end:
        block = _raw_block(file, path, offset)
        if block is None:
            break
        yield offset, block
        offset, last = offset + len(block), block
    if end is None and last != END_OF_FILE:
        raise _damaged(f"the file ends at byte {offset} without the end-of-file block", path)


def _raw_block(file: BinaryIO, path: Path, offset: int) -> bytes | None:
    head = file.read(12)
    if not head:
        return None
    if len(head) < 12:
        raise _truncated(offset, path)
    magic, extra_length = _FIXED.unpack(head)
    if magic != _HEADER[:4]:
        raise _damaged(f"byte {offset} does not begin a BGZF block", path)
    extra = file.read(extra_length)
    size = _block_size(extra)
    if size is None or size < 12 + extra_length + _TAIL.size:
        raise _damaged(f"the gzip member at byte {offset} has no BGZF block size", path)
    rest = file.read(size - 12 - extra_length)
    if 12 + extra_length + len(rest) < size:
        raise _truncated(offset, path)
    return head + extra + rest


def _block_size(extra: bytes) -> int | None:
    """Size of the whole block, from the subfield BC among the extra fields of a gzip header."""
    at = 0
    while at + 4 <= len(extra):
        length = struct.unpack_from("<H", extra, at + 2)[0]
        if extra[at : at + 2] == b"BC" and length == 2 and at + 6 <= len(extra):
            return int(struct.unpack_from("<H", extra, at + 4)[0]) + 1
        at += 4 + length
    return None


def _truncated(offset: int, path: Path | None) -> BadInput:
    return _damaged(f"the file is cut short inside the block at byte {offset}", path)


def _damaged(came: str, path: Path | None) -> BadInput:
    return BadInput(came, wanted="a whole BGZF file", do="Copy or make the file again and compare its checksum with the source.", path=path)

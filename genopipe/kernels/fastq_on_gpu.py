"""FASTQ text to reads on a GPU: what `formats.fastq` makes of the same text, as arrays of the device.

The line feeds are found first; every four of them end a record. Text in which anything is wrong is not described here: it is told apart
only, and the parser of the CPU says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from genopipe.device import Gpu
from genopipe.device.sources import Source
from genopipe.kernels.on_gpu import EXTEND, blocks, warp_blocks
from genopipe.model import CODE, NO_BASE

LARGEST_QUALITY = 93
"""The quality of '~'."""

_SEARCHED = 128
"""Bytes that a thread searches for line feeds."""

FASTQ = Source(EXTEND.path.with_name("fastq.cu"), (("LARGEST_QUALITY", LARGEST_QUALITY), ("NO_BASE", NO_BASE), ("SEARCHED", _SEARCHED)))


class DeviceReads(NamedTuple):
    """The arrays of `model.Reads` on the device."""

    header: Any
    header_start: Any
    name_length: Any
    base: Any
    quality: Any
    base_start: Any

    def rows(self, first: int, last: int) -> DeviceReads:
        """The reads `first` to `last`, of the same headers and bases."""
        starts = {name: getattr(self, name)[first : last + 1] for name in ("header_start", "base_start")}
        return self._replace(name_length=self.name_length[first:last], **starts)


class _Records(NamedTuple):
    """Where header, sequence and quality of each record begin, how long header, sequence and name are: (records) arrays."""

    header: Any
    sequence: Any
    quality: Any
    header_length: Any
    length: Any
    name_length: Any


def parse(gpu: Gpu, texts: Sequence[Any]) -> DeviceReads | None:
    """The reads of text in device memory, (bytes) uint8 of one file or of two whose records are mates; None where something is wrong.

    Each text holds whole records, as many in one as in the other.
    """
    xp = gpu.xp
    fault, stride = xp.zeros(1, np.int32), len(texts)
    records = [_records(gpu, text, fault) for text in texts]
    n = len(records[0].length)
    if any(len(each.length) != n for each in records) or int(fault[0]):
        return None
    header_start, base_start = (_starts(xp, [each[column] for each in records]) for column in (3, 4))
    name_length = xp.empty(n * stride, np.int32)
    header, (base, quality) = xp.empty(int(header_start[-1]), np.uint8), (xp.empty(int(base_start[-1]), np.uint8) for _ in range(2))
    code = xp.asarray(CODE)
    for row, (text, each) in enumerate(zip(texts, records, strict=True)):
        name_length[row::stride] = each.name_length
        if n:
            of_records = (text, np.int64(n), *each[:3], np.int64(row), np.int64(stride), code)
            gpu.launch(FASTQ, "fastq_reads", warp_blocks(gpu, n), *of_records, header, header_start, base, quality, base_start, fault)
    return None if int(fault[0]) else DeviceReads(header, header_start, name_length, base, quality, base_start)


def _records(gpu: Gpu, text: Any, fault: Any) -> _Records:
    xp, line_end = gpu.xp, _line_ends(gpu, text)
    n = len(line_end) // 4
    found = _Records(*(xp.empty(n, np.int64) for _ in range(3)), *(xp.empty(n, np.int32) for _ in range(3)))
    if n:
        gpu.launch(FASTQ, "fastq_records", blocks(n), text, line_end, np.int64(n), *found, fault)
    return found


def _line_ends(gpu: Gpu, text: Any) -> Any:
    """Where the line feeds stand."""
    xp, n = gpu.xp, (len(text) + _SEARCHED - 1) // _SEARCHED
    if not n:
        return xp.empty(0, np.int64)
    of_text, count = (text, np.int64(len(text)), np.int64(n)), xp.empty(n, np.int32)
    gpu.launch(FASTQ, "count_line_feeds", blocks(n), *of_text, count)
    end = xp.cumsum(count, dtype=np.int64)
    line_end = xp.empty(int(end[-1]), np.int64)
    gpu.launch(FASTQ, "find_line_feeds", blocks(n), *of_text, count, end, line_end)
    return line_end


def _starts(xp: Any, lengths: list[Any]) -> Any:
    """Where things of these lengths begin, one of each file in turn, and where the last ends."""
    start = xp.zeros(len(lengths) * len(lengths[0]) + 1, np.int64)
    start[1:] = xp.cumsum(xp.stack(lengths, axis=1).ravel(), dtype=np.int64)
    return start

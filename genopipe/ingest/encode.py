"""The reads of one sample in one tile, as the bytes of its files: FASTQ text or BAM records, compressed block by block.

A `Stream` is one file of a sample (read 1, index 1, all reads interleaved, ...). `pieces` cuts the clusters into slices of fixed size, so
that the bytes do not depend on threads; each slice is written by a kernel into a buffer that its thread keeps, and compressed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.bgzf import PAYLOAD, compress_block
from genopipe.ingest.layout import joined, runs
from genopipe.ingest.run_plan import Output, RunPlan
from genopipe.ingest.tiles import Tile
from genopipe.ingest.trimming import kept_lengths
from genopipe.kernels.read_text import LETTER, SPARE, Fragments, Header, write_fastq
from genopipe.kernels.unaligned_records import NIBBLE, Tags, write_records

CLUSTERS_AT_ONCE = 8192
COMPRESSION_LEVEL = 1
"""libdeflate's fastest, as BCL Convert's FASTQ is: reads are compressed once more, and better, when they are archived."""

_LARGEST_HEADER = 64
_threads = threading.local()


@dataclass(frozen=True, slots=True)
class Stream:
    """One file of a sample: the columns of the reads in it, their digits in the header, whether as BAM, whether they are trimmed."""

    kind: str
    columns: tuple[NDArray[np.int64], ...]
    numbers: tuple[int, ...]
    bam: bool = False
    trimmed: bool = True


def fastq_streams(output: Output, *, index_reads: bool) -> list[Stream]:
    """R1, R2 and, where asked for, I1, I2 and U1, U2: one file each."""
    layout = output.layout
    streams = [Stream(f"R{number}", (columns,), (number,)) for number, columns in enumerate(layout.reads, 1)]
    if index_reads:
        for letter, parts in (("I", layout.indexes), ("U", layout.umis)):
            used = [part for part in parts if len(part)]
            streams += [Stream(f"{letter}{number}", (part,), (number,), trimmed=False) for number, part in enumerate(used, 1)]
    return streams


def interleaved(output: Output, *, bam: bool) -> Stream:
    """All reads of a sample in one file."""
    reads = output.layout.reads
    return Stream("", reads, tuple(range(1, len(reads) + 1)), bam=bam)


def name_prefix(plan: RunPlan, tile: Tile) -> str:
    """The part of read names that a tile shares, in the style of Casava 1.8."""
    return f"{plan.instrument}:{plan.run_number}:{plan.flowcell}:{tile.lane}:{tile.number}:"


def read_group(plan: RunPlan, lane: int) -> str:
    return f"{plan.flowcell}.{lane}"


def slices(chosen: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(chosen), CLUSTERS_AT_ONCE):
        yield chosen[start : start + CLUSTERS_AT_ONCE]


def plain(plan: RunPlan, tile: Tile, output: Output, stream: Stream, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bytes of the reads of the clusters `chosen`; valid until this thread makes the next ones."""
    prefix = _spared(name_prefix(plan, tile))
    umi, index = joined(output.layout.umis), joined(output.layout.indexes)
    parts = [runs(columns) for columns in stream.columns]
    fragments = Fragments(
        np.concatenate(parts), np.cumsum([0, *map(len, parts)]), np.array([48 + number for number in stream.numbers], np.uint8)
    )
    trimmed = _trimmed(plan, tile, output, stream, chosen)
    bases = sum(map(len, stream.columns))
    group = _spared(read_group(plan, tile.lane) + "\0")
    overhead = len(prefix) + 2 * (len(umi) + len(index)) + len(group) + 2 * _LARGEST_HEADER
    out = _buffer(len(chosen) * (2 * bases + len(stream.columns) * overhead) + SPARE)
    if stream.bam:
        tags = Tags(prefix, group, umi, index)
        n = write_records(tile.calls, chosen, tile.position, tile.passed, tags, fragments, trimmed, NIBBLE, LETTER, out)
    else:
        n = write_fastq(tile.calls, chosen, tile.position, tile.passed, Header(prefix, umi, index), fragments, trimmed, LETTER, out)
    return out[:n]


def compressed(plan: RunPlan, tile: Tile, output: Output, stream: Stream, chosen: NDArray[np.int64]) -> bytes:
    """The same as BGZF blocks, the last one short."""
    content = plain(plan, tile, output, stream, chosen).data
    return b"".join(compress_block(content[at : at + PAYLOAD], COMPRESSION_LEVEL) for at in range(0, len(content), PAYLOAD))


def pieces(
    plan: RunPlan, tile: Tile, output: Output, streams: Sequence[Stream], chosen: NDArray[np.int64]
) -> Iterator[tuple[Stream, partial[bytes]]]:
    """For each slice and stream, the stream and the call that gives its compressed bytes."""
    for part in slices(chosen):
        for stream in streams:
            yield stream, partial(compressed, plan, tile, output, stream, part)


def _trimmed(plan: RunPlan, tile: Tile, output: Output, stream: Stream, chosen: NDArray[np.int64]) -> NDArray[np.int32]:
    lengths = []
    for number, columns in zip(stream.numbers, stream.columns, strict=True):
        adapters = (
            output.adapters[number - 1]
            if stream.trimmed and number <= len(output.adapters)
            else (np.empty(0, np.uint8), np.zeros(1, np.int64))
        )
        lengths.append(kept_lengths(tile.calls, chosen, columns, adapters, plan.trimming))
    return np.ascontiguousarray(np.stack(lengths, axis=1))


def _spared(text: str) -> NDArray[np.uint8]:
    """The letters of a text, and the bytes after it that kernels copy too."""
    return np.frombuffer(text.encode() + bytes(SPARE), np.uint8)


def _buffer(size: int) -> NDArray[np.uint8]:
    """At least `size` bytes that this thread has used before: fresh memory costs more than the text itself."""
    buffer = getattr(_threads, "buffer", None)
    if buffer is None or len(buffer) < size:
        buffer = _threads.buffer = np.empty(size, np.uint8)
    return buffer

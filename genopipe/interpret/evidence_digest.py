"""One digest for the records of a Parquet table, whatever wrote the file; compression, dictionaries and row groups do not count.

Every column is hashed by itself, in pieces of `PIECE` records: first which values are missing, then numbers as little-endian bytes, texts
as their lengths and bytes, lists as their lengths and values. The digest of the table is that of the names, types and digests of its
columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PIECE = 1 << 16


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def records_digest(table: Path) -> str:
    """SHA-256, hex, of the records of a Parquet table."""
    file = pq.ParquetFile(table)
    schema = file.schema_arrow
    hashes = [hashlib.sha256() for _ in schema]
    for piece in _pieces(file):
        for column, digest in zip(piece.columns, hashes, strict=True):
            _add(column.combine_chunks(), digest)
    told = "".join(f"{field.name} {field.type} {digest.hexdigest()}\n" for field, digest in zip(schema, hashes, strict=True))
    return hashlib.sha256(told.encode()).hexdigest()


def _pieces(file: pq.ParquetFile) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in file.iter_batches(PIECE):
        while n_held + len(batch) >= PIECE:
            taken = PIECE - n_held
            yield pa.Table.from_batches([*held, batch.slice(0, taken)])
            held, n_held, batch = [], 0, batch.slice(taken)
        held.append(batch)
        n_held += len(batch)
    if n_held:
        yield pa.Table.from_batches(held)


def _add(values: Any, digest: _Hash) -> None:
    digest.update(np.packbits(values.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    kind = values.type
    if pa.types.is_list(kind):
        digest.update(_numbers(pc.list_value_length(values)))
        _add(pc.list_flatten(values), digest)
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        digest.update(_numbers(pc.binary_length(values)))
        digest.update(_bytes(values.drop_null().cast(pa.large_binary())))
    else:
        digest.update(_numbers(values))


def _numbers(values: Any) -> bytes:
    empty = pa.scalar(False if pa.types.is_boolean(values.type) else 0, values.type)
    array = pc.fill_null(values, empty).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _bytes(values: Any) -> bytes:
    """The bytes of all values, one after another."""
    _, offsets, content = values.buffers()
    if content is None:
        return b""
    start = np.frombuffer(offsets, np.int64)
    return content[int(start[values.offset]) : int(start[values.offset + len(values)])].to_pybytes()

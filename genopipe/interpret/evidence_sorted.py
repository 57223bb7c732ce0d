"""Records with places, written as Parquet sorted by contig, position, REF and ALT, one record a variant, in bounded memory.

Tables come in the order of their file, contig by contig; within a contig records may be out of order by as many as `WINDOW`, as liftover
leaves them. Row groups never span contigs, so that a case is joined to a table by reading only the groups it touches (`annotate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genopipe.errors import BadInput

ROW_GROUP = 1 << 17
WINDOW = 1 << 22
KEY = ("contig", "position", "ref", "alt")
ENCODING = {"position": "DELTA_BINARY_PACKED", "af": "BYTE_STREAM_SPLIT", "af_max": "BYTE_STREAM_SPLIT"}
"""Of columns with nearly as many values as records; the others have a dictionary."""
PLACE: dict[str, pa.DataType] = {"contig": pa.string(), "position": pa.int32(), "ref": pa.string(), "alt": pa.string()}


def write_sorted(tables: Iterable[pa.Table], target: Path, schema: pa.Schema, *, source: Path, highest: str | None = None) -> int:
    """Writes the records of `tables`, each of one contig, and gives their number.

    Of several records of a variant the first is kept, or the one with the `highest` value in that column. Raises BadInput, naming the
    `source`, for a contig that comes again after another one, records too far out of order, or none at all.
    """
    records = 0
    seen: set[str] = set()
    filled = (table.select(schema.names).cast(schema) for table in tables if len(table))
    encoding: Any = {name: how for name, how in ENCODING.items() if name in schema.names}
    words: Any = [name for name in schema.names if name not in encoding]
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=words, column_encoding=encoding) as writer:
        for contig, of_contig in groupby(filled, key=lambda table: str(table["contig"][0].as_py())):
            if contig in seen:
                raise _unsorted(f"contig {contig} comes again", source)
            seen.add(contig)
            for table in _in_order(of_contig, highest, source):
                writer.write_table(table, row_group_size=ROW_GROUP)
                records += len(table)
    if not records:
        raise BadInput("no record to keep", wanted="a file of its kind with variants in it", do="Check kind and file.", path=source)
    return records


def group_range(metadata: pq.FileMetaData, group: int, column: str) -> tuple[Any, Any]:
    """Lowest and highest value of a column in a row group."""
    statistics: Any = metadata.row_group(group).column(metadata.schema.names.index(column)).statistics
    return statistics.min, statistics.max


def _in_order(tables: Iterator[pa.Table], highest: str | None, source: Path) -> Iterator[pa.Table]:
    """Sorted tables without a variant twice; between two tables no position goes on."""
    held: list[pa.Table] = []
    n_held, written = 0, -1
    for table in tables:
        held.append(table)
        n_held += len(table)
        if n_held >= 2 * WINDOW:
            ordered = _sorted(held, highest)
            position = ordered["position"].to_numpy()
            cut = int(np.searchsorted(position, position[min(WINDOW, len(position) - 1)]))
            written = _check_behind(ordered.slice(0, cut), written, source)
            yield ordered.slice(0, cut)
            held, n_held = [ordered.slice(cut)], len(ordered) - cut
    ordered = _sorted(held, highest)
    _check_behind(ordered, written, source)
    yield ordered


def _check_behind(table: pa.Table, written: int, source: Path) -> int:
    """The last position of the table; `written` where it is empty."""
    if not len(table):
        return written
    first, last = (int(table["position"][place].as_py()) for place in (0, len(table) - 1))
    if first <= written:
        raise _unsorted(f"position {first + 1:,} of {table['contig'][0]} comes millions of records after {written + 1:,}", source)
    return last


def _sorted(tables: list[pa.Table], highest: str | None) -> pa.Table:
    table = pa.concat_tables(tables).combine_chunks()
    order: Any = [(name, "ascending") for name in KEY[1:]] + ([(highest, "descending")] if highest else [])
    if highest or not _is_sorted(table):
        table = table.take(pc.sort_indices(table, order))
    again = pc.equal(table["position"].slice(1), table["position"].slice(0, len(table) - 1))
    for name in ("ref", "alt"):
        again = pc.and_(again, pc.equal(table[name].slice(1), table[name].slice(0, len(table) - 1)))
    first = np.concatenate(([True], ~again.to_numpy()))
    return table if first.all() else table.filter(pa.array(first))


def _is_sorted(table: pa.Table) -> bool:
    """True when no record stands behind one that it should stand before."""
    order = np.zeros(len(table) - 1, np.int8)
    for name in KEY[1:]:
        later, earlier = table[name].slice(1), table[name].slice(0, len(table) - 1)
        greater, less = (compare(later, earlier).to_numpy() for compare in (pc.greater, pc.less))
        order = np.where(order == 0, greater.astype(np.int8) - less.astype(np.int8), order)
    return bool((order >= 0).all())


def _unsorted(came: str, path: Path) -> BadInput:
    return BadInput(came, wanted="records sorted by contig and position", do="Sort it with bcftools sort or sort -k1,1 -k2,2n.", path=path)

"""Records with places, written as Parquet sorted by contig, position, REF and ALT, one record a variant, in bounded memory.

Tables come in the order of their file, contig by contig; within a contig records may be out of order by as many as `WINDOW`, as liftover
leaves them. Several files may make one table, each with contigs of its own; they are read in the order of these, however they are named,
so that the same records are always the same table. Row groups never span contigs, so that a case is joined to a table by reading only the
groups it touches (`annotate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.interpret.normalise import contig_order
from genopipe.progress import progress

ROW_GROUP = 1 << 17
WINDOW = 1 << 22
KEY = ("contig", "position", "ref", "alt")
ENCODING = {"position": "DELTA_BINARY_PACKED", "af": "BYTE_STREAM_SPLIT", "af_max": "BYTE_STREAM_SPLIT"}
"""Of columns with nearly as many values as records; the others have a dictionary."""
PLACE: dict[str, pa.DataType] = {"contig": pa.string(), "position": pa.int32(), "ref": pa.string(), "alt": pa.string()}


Read = Callable[[Path], Iterator[pa.Table]]
"""Gives the tables of a file, each of one contig, with a column `line` (int64) beside those that are kept."""
_Part = tuple[Path, pa.Table]


def write_sorted(sources: Sequence[Path], read: Read, target: Path, schema: pa.Schema, *, highest: str | None = None) -> int:
    """Writes the records of all sources and gives their number.

    Of several records of a variant the first is kept, or the one with the `highest` value in that column. Raises BadInput, with file and
    line, for a contig that comes again after another one or in another file, records too far out of order, or a file without any.
    """
    records = 0
    seen: dict[str, Path] = {}
    encoding: Any = {name: how for name, how in ENCODING.items() if name in schema.names}
    words: Any = [name for name in schema.names if name not in encoding]
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=words, column_encoding=encoding) as writer:
        for (source, contig), parts in groupby(_parts(sources, read), key=lambda part: (part[0], _contig(part[1]))):
            for table in _in_order(_checked(parts, contig, seen), schema, highest):
                writer.write_table(table, row_group_size=ROW_GROUP)
                records += len(table)
            seen[contig] = source
    return records


def _parts(sources: Sequence[Path], read: Read) -> Iterator[_Part]:
    """The tables with records, of one file after the other."""
    for source in _by_contig(sources, read):
        empty = True
        with progress(f"reading {source.name}", unit="records") as done:
            for table in read(source):
                if len(table):
                    empty = False
                    yield source, table
                    done.advance(len(table))
        if empty:
            raise BadInput("no record to keep", wanted="a file of its kind with variants in it", do="Check kind and file.", path=source)


def _by_contig(sources: Sequence[Path], read: Read) -> Sequence[Path]:
    """Several files in the order of their first contigs."""
    if len(sources) == 1:
        return sources
    twice = next((source for source in sources if sources.count(source) > 1), None)
    if twice is not None:
        raise BadInput("this file is given twice", wanted="each file once", do="Name it once.", path=twice)
    first = {source: next((_contig(table) for table in read(source) if len(table)), "") for source in sources}
    return sorted(sources, key=lambda source: contig_order(first[source]))


def _checked(parts: Iterator[_Part], contig: str, seen: Mapping[str, Path]) -> Iterator[_Part]:
    for source, table in parts:
        if contig in seen:
            came = f"contig {contig} comes again" + (f", after {seen[contig].name}" if seen[contig] != source else "")
            raise _unsorted(came, source, table, 0)
        yield source, table


def _contig(table: pa.Table) -> str:
    return str(table["contig"][0])


def group_range(metadata: pq.FileMetaData, group: int, column: str) -> tuple[Any, Any]:
    """Lowest and highest value of a column in a row group."""
    statistics: Any = metadata.row_group(group).column(metadata.schema.names.index(column)).statistics
    return statistics.min, statistics.max


def _in_order(parts: Iterator[_Part], schema: pa.Schema, highest: str | None) -> Iterator[pa.Table]:
    """Sorted tables of one contig without a variant twice; between two tables no position goes on."""
    held: list[pa.Table] = []
    n_held, written = 0, -1
    for source, table in parts:
        _check_behind(source, table, written)
        held.append(table.select(schema.names).cast(schema))
        n_held += len(table)
        if n_held >= 2 * WINDOW:
            ordered = _sorted(held, highest)
            position = ordered["position"].to_numpy()
            cut = int(np.searchsorted(position, position[min(WINDOW, len(position) - 1)]))
            written = max(written, int(position[cut - 1])) if cut else written
            yield ordered.slice(0, cut)
            held, n_held = [ordered.slice(cut)], len(ordered) - cut
    yield _sorted(held, highest)


def _check_behind(source: Path, table: pa.Table, written: int) -> None:
    """Raises BadInput for a record at or before the last position that is written already."""
    behind = table["position"].to_numpy() <= written
    if behind.any():
        row = int(np.argmax(behind))
        came = f"position {table['position'][row].as_py() + 1:,} of {_contig(table)} comes millions of records after {written + 1:,}"
        raise _unsorted(came, source, table, row)


def _sorted(tables: list[pa.Table], highest: str | None) -> pa.Table:
    table = pa.concat_tables(tables).combine_chunks()
    steps = _steps(table)
    if (steps < 0).any() or (highest is not None and (steps == 0).any()):
        order: Any = [(name, "ascending") for name in KEY[1:]] + ([(highest, "descending")] if highest else [])
        table = table.take(pc.sort_indices(table, order))
        steps = _steps(table)
    return table if steps.all() else table.filter(pa.array(np.concatenate(([True], steps != 0))))


def _steps(table: pa.Table) -> NDArray[np.int8]:
    """(rows - 1) int8: 1 where a record belongs behind the one before it, 0 for the same variant again, -1 where it should come first."""
    steps: NDArray[np.int8] = np.sign(np.diff(table["position"].to_numpy())).astype(np.int8)
    for name in KEY[2:]:
        rows = np.flatnonzero(steps == 0)
        if len(rows):
            earlier, later = table[name].take(rows), table[name].take(rows + 1)
            greater, less = (compare(later, earlier).to_numpy() for compare in (pc.greater, pc.less))
            steps[rows] = greater.astype(np.int8) - less.astype(np.int8)
    return steps


def _unsorted(came: str, path: Path, table: pa.Table, row: int) -> BadInput:
    do = "Sort it with bcftools sort or sort -k1,1 -k2,2n."
    line = table["line"][row].as_py()
    return BadInput(came, wanted="records sorted by contig and position, each contig in one file", do=do, path=path, line=line)

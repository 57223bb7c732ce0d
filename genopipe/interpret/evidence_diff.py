"""What changed between two locked sets, data set by data set: counted, or record by record.

Tables of variants are sorted and may be huge, so both are read side by side in stretches of positions, and memory is that of two stretches.
Other tables are small and read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.interpret import evidence_annotations
from genopipe.interpret.evidence import SCORE_KINDS, VARIANT_KINDS, DataSet, EvidenceSet
from genopipe.interpret.evidence_sorted import KEY, group_range
from genopipe.interpret.evidence_tables import KEYS
from genopipe.interpret.places import matching

Record = dict[str, Any]
Change = tuple[str, int, str, str, Record | None, Record | None]
"""Contig key, position from 0, REF, ALT, and the values before and after; None where there was, or is, no record."""


_SORTED = (*VARIANT_KINDS, *SCORE_KINDS)
"""Kinds whose tables are sorted by place."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed in one data set between two sets; `old` and `new` are versions, None where the set lacks it."""

    name: str
    old: str | None
    new: str | None
    added: int
    removed: int
    changed: int


def diff(old: EvidenceSet, new: EvidenceSet) -> tuple[Difference, ...]:
    """Added, removed and changed records of every data set that is not the same in both sets."""
    found = []
    for left, right in _pairs(old, new):
        counts = [0, 0, 0]
        for added, removed, changed in _counts(old, left, new, right):
            counts = [total + more for total, more in zip(counts, (added, removed, changed), strict=True)]
        name = next(dataset.name for dataset in (left, right) if dataset is not None)
        found.append(Difference(name, left.version if left else None, right.version if right else None, *counts))
    return tuple(found)


def records(old: EvidenceSet, new: EvidenceSet) -> Iterator[tuple[str, str, Record | None, Record | None]]:
    """Name of the data set, what tells the record apart, and its values before and after, of every record that is not the same."""
    for left, right in _pairs(old, new):
        name, kind = next((dataset.name, dataset.kind) for dataset in (left, right) if dataset is not None)
        if kind in _SORTED:
            for before, after in _stretches(old, left, new, right):
                for contig, position, ref, alt, *values in _changes(before, after):
                    yield name, f"{contig}-{position + 1}-{ref}-{alt}", *values  # type: ignore[misc]
        else:
            rows, others = _rows(old, left), _rows(new, right)
            for key in sorted(rows.keys() | others.keys()):
                if rows.get(key) != others.get(key):
                    yield name, " ".join(filter(None, map(str, key))), rows.get(key), others.get(key)


def changed_records(old: EvidenceSet, new: EvidenceSet, kind: str) -> Iterator[Change]:
    """The records of variants that were added, removed or changed in the data sets of a kind, data set by data set, each by place."""
    for left, right in _pairs(old, new):
        if kind in {dataset.kind for dataset in (left, right) if dataset is not None}:
            for before, after in _stretches(old, left, new, right):
                yield from _changes(before, after)


def _pairs(old: EvidenceSet, new: EvidenceSet) -> Iterator[tuple[DataSet | None, DataSet | None]]:
    """The versions of each data set that differ, by name and kind."""
    before, after = ({(dataset.name, dataset.kind): dataset for dataset in evidence.datasets} for evidence in (old, new))
    for key in sorted(before.keys() | after.keys()):
        left, right = before.get(key), after.get(key)
        if left is None or right is None or left.digest != right.digest:
            yield left, right


def _counts(old: EvidenceSet, left: DataSet | None, new: EvidenceSet, right: DataSet | None) -> Iterator[tuple[int, int, int]]:
    """Added, removed and changed records, stretch by stretch."""
    if next(dataset.kind for dataset in (left, right) if dataset is not None) in _SORTED:
        for before, after in _stretches(old, left, new, right):
            mine, other = matching(before, after)
            yield len(after) - len(other), len(before) - len(mine), int(_differ(before, after, mine, other).sum())
        return
    rows, others = _rows(old, left), _rows(new, right)
    both = rows.keys() & others.keys()
    yield len(others) - len(both), len(rows) - len(both), sum(rows[key] != others[key] for key in both)


def _rows(evidence: EvidenceSet, dataset: DataSet | None) -> dict[tuple[Any, ...], Record]:
    if dataset is None:
        return {}
    rows = pq.read_table(evidence.table(dataset)).to_pylist()
    keys = KEYS.get(dataset.kind, evidence_annotations.KEY)
    return {tuple(row[key] for key in keys): row for row in rows}


def _stretches(old: EvidenceSet, left: DataSet | None, new: EvidenceSet, right: DataSet | None) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The records before and after of stretches that follow each other and hold a row group of each at most."""
    tables = [_Sorted(evidence.table(dataset) if dataset is not None else None) for evidence, dataset in ((old, left), (new, right))]
    schema = next(table.schema for table in tables if table.schema is not None)
    for contig in dict.fromkeys(contig for table in tables for contig in table.ends):
        begin = -1
        for end in sorted({end for table in tables for end in table.ends.get(contig, ())}):
            before, after = (table.between(contig, begin, end, schema) for table in tables)
            yield before, after
            begin = end


class _Sorted:
    """A table of variants, of which a row group is held at a time. `ends` are the last positions of a contig's row groups."""

    def __init__(self, path: Path | None) -> None:
        self.schema: pa.Schema | None = None
        self.ends: dict[str, list[int]] = {}
        self._groups: dict[str, list[tuple[int, int, int]]] = {}
        self._held: tuple[int, pa.Table] | None = None
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self.schema = self._file.schema_arrow
        for group in range(self._file.metadata.num_row_groups):
            contig = group_range(self._file.metadata, group, "contig")[0]
            first, last = group_range(self._file.metadata, group, "position")
            self.ends.setdefault(contig, []).append(last)
            self._groups.setdefault(contig, []).append((group, first, last))

    def between(self, contig: str, begin: int, end: int, schema: pa.Schema) -> pa.Table:
        """The records behind position `begin` up to `end`, that one included."""
        parts = [schema.empty_table()]
        for group, first, last in self._groups.get(contig, ()):
            if first <= end and last > begin:
                table = self._group(group)
                bounds = np.searchsorted(table["position"].to_numpy(), (begin, end), "right")
                parts.append(table.slice(bounds[0], bounds[1] - bounds[0]))
        return pa.concat_tables(parts)

    def _group(self, group: int) -> pa.Table:
        if self._held is None or self._held[0] != group:
            self._held = group, self._file.read_row_group(group)
        return self._held[1]


def _differ(before: pa.Table, after: pa.Table, mine: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(pairs) True where a value is another one."""
    differ = np.zeros(len(mine), bool)
    for name in set(before.column_names) - set(KEY):
        left, right = before[name].take(mine), after[name].take(other)
        same = pc.coalesce(pc.equal(left, right), pc.and_(pc.is_null(left), pc.is_null(right)))
        differ |= ~same.to_numpy().astype(bool)
    return differ


def _changes(before: pa.Table, after: pa.Table) -> Iterator[Change]:
    """The changes of a stretch, by place."""
    mine, other = matching(before, after)
    same = ~_differ(before, after, mine, other)
    left, right = (np.delete(np.arange(len(table)), rows[same]) for table, rows in ((before, mine), (after, other)))
    found: dict[tuple[str, int, str, str], list[Record | None]] = {}
    for side, (table, rows) in enumerate(((before, left), (after, right))):
        for row in table.take(rows).to_pylist():
            place = (row.pop("contig"), row.pop("position"), row.pop("ref"), row.pop("alt"))
            found.setdefault(place, [None, None])[side] = row
    for place in sorted(found):
        yield *place, *found[place]  # type: ignore[misc]

"""Columns of variants: what `normalise` does for one variant, for a whole block of a file, and which variants of two tables are the same.

Most variants are single bases, for which there is nothing to do but compare REF with the reference, all at once; those with longer alleles
are trimmed and left-aligned one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.contig_names import resolve_contig
from genopipe.interpret.normalise import Fetch, contig_key, left_align, trim
from genopipe.interpret.sequence import bases_of, codes_at
from genopipe.model import BASES, Genome

pc: Any = compute

_CODE = np.full(256, 255, np.uint8)
_CODE[np.frombuffer(BASES[:4], np.uint8)] = np.arange(4)
_BASE = np.zeros(256, np.bool_)
_BASE[list(b"ACGTN")] = True


class Alleles(NamedTuple):
    """REF alleles, the positions (int64, from 0) they begin at, and the lines they stand on, where these are known."""

    position: NDArray[np.int64]
    ref: Any
    line: NDArray[np.int64] | None


def placed(table: pa.Table, *, genome: Genome | None, path: Path) -> Iterator[tuple[str, pa.Table]]:
    """Name of the contig and rows, normalised, of every run of one contig; `contig` becomes its key, other columns stay.

    The table has contig, position (int64, 0-based), ref and alt, and maybe the line each row is from. Rows whose alleles are no bases, or
    the same, are left out. Raises BadInput for a contig that the genome lacks, and for a REF allele that is not what it has there.
    """
    contig = table["contig"].combine_chunks().dictionary_encode()
    code = contig.indices.to_numpy()
    edges = np.flatnonzero(np.diff(code)) + 1
    for start, end in zip([0, *edges], [*edges, len(code)], strict=True):
        if end > start:
            name = str(contig.dictionary[int(code[start])])
            yield name, _of_contig(table.slice(start, end - start), name, genome, path)


def _of_contig(table: pa.Table, name: str, genome: Genome | None, path: Path) -> pa.Table:
    ref, alt = (table[column].combine_chunks() for column in ("ref", "alt"))
    if not (made_of(ref, _BASE) and made_of(alt, _BASE)):
        ref, alt = pc.utf8_upper(ref), pc.utf8_upper(alt)
        bases = pc.and_(pc.match_substring_regex(ref, "^[ACGTN]+$"), pc.match_substring_regex(alt, "^[ACGTN]+$"))
        table, ref, alt = table.filter(bases), ref.filter(bases), alt.filter(bases)
    kept = pc.not_equal(ref, alt)
    if not pc.all(kept).as_py():
        table, ref, alt = table.filter(kept), ref.filter(kept), alt.filter(kept)
    position = table["position"].to_numpy()
    fetch = None
    if genome is not None:
        contig = resolve_contig(genome, name, path=path).name
        fetch = bases_of(genome, contig)
        line = table["line"].to_numpy() if "line" in table.column_names else None
        _check_ref(Alleles(position, ref, line), genome, contig, path=path)
    position, ref, alt = normalised(position, ref, alt, fetch=fetch)
    others: dict[str, Any] = {column: table[column] for column in table.column_names if column not in ("contig", "position", "ref", "alt")}
    keys = pa.array([contig_key(name)]).take(np.zeros(len(ref), np.int64))
    return pa.table({"contig": keys, "position": pa.array(position, pa.int32()), "ref": ref, "alt": alt} | others)


def made_of(texts: Any, letter: NDArray[np.bool_]) -> bool:
    """True when all texts of an Arrow array are there, none is empty, and they have none but these letters (256, by code)."""
    start = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if texts.null_count or not (start[1:] > start[:-1]).all():
        return False
    return bool(letter[np.frombuffer(texts.buffers()[2] or b"", np.uint8)[start[0] : start[-1]]].all())


def normalised(position: NDArray[np.int64], ref: Any, alt: Any, *, fetch: Fetch | None) -> tuple[NDArray[np.int64], Any, Any]:
    """Position, REF and ALT of each row trimmed, and left-aligned where the bases of the contig are at hand."""
    n_ref, n_alt = (pc.utf8_length(allele).to_numpy() for allele in (ref, alt))
    longer = (n_ref > 1) & (n_alt > 1)
    if fetch is not None:
        longer |= n_ref != n_alt
    rows = np.flatnonzero(longer)
    if not len(rows):
        return position, ref, alt
    alleles = zip(position[rows].tolist(), ref.take(rows).to_pylist(), alt.take(rows).to_pylist(), strict=True)
    found = [left_align(*place, fetch=fetch) if fetch is not None else trim(*place) for place in alleles]
    position = position.copy()
    position[rows] = [place[0] for place in found]
    mask = pa.array(longer)
    return position, *(pc.replace_with_mask(old, mask, pa.array([p[i] for p in found], pa.string())) for i, old in ((1, ref), (2, alt)))


def matching(left: pa.Table, right: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both tables with the same position, REF and ALT; `right` is sorted by position, and each has a variant once at most."""
    first, last = (np.searchsorted(right["position"].to_numpy(), left["position"].to_numpy(), side) for side in ("left", "right"))
    count = last - first
    mine = np.repeat(np.arange(len(count)), count)
    other = np.arange(len(mine)) + np.repeat(first - np.cumsum(count) + count, count)
    pairs = [[table[name].take(rows).cast(pa.string()) for table, rows in ((left, mine), (right, other))] for name in ("ref", "alt")]
    same = pc.and_(*(pc.equal(*pair) for pair in pairs)).to_numpy().astype(bool)
    return mine[same], other[same]


def _check_ref(alleles: Alleles, genome: Genome, contig: str, *, path: Path) -> None:
    """Raises BadInput for the first REF allele that differs from the reference; unknown bases differ from nothing."""
    position, ref = alleles.position, alleles.ref
    length = pc.utf8_length(ref).to_numpy().astype(np.int64)
    limit = next(other.length for other in genome.contigs if other.name == contig)
    wrong = (position < 0) | (position + length > limit)
    row = np.repeat(np.arange(len(length)), length)
    at = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length) + position[row]
    told = _CODE[np.frombuffer(pc.binary_join(pa.ListArray.from_arrays([0, len(ref)], ref), "")[0].as_buffer(), np.uint8)]
    there = codes_at(genome, contig, np.where(wrong[row], 0, at))
    wrong[row[(told != there) & (told < 4) & (there < 4)]] = True
    if wrong.any():
        first = int(np.argmax(wrong))
        start, text = int(position[first]), ref[first].as_py()
        found = bases_of(genome, contig)(start, start + len(text))
        raise BadInput(
            f"REF {text} at {contig}:{start + 1}; the reference {genome.name} has {found or 'nothing'} there",
            wanted="variants on the assembly of the reference",
            do="Use the reference that the variants were called with, or the release for this assembly.",
            path=path,
            line=None if alleles.line is None else int(alleles.line[first]),
        )

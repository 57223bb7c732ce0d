"""Whole columns of variants are normalised, checked and matched as one variant at a time would be.

Oracle: `normalise` for each row, and dictionaries.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.genome import build_genome
from genopipe.interpret.normalise import is_sequence, left_align, trim
from genopipe.interpret.places import matching, placed
from genopipe.interpret.sequence import bases_of, codes_at
from genopipe.model import Genome


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """Two contigs with repeats and a run of unknown bases."""
    folder = tmp_path_factory.mktemp("genome")
    draw = random.Random(5)
    text = "".join(draw.choice(["A", "C", "AC", "CAG", "T"]) * draw.randrange(1, 7) for _ in range(300))
    (folder / "g.fa").write_text(f">chr1\n{text[:500]}NNNNN{text[500:]}\n>2\n{text[::-1]}\n")
    return build_genome(folder / "g.fa", folder / "reference", name="g")


@pytest.mark.parametrize("known", [True, False])
def test_rows_are_placed_as_one_at_a_time(genome: Genome, tmp_path: Path, known: bool) -> None:
    draw = random.Random(9)
    rows, expected = [], []
    for name in ("1", "chr2", "1"):
        contig = {"1": "chr1", "chr2": "2"}[name]
        fetch = bases_of(genome, contig)
        for i in range(200):
            start = draw.randrange(480)
            ref = fetch(start, start + draw.choice([1, 1, 1, 2, 5]))
            alt = draw.choice(["A", "C", "G", "T", ref + "AC", ref[0], ref.lower(), "<DEL>", "*", ref[:1] + fetch(start, start + 3)])
            rows.append({"contig": name, "position": start, "ref": ref, "alt": alt, "n": i})
            if is_sequence(alt.upper()) and alt.upper() != ref:
                place = left_align(start, ref, alt.upper(), fetch=fetch) if known else trim(start, ref, alt.upper())
                expected.append((contig.removeprefix("chr"), *place, i))
    schema: Any = {"contig": pa.string(), "position": pa.int64(), "ref": pa.string(), "alt": pa.string(), "n": pa.int64()}
    parts = list(placed(pa.Table.from_pylist(rows, schema=pa.schema(schema)), genome=genome if known else None, path=tmp_path))
    assert [name for name, _ in parts] == ["1", "chr2", "1"]
    assert [tuple(row.values()) for _, part in parts for row in part.to_pylist()] == expected


@pytest.mark.parametrize(("position", "ref"), [(5, "?"), (4, "LONG"), (-1, "A"), (10**7, "A")])
def test_another_reference_base_is_told(genome: Genome, tmp_path: Path, position: int, ref: str) -> None:
    there = bases_of(genome, "chr1")(position, position + 1)
    ref = next(base for base in "ACGT" if base != there) if ref == "?" else ref
    ref = bases_of(genome, "chr1")(4, 8) + next(base for base in "ACGT" if base != bases_of(genome, "chr1")(8, 9)) if ref == "LONG" else ref
    table = pa.table({"contig": ["chr1"], "position": pa.array([position], pa.int64()), "ref": [ref], "alt": [ref + "A"]})
    with pytest.raises(BadInput, match=rf"REF {ref} at chr1:{position + 1}; the reference g has"):
        list(placed(table, genome=genome, path=tmp_path))


def test_unknown_bases_differ_from_nothing(genome: Genome, tmp_path: Path) -> None:
    table = pa.table({"contig": ["chr1"] * 2, "position": pa.array([501, 499], pa.int64()), "ref": ["A", "?"], "alt": ["C", "A"]})
    ref = bases_of(genome, "chr1")(499, 500) + "G"
    table = table.set_column(2, "ref", pa.array(["A", ref]))
    assert sum(len(part) for _, part in placed(table, genome=genome, path=tmp_path)) == 2


def test_a_deletion_is_checked_at_every_base(genome: Genome, tmp_path: Path) -> None:
    """All single and double faults in REFs of four bases, among sound ones."""
    there = bases_of(genome, "chr1")(100, 104)
    rows = []
    for at in range(4):
        rows.append(there[:at] + next(base for base in "ACGT" if base != there[at]) + there[at + 1 :])
    for wrong in rows:
        table = pa.table(
            {"contig": ["chr1"] * 3, "position": pa.array([100] * 3, pa.int64()), "ref": [there, wrong, "?"], "alt": ["A", "N", "A"]}
        )
        with pytest.raises(BadInput, match=f"REF {wrong} at chr1:101; the reference g has {there} there"):
            list(placed(table, genome=genome, path=tmp_path))


def test_a_block_of_symbols_alone_leaves_nothing(genome: Genome, tmp_path: Path) -> None:
    table = pa.table({"contig": ["chr1"], "position": pa.array([5], pa.int64()), "ref": ["A"], "alt": ["<DEL>"]})
    assert [len(part) for _, part in placed(table, genome=genome, path=tmp_path)] == [0]


def test_codes_are_those_of_the_letters(genome: Genome) -> None:
    for contig in genome.contigs:
        letters = bases_of(genome, contig.name)(0, contig.length)
        codes = codes_at(genome, contig.name, np.arange(contig.length))
        assert "".join("ACGTN"[code] for code in codes) == letters


ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["A", "AC"]), st.sampled_from(["G", "T"])), unique=True, max_size=20)


@settings(max_examples=60)
@given(ROWS, ROWS)
def test_pairs_are_those_of_dictionaries(left: list[tuple[int, str, str]], right: list[tuple[int, str, str]]) -> None:
    right = sorted(right)
    schema: Any = {"position": pa.int32(), "ref": pa.string(), "alt": pa.string()}
    tables = [
        pa.Table.from_arrays([pa.array(column) for column in zip(*rows, strict=True)] or [[], [], []], names=list(schema))
        for rows in (left, right)
    ]
    mine, other = matching(*(table.cast(pa.schema(schema)) for table in tables))
    place = {row: i for i, row in enumerate(right)}
    assert sorted(zip(mine.tolist(), other.tolist(), strict=True)) == [(i, place[row]) for i, row in enumerate(left) if row in place]

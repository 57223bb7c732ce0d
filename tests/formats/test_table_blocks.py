"""Tables in blocks: however the file is cut, every line comes once, whole, with its number.

Oracle: the lines of the text as Python splits them.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import table_blocks
from genopipe.formats.table_blocks import block_columns

FIELD = st.text(alphabet="ab\"'#é,", max_size=4)


@settings(max_examples=60)
@given(
    st.lists(st.lists(FIELD, min_size=3, max_size=3), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
)
def test_every_row_comes_once(rows: list[list[str]], end: str, size: int, piece: int, closed: bool) -> None:
    lines = ["#note", "#a\tb\tc", *("x" + "\t".join(row) for row in rows)]
    content = (end.join(lines) + (end if closed else "")).encode()
    path = Path("table")
    found: list[tuple[int, str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_blocks, "BLOCK_BYTES", size)
        patch.setattr(table_blocks, "inflated", lambda path: iter([content[i : i + piece] for i in range(0, len(content), piece)]))
        head, blocks = table_blocks.table_blocks(path, lambda line: line.startswith("#a"))
        for line, block in blocks:
            table = block_columns(block, ["a", "b", "c"], ["a", "c"], path=path, line=line)
            found += [(line + i, row["a"], row["c"]) for i, row in enumerate(table.to_pylist())]
    assert head == lines[:2]
    assert found == [(3 + i, "x" + row[0], row[2]) for i, row in enumerate(rows)]


def test_a_gzipped_table_is_read_alike(tmp_path: Path) -> None:
    (tmp_path / "t.gz").write_bytes(gzip.compress(b"#a\tb\n1\t2\n3\t4\n"))
    _, blocks = table_blocks.table_blocks(tmp_path / "t.gz", lambda line: line.startswith("#a"))
    assert [(line, block) for line, block in blocks] == [(2, b"1\t2\n3\t4")]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"1\t2\n1\t2\t3\n", r"t:3: 3 columns; wanted 2, as in the header"),
        (b"1\t2\n1\n", r"t:3: 1 columns; wanted 2"),
        (b"1\t\xff\n", r"t:2: bytes that are no UTF-8"),
    ],
)
def test_a_row_that_does_not_fit_is_told_with_its_line(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "t").write_bytes(b"#a\tb\n" + content)
    _, blocks = table_blocks.table_blocks(tmp_path / "t", lambda line: line.startswith("#a"))
    with pytest.raises(BadInput, match=fault):
        for line, block in blocks:
            block_columns(block, ["a", "b"], ["a", "b"], path=tmp_path / "t", line=line)


@pytest.mark.parametrize("content", [b"", b"a\tb\n1\t2\n"])
def test_a_file_without_its_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(BadInput, match="no header line"):
        table_blocks.table_blocks(tmp_path / "t", lambda line: line.startswith("#a"))


def test_a_header_without_rows_or_line_end(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"#a\tb")
    head, blocks = table_blocks.table_blocks(tmp_path / "t", lambda line: line.startswith("#a"))
    assert (head, list(blocks)) == (["#a\tb"], [])

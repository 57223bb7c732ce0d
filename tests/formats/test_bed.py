"""BED intervals are read as they stand."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.bed import Interval, read_bed


def test_intervals_names_and_passed_over_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"track x\n#c\nchr1\t0\t10\tfirst\t0\t+\r\n\nchr2 5 5\n"))
    assert list(read_bed(path)) == [Interval("chr1", 0, 10, "first", 3, "+"), Interval("chr2", 5, 5, "", 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t1\n", ":1: 2 columns; wanted contig, start, end"),
        ("chr1\t0\t5\nchr1\ta\t2\n", ":2: positions 'a' and '2'"),
        ("chr1\t5\t4\n", ":1: start 5 behind end 4"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.bed"
    path.write_text(text)
    with pytest.raises(BadInput, match="Correct this line") as caught:
        list(read_bed(path))
    assert message in str(caught.value)


@given(st.text(alphabet="chr1\t 0123\n#-é", max_size=100))
def test_any_text_is_intervals_or_bad_input(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.bed"
    path.write_text(text)
    try:
        assert all(interval.start <= interval.end for interval in read_bed(path))
    except BadInput as error:
        assert error.line is not None


def test_a_damaged_gzip_a_missing_file_and_binary_are_named(tmp_path: Path) -> None:
    """The faults every line-based reader shares."""
    truncated = tmp_path / "t.bed.gz"
    truncated.write_bytes(gzip.compress(b"chr1\t0\t1\n" * 1000)[:40])
    with pytest.raises(BadInput, match="damaged or ends early"):
        list(read_bed(truncated))
    with pytest.raises(BadInput, match="no such file"):
        list(read_bed(tmp_path / "absent.bed"))
    binary = tmp_path / "b.bed"
    binary.write_bytes(b"chr1\t0\t1\n\xff\xfe\n")
    with pytest.raises(BadInput, match=":2: bytes that are no UTF-8"):
        list(read_bed(binary))


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """It would be empty when it is read again."""
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(writer, b"chr1\t1\t2\n")
        with pytest.raises(BadInput, match="a pipe; wanted a file"):
            list(read_bed(tmp_path / "pipe"))
    finally:
        os.close(writer)

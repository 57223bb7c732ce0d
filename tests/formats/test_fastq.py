"""FASTQ is read exactly, however it is compressed and cut, and every fault is named by file and line."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import bgzf, fastq, fastq_source
from genopipe.formats.fastq import read_fastq, write_fastq
from genopipe.model import BASES, Reads
from tests.oracles.fastq import Record, parse

GOOD = "@r1 1:N:0:ACGT\nACGTN\n+\nIIII#\n@r2\n\n+\n\n@r3/1\nRYK\n+r3/1\n!~5\n"


def records(batches: Iterator[Reads]) -> list[Record]:
    """The reads of batches as text."""
    found = []
    for reads in batches:
        header, quality = reads.header.tobytes().decode(), (reads.quality + 33).tobytes().decode()
        letters = bytes(BASES[code] for code in reads.base.tolist()).decode()
        for i in range(len(reads)):
            first, last = reads.header_start[i], reads.header_start[i + 1]
            start, end = reads.base_start[i], reads.base_start[i + 1]
            name = header[first : first + reads.name_length[i]]
            found.append(Record(header[first:last], name, letters[start:end], quality[start:end]))
    return found


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Well-formed FASTQ with reads of any length, both line ends, repeated headers, with and without a last line end."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = []
    for number in range(draw(st.integers(1, 12))):
        header = f"r{number}" + draw(st.sampled_from(["", "/1", "/2", " 1:N:0:A", "\tx y", "/1 c/2"]))
        sequence = draw(st.text(BASES.decode() + BASES.decode().lower() + ".", max_size=70))
        quality = draw(st.text("!#5I~", min_size=len(sequence), max_size=len(sequence)))
        lines += ["@" + header, sequence, "+" + draw(st.sampled_from(["", header])), quality]
    closing = ["", end, end + "\n"] if lines[-1] else [end, end + end]
    return end.join(lines) + draw(st.sampled_from(closing))


def packed(text: bytes, how: str, cut: int) -> bytes:
    """The text plain, as one or several gzip members, or as BGZF."""
    if how == "plain":
        return text
    if how == "bgzip":
        return b"".join(bgzf.compress_block(text[i : i + 60_000]) for i in range(0, len(text), 60_000)) + bgzf.END_OF_FILE
    return gzip.compress(text[:cut]) + gzip.compress(text[cut:]) if how == "members" else gzip.compress(text)


@settings(max_examples=150)
@given(text=texts(), how=st.sampled_from(["plain", "gzip", "members", "bgzip"]), size=st.integers(2, 90), batch=st.integers(1, 200))
def test_reads_are_those_of_the_oracle(tmp_path_factory: pytest.TempPathFactory, text: str, how: str, size: int, batch: int) -> None:
    path = tmp_path_factory.mktemp("fastq") / "reads"
    path.write_bytes(packed(text.encode(), how, len(text) // 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastq_source, "_TEXT_BYTES", size)
        patch.setattr("genopipe.formats.inflate.PIECE", size)
        patch.setattr("genopipe.formats.inflate.COMPRESSED_PIECE", size)
        assert records(read_fastq(path, batch_bases=batch)) == parse(text)


@settings(max_examples=40)
@given(text=texts(), suffix=st.sampled_from([".fq", ".fq.gz"]))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    folder = tmp_path_factory.mktemp("fastq")
    source, copy = folder / "source.fq", folder / f"copy{suffix}"
    source.write_text(text, newline="")
    write_fastq(copy, read_fastq(source, batch_bases=50))
    assert records(read_fastq(copy)) == parse(text)


@settings(max_examples=150)
@given(data=st.binary(max_size=60) | st.text("@+ACGT!I\r\n /1", max_size=80).map(str.encode))
def test_any_bytes_are_reads_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fastq") / "reads.fq"
    path.write_bytes(data)
    try:
        found = records(read_fastq(path))
    except BadInput as error:
        assert error.path == path
    else:
        assert found == parse(data.decode())


@pytest.mark.parametrize("mate", [1, 2])
def test_real_reads_are_those_of_htslib(data: Path, mate: int) -> None:
    folder = data / "na12878_chr21"
    found = records(read_fastq(folder / "reads_R1.fastq.gz", folder / "reads_R2.fastq.gz", batch_bases=1_000_000))[mate - 1 :: 2]
    with pysam.FastxFile(str(folder / f"reads_R{mate}.fastq.gz")) as peer:
        assert [(read.name, read.sequence, read.quality) for read in peer] == [(r.header, r.sequence, r.quality) for r in found]


def test_real_reads_are_written_byte_for_byte(data: Path, tmp_path: Path) -> None:
    folder = data / "na12878_chr21"
    sources = [folder / f"reads_R{mate}.fastq.gz" for mate in (1, 2)]
    copies = [tmp_path / f"{mate}.fastq.gz" for mate in (1, 2)]
    write_fastq(copies[0], read_fastq(*sources), r2=copies[1], threads=2)
    for source, copy in zip(sources, copies, strict=True):
        assert gzip.decompress(copy.read_bytes()) == gzip.decompress(source.read_bytes())


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def pair_files(tmp_path: Path, n1: int, n2: int) -> tuple[Path, Path]:
    read = "@p{0}/{1}\nACGT\n+\nIIII\n"
    r1 = write(tmp_path / "R1.fq", "".join(read.format(i, 1) for i in range(n1)))
    r2 = write(tmp_path / "R2.fq", "".join(read.format(i, 2) for i in range(n2)))
    return r1, r2


def test_batches_end_where_their_bases_say_and_never_inside_a_pair(tmp_path: Path) -> None:
    batches = list(read_fastq(*pair_files(tmp_path, 10, 10), batch_bases=17))
    assert [len(reads) for reads in batches] == [6, 6, 6, 2]
    assert all(reads.paired for reads in batches)


def test_batches_do_not_depend_on_compression(tmp_path: Path) -> None:
    text = "".join(f"@r{i}\n{'ACGT' * (i % 7)}\n+\n{'IIII' * (i % 7)}\n" for i in range(500))
    plain, compressed = write(tmp_path / "a.fq", text), tmp_path / "a.fq.gz"
    compressed.write_bytes(gzip.compress(text.encode()))
    sizes = [[len(reads) for reads in read_fastq(path, batch_bases=1000)] for path in (plain, compressed)]
    assert sizes[0] == sizes[1]


def test_batches_are_bounded_in_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastq, "BATCH_READS", 4)
    assert [len(reads) for reads in read_fastq(write(tmp_path / "a.fq", GOOD * 3))] == [4, 4, 1]


def test_interleaved_reads_equal_two_files(tmp_path: Path) -> None:
    r1, r2 = pair_files(tmp_path, 9, 9)
    write_fastq(tmp_path / "both.fq", read_fastq(r1, r2))
    assert records(read_fastq(tmp_path / "both.fq", interleaved=True, batch_bases=11)) == records(read_fastq(r1, r2))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(GOOD.encode())))))
    assert records(read_fastq(Path("-"))) == parse(GOOD)


def test_written_files_do_not_depend_on_threads(tmp_path: Path) -> None:
    r1, _ = pair_files(tmp_path, 9000, 1)
    for threads in (1, 2):
        write_fastq(tmp_path / f"{threads}.fq.gz", read_fastq(r1), threads=threads)
    assert (tmp_path / "1.fq.gz").read_bytes() == (tmp_path / "2.fq.gz").read_bytes()


def test_missing_qualities_are_written_as_phred_one(tmp_path: Path) -> None:
    reads = next(read_fastq(write(tmp_path / "a.fq", "@r\nAC\n+\nII\n")))
    reads.quality[:] = 255
    write_fastq(tmp_path / "b.fq", reads)
    assert (tmp_path / "b.fq").read_text() == '@r\nAC\n+\n""\n'


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    broken = write(tmp_path / "a.fq", GOOD + "oops\n")
    with pytest.raises(BadInput):
        write_fastq(tmp_path / "out" / "b.fq.gz", read_fastq(broken, batch_bases=1))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("", 1, "the file holds no reads"),
        ("\n\n", 1, "the file holds no reads"),
        (GOOD + ">x\nAC\n+\nII\n", 13, "a record begins with '>x'"),
        (GOOD + "\n" + GOOD, 13, "a record begins with ''"),
        (GOOD + "@\nAC\n+\nII\n", 13, "the read has no name"),
        (GOOD + "@ x\nAC\n+\nII\n", 13, "the read has no name"),
        (GOOD + "@x\nAC\n-\nII\n", 15, "the third line of a record begins with '-'"),
        (GOOD + "@x\nAC\nGT\n+\nIIII\n", 15, "the third line of a record begins with 'GT'"),
        (GOOD + "@x\nAC\n+y\nII\n", 15, "the '+' line repeats another header than '@x'"),
        (GOOD + "@x\nAC\n+\nI\n" + GOOD, 16, "the read has 2 bases and 1 qualities"),
        (GOOD + "@x\nAC\n+\nIII\n" + GOOD, 16, "the read has 2 bases and 3 qualities"),
        (GOOD + "@x\nAC\n+\nIII", 16, "the read has 2 bases and 3 qualities"),
        (GOOD + "@x\nACGTACG\n+\nII\n@y\nA\n+\nI\n", 16, "the read has 7 bases and 2 qualities"),
        (GOOD + "@x\nA-G\n+\nIII\n", 14, "the character '-' is no base"),
        (GOOD + "@x\nAcGu\n+\nIIII\n", 14, "the character 'u' is no base"),
        (GOOD + "@x\nAUG\n+\nIII\n", 14, "the character 'U' is no base"),
        (GOOD + "@x\nACG\n+\nI I\n", 16, "the character ' ' is no quality"),
        (GOOD + "@x\nACG\n+\nI\x7fI\n", 16, "the character '\\x7f' is no quality"),
        (GOOD + "@x\nACG\n+\nII", 16, "the file ends inside a record"),
        (GOOD + "@x\nACG\n", 14, "the file ends inside a record"),
        (GOOD + "@x", 13, "the file ends inside a record"),
    ],
)
def test_faults_are_named_by_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path / "a.fq", text)
    with pytest.raises(BadInput) as caught:
        list(read_fastq(path, batch_bases=1))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert message in str(caught.value)


def test_reads_before_a_fault_are_given(tmp_path: Path) -> None:
    batches = read_fastq(write(tmp_path / "a.fq", GOOD + "oops\n"), batch_bases=1)
    assert records(iter([next(batches), next(batches)])) == parse(GOOD)
    with pytest.raises(BadInput):
        next(batches)


def test_a_long_quality_line_is_named_before_its_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastq_source, "_TEXT_BYTES", 10)
    monkeypatch.setattr("genopipe.formats.inflate.PIECE", 10)
    monkeypatch.setattr("genopipe.formats.inflate.COMPRESSED_PIECE", 10)
    with pytest.raises(BadInput, match="the read has 2 bases and more qualities"):
        list(read_fastq(write(tmp_path / "a.fq", "@r\nAC\n+\nIII" + "I" * 100 + "\n")))


@pytest.mark.parametrize("n1, n2, ended, line", [(5, 3, "R2.fq", 12), (3, 5, "R1.fq", 12), (3, 0, "R2.fq", 1)])
def test_files_of_different_length_are_named(tmp_path: Path, n1: int, n2: int, ended: str, line: int) -> None:
    with pytest.raises(BadInput) as caught:
        list(read_fastq(*pair_files(tmp_path, n1, n2)))
    assert (caught.value.path, caught.value.line) == (tmp_path / ended, line)
    assert f"the file ends after {min(n1, n2)} reads" in str(caught.value)


@pytest.mark.parametrize(
    "first, second",
    [("p", "p"), ("p/1", "p/2"), ("p 1:N:0:A", "p 2:N:0:A"), ("p a", "p b"), ("p/1 x", "p/2\ty"), ("p.1 x", "p.2 x")],
)
def test_mate_names_of_all_habits_are_accepted(tmp_path: Path, first: str, second: str) -> None:
    paths = [write(tmp_path / f"R{i}.fq", f"@{name}\nA\n+\nI\n") for i, name in enumerate((first, second))]
    assert [record.name for record in records(read_fastq(*paths))] == ["p", "p"]


@pytest.mark.parametrize(
    "first, second", [("p.1", "p.1"), ("p.1", "p.3"), ("p.2", "p.1"), ("p1", "p2"), ("o.1", "p.2"), (".1", ".2"), ("p.1", "p.22")]
)
def test_only_a_closing_1_and_2_behind_a_full_stop_are_numbers_of_mates(tmp_path: Path, first: str, second: str) -> None:
    text = "@a.1.{0}\nA\n+\nI\n@{1}\nA\n+\nI\n"
    paths = [write(tmp_path / f"R{i}.fq", text.format(i, name)) for i, name in ((1, first), (2, second))]
    if first == second:
        assert [record.name for record in records(read_fastq(*paths))] == ["a.1", "a.1", first, second]
        return
    with pytest.raises(BadInput, match=f"the read '{second}' stands beside '{first}'") as caught:
        list(read_fastq(*paths))
    assert (caught.value.path, caught.value.line) == (paths[1], 5)


@pytest.mark.parametrize("quality, told", [("@Bh", True), ("Bh~", True), ("?h~", False), ("@[", False), ("!~", False), ("", False)])
def test_qualities_of_another_offset_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, quality: str, told: bool) -> None:
    list(read_fastq(write(tmp_path / "a.fq", f"@a\n{'A' * len(quality)}\n+\n{quality}\n")))
    assert ("31 too high" in caplog.text) == told


def test_mates_of_different_names_are_named(tmp_path: Path) -> None:
    read = "@{0}\nA\n+\nI\n"
    r1 = write(tmp_path / "R1.fq", "".join(read.format(name) for name in "abc"))
    r2 = write(tmp_path / "R2.fq", "".join(read.format(name) for name in "abd"))
    with pytest.raises(BadInput, match="the read 'd' stands beside 'c'") as caught:
        list(read_fastq(r1, r2))
    assert (caught.value.path, caught.value.line) == (r2, 9)


@pytest.mark.parametrize("first, second", [("p/1", "p/1"), ("p/2", "p/1"), ("p 1:N:0:A", "p 1:N:0:A"), ("p 2:N:0:A", "p 1:N:0:A")])
def test_files_that_are_swapped_or_the_same_are_refused(tmp_path: Path, first: str, second: str) -> None:
    paths = [write(tmp_path / f"R{i}.fq", f"@{name}\nA\n+\nI\n") for i, name in enumerate((first, second))]
    with pytest.raises(BadInput, match="the first read says that it is mate"):
        list(read_fastq(*paths))


def test_an_interleaved_read_without_mate_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fq", "@a\nA\n+\nI\n@a\nA\n+\nI\n@b\nA\n+\nI\n")
    with pytest.raises(BadInput, match="the last read has no mate") as caught:
        list(read_fastq(path, interleaved=True, batch_bases=1))
    assert (caught.value.path, caught.value.line) == (path, 9)


@pytest.mark.parametrize("first, second", [("p/1", "p/2"), ("p 1:N:0:A", "p 2:N:0:A"), ("p", "p")])
def test_mates_in_a_file_of_single_reads_are_told(tmp_path: Path, first: str, second: str) -> None:
    path = write(tmp_path / "both.fq", f"@{first}\nA\n+\nI\n@{second}\nA\n+\nI\n")
    with pytest.raises(BadInput, match="has the name of the one before it") as caught:
        list(read_fastq(path))
    assert (caught.value.path, caught.value.line) == (path, 5)
    assert "Give --interleaved" in caught.value.do


def many_reads(n: int = 20_000) -> bytes:
    return b"".join(b"@read%d\nACGTTGCA%s\n+\nIIIIIIII%s\n" % (i, b"ACGT"[i % 4 :][:1], b"!#5I"[i % 4 :][:1]) for i in range(n))


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.9999])
def test_truncated_gzip_is_named_by_line(tmp_path: Path, kept: float) -> None:
    whole = gzip.compress(many_reads())
    path = tmp_path / "a.fq.gz"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(BadInput, match="the gzip data ends before its end mark") as caught:
        for reads in read_fastq(path, batch_bases=1000):
            last = int(records(iter([reads]))[-1].name.removeprefix("read"))
    assert caught.value.line is not None
    assert 4 * last <= caught.value.line - 1 <= 4 * 20_000 + 1


def test_damaged_gzip_is_named_by_line(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(many_reads()))
    whole[len(whole) // 2] ^= 0x55
    path = tmp_path / "a.fq.gz"
    path.write_bytes(whole)
    with pytest.raises(BadInput) as caught:
        list(read_fastq(path))
    assert caught.value.path == path
    assert caught.value.line is not None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        list(read_fastq(tmp_path / "none.fq"))


def test_bgzip_without_its_end_mark_is_named_with_the_line_after_its_last_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.fastq.gz"
    path.write_bytes(bgzf.compress_block(b"@a\nAC\n+\nII\n@b\nAC\n+\nII\n"))
    with pytest.raises(BadInput, match="the bgzip data has no end mark") as caught:
        list(read_fastq(path))
    assert (caught.value.path, caught.value.line) == (path, 9)


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("@a\nAC\n+\nII@b\nAC\n+\nII\n", 4, "the read has 2 bases and 4 qualities"),
        ("@a\nAC\n+\n@b\nAC\n+\nII\n", 5, "a record begins with 'AC'"),
        ("@a\nAC\n@b\nAC\n+\nII\n", 3, "the third line of a record begins with '@b'"),
    ],
)
def test_two_files_run_together_are_named_where_they_meet(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "both.fq"
    path.write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        list(read_fastq(path))
    assert caught.value.line == line

"""BGZF is read by gzip and htslib alike, does not depend on threads, and damage is named by its byte."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats import bgzf


def write(path: Path, chunks: list[bytes], *, threads: int = 1) -> bgzf.BgzfWriter:
    with bgzf.BgzfWriter(path, threads=threads) as file:
        for chunk in chunks:
            file.write(chunk)
    return file


def plain(path: Path, **options: int) -> bytes:
    return b"".join(payload for _, payload in bgzf.read_blocks(path, **options))


@pytest.fixture
def text() -> bytes:
    return b"".join(b"line %d of a text\n" % i for i in range(20_000))


@settings(max_examples=40)
@given(chunks=st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 200_000).map(lambda n: b"ACGT" * (n // 4))), max_size=6))
def test_what_is_written_is_read_by_gzip_and_by_the_reader(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("bgzf") / "x.gz"
    write(path, chunks)
    assert gzip.decompress(path.read_bytes()) == plain(path) == b"".join(chunks)


def test_bytes_do_not_depend_on_threads(tmp_path: Path, text: bytes) -> None:
    for threads in (1, 2, 3):
        write(tmp_path / f"{threads}.gz", [text], threads=threads)
    assert len({(tmp_path / f"{threads}.gz").read_bytes() for threads in (1, 2, 3)}) == 1


def test_bytes_do_not_depend_on_the_size_of_writes(tmp_path: Path, text: bytes) -> None:
    write(tmp_path / "once.gz", [text])
    write(tmp_path / "often.gz", [text[i : i + 997] for i in range(0, len(text), 997)])
    assert (tmp_path / "once.gz").read_bytes() == (tmp_path / "often.gz").read_bytes()


def test_virtual_offsets_are_those_htslib_seeks(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    written = write(path, [text[:1000], text[1000:]])
    with pysam.BGZFile(str(path)) as file:
        for offset in (0, 999, bgzf.PAYLOAD - 1, bgzf.PAYLOAD, len(text) - 5):
            file.seek(written.virtual_offset(offset))
            assert file.read(5) == text[offset : offset + 5]


def test_flush_ends_a_block(tmp_path: Path) -> None:
    with bgzf.BgzfWriter(tmp_path / "x.gz") as file:
        file.write(b"head")
        file.flush()
        file.write(b"body")
    assert [payload for _, payload in bgzf.read_blocks(tmp_path / "x.gz")] == [b"head", b"body", b""]


def test_a_part_of_a_file_is_read_by_offsets(tmp_path: Path, text: bytes) -> None:
    written = write(tmp_path / "x.gz", [text])
    second, third = written.block_start[1:3]
    assert plain(tmp_path / "x.gz", start=second, end=third) == text[bgzf.PAYLOAD : 2 * bgzf.PAYLOAD]


def test_reading_in_threads_gives_the_same(tmp_path: Path, text: bytes) -> None:
    write(tmp_path / "x.gz", [text])
    assert plain(tmp_path / "x.gz", threads=2) == text


def test_a_missing_end_of_file_block_is_told(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    write(path, [text])
    path.write_bytes(path.read_bytes()[: -len(bgzf.END_OF_FILE)])
    with pytest.raises(BadInput, match="without the end-of-file block"):
        plain(path)


def test_a_file_cut_inside_a_block_is_told_with_the_byte(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    second = write(path, [text]).block_start[1]
    path.write_bytes(path.read_bytes()[: second + 100])
    with pytest.raises(BadInput, match=f"cut short inside the block at byte {second}"):
        plain(path)


def test_a_file_cut_inside_a_block_header_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(bgzf.END_OF_FILE[:7])
    with pytest.raises(BadInput, match="cut short"):
        plain(path)


def test_a_flipped_byte_is_told(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    write(path, [text])
    damaged = bytearray(path.read_bytes())
    damaged[5000] ^= 0x55
    path.write_bytes(damaged)
    with pytest.raises(BadInput, match=r"at byte 0 (cannot be inflated|does not match its checksum)"):
        plain(path)


def test_a_false_length_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    block = bytearray(bgzf.compress_block(b"hello"))
    block[-4:] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(block + bgzf.END_OF_FILE)
    with pytest.raises(BadInput, match="claims 1073741824 bytes"):
        plain(path)


def test_plain_gzip_is_not_bgzf(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"hello"))
    assert not bgzf.is_bgzf(path)
    with pytest.raises(BadInput, match="does not begin a BGZF block"):
        plain(path)


def test_a_member_without_a_block_size_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(bytes.fromhex("1f8b08040000000000ff0600585802001b00") + b"0" * 20)
    with pytest.raises(BadInput, match="no BGZF block size"):
        plain(path)


@settings(max_examples=150)
@given(noise=st.binary(max_size=200), at=st.integers(0, 60))
def test_no_input_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    path = tmp_path_factory.mktemp("bgzf") / "x.gz"
    whole = bgzf.compress_block(b"hello world " * 20)
    path.write_bytes(whole[:at] + noise)
    try:
        plain(path)
    except BadInput as told:
        assert str(path) in str(told)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.closed = True

    file = bgzf.BgzfWriter(tmp_path / "x.gz")
    file._file.close()
    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(BadEnvironment, match="the disk is full"):
        file.close()

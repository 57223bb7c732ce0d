"""Files are inflated whatever their compression, and damage is an error, never a short file."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import bgzf
from genopipe.formats.inflate import inflated

CONTENT = b"ACGT" * 50_000 + random.Random(1).randbytes(50_000)
PACKED = gzip.compress(CONTENT)


def content(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    return b"".join(inflated(path))


@settings(max_examples=30)
@given(members=st.lists(st.binary(max_size=100_000), min_size=1, max_size=4), padding=st.sampled_from([0, 1, 512, 70_000]))
def test_gzip_members_are_joined(tmp_path_factory: pytest.TempPathFactory, members: list[bytes], padding: int) -> None:
    data = b"".join(gzip.compress(member) for member in members) + bytes(padding)
    assert content(tmp_path_factory.mktemp("inflate") / "x", data) == b"".join(members)


@pytest.mark.parametrize("data", [b"", b"plain text", b"\x1e\x8b not gzip"])
def test_plain_files_are_given_as_they_are(tmp_path: Path, data: bytes) -> None:
    assert content(tmp_path / "x", data) == data


@pytest.mark.parametrize("kept", [2, 5, 11, 1000, len(PACKED) - 8, len(PACKED) - 1])
def test_truncated_gzip_is_an_error(tmp_path: Path, kept: int) -> None:
    with pytest.raises(BadInput, match="the gzip data ends before its end mark"):
        content(tmp_path / "x", PACKED[:kept])


@pytest.mark.parametrize("place", [100, len(PACKED) // 2, len(PACKED) - 6, len(PACKED) - 2])
def test_damaged_gzip_is_an_error(tmp_path: Path, place: int) -> None:
    data = bytearray(PACKED)
    data[place] ^= 0xFF
    with pytest.raises(BadInput, match="the gzip data is damaged"):
        content(tmp_path / "x", bytes(data))


def test_bgzip_without_its_end_mark_may_have_been_cut(tmp_path: Path) -> None:
    assert content(tmp_path / "x", bgzf.compress_block(b"ACGT") + bgzf.END_OF_FILE) == b"ACGT"
    with pytest.raises(BadInput, match="the bgzip data has no end mark"):
        content(tmp_path / "x", bgzf.compress_block(b"ACGT"))


@settings(max_examples=20)
@given(frames=st.lists(st.binary(min_size=1, max_size=100_000), min_size=1, max_size=3))
def test_zstd_frames_are_joined(tmp_path_factory: pytest.TempPathFactory, frames: list[bytes]) -> None:
    data = b"".join(zstandard.compress(frame) for frame in frames)
    assert content(tmp_path_factory.mktemp("inflate") / "x", data) == b"".join(frames)


def test_truncated_and_damaged_zstd_are_errors(tmp_path: Path) -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)
    for kept in (10, 1000, len(packed) - 1):
        with pytest.raises(BadInput, match="the zstd data ends before its end"):
            content(tmp_path / "x", packed[:kept])
    broken = bytearray(packed)
    broken[len(packed) // 2] ^= 0xFF
    with pytest.raises(BadInput, match="the zstd data is damaged"):
        content(tmp_path / "x", bytes(broken))
    with pytest.raises(BadInput, match="the zstd data is damaged"):
        content(tmp_path / "x", packed + b"something else")


def test_what_is_no_gzip_after_gzip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the gzip data"):
        content(tmp_path / "x", PACKED + b"something else that is long enough to be looked at")


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        list(inflated(tmp_path / name))

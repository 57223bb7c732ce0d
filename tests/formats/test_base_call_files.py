"""Base call files of every layout, filters and positions: what instruments write is read, everything else is an error with its place."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import bcl, cbcl
from genopipe.formats.cluster_filter import read_filter
from genopipe.formats.cluster_positions import read_positions
from genopipe.kernels.base_calls import NO_CALL, mark_no_calls

fuzz = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def reader_tests(data: Path) -> Path:
    return data / "run_folders" / "readerTests"


def test_a_bcl_is_read_with_its_qualities_checked(reader_tests: Path) -> None:
    path = reader_tests / "bcl_passing.bcl"
    raw = bcl.read_bcl(path)
    assert mark_no_calls(raw, 1, 2 << 2, np.empty_like(raw)) == -1
    assert len(raw) == 118
    assert bytes(raw[:11]) == b"It Doesn't "


@pytest.mark.parametrize(
    "name, message",
    [
        ("bcl_tooLong.bcl", "10 clusters by the count at byte 0 and 118 base calls from byte 4"),
        ("bcl_tooShort.bcl", "16777334 clusters by the count at byte 0 and 118 base calls"),
    ],
)
def test_every_broken_bcl_names_the_byte(reader_tests: Path, name: str, message: str) -> None:
    path = reader_tests / name
    with pytest.raises(BadInput, match=f"{name}: {message}"):
        bcl.read_bcl(path)


@pytest.mark.parametrize(
    "name, message",
    [
        ("pf_badOpeningBytes.filter", "bytes 0 to 3 are 256"),
        ("pf_badVersionBytes.filter", "version 16777219 at byte 4; wanted version 3"),
        ("pf_failing1.filter", "byte 24 is 34; wanted 0"),
        ("pf_failing2.filter", "version 17 at byte 4"),
        ("pf_tooLarge.filter", "48 clusters by byte 8 and 64 values"),
        ("pf_tooShort.filter", "160 clusters by byte 8 and 64 values"),
    ],
)
def test_every_broken_filter_names_the_byte(reader_tests: Path, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"{name}: {message}"):
        read_filter(reader_tests / name)


def test_a_filter_gives_what_passed(reader_tests: Path) -> None:
    passed = read_filter(reader_tests / "pf_passing.filter")
    assert len(passed) == 64
    assert passed[[4, 8, 9]].all()
    assert not passed[:4].any()


@pytest.mark.parametrize(
    "name, message",
    [
        ("s_1_7.locs", "200 clusters by byte 8 and 1604 bytes from byte 12"),
        ("s_1_8.locs", "200 clusters by byte 8 and 1601 bytes"),
        ("s_1_9.locs", "it begins with 5 and version 1;"),
        ("s_1_10.locs", "it begins with 1 and version 1.007"),
        ("s_1_1104_pos.txt", "an empty file"),
    ],
)
def test_every_broken_position_file_says_what_is_wrong(reader_tests: Path, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"{name}: {message}"):
        read_positions(reader_tests / name)


@pytest.mark.parametrize("name, line", [("s_1_1102_pos.txt", 1), ("pos_failing1_pos.txt", 1)])
def test_every_broken_line_of_a_position_file_is_named(reader_tests: Path, name: str, line: int) -> None:
    with pytest.raises(BadInput, match=f"{name}:{line}: .* are no two numbers"):
        read_positions(reader_tests / name)


def test_positions_are_tenths_of_pixels_from_1000(reader_tests: Path) -> None:
    locs, clocs = read_positions(reader_tests / "s_1_6.locs"), read_positions(reader_tests / "s_1_2106.clocs")
    assert locs.shape == (200, 2)
    assert locs[0].tolist() == [round(1703.0117 * 10) + 1000, round(64.0159 * 10) + 1000]
    assert len(clocs) == 39891 and (clocs >= 1000).all()
    assert read_positions(reader_tests / "s_2_1101.clocs")[0].tolist() == [1000 + 0xB2, 1000 + 0x03]
    assert read_positions(reader_tests / "s_2_1101_pos.txt")[:2].tolist() == [[1178, 1003], [1237, 1017]]


def test_cbcl_tiles_are_read_by_their_place(reader_tests: Path) -> None:
    path = reader_tests / "cbcls" / "C1.1" / "L001_1.cbcl"
    header = cbcl.read_header(path)
    assert header.filtered
    assert list(header.blocks) == [1101, 1102]
    calls = [cbcl.read_tile(path, header, tile) for tile in (1101, 1102)]
    assert [len(each) for each in calls] == [4, 4]


@pytest.mark.parametrize("quality, masked, call", [(0, False, 0 << 2 | 3), (0, True, NO_CALL), (2, False, 23 << 2 | 3)])
def test_only_nibble_0_is_a_no_call_and_bin_0_keeps_its_letter(tmp_path: Path, quality: int, masked: bool, call: int) -> None:
    path = tmp_path / "a.cbcl"
    path.write_bytes(one_tile([0, quality << 2 | 3]))
    header = cbcl.read_header(path, mask_q0=masked)
    assert cbcl.read_tile(path, header, 1101).tolist() == [NO_CALL, call]


def one_tile(nibbles: list[int], *, n_bits: int = 2, bins: tuple[int, ...] = (0, 12, 23, 37), flag: int = 0, cut: int = 0) -> bytes:
    packed = bytes(a | b << 4 for a, b in zip(nibbles[::2], [*nibbles[1::2], 0], strict=False))
    block = gzip.compress(packed, mtime=0)
    tile = struct.pack("<I4I", 1, 1101, len(nibbles), len(packed), len(block))
    body = b"".join(struct.pack("<II", *pair) for pair in enumerate(bins)) + tile + bytes([flag])
    return struct.pack("<HIBBI", 1, 12 + len(body), n_bits, 2, len(bins)) + body + block[: len(block) - cut]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the file ends at byte 0 inside its header"),
        (one_tile([1])[:30], "the file ends at byte 30 inside its header of 65 bytes"),
        (one_tile([1], n_bits=3), "version 1 with 3 bits a base and 2 a quality in bytes 0 to 7"),
        (one_tile([1], bins=(0, 12)), "2 quality bins by byte 8"),
        (one_tile([1], bins=(0, 12, 0, 37)), "quality bin 2 stands for no quality or for 0"),
        (one_tile([1], flag=7), "byte 64 is 7; wanted 0, or 1"),
        (one_tile([1], cut=3), "the block of tile 1101 at byte 65 ends after 18 of 21 bytes"),
        (one_tile([1])[:70] + b"\xff" * 16, "the block of tile 1101 at byte 65 (cannot be inflated|does not inflate)"),
        (one_tile([1]) + b"more", "does not inflate to 1 bytes and end there"),
    ],
)
def test_a_broken_cbcl_names_the_byte(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.cbcl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        cbcl.read_tile(path, cbcl.read_header(path), 1101)


def test_a_tile_that_a_cbcl_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.cbcl"
    path.write_bytes(one_tile([1]))
    with pytest.raises(BadInput, match="no block of tile 1102"):
        cbcl.read_tile(path, cbcl.read_header(path), 1102)


def test_the_index_of_a_lane_must_fit_its_tiles(tmp_path: Path, data: Path) -> None:
    path = data / "run_folders" / "parserTests" / "bciParser" / "0001.bcl.bgzf.bci"
    assert len(bcl.read_cycle_index(path, 216)) == 216
    with pytest.raises(BadInput, match="1736 bytes; wanted 1720 bytes for the 214 tiles"):
        bcl.read_cycle_index(path, 214)
    (tmp_path / "s_1.bci").write_bytes(struct.pack("<4I", 1101, 5, 1101, 6))
    with pytest.raises(BadInput, match="a tile stands in it twice"):
        bcl.read_tile_index(tmp_path / "s_1.bci")
    (tmp_path / "s_1.bci").write_bytes(b"abc")
    with pytest.raises(BadInput, match="3 bytes; wanted 8 bytes a tile"):
        bcl.read_tile_index(tmp_path / "s_1.bci")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for read in (read_filter, read_positions, bcl.read_tile_index, cbcl.read_header):
        with pytest.raises(BadInput, match="there is no such file"):
            read(tmp_path / "none")


MALFORMED = {
    *(f"bcl_too{how}.bcl" for how in ("Long", "Short")),
    *(f"pf_{fault}.filter" for fault in ("badOpeningBytes", "badVersionBytes", "failing1", "failing2", "tooLarge", "tooShort")),
    *(f"s_1_{tile}.locs" for tile in (7, 8, 9, 10)),
    *(f"s_1_{tile}_pos.txt" for tile in (1102, 1103, 1104)),
    "pos_failing1_pos.txt",
    "C3.1/L001_1.cbcl",
}
"""Of all files of the reader tests, those that cannot be right by themselves."""


def read_any(path: Path) -> None:
    if path.suffix == ".cbcl":
        header = cbcl.read_header(path)
        for tile in header.blocks:
            cbcl.read_tile(path, header, tile)
    elif path.suffix != ".bin":
        {".bcl": bcl.read_bcl, ".filter": read_filter}.get(path.suffix, read_positions)(path)


def test_all_malformed_files_are_refused_with_their_place_and_no_others(reader_tests: Path) -> None:
    refused = set()
    for path in sorted(path for path in reader_tests.rglob("*") if path.is_file()):
        try:
            read_any(path)
        except BadInput as error:
            assert error.path == path
            assert error.line or re.search(r"byte|it begins with|tile 1101|an empty file", error.came), str(error)
            refused.add(str(path.relative_to(path.parents[1])) if path.suffix == ".cbcl" else path.name)
    assert refused == MALFORMED


READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("a.bcl", bcl.read_bcl),
    ("a.filter", read_filter),
    ("a.locs", read_positions),
    ("a.clocs", read_positions),
    ("a_pos.txt", read_positions),
    ("a.cbcl", lambda path: cbcl.read_tile(path, cbcl.read_header(path), 1101)),
    ("a.bci", bcl.read_tile_index),
    ("a.bgzf", bcl.read_bgzf_count),
]
WHOLE = [
    struct.pack("<I", 2) + b"ab",
    struct.pack("<3I", 0, 3, 2) + b"\0\1",
    struct.pack("<IfI2f", 1, 1.0, 1, 3.0, 4.0),
    struct.pack("<BI3B", 1, 1, 1, 7, 9),
    b"1.0 2.0\n",
    one_tile([1, 2, 3]),
]


@pytest.mark.parametrize("name, read", READERS, ids=[name for name, _ in READERS])
@fuzz
@given(
    content=st.binary(max_size=60)
    | st.builds(
        lambda whole, at, byte: whole[:at] + byte + whole[at + 1 :], st.sampled_from(WHOLE), st.integers(0, 80), st.binary(max_size=2)
    )
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, name: str, read: Callable[[Path], object], content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        read(tmp_path / name)
    except BadInput as error:
        assert name in str(error)


def test_no_calls_and_bases_of_a_bcl(tmp_path: Path) -> None:
    (tmp_path / "a.bcl.gz").write_bytes(gzip.compress(struct.pack("<I", 3) + bytes([0, 41 << 2 | 2, 2 << 2])))
    assert bcl.read_bcl(tmp_path / "a.bcl.gz").tolist() == [0, 41 << 2 | 2, 8]
    assert np.issubdtype(bcl.read_bcl(tmp_path / "a.bcl.gz").dtype, np.uint8)

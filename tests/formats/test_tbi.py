"""The index of a VCF: every stretch of every contig gives the records that a look at all of them gives."""

from __future__ import annotations

import gzip
import struct
import subprocess
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import tbi
from genopipe.formats.tbi import TbiBuilder
from genopipe.formats.vcf import vcf_writer

HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
INFOS = ("END={}", "DP=3;END={};X=END=7", "BEND=1;LAST=END", ".")

Record = tuple[str, int, int, str]
"""Contig, begin and end (0-based, half-open), and the line."""


def record(contig: str, begin: int, length: int, kind: int) -> Record:
    """A record that spans `length` bases by END where its kind says so, else by REF, which is shorter."""
    told = INFOS[kind]
    letters = min(length, 5)
    end = begin + (length if "{}" in told else letters)
    return contig, begin, end, f"{contig}\t{begin + 1}\t.\t{'A' * letters}\tT\t.\t.\t{told.format(begin + length)}"


@st.composite
def files(draw: st.DrawFn) -> list[Record]:
    """Sorted records of up to three contigs: near each other and far apart, short and over many bins."""
    found = []
    for contig in draw(st.lists(st.sampled_from(["1", "10", "chr1"]), unique=True, max_size=3)):
        steps = draw(st.lists(st.sampled_from([0, 1, 300, 16_384, 131_072, 9_000_000]), max_size=25))
        begins = np.cumsum([draw(st.integers(0, 40_000)), *steps]).tolist()
        lengths = [draw(st.sampled_from([1, 2, 900, 16_384, 300_000, 70_000_000])) for _ in begins]
        found += [record(contig, begin, length, draw(st.integers(0, 3))) for begin, length in zip(begins, lengths, strict=True)]
    return found


def written(path: Path, records: list[Record], at_once: int = 3) -> None:
    with vcf_writer(path, HEAD) as write:
        for first in range(0, len(records), at_once):
            write("".join(line + "\n" for _, _, _, line in records[first : first + at_once]))


def asked(records: list[Record]) -> list[tuple[str, int, int]]:
    """Stretches: at, before and behind the ends of records, and long ones."""
    edges = [(contig, edge + shift) for contig, begin, end, _ in records[:12] for edge in (begin, end) for shift in (-1, 0, 1)]
    return [(contig, max(edge, 0), max(edge, 0) + length) for contig, edge in edges for length in (1, 20_000)] + [("1", 0, 500_000_000)]


@settings(max_examples=60)
@given(records=files(), piece=st.sampled_from([1, 200, 1 << 16]))
def test_every_stretch_gives_its_records(records: list[Record], piece: int) -> None:
    """Whatever the text is taken in by."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tbi, "_PIECE", piece)
        path = Path(folder, "x.vcf.gz")
        written(path, records)
        with pysam.TabixFile(str(path)) as file:
            assert file.contigs == list(dict.fromkeys(contig for contig, *_ in records))
            for contig, start, end in asked(records):
                over = [line for c, low, high, line in records if c == contig and low < end and high > start]
                assert (list(file.fetch(contig, start, end)) if contig in file.contigs else []) == over


def test_it_says_what_htslib_says(tmp_path: Path) -> None:
    """The names, how many records each contig has, and where they begin, of a file of many blocks."""
    rng = np.random.default_rng(3)
    records = [
        record(contig, begin, int(rng.integers(1, 400)), int(rng.integers(0, 4)))
        for contig in ("chr1", "chr2")
        for begin in np.sort(rng.integers(0, 3_000_000, 20_000)).tolist()
    ]
    written(tmp_path / "x.vcf.gz", records)
    pysam.tabix_index(str(tmp_path / "x.vcf.gz"), preset="vcf", index=str(tmp_path / "theirs.tbi"), force=True, keep_original=True)
    ours, theirs = (gzip.decompress((tmp_path / name).read_bytes()) for name in ("x.vcf.gz.tbi", "theirs.tbi"))
    assert ours[:46] == theirs[:46] and ours[-8:] == theirs[-8:]
    assert meta_of(ours) == meta_of(theirs)
    program = which("bcftools")
    if program is None:
        pytest.skip("no bcftools")
    stats = subprocess.run([program, "index", "--stats", tmp_path / "x.vcf.gz"], capture_output=True, text=True, check=True).stdout
    assert stats == "chr1\t.\t20000\nchr2\t.\t20000\n"


def meta_of(index: bytes) -> list[tuple[int, ...]]:
    """Where the records of each contig begin and end, and how many there are: the pseudo-bin 37450."""
    marker, found, at = struct.pack("<Ii", 37450, 2), [], 0
    while (at := index.find(marker, at) + 1) > 0:
        found.append(struct.unpack_from("<QQQQ", index, at + 7))
    return found


def test_no_records_make_an_index(tmp_path: Path) -> None:
    written(tmp_path / "x.vcf.gz", [])
    with pysam.TabixFile(str(tmp_path / "x.vcf.gz")) as file:
        assert file.contigs == []


@pytest.mark.parametrize(
    "places", [[("1", 7), ("1", 6)], [("1", 7), ("2", 1), ("1", 9)], [("1", 70_000), ("1", 1)]], ids=["position", "contig", "next piece"]
)
def test_records_that_are_not_sorted(places: list[tuple[str, int]]) -> None:
    lines = [record(contig, begin, 1, 3)[3] + "\n" for contig, begin in places]
    with pytest.raises(ValueError, match="records of 1 are not sorted"):
        builder = TbiBuilder(0)
        for line in lines:
            builder.add(line.encode())
            builder._look()


def test_a_place_that_no_such_index_can_hold(tmp_path: Path) -> None:
    message = "a record ends at wheat:536,870,913; wanted positions up to 536,870,912, which a .tbi can hold"
    with pytest.raises(BadInput, match=message):
        written(tmp_path / "x.vcf.gz", [record("wheat", 1 << 29, 1, 3)])
    assert not list(tmp_path.iterdir())

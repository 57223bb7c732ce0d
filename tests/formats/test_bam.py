"""BAM bytes and the BAI index mean to htslib what the arrays say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import bai, bam
from genopipe.formats.bgzf import BgzfWriter
from genopipe.model import BASES, Contig, Reads

CONTIGS = [
    Contig("one", 0, 300_000, "0" * 32, "SQ.x"),
    Contig("two", 300_032, 40_000, "1" * 32, "SQ.y"),
    Contig("none", 340_064, 99, "2" * 32, ""),
]
GROUP = bam.ReadGroup("lane1", "S1", "L1", "ILLUMINA")


def starts(sizes: list[int]) -> Any:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def reads_of(names: list[str], sequences: list[str], *, quality: int = 30) -> Reads:
    header = "".join(names).encode()
    base = np.array([BASES.index(letter) for letter in "".join(sequences).encode()], np.uint8)
    qualities = np.full(len(base), quality, np.uint8)
    if quality != 255:
        qualities = (np.arange(len(base)) % 41).astype(np.uint8)
    name_start = starts([len(name) for name in names])
    length = np.diff(name_start).astype(np.int32)
    return Reads(False, np.frombuffer(header, np.uint8), name_start, length, base, qualities, starts([len(s) for s in sequences]))


def records_of(flag: list[int], contig: list[int], position: list[int], cigars: list[list[int]], tags: bytes = b"") -> bam.Records:
    n = len(flag)
    span = [sum(item >> 4 for item in cigar if item & 15 in (0, 2)) for cigar in cigars]
    int32 = lambda values: np.array(values, np.int32)  # noqa: E731
    end = int32([p + max(s, 1) for p, s in zip(position, span, strict=True)])
    operations = np.array([item for cigar in cigars for item in cigar], np.uint32)
    return bam.Records(
        read=np.arange(n, dtype=np.int32),
        flag=np.array(flag, np.uint16),
        contig=int32(contig),
        position=int32(position),
        end=end,
        quality=np.full(n, 42, np.uint8),
        mate_contig=int32([-1] * n),
        mate_position=int32([-1] * n),
        template_length=int32([-7] * n),
        cigar=operations,
        cigar_start=starts([len(cigar) for cigar in cigars]),
        tag=np.frombuffer(tags * n, np.uint8),
        tag_start=starts([len(tags)] * n),
    )


def write(path: Path, reads: Reads, records: bam.Records) -> Path:
    """One BAM with its index."""
    index = bai.Builder([contig.length for contig in CONTIGS])
    data, start = bam.encode(reads, records)
    with BgzfWriter(path) as out:
        out.write(bam.header_bytes(bam.header_text(CONTIGS, [GROUP], version="1"), CONTIGS))
        out.flush()
        index.add(bai.summary_of(data, start), out.tell())
        out.write(data.data)
    index.write(path.with_name(path.name + ".bai"), out)
    return path


def test_the_header_says_what_the_genome_and_the_reads_are(tmp_path: Path) -> None:
    path = write(tmp_path / "x.bam", reads_of(["a"], ["ACGT"]), records_of([0], [0], [5], [[4 << 4]]))
    header = pysam.AlignmentFile(str(path)).header.to_dict()
    assert header["HD"] == {"VN": "1.6", "SO": "coordinate"}
    assert header["SQ"][1] == {"SN": "two", "LN": 40_000, "M5": "1" * 32}
    assert header["RG"] == [{"ID": "lane1", "SM": "S1", "LB": "L1", "PL": "ILLUMINA"}]
    assert header["PG"] == [{"ID": "genopipe", "PN": "genopipe", "VN": "1"}]


@settings(max_examples=60)
@given(
    sequences=st.lists(st.text(alphabet=BASES.decode(), min_size=1, max_size=40), min_size=1, max_size=5),
    reverse=st.booleans(),
    position=st.integers(0, 200_000),
)
def test_records_are_read_back_by_htslib(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[str], reverse: bool, position: int
) -> None:
    n = len(sequences)
    reads = reads_of([f"read{i}" for i in range(n)], sequences)
    cigars = [[len(sequence) << 4] for sequence in sequences]
    path = write(
        tmp_path_factory.mktemp("bam") / "x.bam", reads, records_of([16 * reverse] * n, [0] * n, [position] * n, cigars, b"NMC\x07XSZab\0")
    )
    for i, record in enumerate(pysam.AlignmentFile(str(path))):
        assert (record.query_name, record.reference_start, record.mapping_quality) == (f"read{i}", position, 42)
        assert record.get_forward_sequence() == sequences[i]
        qualities = reads.quality[reads.base_start[i] : reads.base_start[i + 1]].tolist()
        assert list(record.get_forward_qualities() or []) == qualities
        assert record.get_tags() == [("NM", 7), ("XS", "ab")]
        assert record.cigarstring == f"{len(sequences[i])}M"
        assert (record.template_length, record.next_reference_id) == (-7, -1)


def test_missing_qualities_stay_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "x.bam", reads_of(["a"], ["ACGT"], quality=255), records_of([0], [0], [5], [[4 << 4]]))
    assert next(iter(pysam.AlignmentFile(str(path)))).query_qualities is None


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (16_383, 16_384), (16_380, 16_390), (131_000, 131_100), (0, 300_000), (1 << 23, (1 << 23) + 9)]
)
def test_bins_are_those_of_the_specification(start: int, end: int) -> None:
    record = pysam.AlignedSegment(pysam.AlignmentHeader.from_references(["c"], [1 << 28]))
    record.reference_id, record.reference_start, record.cigartuples = 0, start, [(0, end - start)]
    assert bam.bin_of(start, end) == record.bin


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four thousand sorted reads on two contigs, some with long deletions, a gap without reads, and unplaced ones at the end."""
    rng = np.random.default_rng(2)
    first = np.sort(np.concatenate((rng.integers(0, 60_000, 2500), rng.integers(200_000, 290_000, 1000)))).tolist()
    second = np.sort(rng.integers(0, 30_000, 500)).tolist()
    contig = [0] * len(first) + [1] * len(second) + [-1] * 10
    position = first + second + [-1] * 10
    cigars = [[] if c < 0 else [50 << 4, int(rng.choice([1, 9000])) << 4 | 2, 50 << 4] for c in contig]
    flag = [4 if c < 0 or rng.random() < 0.02 else 0 for c in contig]
    names = [f"a-read-with-a-long-name-{i}" for i in range(len(contig))]
    reads = reads_of(names, ["".join(rng.choice(list("ACGT"), 100)) for _ in contig])
    return write(tmp_path_factory.mktemp("bai") / "x.bam", reads, records_of(flag, contig, position, cigars))


REGIONS = [("one", 0, 100), ("one", 15_000, 17_000), ("one", 100_000, 150_000), ("one", 64_000, 300_000), ("two", 29_000, 40_000)]


@pytest.mark.parametrize(("contig", "start", "end"), [*REGIONS, ("none", 0, 99)])
def test_a_region_holds_what_a_scan_finds(indexed: Path, contig: str, start: int, end: int) -> None:
    with pysam.AlignmentFile(str(indexed)) as file:
        by_index = [record.query_name for record in file.fetch(contig, start, end)]
    with pysam.AlignmentFile(str(indexed)) as file:
        by_scan = [
            record.query_name
            for record in file
            if record.reference_name == contig
            and record.reference_start < end
            and (record.reference_end or record.reference_start + 1) > start
        ]
    assert by_index == by_scan


def test_index_statistics_equal_those_of_htslib(indexed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bam"
    copy.write_bytes(indexed.read_bytes())
    pysam.index(str(copy))
    assert pysam.idxstats(str(indexed)) == pysam.idxstats(str(copy))


def test_htslib_finds_the_file_whole(indexed: Path) -> None:
    pysam.quickcheck("-v", str(indexed))


def test_a_contig_too_long_for_the_index_is_told() -> None:
    with pytest.raises(BadInput, match="a contig has 536,870,913 bases"):
        bai.Builder([100, (1 << 29) + 1])


@pytest.mark.parametrize("sample", ["", "S\t1", "S\n@CO"])
@pytest.mark.parametrize("identifier", ["lane1", None])
def test_a_name_that_breaks_the_header_is_told(sample: str, identifier: str | None) -> None:
    with pytest.raises(BadInput, match=r"--sample: .* cannot stand in a BAM header"):
        bam.ReadGroup(identifier or sample, sample, "L1", "ILLUMINA")

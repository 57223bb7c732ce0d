"""Reads are passed on whole: names, bases, qualities, order, read groups and tags are those that came, as htslib reads them."""

from __future__ import annotations

import array
import gzip
import re
from pathlib import Path

import pysam
import pytest
import zstandard
from click.testing import CliRunner

from genopipe.cli import genopipe
from genopipe.errors import GenopipeError
from genopipe.formats import bgzf

HIFI = "long_reads/nfcore_test_hifi.fastq.gz"


def run(*arguments: object) -> str:
    """What the command says; it must succeed."""
    result = CliRunner().invoke(genopipe, ["ingest", "fastq", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(genopipe, ["ingest", "fastq", *map(str, arguments)])
    assert isinstance(result.exception, GenopipeError)
    return str(result.exception)


def packed(text: bytes, how: str) -> bytes:
    if how == "bgzip":
        return b"".join(bgzf.compress_block(text[at : at + 60_000]) for at in range(0, len(text), 60_000)) + bgzf.END_OF_FILE
    return {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[how](text)


def records(path: Path) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return list(file.fetch(until_eof=True))


def shown(path: Path) -> list[tuple[object, ...]]:
    """Name, flag, bases, qualities and tags of every record."""
    return [
        (r.query_name, r.flag, r.query_sequence, "".join(chr(33 + q) for q in r.query_qualities), sorted(r.get_tags()))
        for r in records(path)
    ]


def unaligned(path: Path, header: dict[str, object], names: list[str], flags: tuple[int, ...], **tags: object) -> Path:
    with pysam.AlignmentFile(str(path), "wb", header=pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, **header})) as out:
        for i, name in enumerate(names):
            record = pysam.AlignedSegment(out.header)
            record.query_name, record.flag, record.reference_id = name, flags[i % len(flags)], -1
            record.query_sequence, record.query_qualities = "ACGTN"[: i % 5 + 1], array.array("B", range(10, 11 + i % 5))
            record.set_tags(list(tags.items()))
            out.write(record)
    return path


@pytest.mark.parametrize("how", ["plain", "gzip", "bgzip", "zstd"])
def test_long_reads_of_any_compression_become_an_unaligned_bam(data: Path, tmp_path: Path, how: str) -> None:
    lane = tmp_path / "reads"
    lane.write_bytes(packed(gzip.decompress((data / HIFI).read_bytes()), how))
    run(lane, "--sample", "S", "--as", "bam", "--read-group", "run7", "--platform", "PACBIO", "-o", tmp_path / "out")
    with pysam.FastxFile(str(data / HIFI)) as peer:
        wanted = [(read.name, 4, read.sequence, read.quality, [("CO", read.comment), ("RG", "run7")]) for read in peer]
    assert shown(tmp_path / "out/S.bam") == wanted
    with pysam.AlignmentFile(str(tmp_path / "out/S.bam"), check_sq=False) as file:
        assert file.header.to_dict()["RG"] == [{"ID": "run7", "SM": "S", "LB": "S", "PL": "PACBIO"}]


def test_lanes_stay_fastq_with_their_headers(data: Path, tmp_path: Path) -> None:
    text = gzip.decompress((data / HIFI).read_bytes())
    (tmp_path / "lane2.fq").write_bytes(text)
    run("-1", data / HIFI, "-1", tmp_path / "lane2.fq", "--sample", "S", "--as", "fastq", "-o", tmp_path)
    assert gzip.decompress((tmp_path / "S.fastq.gz").read_bytes()) == 2 * re.sub(rb"\n\+.*\n", b"\n+\n", text)


@pytest.mark.parametrize("interleaved", [False, True])
def test_pairs_stay_fastq_and_become_records(tmp_path: Path, interleaved: bool) -> None:
    reads = [[f"@p{i} {mate}:N:0:A\nACG\n+\nI#I\n" for i in range(5)] for mate in (1, 2)]
    text = ["".join(map("".join, zip(*reads, strict=True)))] if interleaved else ["".join(mate) for mate in reads]
    for i, part in enumerate(text):
        (tmp_path / f"{i}.fq").write_text(part)
    given = [tmp_path / "0.fq", "--interleaved"] if interleaved else [tmp_path / "0.fq", tmp_path / "1.fq"]
    run(*given, "--sample", "S", "--as", "fastq", "-o", tmp_path)
    assert [gzip.decompress((tmp_path / f"S_R{mate}.fastq.gz").read_bytes()).decode() for mate in (1, 2)] == ["".join(r) for r in reads]
    run(*given, "--sample", "S", "--as", "cram", "-o", tmp_path)
    wanted = [(f"p{i}", flag, "ACG", "I#I", [("CO", f"{mate}:N:0:A"), ("RG", "S")]) for i in range(5) for mate, flag in ((1, 77), (2, 141))]
    assert shown(tmp_path / "S.cram") == wanted
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("flags", [(4,), (77, 141)])
def test_records_are_kept_with_tags_and_read_groups_of_all_lanes(tmp_path: Path, flags: tuple[int, ...]) -> None:
    lanes = []
    for lane in "ab":
        header = {
            "RG": [{"ID": lane, "SM": "S", "PL": "ONT", "DS": "model=x"}],
            "PG": [{"ID": "caller", "VN": "1"}],
            "CO": [f"lane {lane}"],
        }
        names = [f"{lane}{i // len(flags)}" for i in range(8)]
        ml = array.array("B", [1, 200])
        lanes.append(unaligned(tmp_path / f"{lane}.bam", header, names, flags, RG=lane, RX="ACGT-TTTT", MM="C+m,0,1;", ML=ml, ch=7))
    run("-1", lanes[0], "-1", lanes[1], "--sample", "S", "--as", "bam", "-o", tmp_path / "out")
    assert shown(tmp_path / "out/S.bam") == shown(lanes[0]) + shown(lanes[1])
    with pysam.AlignmentFile(str(tmp_path / "out/S.bam"), check_sq=False) as file:
        header = file.header.to_dict()
    assert [group["ID"] for group in header["RG"]] == ["a", "b"]
    assert header["RG"][0]["DS"] == "model=x"
    assert [program["ID"] for program in header["PG"]] == ["caller", "genopipe"]
    assert header["CO"] == ["lane a", "lane b"]


def test_records_without_a_read_group_get_the_one_given(tmp_path: Path) -> None:
    lane = unaligned(tmp_path / "a.bam", {}, ["x", "y"], (4,), RX="AC")
    run(lane, "--sample", "S", "--as", "bam", "--read-group", "g", "-o", tmp_path)
    assert [tags for *_, tags in shown(tmp_path / "S.bam")] == [[("RG", "g"), ("RX", "AC")]] * 2


def test_tags_in_the_comments_of_basecallers_become_tags(tmp_path: Path) -> None:
    comment = "RG:Z:g\tqs:f:12.5\tmx:i:-3\tns:i:4000000000\tMM:Z:C+m,0;\tML:B:C,1,200\tdx:A:x\tpi:B:f,0.5"
    (tmp_path / "a.fq").write_text(f"@r1\t{comment}\nAC\n+\nII\n@r2\nA\n+\nI\n")
    run(tmp_path / "a.fq", "--sample", "S", "--as", "bam", "--read-group", "g", "-o", tmp_path)
    first, second = records(tmp_path / "S.bam")
    assert "\t".join(first.to_string().split("\t")[11:]) == comment
    assert second.get_tags() == [("RG", "g")]


def test_what_a_bam_cannot_hold_is_refused(tmp_path: Path) -> None:
    fq, bam = tmp_path / "a.fq", unaligned(tmp_path / "a.bam", {"RG": [{"ID": "g", "SM": "other"}]}, ["x"], (4,), RG="g")
    fq.write_text("@r\tRG:Z:h\nA\n+\nI\n")
    assert "is of another read group: RG:Z:h" in refused(fq, "--sample", "S", "--as", "bam", "-o", tmp_path)
    fq.write_text(f"@{'r' * 255}\nA\n+\nI\n")
    assert "has 255 bytes; wanted at most 254" in refused(fq, "--sample", "S", "--as", "bam", "-o", tmp_path)
    assert "the read group 'g' is of the sample 'other'" in refused(bam, "--sample", "S", "--as", "bam", "-o", tmp_path)
    assert "the file holds records" in refused(bam, "--sample", "S", "--as", "fastq", "-o", tmp_path)
    assert "is the file that the reads come from" in refused(bam, "--sample", "a", "--as", "bam", "-o", tmp_path)
    groups = [unaligned(tmp_path / f"{i}.bam", {"RG": [{"ID": "g", "SM": "S", "DS": str(i)}]}, ["x"], (4,), RG="g") for i in (1, 2)]
    assert "is described in two ways" in refused("-1", groups[0], "-1", groups[1], "--sample", "S", "--as", "bam", "-o", tmp_path)
    assert not (tmp_path / "S.bam").exists()


def test_a_read_group_without_records_to_hold_it_is_a_wrong_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.fq").write_text("@r\nA\n+\nI\n")
    arguments = ["ingest", "fastq", str(tmp_path / "a.fq"), "--sample", "S", "--read-group", "g", "-o", str(tmp_path)]
    for more in ([], ["--as", "fastq"]):
        result = CliRunner().invoke(genopipe, arguments + more)
        assert result.exit_code == 2
        assert "Give --library and --read-group with --as bam or --as cram." in result.output


def test_aligned_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bam"
    with pysam.AlignmentFile(str(path), "wb", header=pysam.AlignmentHeader.from_dict({"SQ": [{"SN": "c", "LN": 9}]})) as out:
        out.write(pysam.AlignedSegment.fromstring("r\t0\tc\t1\t60\t2M\t*\t0\t0\tAC\tII", out.header))
    assert "record 1: the read 'r' is aligned" in refused(path, "--sample", "S", "--as", "bam", "-o", tmp_path)


def test_reads_passed_on_can_be_measured_again(data: Path, tmp_path: Path) -> None:
    run(data / HIFI, "--sample", "S", "--as", "bam", "-o", tmp_path / "one")
    run(tmp_path / "one/S.bam", "--sample", "S", "--as", "bam", "-o", tmp_path / "two")
    assert shown(tmp_path / "two/S.bam") == shown(tmp_path / "one/S.bam")

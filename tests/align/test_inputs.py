"""The same reads give the same alignments, whether they come as FASTQ, BAM or CRAM, aligned or not, from a file or a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.inputs import Files, Lanes
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.errors import BadInput
from genopipe.formats import bam_reads
from genopipe.formats.bam import ReadGroup
from genopipe.formats.bam_stream import open_stream
from genopipe.formats.fastq import write_fastq
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("S1", "S1", "S1", "ILLUMINA")
LANES = [{"ID": "l1", "SM": "S1", "LB": "A", "PU": "x"}, {"ID": "l2", "SM": "S1", "LB": "B"}]
PAIRS = 300

Pair = tuple[str, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference of two contigs, pairs on it (some with reads on both contigs), and their FASTQ."""
    path, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(5)
    contigs = ["".join(rng.choice(list("ACGT"), 8000)) for _ in range(2)]
    (path / "ref.fa").write_text("".join(f">c{i}\n{sequence}\n" for i, sequence in enumerate(contigs)))
    build_reference(path / "ref.fa", path / "ref", name="small")
    pairs = []
    for i in range(PAIRS):
        start = int(rng.integers(0, 7000))
        other = contigs[i % 2] if i % 7 else contigs[1 - i % 2]
        mates = contigs[i % 2][start : start + 80], reverse_complement(other[start + 200 : start + 290])
        pairs.append((f"p{i}", *(mates if i % 3 else mates[::-1])))
    write_mates(path, pairs)
    align(path, "fastq.bam", [path / "R1.fastq"], [path / "R2.fastq"])
    return path


def write_mates(path: Path, pairs: list[Pair]) -> None:
    for mate in (1, 2):
        (path / f"R{mate}.fastq").write_text("".join(f"@{pair[0]}\n{pair[mate]}\n+\n{quality(pair[mate])}\n" for pair in pairs))


def quality(sequence: str) -> str:
    return "".join(chr(40 + i % 30) for i in range(len(sequence)))


def align(folder: Path, output: str, r1: list[Path], r2: list[Path] | None = None) -> Path:
    path = folder / output
    align_files(r1, r2 or [], folder / "ref", path, interleaved=False, read_group=GROUP, options=Options())
    return path


def ubam(path: Path, folder: Path, groups: list[dict[str, str]] | None = None) -> Path:
    """The pairs as records without places, mates beside each other, lanes in turn."""
    with pysam.AlignmentFile(str(path), "wb", header={"HD": {"VN": "1.6"}, "RG": groups or []}, add_sq_text=False) as out:
        mates = (pysam.FastxFile(str(folder / f"R{mate}.fastq")) for mate in (1, 2))
        for i, both in enumerate(zip(*mates, strict=True)):
            for flag, read in zip((77, 141), both, strict=True):
                record = pysam.AlignedSegment(out.header)
                record.query_name, record.flag, record.query_sequence = read.name, flag, read.sequence
                record.query_qualities = pysam.qualitystring_to_array(str(read.quality))
                if groups:
                    record.set_tag("RG", groups[i % len(groups)]["ID"])
                out.write(record)
    return path


def rows(path: Path) -> list[str]:
    """All records as text but for the read group, in an order that does not depend on the input's."""
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return sorted("\t".join(field for field in record.to_string().split("\t") if field[:3] != "RG:") for record in file)


def as_ubam(folder: Path, path: Path) -> Path:
    return ubam(path.with_suffix(".bam"), folder)


def by_coordinate(folder: Path, path: Path) -> Path:
    return folder / "fastq.bam"


def by_name(folder: Path, path: Path) -> Path:
    pysam.sort("-n", "-o", str(path.with_suffix(".bam")), str(folder / "fastq.bam"))
    return path.with_suffix(".bam")


def as_cram(folder: Path, path: Path) -> Path:
    output = path.with_suffix(".cram")
    pysam.view("-C", "-T", str(folder / "ref.fa"), "-o", str(output), str(folder / "fastq.bam"), catch_stdout=False)
    return output


@pytest.mark.parametrize("given", [as_ubam, by_coordinate, by_name, as_cram])
def test_records_give_what_their_fastq_gives(folder: Path, tmp_path: Path, given: Callable[[Path, Path], Path]) -> None:
    reads = given(folder, tmp_path / "in")
    assert rows(align(folder, "again.bam", [reads])) == rows(folder / "fastq.bam")


def test_mates_that_wait_too_long_for_memory_find_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bam_reads, "MOST_WAITING", 1000)
    assert rows(align(folder, "again.bam", [folder / "fastq.bam"])) == rows(folder / "fastq.bam")


def test_the_read_groups_of_a_header_are_kept_with_their_libraries(folder: Path, tmp_path: Path) -> None:
    output = align(folder, "lanes.bam", [ubam(tmp_path / "lanes.bam", folder, LANES)])
    with pysam.AlignmentFile(str(output)) as file:
        assert file.header.to_dict()["RG"] == LANES
        assert {(int(str(record.query_name)[1:]) % 2, record.get_tag("RG")) for record in file} == {(0, "l1"), (1, "l2")}
    assert {line.split("\t")[0] for line in output.with_suffix(".duplicates.tsv").read_text().splitlines()[5:7]} == {"A", "B"}
    assert rows(output) == rows(folder / "fastq.bam")


def test_one_file_for_each_lane(folder: Path, tmp_path: Path) -> None:
    lanes = []
    for i, group in enumerate(LANES):
        reads = ubam(tmp_path / f"{i}.bam", folder, [group])
        renamed = tmp_path / f"renamed{i}.bam"
        with pysam.AlignmentFile(str(reads), check_sq=False) as file, pysam.AlignmentFile(str(renamed), "wb", header=file.header) as out:
            for record in file:
                record.query_name = f"{i}{record.query_name}"
                out.write(record)
        lanes.append(renamed)
    with pysam.AlignmentFile(str(align(folder, "two.bam", lanes))) as file:
        assert file.header.to_dict()["RG"] == LANES
        assert {(str(record.query_name)[0], record.get_tag("RG")) for record in file} == {("0", "l1"), ("1", "l2")}


@pytest.mark.parametrize("kind", ["bam", "fastq", "fastq.gz"])
def test_standard_input_is_told_apart_by_its_first_bytes(folder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "bam":
        reads = ubam(tmp_path / "in.bam", folder)
    else:
        reads = tmp_path / f"in.{kind}"
        batches = list(Lanes(Files([ubam(tmp_path / "x.bam", folder)], [], False, GROUP), folder / "ref").batches(tmp_path))
        write_fastq(reads, [batch.reads for batch in batches], r2=tmp_path / "r2.fastq")
    command = [sys.executable, "-m", "genopipe", "align", "--reference", str(folder / "ref"), "-1", "-", "--sample", "S1"]
    with open(reads, "rb") as given:
        done = subprocess.run([*command, "-o", str(tmp_path / "out.bam")], stdin=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "out.bam")) == (2 * PAIRS if kind == "bam" else PAIRS)


def test_pairs_may_come_through_two_named_pipes(folder: Path, tmp_path: Path) -> None:
    pipes = [tmp_path / name for name in ("R1", "R2")]
    for pipe in pipes:
        os.mkfifo(pipe)
    with ThreadPoolExecutor(2) as writers:
        for pipe in pipes:
            writers.submit(pipe.write_bytes, (folder / f"{pipe.name}.fastq").read_bytes())
        align_files(pipes[:1], pipes[1:], folder / "ref", tmp_path / "out.bam", interleaved=False, read_group=GROUP, options=Options())
    assert (tmp_path / "out.bam").read_bytes() == (folder / "fastq.bam").read_bytes()


def test_single_reads_of_a_bam_keep_bases_and_qualities(folder: Path, tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(tmp_path / "in.bam"), "wb", header={"HD": {"VN": "1.6"}}, add_sq_text=False) as out:
        for flag, sequence in ((4, "ACGTNRY"), (16, "AACC"), (0, "")):
            record = pysam.AlignedSegment(out.header)
            record.query_name, record.flag = f"r{flag}", flag
            record.query_sequence = sequence
            record.query_qualities = pysam.qualitystring_to_array(quality(sequence))
            out.write(record)
    write_fastq(
        tmp_path / "out.fastq",
        [bam_reads.reads_of(held, paired=paired) for held, paired in bam_reads.sequenced(open_stream(tmp_path / "in.bam"), tmp_path)],
    )
    turned = quality("AACC")[::-1]
    assert (tmp_path / "out.fastq").read_text() == f"@r4\nACGTNRY\n+\n{quality('ACGTNRY')}\n@r16\nGGTT\n+\n{turned}\n@r0\n\n+\n\n"


def changed(folder: Path, path: Path, change: Callable[[int, pysam.AlignedSegment], bool]) -> Path:
    """The uBAM with some records changed or, where `change` says False, left out."""
    reads = ubam(path.with_name("whole.bam"), folder)
    with pysam.AlignmentFile(str(reads), check_sq=False) as file, pysam.AlignmentFile(str(path), "wb", header=file.header) as out:
        for i, record in enumerate(file):
            if change(i, record):
                out.write(record)
    return path


def clip(record: pysam.AlignedSegment) -> bool:
    record.cigarstring = "5H70M"
    return True


def flag(record: pysam.AlignedSegment, value: int) -> bool:
    record.flag = value
    return True


def rename(record: pysam.AlignedSegment, name: str) -> bool:
    record.query_name = name
    return True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, record: i != 11, r"record 11: the read 'p5' has no mate in the file"),
        (lambda i, record: rename(record, "p0") if i in (2, 3) else True, r"record \d: the read 'p0' stands twice"),
        (lambda i, record: flag(record, 4) if i == 4 else True, r"record 5: the read 'p2' is single, those before are paired"),
        (lambda i, record: flag(record, 4 | 1) if i == 4 else True, r"record 5: the read 'p2' is of a pair but neither"),
        (lambda i, record: clip(record) if i == 7 else True, r"record 8: the read 'p3' is hard-clipped"),
    ],
    ids=["no mate", "twice", "mixed", "no number", "clipped"],
)
def test_records_that_are_no_reads_are_named(
    folder: Path, tmp_path: Path, change: Callable[[int, pysam.AlignedSegment], bool], message: str
) -> None:
    reads = changed(folder, tmp_path / "bad.bam", change)
    with pytest.raises(BadInput, match=r"bad\.bam: " + message):
        align_files([reads], [], folder / "ref", tmp_path / "out.bam", interleaved=False, read_group=GROUP, options=Options())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.bam", "whole.bam"]


def opened(folder: Path, r1: list[Path], r2: list[Path] | None = None) -> Lanes:
    return Lanes(Files(r1, r2 or [], False, GROUP), folder / "ref")


def test_wrong_mixtures_are_told_before_work_starts(folder: Path, tmp_path: Path) -> None:
    reads, fastq = ubam(tmp_path / "a.bam", folder), folder / "R1.fastq"
    with pytest.raises(BadInput, match=r"a\.bam: the file holds records, .*wanted no -2"):
        opened(folder, [reads], [fastq])
    with pytest.raises(BadInput, match=r"a\.bam: the file of second reads is no FASTQ"):
        opened(folder, [fastq], [reads])
    (tmp_path / "x.sam").write_text("@HD\tVN:1.6\n")
    with pytest.raises(BadInput, match=r"x\.sam: the reads are SAM text"):
        opened(folder, [tmp_path / "x.sam"])


def test_read_groups_that_contradict_are_told(folder: Path, tmp_path: Path) -> None:
    one, other = (ubam(tmp_path / f"{library}.bam", folder, [{**LANES[0], "LB": library}]) for library in "AB")
    with pytest.raises(BadInput, match="the read group 'l1' is described in two ways"):
        opened(folder, [one, other])
    strange = ubam(tmp_path / "c.bam", folder, [{**LANES[0], "SM": "S2"}])
    with pytest.raises(BadInput, match="'l1' is of the sample 'S2'; wanted only reads of 'S1'"):
        opened(folder, [strange])


def test_a_read_without_a_read_group_of_the_header_is_named(folder: Path, tmp_path: Path) -> None:
    reads = ubam(tmp_path / "whole.bam", folder, LANES)
    with (
        pysam.AlignmentFile(str(reads), check_sq=False) as file,
        pysam.AlignmentFile(str(tmp_path / "b.bam"), "wb", header=file.header) as out,
    ):
        for i, record in enumerate(file):
            record.set_tag("RG", None if i == 6 else "l1")
            out.write(record)
    with pytest.raises(BadInput, match="record 7: the read 'p3' has no read group of the header"):
        list(opened(folder, [tmp_path / "b.bam"]).batches(tmp_path))


def test_a_cram_of_another_reference_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.fa").write_text(">z\n" + "ACGT" * 2000 + "\n")
    with pysam.AlignmentFile(str(tmp_path / "z.bam"), "wb", header={"SQ": [{"SN": "z", "LN": 8000}]}) as out:
        record = pysam.AlignedSegment(out.header)
        record.query_name, record.flag, record.query_sequence, record.cigarstring = "r", 0, "ACGT" * 10, "40M"
        record.reference_id, record.reference_start = 0, 100
        record.query_qualities = pysam.qualitystring_to_array("I" * 40)
        out.write(record)
    pysam.view("-C", "-T", str(tmp_path / "other.fa"), "-o", str(tmp_path / "z.cram"), str(tmp_path / "z.bam"), catch_stdout=False)
    (tmp_path / "other.fa").unlink()
    with pytest.raises(BadInput, match=r"z\.cram: the CRAM cannot be decoded"):
        list(opened(folder, [tmp_path / "z.cram"]).batches(tmp_path))


def test_a_cut_bam_is_told(folder: Path, tmp_path: Path) -> None:
    whole = ubam(tmp_path / "whole.bam", folder).read_bytes()
    (tmp_path / "cut.bam").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cut\.bam: the file is cut short"):
        list(opened(folder, [tmp_path / "cut.bam"]).batches(tmp_path))


def test_a_record_too_long_is_named(folder: Path, tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(tmp_path / "long.bam"), "wb", header={"HD": {"VN": "1.6"}}, add_sq_text=False) as out:
        for length in (100, 600):
            record = pysam.AlignedSegment(out.header)
            record.query_name, record.flag, record.query_sequence = f"r{length}", 4, "A" * length
            out.write(record)
    with pytest.raises(BadInput, match=r"long\.bam: record 2: read 'r600' has 600 bases; wanted short reads of at most 512 bases"):
        list(opened(folder, [tmp_path / "long.bam"]).batches(tmp_path))

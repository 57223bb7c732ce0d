"""From FASTQ to BAM on a small genome with repeats: places, pairs, tags, duplicates, threads, memory and bad input."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pysam
import pytest
from pysam.utils import SamtoolsError

from genopipe.align import destinations, inputs, pipeline
from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.placement import LONGEST_READ
from genopipe.align.run import align_files
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.bam import ReadGroup
from tests.oracles.alignment import nm_and_md
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")


@dataclass
class Sample:
    """A genome, its reference folder, and pairs drawn from it: name -> (contig, start of mate 1, start of mate 2, strand of mate 1)."""

    folder: Path
    contigs: dict[str, str]
    truth: dict[str, tuple[str, int, int, bool]] = field(default_factory=dict)
    pairs: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def reference(self) -> Path:
        return self.folder / "ref"

    def fastq(self, name: str, records: list[tuple[str, str]]) -> Path:
        path = self.folder / name
        with gzip.open(path, "wt", compresslevel=1) as out:
            out.writelines(f"@{read}\n{sequence}\n+\n{'I' * len(sequence)}\n" for read, sequence in records)
        return path

    def mates(self, name: str, pairs: list[tuple[str, str, str]] | None = None) -> tuple[list[Path], list[Path]]:
        rows = self.pairs if pairs is None else pairs
        first = self.fastq(f"{name}_R1.fastq.gz", [(read, one) for read, one, _ in rows])
        return [first], [self.fastq(f"{name}_R2.fastq.gz", [(read, two) for read, _, two in rows])]

    def align(
        self, r1: list[Path], r2: list[Path], output: str = "out.bam", *, interleaved: bool = False, options: Options | None = None
    ) -> Path:
        path = self.folder / output
        align_files(r1, r2, self.reference, path, interleaved=interleaved, read_group=GROUP, options=options or Options())
        return path


def random_sequence(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


def draw_pairs(sample: Sample, rng: np.random.Generator, n: int) -> None:
    """Pairs of 120-base reads of 350-base fragments with a little sequencing error."""
    names = list(sample.contigs)
    for i in range(n):
        contig = names[int(rng.integers(2))]
        sequence = sample.contigs[contig]
        size = int(np.clip(rng.normal(350, 40), 200, 500))
        start = int(rng.integers(0, len(sequence) - size))
        fragment = sequence[start : start + size]
        ends = (fragment[:120], reverse_complement(fragment[-120:]))
        forward = bool(rng.random() < 0.5)
        mates = tuple(spoilt(rng, end) for end in (ends if forward else ends[::-1]))
        places = (start, start + size - 120) if forward else (start + size - 120, start)
        sample.truth[f"r{i}"] = (contig, *places, forward)
        sample.pairs.append((f"r{i}", mates[0], mates[1]))


def spoilt(rng: np.random.Generator, read: str) -> str:
    return "".join(str(rng.choice(list("ACGTN"))) if rng.random() < 0.004 else base for base in read)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    rng = np.random.default_rng(11)
    repeat = random_sequence(rng, 600)
    one = random_sequence(rng, 30_000) + repeat + random_sequence(rng, 20_000) + "N" * 500 + repeat + random_sequence(rng, 10_000)
    contigs = {"one": one, "two": random_sequence(rng, 25_000), "tiny": random_sequence(rng, 90)}
    sample = Sample(tmp_path_factory.mktemp("align"), contigs)
    (sample.folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(sample.folder / "ref.fa", sample.reference, name="small")
    draw_pairs(sample, rng, 3000)
    sample.pairs = [pair for pair in sample.pairs if "N" * 20 not in pair[1] + pair[2]]
    return sample


@pytest.fixture(scope="module")
def bam(sample: Sample) -> Path:
    return sample.align(*sample.mates("all"), "all.bam")


def records(path: Path) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return list(file)


def test_reads_are_where_they_came_from(sample: Sample, bam: Path) -> None:
    for record in records(bam):
        contig, first, second, forward = sample.truth[str(record.query_name)]
        if record.mapping_quality >= 20:
            clipped = record.query_alignment_start
            assert (record.reference_name, record.reference_start - clipped) == (contig, first if record.is_read1 else second)
            assert record.is_reverse != (forward if record.is_read1 else not forward)


def test_nearly_all_reads_are_placed_with_confidence(bam: Path) -> None:
    quality = [record.mapping_quality for record in records(bam)]
    assert np.mean(np.array(quality) >= 20) > 0.97


def test_every_read_is_there_once_and_unchanged(sample: Sample, bam: Path) -> None:
    there = {(record.query_name, record.is_read1): record.get_forward_sequence() for record in records(bam)}
    wanted = {(name, mate == 1): read for name, *mates in sample.pairs for mate, read in zip((1, 2), mates, strict=True)}
    assert there == wanted


def test_nm_and_md_equal_a_recount(sample: Sample, bam: Path) -> None:
    for record in records(bam):
        if not record.is_unmapped:
            assert (record.get_tag("NM"), record.get_tag("MD")) == nm_and_md(record, sample.contigs[str(record.reference_name)])


def test_mates_agree_about_each_other(bam: Path) -> None:
    by_name: dict[str, list[pysam.AlignedSegment]] = {}
    for record in records(bam):
        by_name.setdefault(str(record.query_name), []).append(record)
    for a, b in by_name.values():
        for read, mate in ((a, b), (b, a)):
            assert (read.next_reference_id, read.next_reference_start) == (mate.reference_id, mate.reference_start)
            assert (read.mate_is_reverse, read.mate_is_unmapped, read.is_proper_pair) == (
                mate.is_reverse,
                mate.is_unmapped,
                mate.is_proper_pair,
            )
            assert not read.has_tag("MC") or (read.get_tag("MC"), read.get_tag("MQ")) == (mate.cigarstring, mate.mapping_quality)
        assert a.template_length == -b.template_length
        assert a.is_read1 != b.is_read1


def test_positions_are_sorted_and_the_index_finds_them(bam: Path) -> None:
    everything = records(bam)
    keys = [(record.reference_id if record.reference_id >= 0 else 1 << 30, record.reference_start) for record in everything]
    assert keys == sorted(keys)
    with pysam.AlignmentFile(str(bam)) as file:
        found = [record.reference_start for record in file.fetch("two", 5000, 6000)]
    assert found == [
        r.reference_start for r in everything if r.reference_name == "two" and r.reference_start < 6000 and (r.reference_end or 0) > 5000
    ]


def test_equal_copies_have_no_quality(sample: Sample) -> None:
    start = 30_000 + 200
    sequence = sample.contigs["one"][start : start + 120]
    (record,) = records(sample.align([sample.fastq("copy.fastq.gz", [("c", sequence)])], [], "copy.bam"))
    assert (record.mapping_quality, record.get_tag("AS"), record.get_tag("XS")) == (0, 120, 120)


def test_a_mate_full_of_errors_is_rescued(sample: Sample) -> None:
    rng = np.random.default_rng(5)
    fragment = sample.contigs["two"][7000:7350]
    bad = "".join("ACGT"[("ACGT".index(c) + 1) % 4] if i % 13 == 6 else c for i, c in enumerate(reverse_complement(fragment[-120:])))
    pairs = [("rescued", fragment[:120], bad), ("lost", fragment[:120], random_sequence(rng, 120))]
    found = {(r.query_name, r.is_read1): r for r in records(sample.align(*sample.mates("rescue", pairs), "rescue.bam"))}
    assert found["rescued", False].reference_start == 7350 - 120
    assert found["rescued", False].is_proper_pair
    lost = found["lost", False]
    assert (lost.is_unmapped, lost.reference_start, lost.mapping_quality) == (True, 7000, 0)
    assert found["lost", True].mate_is_unmapped


@pytest.mark.parametrize(("change", "cigar"), [
    (lambda s: s[:60] + s[63:], "60M3D57M"), (lambda s: s[:60] + "GATTACA" + s[60:], "60M7I60M"), (lambda s: s[:60] + s[100:], "60M40D60M"),
    (lambda s: "GATTACAGGATTCCA" + s[:105], "15S105M"),
])  # fmt: skip
def test_gaps_and_clips(sample: Sample, change: Callable[[str], str], cigar: str) -> None:
    source = sample.contigs["two"][3000:3120] if "D" not in cigar else sample.contigs["two"][3000 : 3120 + (40 if "40D" in cigar else 3)]
    (record,) = records(sample.align([sample.fastq("gap.fastq.gz", [("g", change(source))])], [], "gap.bam"))
    expected = pysam.AlignedSegment()
    expected.cigarstring = cigar
    assert [length for _, length in record.cigartuples or []] == pytest.approx([length for _, length in expected.cigartuples or []], abs=3)
    assert [operation for operation, _ in record.cigartuples or []] == [operation for operation, _ in expected.cigartuples or []]


def test_a_read_over_the_end_of_a_contig_is_clipped(sample: Sample) -> None:
    sequence = "GATTACAGGATTCCATAGAC" + sample.contigs["two"][:80]
    (record,) = records(sample.align([sample.fastq("edge.fastq.gz", [("e", sequence)])], [], "edge.bam"))
    assert (record.reference_start, record.cigarstring) == (0, "20S80M")


def test_reads_of_30_to_512_bases_are_mixed(sample: Sample) -> None:
    lengths = (35, 77, 150, 251, LONGEST_READ)
    reads = [(f"l{n}", sample.contigs["two"][9000 : 9000 + n]) for n in lengths]
    found = records(sample.align([sample.fastq("mixed.fastq.gz", reads)], [], "mixed.bam"))
    assert {r.cigarstring for r in found} == {f"{n}M" for n in lengths}
    assert {r.reference_start for r in found} == {9000}


def test_the_better_copy_of_a_fragment_stays(sample: Sample) -> None:
    fragment = sample.contigs["two"][2000:2300]
    pairs = [(f"d{i}", fragment[:100], reverse_complement(fragment[-100:])) for i in range(3)]
    path = sample.align(*sample.mates("dup", pairs), "dup.bam")
    assert {r.query_name for r in records(path) if r.is_duplicate} == {"d1", "d2"}
    assert "PERCENT_DUPLICATION" in path.with_name("dup.duplicates.tsv").read_text()


def test_interleaved_and_two_lanes_equal_two_files(sample: Sample) -> None:
    half = len(sample.pairs) // 2
    a, b = sample.mates("a", sample.pairs[:half]), sample.mates("b", sample.pairs[half:])
    both = sample.fastq("both.fastq.gz", [(name, read) for name, *mates in sample.pairs for read in mates])
    whole = sample.align(*sample.mates("all"), "whole.bam").read_bytes()
    assert sample.align(a[0] + b[0], a[1] + b[1], "lanes.bam").read_bytes() == whole
    assert sample.align([both], [], "interleaved.bam", interleaved=True).read_bytes() == whole


def test_bytes_do_not_depend_on_threads_batches_or_memory(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    mates = sample.mates("all")
    whole = sample.align(*mates, "one.bam")
    assert sample.align(*mates, "two.bam", options=Options(threads=2)).read_bytes() == whole.read_bytes()
    monkeypatch.setattr(destinations, "LEAST_SORTING", 0)
    monkeypatch.setattr(inputs, "BATCH_BASES", 50_000)
    small = Options(memory=pipeline.WORKING_MEMORY + (1 << 20))
    assert sample.align(*mates, "small.bam", options=small).read_bytes() == whole.read_bytes()
    assert sample.folder.joinpath("small.bam.bai").read_bytes() == sample.folder.joinpath("one.bam.bai").read_bytes()


def test_cram_holds_the_same_records(sample: Sample, bam: Path) -> None:
    cram = sample.align(*sample.mates("all"), "x.cram")
    with pysam.AlignmentFile(str(cram), reference_filename=str(sample.reference / "genome.fa.gz")) as file:
        assert [(r.query_name, r.cigarstring, r.flag) for r in file] == [(r.query_name, r.cigarstring, r.flag) for r in records(bam)]
    names = {path.name for path in sample.folder.iterdir() if path.name.startswith((".", "x."))}
    assert names == {"x.cram", "x.cram.crai", "x.duplicates.tsv"}


def test_a_cram_is_the_same_for_any_name_and_threads_and_names_no_path(sample: Sample, bam: Path) -> None:
    one, two = (sample.align(*sample.mates("all"), f"{name}.cram", options=Options(threads=name)) for name in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    with pysam.AlignmentFile(str(one), reference_filename=str(sample.reference / "genome.fa.gz")) as file:
        assert str(file.header) == str(pysam.AlignmentFile(str(bam)).header)
        assert file.count("one", 1000, 3000) > 10


def left_over(sample: Sample, output: str) -> list[str]:
    return [path.name for path in sample.folder.iterdir() if output in path.name]


def test_a_read_too_long_is_told(sample: Sample) -> None:
    path = sample.fastq("long.fastq.gz", [("very", "ACGT" * 200)])
    with pytest.raises(BadInput, match=r"long\.fastq\.gz:1: read 'very' has 800 bases; wanted short reads of at most 512 bases"):
        sample.align([path], [], "long.bam")
    assert left_over(sample, "long.bam") == []


def test_a_name_too_long_is_told(sample: Sample) -> None:
    path = sample.fastq("name.fastq.gz", [("short", "ACGT" * 20), ("n" * 255, "ACGT" * 20)])
    with pytest.raises(BadInput, match=r"name\.fastq\.gz:5: .* has 255 bytes; wanted at most 254"):
        sample.align([path], [], "name.bam")


def test_files_of_different_length_leave_nothing(sample: Sample) -> None:
    r1, _ = sample.mates("longer")
    _, r2 = sample.mates("shorter", sample.pairs[:10])
    with pytest.raises(BadInput):
        sample.align(r1, r2, "unequal.bam")
    assert left_over(sample, "unequal.bam") == []


def test_too_little_memory_is_told(sample: Sample) -> None:
    with pytest.raises(BadEnvironment, match="10 MB of memory are too few for this reference"):
        sample.align(*sample.mates("all"), "x.bam", options=Options(memory=10 << 20))


def test_another_suffix_is_told(sample: Sample) -> None:
    with pytest.raises(BadInput, match=r"wanted a name that ends in \.bam or \.cram"):
        sample.align(*sample.mates("all"), "x.sam")


def test_a_folder_that_is_no_reference_is_told(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no reference folder"):
        align_files([], [], tmp_path, tmp_path / "x.bam", interleaved=False, read_group=GROUP, options=Options())


def test_a_full_disk_is_told_and_nothing_is_left(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("genopipe.align.sorting._write_chunk", full)
    monkeypatch.setattr(destinations, "LEAST_SORTING", 0)
    monkeypatch.setattr(inputs, "BATCH_BASES", 50_000)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        sample.align(*sample.mates("all"), "full.bam", options=Options(memory=pipeline.WORKING_MEMORY + (1 << 19)))
    assert left_over(sample, "full.bam") == []


def test_a_cram_that_cannot_be_written_is_told(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise SamtoolsError("samtools view: error closing the file: -1")

    monkeypatch.setattr(pysam, "view", fails)
    with pytest.raises(
        BadEnvironment, match=r"samtools could not write the CRAM .*samtools view: error closing.*Check both, then run again"
    ):
        sample.align(*sample.mates("all"), "closed.cram")
    assert left_over(sample, "closed") == []


def test_an_output_below_a_file_is_told(sample: Sample) -> None:
    with pytest.raises(BadEnvironment, match="a part of the path is a file"):
        sample.align(*sample.mates("all"), "ref.fa/sub/x.bam")

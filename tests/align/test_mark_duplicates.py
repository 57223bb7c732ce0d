"""Marking an existing BAM: equal to the definition for any templates, to Picard's records on real ones, and only the flag changes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align import mark
from genopipe.align.mark import LEAST_MEMORY, WORKING_MEMORY, mark_duplicates
from genopipe.cli import genopipe
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from tests.oracles.duplicates import End, Template, duplicates

GROUPS = {"a1": "A", "a2": "A", "b": "B"}
HEADER = {
    "HD": {"VN": "1.6", "SO": "coordinate"},
    "SQ": [{"SN": "one", "LN": 10_000}, {"SN": "two", "LN": 10_000}],
    "RG": [{"ID": group, "SM": "S1", "LB": library} for group, library in GROUPS.items()],
    "PG": [{"ID": "bwa", "PN": "bwa"}],
}
LENGTH = 20

end = st.builds(End, st.integers(0, 1), st.integers(1000, 1002), st.booleans(), st.sampled_from([14, 15, 30]))


@st.composite
def template(draw: st.DrawFn) -> Template:
    group = draw(st.sampled_from(sorted(GROUPS)))
    first, second = draw(end), draw(st.none() | end)
    spot = draw(st.none() | st.tuples(st.integers(1, 2), st.sampled_from([1000, 1100, 1201]), st.sampled_from([1000, 1101])))
    expects = second is None and draw(st.booleans())
    return Template(GROUPS[group], group, first, second, spot, 0, expects)


def name(template: Template) -> str:
    if template.spot is None:
        return f"read{template.order}"
    machine = "M:1" if template.order % 2 else f"M:1:F{template.order}:1"
    return f"{machine.split(':')[0]}{template.order}:{':'.join(machine.split(':')[1:])}:" + ":".join(map(str, template.spot))


def segment(template: Template, which: int, clip: int) -> pysam.AlignedSegment:
    """The record of one read, soft-clipped by some bases at its 5' end."""
    ends = (template.first, template.second)
    mine, mate = ends[which], ends[1 - which]
    assert mine is not None
    record = pysam.AlignedSegment(pysam.AlignmentHeader.from_dict(HEADER))
    record.query_name = name(template)
    record.query_sequence = "A" * LENGTH
    quality = mine.quality // 15 * 15 or 14
    record.query_qualities = pysam.qualitystring_to_array(chr(33 + quality) * LENGTH)
    record.reference_id = mine.contig
    clips = [(4, clip)] if clip else []
    record.cigartuples = [(0, LENGTH - clip), *clips] if mine.reverse else [*clips, (0, LENGTH - clip)]
    record.reference_start = mine.position - LENGTH + 1 if mine.reverse else mine.position + clip
    record.flag = (16 if mine.reverse else 0) | 1024
    if mate is not None or template.expects_mate:
        record.flag |= 1 | (128 if which else 64)
        record.next_reference_id, record.next_reference_start = (mate.contig, mate.position) if mate else (1, 5000)
    record.set_tag("XB", [1, 2, 3])
    record.set_tag("RG", template.group)
    return record


def write(path: Path, records: list[pysam.AlignedSegment]) -> Path:
    with pysam.AlignmentFile(str(path), "wb", header=pysam.AlignmentHeader.from_dict(HEADER)) as out:
        for record in sorted(records, key=lambda record: (record.reference_id, record.reference_start)):
            out.write(record)
    return path


def flagged(path: Path) -> set[tuple[str, bool]]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return {(str(record.query_name), record.is_read2) for record in file if record.is_duplicate}


@settings(max_examples=60)
@given(drawn=st.lists(template(), min_size=1, max_size=14), clips=st.randoms(use_true_random=False))
def test_marked_reads_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Template], clips: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("mark")
    quality = {14: 0, 15: 15 * LENGTH, 30: 30 * LENGTH}
    templates = [replace(template, order=i) for i, template in enumerate(drawn)]
    records = [
        (template.order, segment(template, which, clips.randrange(4)))
        for template in templates
        for which, mine in enumerate((template.first, template.second))
        if mine is not None
    ]
    order = sorted(records, key=lambda row: (row[1].reference_id, row[1].reference_start))
    place = {template.order: min(i for i, (of, _) in enumerate(order) if of == template.order) for template in templates}
    scored = [
        replace(
            template,
            first=template.first and replace(template.first, quality=quality[template.first.quality]),
            second=template.second and replace(template.second, quality=quality[template.second.quality]),
            order=place[template.order],
        )
        for template in templates
    ]
    metrics = mark_duplicates(write(folder / "in.bam", [record for _, record in records]), folder / "out.bam")
    expected, optical = duplicates(scored, 100)
    of_place = {place[template.order]: name(template) for template in templates}
    assert {read for read, _ in flagged(folder / "out.bam")} == {of_place[i] for i in expected}
    assert sum(row.optical_pairs for row in metrics) == optical


@pytest.fixture
def marked(data: Path, tmp_path: Path) -> tuple[Path, Path]:
    folder = data / "markdup_bqsr" / "validation"
    before = next(folder.glob("unDuplicateMarked.gatk4.CEUTrio*.bam"))
    mark_duplicates(before, tmp_path / "out.bam", threads=2)
    return before, tmp_path / "out.bam"


def test_real_reads_are_flagged_as_picard_flagged_them(data: Path, marked: tuple[Path, Path]) -> None:
    picard = next((data / "markdup_bqsr" / "validation").glob("picard.marked.CEUTrio*.bam"))
    assert len(flagged(marked[1])) == 96
    assert flagged(marked[1]) == flagged(picard)


def test_the_metrics_of_real_reads_are_those_of_picard(marked: tuple[Path, Path]) -> None:
    """As Picard 2.27.5 wrote them for these reads."""
    rows = marked[1].with_suffix(".duplicates.tsv").read_text().splitlines()[5:7]
    assert [row.split("\t")[:8] + row.split("\t")[9:] for row in rows] == [
        ["Solexa-18484", "7", "372", "0", "7", "2", "28", "13", "4175"],
        ["Solexa-18483", "6", "369", "0", "6", "2", "17", "9", "7979"],
    ]


def test_only_the_flag_changes_and_the_header_gains_one_line(marked: tuple[Path, Path]) -> None:
    before, after = (pysam.AlignmentFile(str(path), check_sq=False) for path in marked)
    for one, other in zip(before, after, strict=True):
        one.is_duplicate = other.is_duplicate = False
        assert one.to_string() == other.to_string()
    old, new = str(before.header).splitlines(), str(after.header).splitlines()
    assert new[:-1] == old
    assert new[-1].startswith("@PG\tID:genopipe.mark-duplicates\tPN:genopipe\tVN:")


def test_the_index_of_a_sorted_file_finds_its_reads(marked: tuple[Path, Path]) -> None:
    region = ("20", 1_000_000, 1_000_500)
    with pysam.AlignmentFile(str(marked[1])) as file:
        here = sum(not read.is_unmapped and read.reference_start < region[2] and (read.reference_end or 0) > region[1] for read in file)
        assert sum(not read.is_unmapped for read in file.fetch(*region)) == here > 100


def test_the_result_depends_neither_on_memory_nor_on_threads_nor_on_the_flags_before(
    marked: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mark, "WORKING_MEMORY", 0)
    monkeypatch.setattr(mark, "LEAST_MEMORY", 0)
    mark_duplicates(marked[0], tmp_path / "small.bam", memory=30_000)
    assert (tmp_path / "small.bam").read_bytes() == marked[1].read_bytes()
    mark_duplicates(marked[1], tmp_path / "again.bam", threads=2)
    assert flagged(tmp_path / "again.bam") == flagged(marked[1])


def test_reads_in_the_order_of_names_are_flagged_alike(marked: tuple[Path, Path], tmp_path: Path) -> None:
    pysam.sort("-n", "-o", str(tmp_path / "by_name.bam"), str(marked[0]))
    mark_duplicates(tmp_path / "by_name.bam", tmp_path / "out2.bam")
    assert flagged(tmp_path / "out2.bam") == flagged(marked[1])
    assert not (tmp_path / "out2.bam.bai").exists()


def test_picard_on_the_same_reads_flags_the_same(data: Path, tmp_path: Path) -> None:
    """The program itself, where it is installed; on reads whose qualities are the original ones."""
    if shutil.which("picard-tools") is None:
        pytest.skip("picard-tools is not installed")
    reads = next((data / "markdup_bqsr" / "validation").glob("clean.CEUTrio*.bam"))
    command = ["picard-tools", "MarkDuplicates", "-I", str(reads), "-O", str(tmp_path / "p.bam"), "-M", str(tmp_path / "p.txt")]
    subprocess.run([*command, "--VALIDATION_STRINGENCY", "SILENT"], check=True, capture_output=True)
    mark_duplicates(reads, tmp_path / "g.bam")
    assert flagged(tmp_path / "g.bam") == flagged(tmp_path / "p.bam")


def pair(order: int, quality: int) -> Template:
    return Template("A", "a1", End(0, 1000, False, quality), End(0, 1200, True, quality), None, order)


def follower(template: Template, which: int, flag: int) -> pysam.AlignedSegment:
    record = segment(template, which, 0)
    record.flag = record.flag & ~1024 | flag
    record.reference_id = 1
    return record


@pytest.mark.parametrize("flag", [256, 2048])
def test_secondary_and_supplementary_records_follow_their_read(tmp_path: Path, flag: int) -> None:
    better, worse = pair(0, 30), pair(1, 15)
    records = [segment(template, which, 0) for template in (better, worse) for which in (0, 1)]
    records += [follower(better, 1, flag), follower(worse, 1, flag)]
    mark_duplicates(write(tmp_path / "in.bam", records), tmp_path / "out.bam")
    with pysam.AlignmentFile(str(tmp_path / "out.bam")) as file:
        found = {(str(record.query_name), record.is_duplicate) for record in file if record.flag & flag}
    assert found == {("read0", False), ("read1", True)}


def test_an_unmapped_mate_is_not_flagged(tmp_path: Path) -> None:
    reads = [Template("A", "a1", End(0, 1000, False, quality), None, None, order) for order, quality in ((0, 30), (1, 15))]
    records = [segment(read, 0, 0) for read in reads]
    for record in list(records):
        mate = pysam.AlignedSegment.fromstring(record.to_string(), record.header)
        record.flag, mate.flag, mate.cigarstring = 1 | 8 | 64, 1 | 4 | 128 | 1024, None
        records.append(mate)
    mark_duplicates(write(tmp_path / "in.bam", records), tmp_path / "out.bam")
    assert flagged(tmp_path / "out.bam") == {("read1", False)}


def test_a_record_without_a_contig_is_unmapped_whatever_its_flag_says(tmp_path: Path) -> None:
    """As the SAM specification (section 1.4, RNAME) has it."""
    records = [segment(replace(pair(order, 30), second=None), 0, 0) for order in range(3)]
    for record in records:
        record.flag, record.reference_id, record.reference_start, record.next_reference_id = 0, -1, -1, -1
    metrics = mark_duplicates(write(tmp_path / "in.bam", records), tmp_path / "out.bam")
    assert flagged(tmp_path / "out.bam") == set()
    assert [each.unmapped_reads for each in metrics] == [3]


def test_a_name_that_two_pairs_use_is_refused(tmp_path: Path) -> None:
    records = [segment(pair(0, 30), which, 0) for which in (0, 1, 0)]
    with pytest.raises(BadInput, match=r"in\.bam: the records 1 and 2 are the same read of one pair"):
        mark_duplicates(write(tmp_path / "in.bam", records), tmp_path / "out.bam")
    assert [path.name for path in tmp_path.iterdir()] == ["in.bam"]


def test_a_cut_file_leaves_nothing(tmp_path: Path) -> None:
    whole = write(tmp_path / "in.bam", [segment(pair(0, 30), which, 0) for which in (0, 1)])
    (tmp_path / "cut.bam").write_bytes(whole.read_bytes()[:-28])
    with pytest.raises(BadInput, match="without the end-of-file block"):
        mark_duplicates(tmp_path / "cut.bam", tmp_path / "out.bam")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.bam", "in.bam"]


def test_what_cannot_be_done_is_told_before_work_starts(tmp_path: Path) -> None:
    bam = write(tmp_path / "in.bam", [segment(pair(0, 30), 0, 0)])
    with pytest.raises(BadConfiguration, match="the output is the input"):
        mark_duplicates(bam, bam)
    with pytest.raises(BadInput, match=r"wanted a name that ends in \.bam"):
        mark_duplicates(bam, tmp_path / "out.sam")
    os.mkfifo(tmp_path / "pipe.bam")
    with pytest.raises(BadInput, match=r"pipe\.bam: this is a pipe, and a BAM is read twice; wanted a BAM file"):
        mark_duplicates(tmp_path / "pipe.bam", tmp_path / "out.bam")
    (tmp_path / "in.cram").write_bytes(b"CRAM\3\1")
    with pytest.raises(BadInput, match=r"in\.cram: the file is a CRAM; wanted a BAM"):
        mark_duplicates(tmp_path / "in.cram", tmp_path / "out.bam")
    with pytest.raises(BadEnvironment, match=r"--memory: .* too few"):
        mark_duplicates(bam, tmp_path / "out.bam", memory=WORKING_MEMORY + LEAST_MEMORY - 1)


def test_the_command_marks_with_the_distance_of_patterned_flow_cells(tmp_path: Path) -> None:
    far = [replace(pair(order, 30), spot=(1, 1000 + 2000 * order, 1000)) for order in (0, 1)]
    write(tmp_path / "in.bam", [segment(template, which, 0) for template in far for which in (0, 1)])
    arguments = ["mark-duplicates", str(tmp_path / "in.bam"), "-o", str(tmp_path / "out.bam"), "--optical-distance", "2500"]
    done = CliRunner().invoke(genopipe, arguments)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.duplicates.tsv").read_text().splitlines()[5].split("\t")[7] == "1"

"""The measures of a sample are right, the same for any number of threads, and appear whole or not at all."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pysam
import pytest
import zstandard
from click.testing import CliRunner

from genopipe.cli.ingest import ingest
from genopipe.errors import BadConfiguration, BadInput
from genopipe.ingest.measure import Lane, measure_fastq, paired_lanes
from tests.ingest.documents import read_valid, valid
from tests.oracles.fastq import fragment_length, measures, parse


def reads(n: int, mate: int, *, length: int = 20) -> str:
    """`n` reads that differ, with a quality that falls along the read."""
    quality = "".join(chr(73 - i) for i in range(length))
    letters = ["".join("ACGTN"[(i * i + k * (mate + 1) + k * k * i) % 5] for k in range(length)) for i in range(n)]
    return "".join(f"@r{i}/{mate}\n{letters[i]}\n+\n{quality}\n" for i in range(n))


def pair(folder: Path, n: int = 50) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "R1.fq", folder / "R2.fq"
    for mate, path in enumerate(paths, 1):
        path.write_text(reads(n, mate))
    return paths


@pytest.fixture(scope="module")
def real(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The measures of NA12878."""
    folder = tmp_path_factory.mktemp("qc")
    source = data / "na12878_chr21"
    measure_fastq([Lane(source / "reads_R1.fastq.gz", source / "reads_R2.fastq.gz")], "NA12878", folder)
    return folder


def test_totals_of_real_reads_are_those_of_the_oracle(real: Path, data: Path) -> None:
    found = json.loads((real / "NA12878.qc.json").read_text())
    for mate, ours in enumerate(found["mates"], 1):
        expected = measures(parse(gzip.decompress((data / "na12878_chr21" / f"reads_R{mate}.fastq.gz").read_bytes()).decode()))
        assert [ours[key] for key in ("reads", "bases", "q20_bases", "q30_bases")] == [
            expected[key] for key in ("reads", "bases", "q20_bases", "q30_bases")
        ]
        assert ours["gc_fraction"] == round(expected["gc"] / expected["known"], 6)
        assert ours["unknown_fraction"] == round(1 - expected["known"] / expected["bases"], 6)
        assert ours["mean_quality"] == round(expected["quality_sum"] / expected["bases"], 3)
        assert (ours["poly_g"]["reads"], ours["adapter"]["TruSeq"]["reads"]) == (expected["poly_g"], expected["truseq"])


def test_measures_of_real_reads_are_those_of_fastp(real: Path, data: Path, tmp_path: Path) -> None:
    """Before filtering; fastp's GC is a share of all bases, its content curves too. Its copies are estimated in another way."""
    if shutil.which("fastp") is None:
        pytest.skip("fastp is not installed")
    files = [str(data / "na12878_chr21" / f"reads_R{mate}.fastq.gz") for mate in (1, 2)]
    command = ["fastp", "-i", files[0], "-I", files[1], "-j", "f.json", "-h", "f.html", "-w", "1", "-A", "-Q", "-L", "-G"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    theirs = json.loads((tmp_path / "f.json").read_text())
    found, total = json.loads((real / "NA12878.qc.json").read_text()), theirs["summary"]["before_filtering"]
    names = {"reads": "total_reads", "bases": "total_bases", "q20_bases": "q20_bases", "q30_bases": "q30_bases"}
    assert {key: found[key] for key in names} == {key: total[name] for key, name in names.items()}
    assert (found["q20_fraction"], found["q30_fraction"]) == pytest.approx((total["q20_rate"], total["q30_rate"]), abs=1e-6)
    assert found["gc_fraction"] * (1 - found["unknown_fraction"]) == pytest.approx(total["gc_content"], abs=2e-6)
    for ours, name in zip(found["mates"], ("read1_before_filtering", "read2_before_filtering"), strict=True):
        curves = theirs[name]
        assert ours["cycles"]["mean_quality"] == pytest.approx(curves["quality_curves"]["mean"], abs=6e-4)
        for base, letter in (("a", "A"), ("c", "C"), ("g", "G"), ("t", "T"), ("unknown", "N")):
            assert ours["cycles"][base] == pytest.approx(curves["content_curves"][letter], abs=1.1e-6)
        assert ours["read_length"]["mean"] == pytest.approx(curves["total_bases"] / curves["total_reads"])
    assert found["overlap"]["fragment_length_median"] == pytest.approx(theirs["insert_size"]["peak"], abs=40)


def test_overlaps_of_real_reads_are_those_of_the_oracle(real: Path, data: Path) -> None:
    texts = [gzip.decompress((data / "na12878_chr21" / f"reads_R{mate}.fastq.gz").read_bytes())[:60_000].decode() for mate in (1, 2)]
    mates = [parse("\n".join(text.split("\n")[:400])) for text in texts]
    expected = [fragment_length(first.sequence, second.sequence) for first, second in zip(*mates, strict=True)]
    from genopipe.formats.fastq import read_fastq
    from genopipe.ingest.counting import fragment_lengths

    source = data / "na12878_chr21"
    batch = next(read_fastq(source / "reads_R1.fastq.gz", source / "reads_R2.fastq.gz"))
    assert fragment_lengths(batch.base, batch.base_start)[:100].tolist() == expected


def test_the_file_keeps_to_its_schema(real: Path, tmp_path: Path) -> None:
    read_valid(real / "NA12878.qc.json", "qc")
    valid(measure_fastq([Lane(pair(tmp_path)[0])], "single", tmp_path), "qc")


def test_the_same_reads_give_the_same_bytes_for_any_threads_and_lanes(tmp_path: Path) -> None:
    r1, r2 = pair(tmp_path / "whole", 4000)
    halves = []
    for half in (0, 1):
        paths = [tmp_path / f"{half}{path.name}.gz" for path in (r1, r2)]
        for source, path in zip((r1, r2), paths, strict=True):
            lines = source.read_text().splitlines(keepends=True)
            path.write_bytes(gzip.compress("".join(lines[8000 * half : 8000 * (half + 1)]).encode()))
        halves.append(Lane(*paths))
    runs = {"one": ([Lane(r1, r2)], 1), "two": ([Lane(r1, r2)], 2), "lanes": (halves, 2)}
    for name, (lanes, threads) in runs.items():
        measure_fastq(lanes, "S", tmp_path / name, threads=threads)
    json_files = [(tmp_path / name / "S.qc.json").read_text().replace('"lanes": 2', '"lanes": 1') for name in runs]
    assert json_files[0] == json_files[1] == json_files[2]
    assert (tmp_path / "one" / "S.qc.html").read_bytes() == (tmp_path / "two" / "S.qc.html").read_bytes()


def test_an_interleaved_file_gives_the_same_measures(tmp_path: Path) -> None:
    r1, r2 = pair(tmp_path)
    lines = [path.read_text().splitlines(keepends=True) for path in (r1, r2)]
    both = tmp_path / "both.fq"
    both.write_text("".join("".join(one[i : i + 4]) for i in range(0, len(lines[0]), 4) for one in lines))
    first = measure_fastq([Lane(r1, r2)], "S", tmp_path / "a")
    assert first == measure_fastq([Lane(both, interleaved=True)], "S", tmp_path / "b")


def test_bad_reads_leave_nothing_behind(tmp_path: Path) -> None:
    r1, r2 = pair(tmp_path)
    r2.write_text(r2.read_text()[:-200])
    with pytest.raises(BadInput):
        measure_fastq([Lane(r1, r2)], "S", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_empty_reads_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "a.fq"
    path.write_text("@a\n\n+\n\n")
    found = measure_fastq([Lane(path)], "S", tmp_path)
    assert (found["reads"], found["bases"], found["mean_quality"]) == (1, 0, 0.0)
    assert (tmp_path / "S.qc.html").exists()


def test_lanes_of_both_kinds_are_refused(tmp_path: Path) -> None:
    r1, r2 = pair(tmp_path)
    with pytest.raises(BadConfiguration, match="some lanes have pairs and some have not"):
        measure_fastq([Lane(r1, r2), Lane(r1)], "S", tmp_path)


def test_files_become_lanes_in_order() -> None:
    files = [Path(name) for name in "abcd"]
    assert paired_lanes(files[:2], files[2:], interleaved=False) == [Lane(files[0], files[2]), Lane(files[1], files[3])]
    assert paired_lanes(files[:1], [], interleaved=True) == [Lane(files[0], interleaved=True)]


@pytest.mark.parametrize("by_option", [False, True])
def test_the_command_writes_all_files(tmp_path: Path, by_option: bool) -> None:
    r1, r2 = map(str, pair(tmp_path))
    more = [str(shutil.copy(file, f"{file}.2")) for file in (r1, r2)]
    files = ["-1", r1, "-2", r2, "-1", more[0], "-2", more[1]] if by_option else [r1, r2]
    done = CliRunner().invoke(ingest, ["fastq", *files, "--sample", "S", "-o", str(tmp_path / "qc")])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "qc").iterdir()) == ["S.qc.html", "S.qc.json", "S.quality_mqc.json", "S.reads_mqc.json"]
    assert json.loads((tmp_path / "qc" / "S.qc.json").read_text())["reads"] == (200 if by_option else 100)


@pytest.mark.parametrize("options", ["", "R1 R2 R1", "R1 -1 R1", "-1 R1 -1 R1 -2 R2", "R1 R2 --interleaved"])
def test_wrong_command_lines_are_refused(tmp_path: Path, options: str) -> None:
    names = dict(zip(("R1", "R2"), map(str, pair(tmp_path)), strict=True))
    words = [names.get(word, word) for word in options.split()]
    done = CliRunner().invoke(ingest, ["fastq", *words, "--sample", "S", "-o", str(tmp_path / "qc")])
    assert done.exit_code == 2
    assert "Give" in done.output


class Page(HTMLParser):
    """Collects the tags and what they would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attributes if name in ("src", "href", "data")]


def test_the_page_needs_no_network_and_no_script(real: Path) -> None:
    text = (real / "NA12878.qc.html").read_text()
    page = Page(text)
    assert page.loaded == []
    assert "script" not in page.tags
    assert "url(" not in text and "@import" not in text
    assert page.tags.count("svg") == 7


def test_the_page_opens_in_a_browser(real: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium to open the page with")
    picture = tmp_path / "page.png"
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    own = [f"--user-data-dir={tmp_path / 'browser'}", f"--screenshot={picture}", "--window-size=1240,1900"]
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", *quiet, *own, (real / "NA12878.qc.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 50_000


@pytest.mark.parametrize("files", [["-", "-"], ["-1", "R1.fq", "-1", "R1.fq"], ["-1", "R1.fq", "-2", "link.fq"]])
def test_a_file_that_is_given_twice_is_a_wrong_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str]) -> None:
    pair(tmp_path)
    (tmp_path / "link.fq").symlink_to("R1.fq")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(ingest, ["fastq", *files, "--sample", "S", "-o", "qc"])
    assert done.exit_code == 2
    assert "is given twice" in done.output
    assert not (tmp_path / "qc").exists()


def unaligned(folder: Path, name: str, *options: str) -> Path:
    """The pair of `pair` as an unaligned BAM or CRAM with a read group, by samtools."""
    if shutil.which("samtools") is None:
        pytest.skip("samtools is not installed")
    r1, r2 = pair(folder)
    path = folder / name
    command = [
        "samtools",
        "import",
        "-1",
        str(r1),
        "-2",
        str(r2),
        "-r",
        "ID:lane1",
        "-r",
        "PL:ONT",
        "-r",
        "SM:S",
        "-o",
        str(path),
        *options,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.mark.parametrize("name", ["reads.bam", "reads.cram"])
def test_records_are_measured_like_their_fastq_and_name_their_read_group(tmp_path: Path, name: str) -> None:
    path = unaligned(tmp_path, name)
    found = measure_fastq([Lane(path)], "S", tmp_path / "a")
    expected = measure_fastq([Lane(*pair(tmp_path))], "S", tmp_path / "b")
    assert found.pop("read_groups") == [{"id": "lane1", "sample": "S", "library": "", "platform": "ONT"}]
    assert expected.pop("read_groups") == []
    assert found == expected


def test_records_take_no_second_file_and_must_hold_reads(tmp_path: Path) -> None:
    path = unaligned(tmp_path, "reads.bam")
    with pytest.raises(BadInput, match=r"the file is a BAM; wanted no second file"):
        measure_fastq([Lane(path, tmp_path / "R2.fq")], "S", tmp_path / "out")
    with pysam.AlignmentFile(str(tmp_path / "none.bam"), "wb", header={"HD": {"VN": "1.6"}}):
        pass
    with pytest.raises(BadInput, match=r"none\.bam: the file holds no reads"):
        measure_fastq([Lane(tmp_path / "none.bam")], "S", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_reads_without_qualities_count_as_quality_0(tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(tmp_path / "q.bam"), "wb", header={"HD": {"VN": "1.6"}}) as file:
        read = pysam.AlignedSegment(file.header)
        read.query_name, read.flag, read.query_sequence = "r", 4, "ACGT"
        file.write(read)
    assert measure_fastq([Lane(tmp_path / "q.bam")], "S", tmp_path)["mates"][0]["quality_bases"][0] == 4


@pytest.mark.parametrize("pack", [zstandard.compress, gzip.compress])
def test_compressed_reads_are_measured_like_plain_ones(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    r1, r2 = pair(tmp_path)
    expected = measure_fastq([Lane(r1, r2)], "S", tmp_path / "a")
    for path in (r1, r2):
        path.write_bytes(pack(path.read_bytes()))
    assert measure_fastq([Lane(r1, r2)], "S", tmp_path / "b") == expected


def test_long_reads_of_any_length_are_measured(data: Path, tmp_path: Path) -> None:
    path = data / "long_reads" / "nfcore_test_hifi.fastq.gz"
    found = measure_fastq([Lane(path)], "hifi", tmp_path)
    expected = measures(parse(gzip.decompress(path.read_bytes()).decode()))
    assert [found[key] for key in ("reads", "bases", "q30_bases")] == [expected[key] for key in ("reads", "bases", "q30_bases")]
    assert found["mates"][0]["read_length"]["maximum"] > 10_000
    assert len(found["mates"][0]["cycles"]["a"]) == 1000


def test_a_sequence_that_many_reads_begin_with_is_named(tmp_path: Path) -> None:
    """12 of 1,012 reads are an adapter dimer."""
    dimer = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCACATCTCGTATGCCGTCTTC"
    draw = random.Random(1)
    rest = "".join(f"@r{i}\n{''.join(draw.choices('ACGT', k=60))}\n+\n{'I' * 60}\n" for i in range(1000))
    path = tmp_path / "r.fq"
    path.write_text(rest + "".join(f"@d{i}\n{dimer}\n+\n{'I' * len(dimer)}\n" for i in range(12)))
    found = measure_fastq([Lane(path)], "S", tmp_path)["overrepresented"]
    assert {"sequence": dimer[:50], "reads": 12, "fraction": round(12 / 1012, 6), "source": "TruSeq"} in found["sequences"]
    assert found["reads"] == 1012

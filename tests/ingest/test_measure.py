"""The measures of a sample are right, the same for any number of threads, and appear whole or not at all."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from genopipe.cli.ingest import ingest
from genopipe.errors import BadConfiguration, BadInput
from genopipe.ingest.measure import Lane, measure_fastq, paired_lanes
from tests.oracles.fastq import fragment_length, measures, parse

SCHEMA = Path(__file__).resolve().parents[2] / "genopipe" / "schemas" / "qc.schema.json"


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


def test_totals_of_real_reads_are_those_of_fastp(real: Path) -> None:
    """Source: fastp 0.23.2 on the same two files, before filtering; its GC is a share of all bases."""
    found = json.loads((real / "NA12878.qc.json").read_text())
    assert [found[key] for key in ("reads", "bases", "q20_bases", "q30_bases")] == [47634, 7145100, 7017503, 6968995]
    assert round(found["gc_fraction"] * (1 - found["unknown_fraction"]), 5) == round(0.356694, 5)
    assert [found["mates"][0]["cycles"]["mean_quality"][i] for i in range(3)] == [29.83, 29.807, 29.844]


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
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    validator.validate(json.loads((real / "NA12878.qc.json").read_text()))
    validator.validate(measure_fastq([Lane(pair(tmp_path)[0])], "single", tmp_path))


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
def test_the_command_writes_both_files(tmp_path: Path, by_option: bool) -> None:
    r1, r2 = map(str, pair(tmp_path))
    more = [str(shutil.copy(file, f"{file}.2")) for file in (r1, r2)]
    files = ["-1", r1, "-2", r2, "-1", more[0], "-2", more[1]] if by_option else [r1, r2]
    done = CliRunner().invoke(ingest, ["fastq", *files, "--sample", "S", "-o", str(tmp_path / "qc")])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "qc").iterdir()) == ["S.qc.html", "S.qc.json"]
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

"""Run folders of every layout give the reads of every cluster, to the right sample, under the right name, whatever the settings."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from genopipe.cli.ingest import ingest
from genopipe.errors import BadConfiguration, BadInput, GenopipeError
from genopipe.formats.read_structure import RunRead
from genopipe.ingest import demultiplex
from genopipe.ingest.run import Following, ingest_run, stream_run
from genopipe.ingest.run_folder import Decoding
from genopipe.ingest.run_plan import Options
from genopipe.kernels.base_calls import NO_CALL
from genopipe.kernels.read_text import find_bad_ends
from genopipe.simulate.run_folder import DrawnTile, write_run_info
from tests.ingest.runs import BARCODES, READS, TILES, convert, drawn, fastq, files, make_run
from tests.oracles.demultiplex import letters, qualities, sample_of

REVERSED = tuple(RunRead(read.cycles, read.is_index, number == 2) for number, read in enumerate(READS))
NOT_APPLICABLE = "BarcodeMismatchesIndex1,1\nBarcodeMismatchesIndex2,na"
TURN = str.maketrans("ACGT", "TGCA")


def expected(tiles: Sequence[DrawnTile], reads: Sequence[RunRead], *, lane: int, name: str, mate: int) -> Iterator[tuple[str, str, str]]:
    """The records of one FASTQ file, cluster by cluster."""
    starts = np.cumsum([0, *(read.cycles for read in reads)])
    for tile in tiles:
        for cluster in np.flatnonzero(tile.passed) if tile.lane == lane else ():
            parts = [list(map(int, tile.calls[cluster, a:b])) for a, b in itertools.pairwise(starts)]
            indexes = [letters(part) for part, read in zip(parts, reads, strict=True) if read.is_index]
            indexes = [
                i.translate(TURN)[::-1] if r.reverse_complement else i
                for i, r in zip(indexes, (r for r in reads if r.is_index), strict=True)
            ]
            if (["A", "B", "C", "Undetermined"][sample_of(indexes, BARCODES, [(1, 1)] * 3)]) == name:
                x, y = (int(10 * float(pixel) + 1000.5) for pixel in tile.position[cluster])
                header = f"@A00001:7:HTESTDSXX:{tile.lane}:{tile.number}:{x}:{y} {mate}:N:0:{'+'.join(indexes)}"
                read = parts[0 if mate == 1 else -1]
                yield header, letters(read), qualities(read)


@pytest.mark.parametrize("layout, reads", [("bcl", READS), ("bcl.gz", READS), ("bgzf", REVERSED), ("cbcl", REVERSED)])
def test_every_read_of_every_layout_is_where_it_belongs(tmp_path: Path, layout, reads) -> None:  # type: ignore[no-untyped-def]
    tiles = drawn(reads)
    convert(make_run(tmp_path / "run", layout=layout, tiles=tiles, reads=reads), tmp_path / "out", threads=2)
    for lane in (1, 2):
        for number, name in ((1, "A"), (2, "B"), (3, "C"), (0, "Undetermined")):
            for mate in (1, 2):
                found = fastq(tmp_path / "out" / f"{name}_S{number}_L00{lane}_R{mate}_001.fastq.gz")
                assert found == list(expected(tiles, reads, lane=lane, name=name, mate=mate))
                assert found or name != "A"


def test_threads_do_not_change_a_byte_and_the_report_counts_every_cluster(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    report = convert(run, tmp_path / "one", threads=1)
    convert(run, tmp_path / "four", threads=4)
    assert files(tmp_path / "one") == files(tmp_path / "four")
    lane = report["lanes"][0]
    tiles = [tile for tile in drawn() if tile.lane == 1]
    assert lane["clusters"] == sum(len(tile.calls) for tile in tiles)
    assert lane["passed"] == sum(int(tile.passed.sum()) for tile in tiles) == sum(row["reads"] for row in lane["samples"])
    assert [row["sample"] for row in lane["samples"]] == ["A", "B", "C", "Undetermined"]
    assert sum(row["reads"] for row in lane["unknown_barcodes"]) == lane["samples"][-1]["reads"]
    for row in lane["samples"][:-1]:
        assert row["perfect_barcode"] <= row["reads"]


def test_clusters_that_the_files_leave_out_are_counted(tmp_path: Path) -> None:
    report = convert(make_run(tmp_path / "run", layout="cbcl"), tmp_path / "out")
    assert [lane["clusters"] for lane in report["lanes"]] == [120, 60]


def test_clusters_that_failed_the_filter_are_kept_when_asked_for(tmp_path: Path) -> None:
    convert(make_run(tmp_path / "run"), tmp_path / "out", include_non_pf=True)
    found = [header for path in (tmp_path / "out").glob("*_R1_*") for header, _, _ in fastq(path)]
    assert len(found) == sum(len(tile.calls) for tile in drawn())
    assert sum(":Y:0:" in header for header in found) == sum(int((~tile.passed).sum()) for tile in drawn())


def test_bam_and_cram_hold_the_reads_of_the_fastq(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    convert(run, tmp_path / "fastq")
    pairs = list(zip(*(fastq(tmp_path / "fastq" / f"A_S1_L001_R{mate}_001.fastq.gz") for mate in (1, 2)), strict=True))
    for form in ("bam", "cram"):
        convert(run, tmp_path / form, form=form)
        with pysam.AlignmentFile(str(tmp_path / form / f"A_S1_L001.{form}"), check_sq=False) as file:
            assert file.header.to_dict()["RG"] == [
                {
                    "ID": "HTESTDSXX.1",
                    "SM": "A",
                    "LB": "A",
                    "PL": "ILLUMINA",
                    "PU": "HTESTDSXX.1.ACGTACGT+TTTTGGGGCC",
                    "BC": "ACGTACGT-TTTTGGGGCC",
                }
            ]
            found = [
                (f"@{r.query_name}", r.query_sequence, r.qual, r.flag, r.get_tag("BC"), r.get_tag("RG")) for r in file.fetch(until_eof=True)
            ]
        wanted = [
            (header.split()[0], bases, quality, flag, header.rsplit(":", 1)[1].replace("+", "-"), "HTESTDSXX.1")
            for pair in pairs
            for (header, bases, quality), flag in zip(pair, (77, 141), strict=True)
        ]
        assert found == wanted
    assert pysam.quickcheck(*map(str, (tmp_path / "bam").glob("*.bam")), "-u") == ""  # type: ignore[attr-defined]


def test_one_sample_goes_into_a_pipe_interleaved(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    convert(run, tmp_path / "out")
    with open(tmp_path / "pipe", "wb") as sink:
        stream_run(run, run / "SampleSheet.csv", "B", Options(), bam=False, threads=2, sink=sink)
    mates = [[r for lane in (1, 2) for r in fastq(tmp_path / "out" / f"B_S2_L00{lane}_R{mate}_001.fastq.gz")] for mate in (1, 2)]
    assert fastq(tmp_path / "pipe") == [record for pair in zip(*mates, strict=True) for record in pair]
    with open(tmp_path / "pipe.bam", "wb") as sink:
        stream_run(run, run / "SampleSheet.csv", "B", Options(), bam=True, threads=2, sink=sink)
    with pysam.AlignmentFile(str(tmp_path / "pipe.bam"), check_sq=False) as file:
        assert [r.query_sequence for r in file] == [bases for _, bases, _ in fastq(tmp_path / "pipe")]
    with pytest.raises(BadConfiguration, match="--sample: no sample D; wanted one of A, B, C"):
        stream_run(run, run / "SampleSheet.csv", "D", Options(), bam=False, threads=1, sink=sys.stdout.buffer)


def test_lanes_are_joined_and_index_reads_written_when_the_sheet_says_so(tmp_path: Path) -> None:
    convert(make_run(tmp_path / "split"), tmp_path / "a")
    convert(make_run(tmp_path / "run", settings="NoLaneSplitting,true\nCreateFastqForIndexReads,1"), tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").glob("A_*")) == [f"A_S1_{kind}_001.fastq.gz" for kind in ("I1", "I2", "R1", "R2")]
    joined = fastq(tmp_path / "b" / "A_S1_R1_001.fastq.gz")
    assert joined == [r for lane in (1, 2) for r in fastq(tmp_path / "a" / f"A_S1_L00{lane}_R1_001.fastq.gz")]
    for number in (1, 2):
        parts = [bases for _, bases, _ in fastq(tmp_path / "b" / f"A_S1_I{number}_001.fastq.gz")]
        assert parts == [header.rsplit(":", 1)[1].split("+")[number - 1] for header, _, _ in joined]


@pytest.mark.parametrize("form", ["fastq", "bam"])
def test_molecular_identifiers_go_to_the_name_or_the_tag(tmp_path: Path, form) -> None:  # type: ignore[no-untyped-def]
    convert(make_run(tmp_path / "run"), tmp_path / "plain")
    mask = "OverrideCycles,U6N1Y33;I8;I10;U5Y25"
    convert(make_run(tmp_path / "umi", settings=mask), tmp_path / "out", form=form)
    first, second = (fastq(tmp_path / "plain" / f"A_S1_L001_R{mate}_001.fastq.gz") for mate in (1, 2))
    umis = [(one[1][:6], two[1][:5]) for one, two in zip(first, second, strict=True)]
    if form == "fastq":
        found = fastq(tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz")
        assert [header.split()[0].split(":")[7] for header, _, _ in found] == ["+".join(pair) for pair in umis]
        assert [record[1:] for record in found] == [(bases[7:], quality[7:]) for _, bases, quality in first]
    else:
        with pysam.AlignmentFile(str(tmp_path / "out" / "A_S1_L001.bam"), check_sq=False) as file:
            found_tags = [(r.get_tag("RX"), r.get_tag("QX")) for r in file if r.is_read1]
        quality = [f"{one[2][:6]} {two[2][:5]}" for one, two in zip(first, second, strict=True)]
        assert found_tags == [("-".join(pair), qx) for pair, qx in zip(umis, quality, strict=True)]


@pytest.mark.parametrize(
    "settings, inserted, length, unmasked",
    [
        ("AdapterRead1,AGATCGGAAGAGC", 37, 37, 37),
        ("AdapterRead1,AGATCGGAAGAGC", 30, 35, 30),
        ("AdapterRead1,AGATCGGAAGAGC", 10, 35, 0),
        ("AdapterRead1,AGATCGGAAGAGC\nMinimumTrimmedReadLength,8\nMaskShortReads,0", 10, 10, 10),
        ("AdapterRead1,AGATCGGAAGAGC\nAdapterBehavior,mask", 30, 40, 30),
        ("AdapterRead1,CTGTCTCTTATA+AGATCGGAAGAGC\nMinimumAdapterOverlap,3", 37, 37, 37),
        ("AdapterRead2,AGATCGGAAGAGC", 30, 40, 40),
    ],
)
def test_adapters_are_cut_or_masked(tmp_path: Path, settings: str, inserted: int, length: int, unmasked: int) -> None:
    tiles = drawn(places=TILES[:1])
    adapter = np.array(["ACGT".index(base) for base in "AGATCGGAAGAGC" * 4][: 40 - inserted], np.uint8)
    for tile in tiles:
        tile.calls[:, :inserted] = 37 << 2 | 1
        tile.calls[:, inserted:40] = 37 << 2 | adapter
    convert(make_run(tmp_path / "run", tiles=tiles, settings=settings), tmp_path / "out")
    for _, bases, quality in fastq(tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz"):
        whole = "C" * inserted + "AGATCGGAAGAGC" * 4
        assert (bases, quality) == (whole[:unmasked] + "N" * (length - unmasked), "F" * unmasked + "#" * (length - unmasked))


def test_settings_of_the_command_line_go_before_those_of_the_sheet(tmp_path: Path) -> None:
    tiles = drawn(places=TILES[:1])
    for tile in tiles:
        tile.calls[:, :40] = 37 << 2 | 1
        tile.calls[::2, 10:19] = tile.calls[1::2, 37:40] = 37 << 2 | 0
    run = make_run(tmp_path / "run", tiles=tiles, settings="AdapterRead1,CCCC\nAdapterBehavior,mask")
    settings = (("AdapterRead1", "AAAAAAAAA"), ("AdapterBehavior", "cut"), ("minimumadapteroverlap", "4"))
    convert(run, tmp_path / "out", include_non_pf=True, settings=settings)
    found = {bases for _, bases, _ in fastq(tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz")}
    assert found == {"C" * 10 + "A" * 9 + "C" * 16, "C" * 37 + "A" * 3}


def test_mismatches_that_do_not_apply_are_as_if_not_said(tmp_path: Path) -> None:
    """BCL Convert's sheets of a single index say `na` of index 2."""
    plain, said = (make_run(tmp_path / name, reads=READS[:2], settings=text) for name, text in (("plain", ""), ("said", NOT_APPLICABLE)))
    convert(plain, tmp_path / "out")
    convert(said, tmp_path / "out-said")
    assert files(tmp_path / "out") == files(tmp_path / "out-said")


def test_the_command_takes_settings_and_no_sheet_but_not_both_sheets(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    words = ["run", str(run), "--no-sample-sheet", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(ingest, [*words, "--trim-quality", "20", "--setting", "MinimumTrimmedReadLength=30"])
    assert done.exit_code == 0
    lengths = {len(bases) for _, bases, _ in fastq(tmp_path / "out" / "Undetermined_S0_L001_R1_001.fastq.gz")}
    assert 30 <= min(lengths) < max(lengths) == 40
    done = CliRunner().invoke(ingest, [*words, "--sample-sheet", str(run / "SampleSheet.csv")])
    assert (done.exit_code, "either --sample-sheet or --no-sample-sheet" in done.output) == (2, True)
    done = CliRunner().invoke(ingest, [*words, "--setting", "AdapterRead1"])
    assert (done.exit_code, "'AdapterRead1' is no setting" in done.output) == (2, True)


def bad_end(qualities: list[int], lowest: int) -> int:
    """The longest beginning of a read after which most is lacking to `lowest`, among those that no good end comes after."""
    lacking = [sum(lowest - quality for quality in qualities[at:]) for at in range(len(qualities) + 1)]
    reached = [at for at in range(len(qualities) + 1) if min(lacking[at:]) >= 0]
    return max(reached, key=lambda at: (lacking[at], at))


@given(st.lists(st.lists(st.integers(0, 41), min_size=12, max_size=12), min_size=1, max_size=4), st.integers(1, 41))
def test_bad_ends_begin_where_most_quality_is_lacking(qualities: list[list[int]], lowest: int) -> None:
    calls = np.array(qualities, np.uint8) << 2 | 1
    kept = np.full(len(calls), 12, np.int32)
    find_bad_ends(calls, np.arange(len(calls)), np.arange(12), lowest, kept)
    assert kept.tolist() == [bad_end(row, lowest) for row in qualities]


def test_bad_ends_of_no_calls_and_adapters_are_both_cut(tmp_path: Path) -> None:
    tiles = drawn(places=TILES[:1])
    for tile in tiles:
        tile.calls[:, :40] = 37 << 2 | 1
        tile.calls[:, 33:40] = NO_CALL
        tile.calls[::2, 20:29] = 37 << 2 | 0
    options = {"trim_quality": 10, "settings": (("MinimumTrimmedReadLength", "0"), ("MaskShortReads", "0"))}
    convert(make_run(tmp_path / "run", tiles=tiles, settings="AdapterRead1,AAAAAAAAA"), tmp_path / "out", include_non_pf=True, **options)
    found = fastq(tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz")
    assert {bases for _, bases, _ in found} == {"C" * 20, "C" * 33}


def test_without_a_sheet_all_reads_are_undetermined_and_their_barcodes_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    report = ingest_run(run, None, tmp_path / "out", Options(), form="fastq", following=Following(), threads=1)
    convert(run, tmp_path / "sheet")
    for kind in ("R1", "R2"):
        sheet = [record for path in (tmp_path / "sheet").glob(f"*_L001_{kind}_001.fastq.gz") for record in fastq(path)]
        assert sorted(fastq(tmp_path / "out" / f"Undetermined_S0_L001_{kind}_001.fastq.gz")) == sorted(sheet)
    assert {row["barcode"] for row in report["lanes"][0]["unknown_barcodes"][:3]} == {"+".join(pair) for pair in BARCODES}
    with open(tmp_path / "piped.fastq", "wb") as sink:
        stream_run(run, None, "Undetermined", Options(), bam=False, threads=1, sink=sink)
    lanes = [fastq(tmp_path / "out" / f"Undetermined_S0_L00{lane}_{kind}_001.fastq.gz") for lane in (1, 2) for kind in ("R1", "R2")]
    assert sorted(fastq(tmp_path / "piped.fastq")) == sorted(record for records in lanes for record in records)


@pytest.mark.parametrize(
    "setting, message",
    [
        (("AdaptorRead1", "ACGT"), "no setting adaptorread1"),
        (("AdapterBehavior", "drop"), "adapterbehavior is 'drop'"),
        (("AdapterRead1", "ACXT"), "adapter 'ACXT'"),
    ],
)
def test_a_setting_of_the_command_line_that_cannot_be_is_an_error(tmp_path: Path, setting: tuple[str, str], message: str) -> None:
    with pytest.raises(GenopipeError, match=message):
        convert(make_run(tmp_path / "run"), tmp_path / "out", settings=(setting,))


@pytest.mark.parametrize("masked, base, quality", [(False, "T", "!"), (True, "N", "#")])
@pytest.mark.parametrize("layout", ["bcl", "cbcl"])
def test_bases_of_quality_0_keep_their_letter_or_are_masked(tmp_path: Path, layout, masked: bool, base: str, quality: str) -> None:  # type: ignore[no-untyped-def]
    tiles = drawn(places=TILES[:1])
    tiles[0].calls[:, 0] = 3
    tiles[0].calls[:, 1] = NO_CALL
    run = make_run(tmp_path / "run", layout=layout, tiles=tiles)
    convert(run, tmp_path / "out", decoding=Decoding(mask_q0=masked, minimum_quality=0))
    for _, bases, qualities_ in fastq(tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz"):
        assert (bases[:2], qualities_[:2]) == (base + "N", quality + "#")


def test_index_2_is_turned_where_the_instrument_is_known_to_read_it_so(tmp_path: Path) -> None:
    silent = tuple(RunRead(read.cycles, read.is_index) for read in READS)
    tiles = drawn(REVERSED)
    run = make_run(tmp_path / "run", tiles=tiles, reads=REVERSED)
    convert(run, tmp_path / "said")
    write_run_info(run / "RunInfo.xml", tiles, silent)
    info = (run / "RunInfo.xml").read_text()
    (run / "RunInfo.xml").write_text(info.replace("A00001", "NB00001"))
    convert(run, tmp_path / "forward", index2_orientation="forward", instrument="A00001")
    said, forward = files(tmp_path / "said"), files(tmp_path / "forward")
    assert said == forward
    report = convert(run, tmp_path / "as-read", instrument="A00001")
    assert sum(row["reads"] for row in report["lanes"][0]["samples"][:-1]) == 0
    assert report["lanes"][0]["reads_that_fit_with_index2_reversed"] > 60


def test_swapped_indexes_are_reported_as_hopping(tmp_path: Path) -> None:
    tiles = drawn(places=TILES[:1])
    codes = np.array(["ACGT".index(base) for base in BARCODES[0][0] + BARCODES[1][1]], np.uint8)
    tiles[0].calls[:7, 40:58] = 37 << 2 | codes
    tiles[0].passed[:7] = True
    report = convert(make_run(tmp_path / "run", tiles=tiles), tmp_path / "out")
    assert report["lanes"][0]["index_hopping"] == {"reads": 7, "pairs": [{"index1_of": "A", "index2_of": "B", "reads": 7}]}
    assert report["lanes"][0]["unknown_barcodes"][0] == {"barcode": "ACGTACGT+ACACACACAC", "reads": 7}


def test_a_second_run_goes_on_where_the_first_one_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    convert(run, tmp_path / "whole")
    damaged = run / "Data/Intensities/BaseCalls/L001/C7.1/s_1_2101.bcl"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-5])
    with pytest.raises(BadInput, match=r"s_1_2101.bcl: 60 clusters by the count at byte 0 and 55 base calls"):
        convert(run, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.gz"))
    damaged.write_bytes(content)
    read: list[int] = []
    real = demultiplex.assign_samples
    monkeypatch.setattr(demultiplex, "assign_samples", lambda plan, lane, tile: (read.append(tile.number), real(plan, lane, tile))[1])
    convert(run, tmp_path / "out")
    assert read == [2101, 1101]
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    convert(run, tmp_path / "out")
    assert read == [2101, 1101]
    (tmp_path / "out" / "A_S1_L001_R1_001.fastq.gz").unlink()
    convert(run, tmp_path / "out")
    assert read == [2101, 1101, 1101, 2101]
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_only_the_samples_asked_for_are_written_and_all_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    everyone = convert(run, tmp_path / "all")
    assert convert(run, tmp_path / "out", only=frozenset({"B"})) == everyone
    written = files(tmp_path / "out")
    assert sorted(written) == [*(f"B_S2_L00{lane}_R{mate}_001.fastq.gz" for lane in (1, 2) for mate in (1, 2)), "demultiplex.json"]
    assert all(files(tmp_path / "all")[name] == content for name, content in written.items())
    with pytest.raises(BadInput, match="no sample X; wanted the samples asked for with --only"):
        convert(run, tmp_path / "none", only=frozenset({"X"}))


def test_memory_holds_a_tile_and_not_a_lane(tmp_path: Path) -> None:
    peaks = []
    convert(make_run(tmp_path / "compiled"), tmp_path / "out")
    for n_tiles in (1, 6):
        places = [(1, 1101 + number) for number in range(n_tiles)]
        run = make_run(tmp_path / f"run{n_tiles}", tiles=drawn(places=places, clusters=24_000))
        tracemalloc.start()
        convert(run, tmp_path / f"out{n_tiles}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_other_settings_begin_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    convert(run, tmp_path / "out")
    convert(run, tmp_path / "out", include_non_pf=True)
    convert(run, tmp_path / "anew", include_non_pf=True)
    assert files(tmp_path / "out") == files(tmp_path / "anew")


def test_the_digest_of_settings_is_the_same_in_every_process() -> None:
    code = (
        "from genopipe.ingest.demultiplex import settings_digest\n"
        "from genopipe.ingest.run_plan import Options\n"
        "print(settings_digest('fastq', [], Options(only=frozenset('ABCDEFG'))))\n"
    )
    digests = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout for seed in "12"
    }
    assert len(digests) == 1


def test_the_command_writes_reads_that_another_command_can_take(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    command = [sys.executable, "-m", "genopipe", "ingest", "run", str(run)]
    piped = subprocess.run([*command, "--sample", "A", "-o", "-"], capture_output=True, check=True)
    assert piped.stdout.startswith(b"@A00001:7:HTESTDSXX:1:1101:")
    wrong = subprocess.run([*command, "-o", "-"], capture_output=True, check=False)
    assert wrong.returncode == 2 and b"Give --sample together with -o -" in wrong.stderr
    for option, value in (("--stalled-after", "soon"), ("--checkpoint-cycles", "1;2"), ("--exclude-tiles", "1101")):
        assert subprocess.run([*command, option, value, "-o", "x"], capture_output=True, check=False).returncode == 2

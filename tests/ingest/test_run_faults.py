"""A run folder or sheet that cannot be right is an error that says what, where and what to do, before or while it is converted."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from genopipe.errors import BadInput
from genopipe.formats.read_structure import RunRead
from genopipe.ingest.run_folder import Decoding
from genopipe.ingest.run_plan import Options, plan_run
from tests.ingest.runs import READS, TILES, convert, drawn, files, make_run

BASE_CALLS = Path("Data/Intensities/BaseCalls")


def fault(run: Path, output: Path, **options) -> BadInput:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput) as caught:
        convert(run, output, **options)
    assert not list(output.glob("*.gz"))
    return caught.value


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("L001/C9.1/s_1_1101.bcl", None, "lane 1 tile 1101 has no base calls of cycle 9; wanted those of all 88 cycles. Copy the cycle"),
        ("L001/C9.1/s_1_1101.bcl", lambda b: b[:-9], "s_1_1101.bcl: 60 clusters by the count at byte 0 and 51 base calls from byte 4"),
        ("L001/C9.1/s_1_1101.bcl", lambda b: struct.pack("<I", 59) + b[4:-1], "59 clusters of lane 1 tile 1101 in cycle 9; wanted 60, as"),
        (
            "L001/C9.1/s_1_1101.bcl",
            lambda b: b[:30] + b"\5" + b[31:],
            "s_1_1101.bcl: byte 30 is a base of quality 1; wanted qualities of 2",
        ),
        ("L001/s_1_2101.filter", None, "s_1_2101.filter: there is no such file"),
        (
            "L001/s_1_2101.filter",
            lambda b: b[:8] + struct.pack("<I", 50) + b[12:62],
            "60 clusters of lane 1 tile 2101 in cycle 1; wanted 50, as",
        ),
        ("L001/s_1_2101.filter", lambda b: b[:20] + b"\7" + b[21:], "s_1_2101.filter: byte 20 is 7"),
        (
            "../L001/s_1_2101.locs",
            lambda b: b[:8] + struct.pack("<I", 59) + b[12:-8],
            "positions of 59 clusters of lane 1 tile 2101; wanted 60",
        ),
    ],
)
def test_a_damaged_file_of_a_tile_is_named(tmp_path: Path, name: str, change: Callable[[bytes], bytes] | None, message: str) -> None:
    run = make_run(tmp_path / "run")
    path = run / BASE_CALLS / name
    if change is None:
        path.unlink()
    else:
        rewritten(path, change)
    assert message in str(fault(run, tmp_path / "out"))


@pytest.mark.parametrize("name, quality", [("bcl_failing.bcl", 0), ("bcl_failing2.bcl", 1)])
def test_a_bcl_of_qualities_that_no_instrument_writes_is_refused(tmp_path: Path, data: Path, name: str, quality: int) -> None:
    reads = (RunRead(1, False),)
    run = make_run(tmp_path / "run", tiles=drawn(reads, places=TILES[:1], clusters=118), reads=reads)
    (run / "SampleSheet.csv").write_text("[Data]\nSample_ID\nONLY\n")
    path = run / BASE_CALLS / "L001/C1.1/s_1_1101.bcl"
    path.write_bytes((data / "run_folders" / "readerTests" / name).read_bytes())
    assert f"s_1_1101.bcl: byte 110 is a base of quality {quality}; wanted qualities of 2 or more" in str(fault(run, tmp_path / "out"))
    report = convert(run, tmp_path / "out", decoding=Decoding(minimum_quality=0), include_non_pf=True)
    assert report["lanes"][0]["samples"][0]["reads"] == 118


@pytest.mark.parametrize("cut", [12, 40])
def test_gzip_damaged_in_the_middle_is_named(tmp_path: Path, cut: int) -> None:
    run = make_run(tmp_path / "run", layout="bcl.gz")
    path = run / BASE_CALLS / "L001/C9.1/s_1_1101.bcl.gz"
    rewritten(path, lambda b: b[:cut] if cut == 12 else b[:cut] + bytes([b[cut] ^ 255]) + b[cut + 1 :])
    told = str(fault(run, tmp_path / "out"))
    assert f"{path}: the gzip data" in told


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("0009.bcl.bgzf", lambda b: b[:40], "0009.bcl.bgzf: the file is cut short inside the block at byte 0"),
        ("0009.bcl.bgzf.bci", lambda b: b[:-1], "0009.bcl.bgzf.bci: 23 bytes; wanted 24 bytes for the 2 tiles"),
        ("0009.bcl.bgzf.bci", None, "0009.bcl.bgzf.bci: there is no such file"),
        ("s_1.bci", lambda b: b[:4] + struct.pack("<I", 59) + b[8:], "s_1.filter: 120 clusters; wanted 119, as s_1.bci says"),
        ("s_1.filter", lambda b: b[:8] + struct.pack("<I", 119) + b[12:-1], "s_1.filter: 119 clusters; wanted 120, as s_1.bci says"),
    ],
)
def test_a_damaged_file_of_a_lane_is_named(tmp_path: Path, name: str, change: Callable[[bytes], bytes] | None, message: str) -> None:
    run = make_run(tmp_path / "run", layout="bgzf")
    path = run / BASE_CALLS / "L001" / name
    if change is None:
        path.unlink()
    else:
        rewritten(path, change)
    assert message in str(fault(run, tmp_path / "out"))


def test_a_count_of_a_lane_that_disagrees_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", layout="bgzf")
    path = run / BASE_CALLS / "L001" / "0009.bcl.bgzf"
    content = gzip.decompress(path.read_bytes())
    from genopipe.formats.bgzf import compress_block

    path.write_bytes(compress_block(struct.pack("<I", 7) + content[4:]))
    assert "0009.bcl.bgzf: 7 clusters by the count at byte 0; wanted 120, as s_1.bci says" in str(fault(run, tmp_path / "out"))


def test_a_truncated_tile_of_a_cbcl_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", layout="cbcl")
    path = run / BASE_CALLS / "L001" / "C30.1" / "L001_2.cbcl"
    rewritten(path, lambda b: b[:-4])
    assert "L001_2.cbcl: the block of tile 2101 at byte 65 ends after" in str(fault(run, tmp_path / "out"))


def test_a_tile_to_leave_out_must_be_of_the_run(tmp_path: Path) -> None:
    """A slip of the pen would leave the damaged one in."""
    run = make_run(tmp_path / "run")
    assert "no tile 1_1110 in the run; wanted tiles that RunInfo.xml lists" in str(
        fault(run, tmp_path / "out", exclude_tiles=frozenset({(1, 1101), (1, 1110)}))
    )


def test_a_damaged_tile_can_be_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / BASE_CALLS / "L001/C9.1/s_1_1101.bcl").unlink()
    report = convert(run, tmp_path / "out", exclude_tiles=frozenset({(1, 1101)}))
    assert report["lanes"][0]["clusters"] == 60
    assert len(files(tmp_path / "out")) == 17


@pytest.mark.parametrize(
    "sheet, line, message",
    [
        (
            "Lane,Sample_ID,Index,Index2\n3,A,ACGTACGT,\n",
            3,
            "lane 3 of sample A; wanted a lane of the run: 1, 2. Correct the sample sheet.",
        ),
        ("Sample_ID,Index,Index2\nA,ACGTACGTA,\n", 3, "index 1 of sample A has 9 bases and the run 8 index cycles"),
        ("Sample_ID,Index,Index2\nA,ACGTACGT,AACCTTGGAAC\n", 3, "index 2 of sample A has 11 bases and the run 10 index cycles"),
        (
            "Sample_ID,Index,OverrideCycles\nA,ACGTACG,Y40;I8;N10;Y30\n",
            3,
            "has 7 bases and the run 8 index cycles for it; wanted as many bases as",
        ),
        (
            "Sample_ID,Index,OverrideCycles\nA,ACGTACGT,Y40;I8;Y30\n",
            3,
            "OverrideCycles Y40;I8;Y30: 3 masks for 4 reads of the run; wanted a mask",
        ),
        ("Sample_ID,Index\nA,ACGTACGT\nB,ACGTACTT\n", 4, "the barcodes of A (ACGTACGT, line 3) and B (ACGTACTT, line 4) collide"),
        ("Sample_ID,Index\nA,ACGTACGT\nB,\n", 4, "the barcodes of A (ACGTACGT, line 3) and B (no index, line 4) collide"),
        ("FCID,Sample_ID,Index\nHOTHER,A,ACGTACGT\n", 3, "the sheet is of flow cell HOTHER; wanted HTESTDSXX. Take the sheet of this run."),
    ],
)
def test_a_sheet_that_does_not_fit_the_run_is_refused_before_work(tmp_path: Path, sheet: str, line: int, message: str) -> None:
    run = make_run(tmp_path / "run")
    (run / "SampleSheet.csv").write_text("[Data]\n" + sheet)
    error = fault(run, tmp_path / "out")
    assert message in str(error)
    assert error.line == line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "setting, message",
    [
        ("AdapterStringency,2", "the setting adapterstringency is '2'; wanted a number from 0.5 to 1"),
        ("AdapterBehavior,cut", "the setting adapterbehavior is 'cut'; wanted trim or mask"),
        ("AdapterRead1,ACGX", "adapter 'ACGX'; wanted A, C, G and T"),
        ("NoLaneSplitting,maybe", "the setting nolanesplitting is 'maybe'; wanted 1, 0, true or false"),
        ("BarcodeMismatchesIndex1,9", "the setting barcodemismatchesindex1 is '9'; wanted 0, 1 or 2"),
        ("MaskShortReads,x", "the setting maskshortreads is 'x'"),
        ("OverrideCycles,Y40;I8;I9;Y30", "mask I9 has 9 cycles and the read 10"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_line(tmp_path: Path, setting: str, message: str) -> None:
    error = fault(make_run(tmp_path / "run", settings=setting), tmp_path / "out")
    assert message in str(error)
    assert error.line == 4


def test_run_parameters_of_another_run_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "RunParameters.xml").write_text("<RunParameters><RunId>OTHER</RunId></RunParameters>")
    assert "RunParameters.xml is of run OTHER; wanted 261121_A00001_0007_AHTESTDSXX" in str(fault(run, tmp_path / "out"))


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "SampleSheet.csv").write_bytes((run / "SampleSheet.csv").read_bytes())
    assert "RunInfo.xml: there is no such file" in str(fault(tmp_path / "empty", tmp_path / "out"))
    with pytest.raises(BadInput, match="no such file; wanted the sample sheet of the run"):
        plan_run(run, tmp_path / "gone.csv", Options())
    assert "no lane in Data/Intensities/BaseCalls" in str(fault(tmp_path / "empty", tmp_path / "out", read_structure="40T8B10B30T"))
    assert "no read but indexes" in str(fault(run, tmp_path / "out", read_structure="40B"))
    assert "OverrideCycles beside --read-structure" in str(
        fault(make_run(tmp_path / "masked", settings="OverrideCycles,Y40;I8;I10;Y30"), tmp_path / "out", read_structure="40T8B10B30T")
    )


def test_a_lane_without_tiles_and_a_sheet_without_lanes_of_the_run_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tiles=drawn(places=TILES[:1]))
    assert "no tile of lane 1; wanted base calls" in str(fault(run, tmp_path / "out", exclude_tiles=frozenset({(1, 1101)})))


@pytest.mark.parametrize("layout", ["bcl", "cbcl"])
def test_reads_are_named_by_number_where_there_are_no_positions(tmp_path: Path, layout, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    run = make_run(tmp_path / "run", layout=layout, tiles=drawn(places=TILES[:1], clusters=3, reads=READS))
    (run / "Data/Intensities/L001/s_1_1101.locs").unlink()
    convert(run, tmp_path / "out", include_non_pf=layout == "bcl")
    assert "lane 1 tile 1101 has no positions; reads are named by their number" in caplog.text


def test_positions_may_be_one_file_for_all_tiles(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tiles=drawn(places=TILES[:1]))
    convert(run, tmp_path / "own")
    (run / "Data/Intensities/L001/s_1_1101.locs").rename(run / "Data/Intensities/s.locs")
    convert(run, tmp_path / "shared")
    assert files(tmp_path / "own") == files(tmp_path / "shared")


def test_a_run_without_index_gives_all_reads_to_its_one_sample(tmp_path: Path) -> None:
    reads = (RunRead(20, False),)
    run = make_run(tmp_path / "run", tiles=drawn(reads, places=TILES[:1]), reads=reads)
    (run / "SampleSheet.csv").write_text("[Data]\nSample_ID\nONLY\n")
    report = convert(run, tmp_path / "out", include_non_pf=True)
    assert [row["reads"] for row in report["lanes"][0]["samples"]] == [60, 0]


@pytest.mark.parametrize(
    "run, sheet, line, message",
    [
        (
            "230912_A00187_1009_AHK33MDRX3",
            "sequencing-runs/201203_D00483_0200_AHVKJCDRXX",
            3,
            "is of flow cell HN3FKDSXY; wanted HK33MDRX3",
        ),
        ("230912_A00187_1009_AHK33MDRX3", "sequencing-runs/211101_A00187_0615_AHLG5GDRZZ", 18, "ACC8898A44 has the barcode of ACC8898A46"),
        ("20231108_LH00188_0028_B22F52TLT3", "sequencing_runs_broken/20231108_LH00188_0028_B22F52TLT3", None, "no such file"),
        ("170517_ST-E00266_0210_BHJCFFALXX", "sequencing-runs/180509_D00450_0598_BHGYFNBCX2", 17, "4 masks for 3 reads of the run"),
    ],
)
def test_broken_sheets_and_those_of_other_runs_are_refused(
    data: Path, tmp_path: Path, run: str, sheet: str, line: int | None, message: str
) -> None:
    """Runs of real instruments: what they wrote of themselves, without base calls."""
    metadata = data / "run_folders" / "metadata" / "cg_demultiplexing"
    shutil.copy(metadata / "sequencing-runs" / run / "RunInfo.xml", tmp_path)
    for lane in range(1, 9):
        (tmp_path / BASE_CALLS / f"L00{lane}").mkdir(parents=True)
    with pytest.raises(BadInput, match=message) as caught:
        plan_run(tmp_path, metadata / sheet / "SampleSheet.csv", Options())
    assert caught.value.path == metadata / sheet / "SampleSheet.csv"
    assert line is None or caught.value.line == line

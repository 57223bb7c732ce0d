"""A run folder that is still being written gives the same reads as a finished one, and hands on what it has on the way."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from genopipe.errors import BadConfiguration, BadInput
from genopipe.ingest.run import Following
from genopipe.simulate.run_folder import Layout, write_run, write_sheet
from tests.ingest.runs import BARCODES, READS, convert, drawn, fastq, files, make_run

FOLLOWED = Following(stalled_after=20.0, checkpoint_cycles=(20, 40))


def sheet(run: Path) -> None:
    run.mkdir(exist_ok=True)
    write_sheet(run / "SampleSheet.csv", [(lane, name, barcode) for lane in (1, 2) for name, barcode in zip("ABC", BARCODES, strict=True)])


@pytest.mark.parametrize("layout", ["bcl", "bgzf", "cbcl"])
def test_a_run_is_converted_while_it_is_written(tmp_path: Path, layout: Layout) -> None:
    convert(make_run(tmp_path / "whole", layout=layout), tmp_path / "wanted")
    run = tmp_path / "run"
    sheet(run)
    cycles = write_run(run, drawn(), READS, layout)
    next(cycles)

    def write() -> None:
        """As an instrument, but it waits for what is handed on, however slow this machine is."""
        for cycle in cycles:
            deadline = time.monotonic() + 60
            while cycle in (20, 40) and len(list(tmp_path.glob(f"out/checkpoint-{cycle:03d}/*.gz"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    convert(run, tmp_path / "out", following=FOLLOWED)
    writer.join()
    assert files(tmp_path / "out") == files(tmp_path / "wanted")
    for cycle in (20, 40):
        folder = tmp_path / "out" / f"checkpoint-{cycle:03d}"
        found = [record for path in folder.glob("*_L001_R1_001.fastq.gz") for record in fastq(path)]
        wanted = [record for path in (tmp_path / "wanted").glob("*_L001_R1_001.fastq.gz") for record in fastq(path)]
        assert sorted((h.split()[0], b, q) for h, b, q in found) == sorted((h.split()[0], b[:cycle], q[:cycle]) for h, b, q in wanted)
        assert sorted(path.name for path in folder.glob("*.gz")) == [f"Undetermined_S0_L00{lane}_R1_001.fastq.gz" for lane in (1, 2)]


def test_checkpoints_are_demultiplexed_where_the_index_has_been_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    convert(run, tmp_path / "out", following=Following(checkpoint_cycles=(25,)))
    assert files(tmp_path / "out") == (convert(run, tmp_path / "plain"), files(tmp_path / "plain"))[1]
    for name, number in (("A", 1), ("Undetermined", 0)):
        early = fastq(tmp_path / "out" / "checkpoint-025" / f"{name}_S{number}_L001_R1_001.fastq.gz")
        assert early == [
            (header, bases[:25], quality[:25])
            for header, bases, quality in fastq(tmp_path / "out" / f"{name}_S{number}_L001_R1_001.fastq.gz")
        ]


def test_a_checkpoint_beyond_read_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="--checkpoint-cycles: cycle 41; wanted cycles of read 1, 1 to 40"):
        convert(make_run(tmp_path / "run"), tmp_path / "out", following=Following(checkpoint_cycles=(41,)))


@pytest.mark.parametrize(
    "cycles, message",
    [
        (0, r"nothing has been written for 0 s and lane 1 has no base calls; wanted base calls, or CopyComplete.txt or RTAComplete.txt"),
        (30, r"nothing has been written for 0 s and lane 1 tile 1101 has no cycle 31 of 88"),
        (88, r"nothing has been written for 0 s and the run is not marked as complete"),
    ],
)
def test_a_folder_that_stops_growing_is_an_error_that_names_what_is_missing(tmp_path: Path, cycles: int, message: str) -> None:
    run = tmp_path / "run"
    sheet(run)
    for written in write_run(run, drawn(), READS, "bcl"):
        if written == cycles:
            break
    with pytest.raises(BadInput, match=message):
        convert(run, tmp_path / "out", following=Following(stalled_after=0.4))


def test_a_lane_appears_when_its_tiles_are_in_though_the_run_is_not_complete(tmp_path: Path) -> None:
    convert(make_run(tmp_path / "whole"), tmp_path / "wanted")
    run = make_run(tmp_path / "run")
    (run / "CopyComplete.txt").unlink()
    with pytest.raises(BadInput, match="the run is not marked as complete"):
        convert(run, tmp_path / "out", following=Following(stalled_after=0.3))
    reads = {name: content for name, content in files(tmp_path / "wanted").items() if name != "demultiplex.json"}
    assert files(tmp_path / "out") == reads


def test_a_stalled_run_goes_on_later(tmp_path: Path) -> None:
    convert(make_run(tmp_path / "whole"), tmp_path / "wanted")
    run = tmp_path / "run"
    sheet(run)
    cycles = write_run(run, drawn(), READS, "bcl")
    while next(cycles) < 87:
        pass
    with pytest.raises(BadInput, match="lane 1 tile 1101 has no cycle 88 of 88"):
        convert(run, tmp_path / "out", following=Following(stalled_after=0.3))
    for _ in cycles:
        pass
    convert(run, tmp_path / "out", following=Following(stalled_after=0.3))
    assert files(tmp_path / "out") == files(tmp_path / "wanted")


def test_a_file_written_halfway_is_waited_for_and_an_error_once_the_run_is_complete(tmp_path: Path) -> None:
    convert(make_run(tmp_path / "whole"), tmp_path / "wanted")
    run = make_run(tmp_path / "run")
    (run / "CopyComplete.txt").unlink()
    path = run / "Data/Intensities/BaseCalls/L001/C88.1/s_1_1101.bcl"
    content = path.read_bytes()
    path.write_bytes(content[:20])

    def mend() -> None:
        time.sleep(0.5)
        path.write_bytes(content)
        (run / "RTAComplete.txt").touch()

    mender = threading.Thread(target=mend)
    mender.start()
    convert(run, tmp_path / "out", following=FOLLOWED)
    mender.join()
    assert files(tmp_path / "out") == files(tmp_path / "wanted")
    path.write_bytes(content[:20])
    with pytest.raises(BadInput, match=r"s_1_1101.bcl: 60 clusters by the count at byte 0 and 16 base calls"):
        convert(run, tmp_path / "again", following=FOLLOWED)

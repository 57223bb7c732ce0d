"""RunInfo.xml and RunParameters.xml of every instrument are read; what is no such file is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.read_structure import RunRead
from genopipe.formats.run_info import read_run_info
from genopipe.formats.run_parameters import RunParameters, read_run_parameters, reads_index2_reversed

GOOD = """<?xml version="1.0"?>
<RunInfo Version="2"><Run Id="R" Number="5"><Flowcell>FC</Flowcell><Instrument>D1</Instrument>
<Reads><Read Number="1" NumCycles="101" IsIndexedRead="N" /><Read Number="2" NumCycles="8" IsIndexedRead="Y" /></Reads>
<FlowcellLayout LaneCount="2" SurfaceCount="2" SwathCount="2" TileCount="16" /></Run></RunInfo>
"""


@pytest.fixture
def runs(data: Path) -> Path:
    return data / "run_folders" / "metadata" / "cg_demultiplexing" / "sequencing-runs"


@pytest.mark.parametrize(
    "folder, cycles, lanes, tiles, first",
    [
        ("170517_ST-E00266_0210_BHJCFFALXX", [151, 8, 151], 8, 768, (1, 1101)),
        ("180509_D00450_0598_BHGYFNBCX2", [101, 17, 8, 101], 2, 128, (1, 1101)),
        ("190927_A00689_0069_BHLYWYDSXX", [151, 10, 10, 151], 4, 3744, (1, 2101)),
        ("20231108_LH00188_0028_B22F52TLT3", [151, 10, 10, 151], 8, 3136, (1, 1101)),
    ],
)
def test_the_run_of_every_instrument_is_read(
    runs: Path, folder: str, cycles: list[int], lanes: int, tiles: int, first: tuple[int, int]
) -> None:
    info = read_run_info(runs / folder / "RunInfo.xml")
    assert info.run == folder
    assert folder.endswith(info.flowcell)
    assert [read.cycles for read in info.reads] == cycles
    assert (info.lanes, len(info.tiles), info.tiles[0]) == (lanes, tiles, first)


def test_only_newer_instruments_say_which_reads_are_reversed(runs: Path) -> None:
    newer = read_run_info(runs / "20231108_LH00188_0028_B22F52TLT3" / "RunInfo.xml")
    assert [read.reverse_complement for read in newer.reads] == [False, False, True, False]
    older = read_run_info(runs / "180509_D00450_0598_BHGYFNBCX2" / "RunInfo.xml")
    assert older.reads[2] == RunRead(8, True, None)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("<Run Id", "<Rum Id", "RunInfo.xml:4: no XML"),
        ("</RunInfo>", "", "RunInfo.xml:5: no XML"),
        ("RunInfo", "RunInvo", "the root element is RunInvo; wanted RunInfo"),
        ("<Flowcell>FC</Flowcell>", "", "Flowcell: no such element; wanted one in Run"),
        ("<Instrument>D1", "<Instrument>D:1", "Instrument: 'D:1'; wanted a word without blanks and colons"),
        ('NumCycles="101"', 'NumCycles="many"', "NumCycles: 'many'; wanted a number"),
        ('NumCycles="101"', 'NumCycles="99999"', "99999 cycles of read 1"),
        ('IsIndexedRead="Y"', 'IsIndexedRead="M"', "IsIndexedRead: 'M' of read 2; wanted Y or N"),
        ('Read Number="2"', 'Read Number="3"', "read '3' at place 2; wanted reads numbered from 1"),
        ('LaneCount="2"', 'LaneCount="12"', "12 lanes, 2 surfaces"),
        (
            'TileCount="16" />',
            "><TileSet><Tiles><Tile>1-1101</Tile></Tiles></TileSet></FlowcellLayout>",
            "Tile: tile '1-1101'; wanted lane and tile",
        ),
        ('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE RunInfo [<!ENTITY a "b">]>', "a document type declaration"),
    ],
)
def test_a_broken_run_info_says_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "RunInfo.xml").write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput, match=message):
        read_run_info(tmp_path / "RunInfo.xml")


def test_a_missing_run_info_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file; wanted the run's RunInfo"):
        read_run_info(tmp_path / "RunInfo.xml")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=40)
    | st.builds(
        lambda at, n, new: (GOOD[:at] + new + GOOD[at + n :]).encode(), st.integers(0, 500), st.integers(0, 30), st.text(max_size=5)
    )
)
def test_any_bytes_are_a_run_info_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "RunInfo.xml").write_bytes(content)
    for read in (read_run_info, read_run_parameters):
        try:
            read(tmp_path / "RunInfo.xml")
        except BadInput as error:
            assert "RunInfo.xml" in str(error)


@pytest.mark.parametrize(
    "folder, reversed_index2",
    [
        ("170517_ST-E00266_0210_BHJCFFALXX", True),
        ("181005_D00410_0735_BHM2LNBCX2", False),
        ("190927_A00689_0069_BHLYWYDSXX", False),
        ("230912_A00187_1009_AHK33MDRX3", True),
        ("20231108_LH00188_0028_B22F52TLT3", True),
    ],
)
def test_instruments_and_reagents_tell_the_direction_of_index_2(runs: Path, folder: str, reversed_index2: bool) -> None:
    path = next(runs.glob(f"{folder}/[rR]unParameters.xml"))
    parameters = read_run_parameters(path)
    assert parameters.run == folder
    assert folder.endswith(parameters.flowcell)
    assert reads_index2_reversed(parameters.instrument, parameters, path) is reversed_index2


@pytest.mark.parametrize("instrument, told", [("XYZ1", "is not known"), ("A00689", "with unknown reagents")])
def test_an_unknown_direction_is_an_error(instrument: str, told: str) -> None:
    with pytest.raises(BadInput, match=f"instrument {instrument} {told}; wanted to know whether"):
        reads_index2_reversed(instrument, None, Path("run"))
    assert reads_index2_reversed("A00689", RunParameters("", "", "", "3"), Path("run"))

"""Lane metrics of real runs are those that Picard's CollectIlluminaLaneMetrics is tested with; every version of the files is read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import interop
from genopipe.ingest.lane_metrics import run_summary
from tests.ingest.documents import valid

KIT = Path("interop") / "IlluminaLaneMetricsCollectorTest"
RUNS = ("A67HY", "A7LE0", "C2MFAACXX", "H7BATADXX", "H7H7RADXX", "NovaSeq")
FLOWCELLS = ("130318_SL-HBB_0226_BFCC1WYMACXX", "130321_SL-MAK_0035_FC000000000-A306B", "130401_SL-HAC_0022_BH07PBADXX")


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a Picard metrics file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]


def assert_densities(found: dict[str, object], expected: list[dict[str, str]]) -> None:
    density = {lane["lane"]: lane["density"] for lane in found["lanes"]}  # type: ignore[attr-defined]
    assert density == pytest.approx({int(row["LANE"]): float(row["CLUSTER_DENSITY"]) for row in expected}, rel=1e-7, abs=1e-5)


@pytest.mark.parametrize("name", [*(f"tileRuns/{run}" for run in RUNS), "missing_phasing"])
def test_densities_and_phasing_are_picard_s(data: Path, name: str) -> None:
    folder = data / KIT / name
    found = valid(run_summary(folder), "interop")
    assert_densities(found, table(folder / f"{folder.name}.illumina_lane_metrics"))
    phasing = {}
    for lane in found["lanes"]:
        templates = [read for read in lane["reads"] if not read["index"]]
        for kind, read in zip(("FIRST", "SECOND"), templates, strict=False):
            phasing[lane["lane"], kind] = (read["phasing_percent"], read["prephasing_percent"])
    expected = table(folder / f"{folder.name}.illumina_phasing_metrics")
    assert len(phasing) == len(expected)
    for row in expected:
        wanted = float(row["PHASING_APPLIED"]), float(row["PREPHASING_APPLIED"])
        assert phasing[int(row["LANE"]), row["TYPE_NAME"]] == pytest.approx(wanted, abs=1.5e-6)


@pytest.mark.parametrize("name", FLOWCELLS)
def test_densities_of_flow_cells_are_picard_s(data: Path, name: str) -> None:
    assert_densities(run_summary(data / KIT / name), table(data / KIT / f"{name}.illumina_lane_metrics"))


def write(folder: Path, name: str, content: bytes) -> Path:
    (folder / "InterOp").mkdir(exist_ok=True)
    (folder / "InterOp" / name).write_bytes(content)
    return folder / "InterOp" / name


RUN_INFO = '<RunInfo><Run><Reads><Read Number="1" NumCycles="3" IsIndexedRead="N"/></Reads></Run></RunInfo>'


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """One lane with two tiles and a read of three cycles."""
    (tmp_path / "RunInfo.xml").write_text(RUN_INFO)
    records = [(1, tile, code, value) for tile in (1101, 1102) for code, value in ((100, 200e3), (102, 1e6), (103, 9e5))]
    write(tmp_path, "TileMetricsOut.bin", bytes([2, 10]) + b"".join(struct.pack("<HHHf", *record) for record in records))
    return tmp_path


def quality_file(version: int) -> bytes:
    """Tile 1101, cycles 1 to 3: 10, 20, 30 bases of Q12 and 90, 80, 70 of Q37, as each version writes it."""
    place = "<HIH" if version == 7 else "<HHH"
    bins = [(2, 20, 12), (21, 29, 25), (30, 40, 37)]
    head = {4: b"", 5: b"\0", 6: b"\1\3" + bytes(v for column in zip(*bins, strict=True) for v in column)}
    head[7] = b"\1\3" + bytes(v for row in bins for v in row)
    rows = b""
    for cycle, low in ((1, 10), (2, 20), (3, 30)):
        counts = [0] * 50
        counts[11], counts[36] = low, 100 - low
        used = counts if version < 6 else [low, 0, 100 - low]
        rows += struct.pack(place, 1, 1101, cycle) + struct.pack(f"<{len(used)}I", *used)
    return bytes([version, len(rows) // 3]) + head[version] + rows


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_quality_of_every_version_leaves_out_the_last_cycle(run_folder: Path, version: int) -> None:
    write(run_folder, "QMetricsOut.bin", quality_file(version))
    [lane] = valid(run_summary(run_folder), "interop")["lanes"]
    assert lane["reads"][0]["q30_fraction"] == 0.85
    assert (lane["clusters"], lane["passed_fraction"], lane["density"]) == (2_000_000, 0.9, 200_000)


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_error_rates_of_every_version_are_means_of_tiles(run_folder: Path, version: int) -> None:
    rest = {3: struct.pack("<5I", 1, 2, 3, 4, 5), 4: b"", 5: struct.pack("<f", 0.5), 6: struct.pack("<2f", 0.5, 0.25)}[version]
    place = "<HIHf" if version > 4 else "<HHHf"
    rates = [(1101, 1, 0.5), (1101, 2, 1.5), (1101, 3, 9.0), (1102, 1, 2.0)]
    rows = [struct.pack(place, 1, tile, cycle, rate) + rest for tile, cycle, rate in rates]
    head = struct.pack("<HH", 2, 3) + b"ACGTTT" if version == 6 else b""
    write(run_folder, "ErrorMetricsOut.bin", bytes([version, len(rows[0])]) + head + b"".join(rows))
    assert valid(run_summary(run_folder), "interop")["lanes"][0]["reads"][0]["error_percent"] == 1.5


@pytest.mark.parametrize("version", [1, 2])
def test_indexes_of_every_version_are_summed_over_tiles(run_folder: Path, version: int) -> None:
    def text(word: str) -> bytes:
        return struct.pack("<H", len(word)) + word.encode()

    head, count = ("<HHH", "<I") if version == 1 else ("<HIH", "<Q")
    rows = [
        struct.pack(head, 1, tile, 2) + text("ACGT-TTAA") + struct.pack(count, n) + text("S1") + text("P")
        for tile, n in ((1101, 10), (1102, 32))
    ]
    write(run_folder, "IndexMetricsOut.bin", bytes([version]) + b"".join(rows))
    expected = {"lane": 1, "index": "ACGT-TTAA", "sample": "S1", "project": "P", "clusters": 42}
    assert valid(run_summary(run_folder), "interop")["indexes"] == [expected]


def test_damaged_files_are_refused_with_their_byte(run_folder: Path) -> None:
    tiles = run_folder / "InterOp" / "TileMetricsOut.bin"
    whole = tiles.read_bytes()
    for content, message in (
        (whole[:-3], r"TileMetricsOut\.bin: the file ends at byte 59, inside the record at byte 52"),
        (b"\x09" + whole[1:], "version 9 at byte 0; wanted one of the versions 2, 3"),
        (whole[:1] + b"\x0b" + whole[2:], "records of 11 bytes by byte 1; wanted 10"),
        (b"", "the file ends at byte 0"),
    ):
        tiles.write_bytes(content)
        with pytest.raises(BadInput, match=message):
            run_summary(run_folder)
    tiles.unlink()
    with pytest.raises(BadInput, match="no tile metrics"):
        run_summary(run_folder)
    (run_folder / "RunInfo.xml").write_text(RUN_INFO.replace('"3"', '"x"'))
    with pytest.raises(BadInput, match="read 1 has 'x' cycles"):
        run_summary(run_folder)


@pytest.mark.parametrize("read", [interop.read_tile_metrics, interop.read_phasing, interop.read_qualities, interop.read_errors])
@given(content=st.binary(max_size=80), version=st.integers(0, 8))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, read: object, content: bytes, version: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(bytes([version]) + content)
    for reader in (read, lambda one: list(interop.read_index_counts(one))):
        try:
            reader(path)  # type: ignore[operator]
        except BadInput as error:
            assert str(path) in str(error)

"""The run folders of real sequencers give the reads that Picard gives, base for base and quality for quality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysam
import pytest

from genopipe.ingest.run import Following, ingest_run
from genopipe.ingest.run_plan import Options
from tests.ingest.runs import fastq

KINDS = {"1": "R1", "2": "R2", "barcode_1": "I1", "barcode_2": "I2", "index_1": "U1", "index_2": "U2"}
KITS = [
    ("25T8B25T", "25T8B25T", "fastq/mp_barcode.params", "fastq"),
    ("25T8B25T", "25T8B4M21T", "fastq_with_4M/mp_barcode.params", "fastq_with_4M"),
    ("25T8B25T", "25T8B4M4M17T", "fastq_with_4M4M/mp_barcode.params", "fastq_with_4M4M"),
    ("25T8B8B25T", "25T8B8B25T", "fastq/barcode_double.params", "fastq"),
    ("151T8B8B151T_cbcl", "151T8B8B151T", "fastq/barcode_double.params", "fastq"),
]
ADAPTERS = (("AdapterRead1", "TGGGC"), ("AdapterRead2", "GGCCG"), ("AdapterBehavior", "cut"), ("MinimumAdapterOverlap", "12"))
LENGTHS = (("MinimumTrimmedReadLength", "20"),)
WITHOUT_SAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    ("nonBarcoded", "25T8B25T", {}),
    ("testMultiplex", "30T8B", {}),
    ("testMultiplexRH", "25T8B25T", {}),
    ("adapterTrimmed", "25T8B25T", {"settings": (*ADAPTERS, *LENGTHS)}),
    ("qualityTrimmed", "25T8B25T", {"settings": LENGTHS, "trim_quality": 10}),
    ("qualityAdapterTrimmed", "25T8B25T", {"settings": (*ADAPTERS, *LENGTHS), "trim_quality": 10}),
]
"""Made by Picard without samples: expected files, read structure, trimming."""
AS_PICARD: dict[str, Any] = {"include_non_pf": True, "eamss": True}


def expected(folder: Path) -> Iterator[tuple[str, str, bool, Path]]:
    """Barcode, kind of read, whether of all lanes, and path of each expected file."""
    for path in sorted(folder.glob("*.fastq")):
        if not path.name.startswith(tuple(name for name, _, _ in WITHOUT_SAMPLES)):
            barcode, kind = path.name.removesuffix(".fastq").rsplit(".", 1)
            yield barcode.removesuffix(".multilane"), kind, ".multilane." in path.name, path


def records(paths: list[Path], *, named: bool) -> list[tuple[str, str, str]]:
    """Name (lane:tile:x:y), bases and qualities of all records, sorted; no names for a kit without positions."""
    reads = [record for path in paths for record in fastq(path)]
    return sorted((":".join(header.split()[0].split(":")[3:7]) if named else "", bases, quality) for header, bases, quality in reads)


@pytest.mark.parametrize("kit, structure, sheet, folder", KITS)
def test_every_read_of_a_kit_is_reproduced(data: Path, tmp_path: Path, kit: str, structure: str, sheet: str, folder: str) -> None:
    kits = data / "run_folders" / kit
    options = Options(read_structure=structure, index_reads=True)
    ingest_run(kits, kits / sheet, tmp_path, options, form="fastq", following=Following(), threads=2)
    named = not kit.endswith("cbcl")
    compared = 0
    for barcode, kind, all_lanes, path in expected(kits / folder):
        sample = "Undetermined" if set(barcode) == {"N"} else f"SA_{barcode}"
        found = sorted(tmp_path.glob(f"{sample}_S*_L00[{'12' if all_lanes else '1'}]_{KINDS[kind]}_001.fastq.gz"))
        assert found, path.name
        assert records(found, named=named) == records([path], named=named), path.name
        compared += 1
    assert compared >= 20


@pytest.mark.parametrize("name, structure, trimming", WITHOUT_SAMPLES)
def test_every_read_of_a_lane_without_samples_is_reproduced(
    data: Path, tmp_path: Path, name: str, structure: str, trimming: dict[str, Any]
) -> None:
    kit = data / "run_folders" / "25T8B25T"
    options = Options(read_structure=structure, index_reads=True, **AS_PICARD, **trimming)
    ingest_run(kit, None, tmp_path, options, form="fastq", following=Following(), threads=1)

    def told(path: Path) -> list[tuple[str, str, str]]:
        """Lane:tile:x:y, also of Picard's older names, which begin with the run alone and end with the read."""
        rows = [(header.split()[0].removesuffix("/1").removesuffix("/2"), bases, quality) for header, bases, quality in fastq(path)]
        return sorted((":".join(header.split(":")[-4:]), bases, quality) for header, bases, quality in rows)

    paths = sorted((kit / "fastq").glob(f"{name}.*"))
    assert len(paths) >= 2
    for path in paths:
        kind = KINDS[path.name.split(".")[1]]
        assert told(tmp_path / f"Undetermined_S0_L001_{kind}_001.fastq.gz") == told(path), path.name


@pytest.mark.parametrize(
    "name, structure, tiles",
    [
        ("nonBarcoded", "25S8S25T", ()),
        ("nonBarcodedDescriptionNonBI", "25S8S25T", ()),
        ("nonBarcodedTileSubset", "25S8S25T", (1101, 2101)),
        ("nonBarcodedWithMolecularIndex8M", "25S8M25T", ()),
        ("nonBarcodedWithMolecularIndex4M4M", "25S4M4M25T", ()),
        ("nonBarcodedWithTagPerMolecularIndex4M4M", "25S4M4M25T", ()),
        ("nonBarcodedWithTagPerMolecularIndex2M2M2M2M", "25S2M2M2M2M25T", ()),
    ],
)
def test_unaligned_bam_of_a_lane_without_samples_is_reproduced(
    data: Path, tmp_path: Path, name: str, structure: str, tiles: tuple[int, ...]
) -> None:
    kit = data / "run_folders" / "25T8B25T"
    options = Options(read_structure=structure, exclude_tiles=frozenset((1, tile) for tile in tiles), **AS_PICARD)
    ingest_run(kit, None, tmp_path, options, form="bam", following=Following(), threads=1)
    assert told_records(pysam.view(str(tmp_path / "Undetermined_S0_L001.bam"))) == told_records(  # type: ignore[attr-defined]
        (kit / "sams" / f"{name}.sam").read_text()
    )


def told_records(text: str, *, named: bool = True, barcodes: bool = False) -> list[tuple[str, ...]]:
    """Of each record of a SAM: lane:tile:x:y, flags, bases, qualities, molecular index and its qualities, and the barcode and its."""
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("@")]
    tags = [{tag[:2]: tag[5:].replace(" ", "-") for tag in row[11:]} for row in rows]
    wanted = ("RX", "QX", "BC", "QT") if barcodes else ("RX", "QX")
    return sorted(
        (":".join(row[0].split(":")[-4:]) if named else "", row[1], row[9], row[10], *(tag.get(name, "") for name in wanted))
        for row, tag in zip(rows, tags, strict=True)
    )


@pytest.mark.parametrize(
    "kit, structure, sheet, barcodes",
    [
        ("25T8B25T", "25T8B25T", "sams_with_BC_ALWAYS_QUALITY/library.params", True),
        ("25T8B25T", "25T8B4M21T", "sams_with_4M/library.params", False),
        ("25T8B25T", "25T8B4M4M17T", "sams_with_4M4M/library.params", False),
        ("25T8B8B25T", "25T8B8B25T", "sams/library_double.params", False),
        ("151T8B8B151T_cbcl", "151T8B8B151T", "sams/library_double.params", False),
    ],
)
def test_unaligned_bam_holds_the_reads_flags_and_indexes_of_the_expected_sam(
    data: Path, tmp_path: Path, kit: str, structure: str, sheet: str, barcodes: bool
) -> None:
    kits = data / "run_folders" / kit
    options = Options(read_structure=structure)
    ingest_run(kits, kits / sheet, tmp_path, options, form="bam", following=Following(), threads=1)
    sams = [path for path in sorted((kits / sheet).parent.glob("[ACGTN]*.sam")) if "multilane" not in path.name]
    assert len(sams) >= 5
    for sam in sams:
        sample = "Undetermined" if set(sam.stem) == {"N"} else f"SA_{sam.stem}"
        bam = pysam.view(str(next(tmp_path.glob(f"{sample}_S*_L001.bam"))))  # type: ignore[attr-defined]
        told, expected_of_sam = (told_records(text, named=not kit.endswith("cbcl"), barcodes=barcodes) for text in (bam, sam.read_text()))
        assert told == expected_of_sam, sam.name


def of_lanes(folder: Path, barcode: str, lanes: str) -> list[tuple[str, ...]]:
    """The records of a sample's files of some lanes."""
    sample = "Undetermined" if barcode == "NN" else f"SA_{barcode}"
    return sorted(
        record
        for lane in lanes
        for bam in folder.glob(f"{sample}_S*_L00{lane}.bam")
        for record in told_records(pysam.view(str(bam)))  # type: ignore[attr-defined]
    )


def test_the_expected_sam_of_all_lanes_is_reproduced(data: Path, tmp_path: Path) -> None:
    """Those of one tile were made with all barcodes; those of all tiles with fewer, and two mismatches: samples without a read had none."""
    kit = data / "run_folders" / "25T8B8B25T"
    sams = {sam.name.removesuffix(".multilane.sam"): told_records(sam.read_text()) for sam in (kit / "sams").glob("*.multilane.sam")}
    sheet = (kit / "library.params").read_text().splitlines()
    short = [row for row in sheet[1:] if sams.get("".join(row.split("\t")[:2]))]
    (tmp_path / "short.params").write_text("\n".join([sheet[0], *short]) + "\n")
    structure = "25T8B8B25T"
    every, fewer = Options(read_structure=structure), Options(read_structure=structure, barcode_mismatches=2)
    ingest_run(kit, kit / "library.params", tmp_path / "every", every, form="bam", following=Following(), threads=1)
    ingest_run(kit, tmp_path / "short.params", tmp_path / "fewer", fewer, form="bam", following=Following(), threads=1)
    assert len(sams) == 128
    for name, expected_of_sam in sams.items():
        tile, _, barcode = name.rpartition(".")
        found = of_lanes(tmp_path / "every", barcode, "1") if tile else of_lanes(tmp_path / "fewer", barcode, "12")
        assert found == expected_of_sam, name

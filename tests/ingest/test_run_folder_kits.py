"""The run folders of real sequencers give the reads that Picard gives, base for base and quality for quality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
OTHER_SETTINGS = ("adapterTrimmed", "nonBarcoded", "quality", "testMultiplex")
"""Made by Picard with other read structures, or with its own trimming."""


def expected(folder: Path) -> Iterator[tuple[str, str, bool, Path]]:
    """Barcode, kind of read, whether of all lanes, and path of each expected file."""
    for path in sorted(folder.glob("*.fastq")):
        if not path.name.startswith(OTHER_SETTINGS):
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


def test_unaligned_bam_holds_the_reads_flags_and_molecular_indexes_of_the_expected_sam(data: Path, tmp_path: Path) -> None:
    kit = data / "run_folders" / "25T8B25T"
    options = Options(read_structure="25T8B4M4M17T")
    ingest_run(kit, kit / "sams_with_4M4M" / "library.params", tmp_path, options, form="bam", following=Following(), threads=1)

    def told(lines: list[str]) -> list[tuple[str, ...]]:
        rows = [line.split("\t") for line in lines if not line.startswith("@")]
        tags = [{tag[:2]: tag[5:] for tag in row[11:]} for row in rows]
        return sorted(
            (":".join(row[0].split(":")[-4:]), row[1], row[9], row[10], tag["RX"], tag["QX"].replace(" ", "-"))
            for row, tag in zip(rows, tags, strict=True)
        )

    sams = [path for path in sorted((kit / "sams_with_4M4M").glob("*.sam")) if path.stem != "N"]
    assert len(sams) == 61
    for sam in sams:
        bam = next(tmp_path.glob(f"SA_{sam.stem}_S*.bam"))
        assert told(pysam.view(str(bam)).splitlines()) == told(sam.read_text().splitlines()), sam.name  # type: ignore[attr-defined]

"""The picture of reads shows what the reads hold, is bounded, and is the same every time.

Oracle: reads written with chosen CIGARs and bases.
"""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pysam
import pytest
from click.testing import CliRunner

from genopipe.cli.interpret import interpret as interpret_command
from genopipe.errors import BadInput
from genopipe.interpret.findings import Request
from genopipe.interpret.pileup import FLANK, MOST_READS, pileup_chart
from genopipe.interpret.ranking import interpret
from genopipe.interpret.report import report
from genopipe.interpret.results import findings_document
from genopipe.interpret.subject import load_subject
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, places
from tests.interpret.world import write_family_vcf

BASES = "".join(random.Random(3).choices("ACGT", k=400))
Read = tuple[int, str, str, int]
"""Start, CIGAR, bases, FLAG."""


def fetch(start: int, end: int) -> str:
    return BASES[max(start, 0) : end]


def write_bam(path: Path, reads: list[Read], *, contig: str = "chr1", length: int = 400) -> Path:
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": contig, "LN": length}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, (start, cigar, bases, flag) in enumerate(sorted(reads, key=lambda read: read[0])):
            record = pysam.AlignedSegment(file.header)
            record.query_name, record.flag, record.reference_id, record.reference_start = f"r{number}", flag, 0, start
            record.mapping_quality, record.cigarstring, record.query_sequence = 60, cigar, bases
            file.write(record)
    pysam.index(str(path))
    return path


def changed(start: int, end: int, at: int) -> str:
    """Bases of the reference with another one at `at`."""
    other = "A" if BASES[at] != "A" else "C"
    return BASES[start:at] + other + BASES[at + 1 : end]


def texts(chart: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")]


def test_reads_with_and_without_the_variant(tmp_path: Path) -> None:
    """Duplicates, and reads that do not reach it, do not count."""
    plain: Read = (150, "100M", BASES[150:250], 0)
    other: Read = (160, "100M", changed(160, 260, 200), 0)
    bam = write_bam(tmp_path / "a.bam", [plain, other, other, (*other[:3], 0x400), (201, "50M", BASES[201:251], 0)])
    chart = pileup_chart(bam, "chr1", (200, 201), fetch=fetch)
    told = texts(chart)
    assert told[-1] == "2 of 3 reads differ from the reference here"
    assert "".join(told[: 2 * FLANK + 1]) == BASES[200 - FLANK : 201 + FLANK]
    assert len(told) == 2 * FLANK + 1 + 2 + 1


def test_insertions_and_deletions(tmp_path: Path) -> None:
    """Soft-clipped bases are not drawn, and what follows an insertion or deletion stays in step with the reference."""
    inserted: Read = (150, "10S50M3I40M", "C" * 10 + BASES[150:200] + "TTT" + BASES[200:240], 0)
    deleted: Read = (150, "50M4D46M", BASES[150:200] + BASES[204:250], 0)
    chart = pileup_chart(write_bam(tmp_path / "a.bam", [inserted, deleted]), "chr1", (199, 204), fetch=fetch)
    told = texts(chart)
    assert told[-1] == "2 of 2 reads differ from the reference here"
    assert told[2 * FLANK + 5 : -1] == ["+3"]


def test_many_reads_are_drawn_in_their_share(tmp_path: Path) -> None:
    reads: list[Read] = [(150, "100M", BASES[150:250], 0)] * 150 + [(150, "100M", changed(150, 250, 200), 0)] * 50
    bam = write_bam(tmp_path / "a.bam", reads)
    chart = pileup_chart(bam, "chr1", (200, 201), fetch=fetch)
    told = texts(chart)
    assert told[-1] == f"50 of 200 reads differ from the reference here; {MOST_READS} are shown"
    assert len(told) - (2 * FLANK + 2) == pytest.approx(MOST_READS / 4, abs=1)
    assert len(chart) < 20_000
    assert chart == pileup_chart(bam, "chr1", (200, 201), fetch=fetch)


def test_a_window_at_the_end_of_a_contig(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", [(300, "100M", changed(300, 400, 399), 0), (0, "50M", BASES[:50], 0)])
    assert texts(pileup_chart(bam, "chr1", (399, 400), fetch=fetch))[-1].startswith("1 of 1")
    assert texts(pileup_chart(bam, "chr1", (0, 1), fetch=fetch))[-1].startswith("0 of 1")
    assert texts(pileup_chart(bam, "chr1", (200, 201), fetch=fetch))[-1].startswith("0 of 0")


def test_a_bam_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", [(0, "50M", BASES[:50], 0)])
    with pytest.raises(BadInput, match="indexed BAM on the reference"):
        pileup_chart(bam, "chr7", (5, 6), fetch=fetch)
    Path(f"{bam}.bai").unlink()
    with pytest.raises(BadInput, match="indexed BAM on the reference"):
        pileup_chart(bam, "chr1", (5, 6), fetch=fetch)


def test_the_report_shows_the_reads(setting: Setting, tmp_path: Path) -> None:
    contig, start, ref, alt = places(setting)["stop"]
    length = next(other.length for other in setting.genome.contigs if other.name == contig)
    bases = setting.world.bases(contig, start - 50, start) + alt + setting.world.bases(contig, start + len(ref), start + 50)
    bam = write_bam(tmp_path / "a.bam", [(start - 50, f"{len(bases)}M", bases, 0)], contig=contig, length=length)
    vcf = write_family_vcf(tmp_path / "a.vcf", ["KID"], [((contig, start, ref, alt), ["0/1"])])
    subject = load_subject(case_file(tmp_path, setting))
    result = interpret(Request(subject, setting.evidence, vcf, setting.genome, setting.reference, reads=bam))
    page = report(result, findings_document(result, None))
    assert f"Reads of the patient at {contig}-{start + 1}-{ref}-{alt}" in page
    assert "1 of 1 reads differ from the reference here" in page


def test_reads_without_variants_are_refused(setting: Setting, tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "a.bam", [])
    words = ["--case", str(case_file(tmp_path, setting)), "--evidence", str(setting.evidence_path), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(interpret_command, [*words, "--reads", str(bam)])
    assert done.exit_code == 2
    assert "give --variants and --reference with --reads" in done.output

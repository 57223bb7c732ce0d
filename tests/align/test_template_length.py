"""TLEN is what the SAM specification says: from the leftmost to the rightmost mapped base, with opposite signs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup
from tests.oracles.seed import reverse_complement

Ends = dict[tuple[str, bool], pysam.AlignedSegment]


@pytest.fixture(scope="module")
def sequence() -> str:
    return "".join(np.random.default_rng(8).choice(list("ACGT"), 20_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sequence: str) -> Path:
    path = tmp_path_factory.mktemp("tlen")
    (path / "ref.fa").write_text(f">c\n{sequence}\n")
    build_reference(path / "ref.fa", path / "ref", name="tlen")
    return path


def write_pairs(folder: Path, pairs: dict[str, tuple[str, str]]) -> list[Path]:
    paths = [folder / "R1.fastq", folder / "R2.fastq"]
    for mate, path in enumerate(paths):
        path.write_text("".join(f"@{name}\n{pair[mate]}\n+\n{'I' * len(pair[mate])}\n" for name, pair in pairs.items()))
    return paths


def ends(path: Path) -> Ends:
    with pysam.AlignmentFile(str(path)) as file:
        return {(str(record.query_name), record.is_read1): record for record in file if not record.flag & 0x900}


def aligned(folder: Path, pairs: dict[str, tuple[str, str]]) -> Ends:
    r1, r2 = write_pairs(folder, pairs)
    group = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
    align_files([r1], [r2], folder / "ref", folder / "out.bam", interleaved=False, read_group=group, options=Options())
    return ends(folder / "out.bam")


def test_the_example_of_the_specification(folder: Path, sequence: str) -> None:
    """Forward at base 100 for 50 bases and reverse at base 200 for 50 bases: bases 100 to 249, length 150 (SAMv1, section 1.4, TLEN)."""
    found = aligned(folder, {"x": (sequence[99:149], reverse_complement(sequence[199:249]))})
    assert [(found["x", first].reference_start + 1, found["x", first].template_length) for first in (True, False)] == [
        (100, 150),
        (200, -150),
    ]


@pytest.mark.parametrize(("left", "right"), [(7, 0), (0, 7), (9, 13), (0, 0)])
def test_clipped_bases_do_not_count(folder: Path, sequence: str, left: int, right: int) -> None:
    start, end = 5000, 5450
    foreign = sequence.translate(str.maketrans("ACGT", "CGTA"))
    first = foreign[start - left : start] + sequence[start : start + 150 - left]
    last = sequence[end - 150 + right : end] + foreign[end : end + right]
    found = aligned(folder, {"x": (first, reverse_complement(last))})
    assert [found["x", mate].query_alignment_length for mate in (True, False)] == [150 - left, 150 - right]
    assert [found["x", mate].template_length for mate in (True, False)] == [450, -450]


def test_reads_of_one_place_have_opposite_signs(folder: Path, sequence: str) -> None:
    found = aligned(folder, {"x": (sequence[700:800], reverse_complement(sequence[700:800]))})
    assert [found["x", mate].template_length for mate in (True, False)] == [100, -100]


def test_reads_that_pass_each_other_span_both(folder: Path, sequence: str) -> None:
    found = aligned(folder, {"x": (sequence[710:810], reverse_complement(sequence[700:800]))})
    assert [found["x", mate].template_length for mate in (True, False)] == [-110, 110]


def simulated(sequence: str) -> dict[str, tuple[str, str]]:
    """Pairs of fragments of 150 to 600 bases, a third of them with foreign bases at an end."""
    rng = np.random.default_rng(9)
    pairs = {}
    for i in range(600):
        start, size = int(rng.integers(0, 19_000)), int(np.clip(rng.normal(400, 80), 150, 600))
        fragment = sequence[start : start + size]
        mates = [fragment[:150], reverse_complement(fragment[-150:])]
        if i % 3 == 0:
            foreign = "".join(rng.choice(list("ACGT"), int(rng.integers(7, 40))))
            mates[i % 2] = foreign + mates[i % 2][len(foreign) :]
        pairs[f"p{i}"] = (mates[0], mates[1])
    return pairs


@pytest.mark.skipif(shutil.which("bwa") is None, reason="bwa is not installed")
def test_simulated_pairs_have_the_lengths_of_bwa(folder: Path, sequence: str) -> None:
    pairs = simulated(sequence)
    ours = aligned(folder, pairs)
    subprocess.run(["bwa", "index", str(folder / "ref.fa")], check=True, capture_output=True)
    with open(folder / "bwa.sam", "wb") as out:
        mates = [str(path) for path in write_pairs(folder, pairs)]
        subprocess.run(["bwa", "mem", str(folder / "ref.fa"), *mates], check=True, stdout=out, stderr=subprocess.DEVNULL)
    theirs = ends(folder / "bwa.sam")
    same = [end for end in ours if all(places(ours, end[0])[i] == places(theirs, end[0])[i] for i in (0, 1))]
    assert len(same) > 0.95 * len(ours)
    assert [ours[end].template_length for end in same] == [theirs[end].template_length for end in same]
    assert any(ours[end].cigarstring != "150M" for end in same)


def places(records: Ends, name: str) -> list[tuple[int, str | None]]:
    return [(records[name, mate].reference_start, records[name, mate].cigarstring) for mate in (True, False)]

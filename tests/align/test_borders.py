"""No alignment leaves its contig, whatever the lengths of the contigs and wherever the reads begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup
from tests.oracles.alignment import nm_and_md
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
LENGTH = 100


def bases(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


def build(folder: Path, contigs: dict[str, str]) -> None:
    (folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(folder / "ref.fa", folder / "ref", name="borders")


def aligned(folder: Path, *mates: dict[str, str]) -> list[pysam.AlignedSegment]:
    paths = []
    for number, reads in enumerate(mates, 1):
        paths.append(folder / f"R{number}.fastq")
        paths[-1].write_text("".join(f"@{name}\n{read}\n+\n{'I' * len(read)}\n" for name, read in reads.items()))
    output = folder / "out.bam"
    align_files(paths[:1], paths[1:], folder / "ref", output, interleaved=False, read_group=GROUP, options=Options())
    with pysam.AlignmentFile(str(output)) as file:
        return list(file)


def check_within(record: pysam.AlignedSegment, contigs: dict[str, str]) -> None:
    """The record lies in its contig and its CIGAR, sequence, NM and MD agree."""
    if record.is_unmapped:
        return
    contig = contigs[str(record.reference_name)]
    assert 0 <= record.reference_start < (record.reference_end or 0) <= len(contig), str(record)
    assert record.infer_query_length() == record.query_length
    assert (record.get_tag("NM"), record.get_tag("MD")) == nm_and_md(record, contig)


def over_borders(rng: np.random.Generator, contigs: dict[str, str]) -> dict[str, str]:
    """Reads of the sequence that the contigs make in a ring, on both strands, with a little error, an indel or unknown bases."""
    ring = "".join(contigs.values())
    ring = ring * (2 + LENGTH // len(ring)) + bases(rng, 5)
    ends = np.cumsum([len(sequence) for sequence in contigs.values()])
    reads = {}
    for number, end in enumerate(np.repeat(ends, 12)):
        start = max(int(end) - int(rng.integers(0, LENGTH + 1)), 0)
        read = list(ring[start : start + LENGTH + 3])
        for at in rng.integers(0, LENGTH, int(rng.integers(0, 4))):
            read[at] = str(rng.choice(["A", "C", "G", "T", "N", "", "GA"]))
        if rng.random() < 0.2:
            read[:3] = "NNN"
        sequence = "".join(read)[:LENGTH]
        reads[f"r{number}"] = sequence if rng.random() < 0.5 else reverse_complement(sequence)
    return reads


@settings(max_examples=25)
@given(
    lengths=st.lists(st.sampled_from([1, 31, 32, 33, 64, 96, 128, 150, 160, 320, 333, 640]), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
    unknown=st.booleans(),
)
def test_every_record_lies_in_its_contig(tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int, unknown: bool) -> None:
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("borders")
    contigs = {f"c{i}": bases(rng, n) for i, n in enumerate(lengths)}
    if unknown:
        contigs = {name: "NN" + sequence[2:-2] + "NN" if len(sequence) > 40 else sequence for name, sequence in contigs.items()}
    build(folder, contigs)
    reads = over_borders(rng, contigs)
    for mates in ([reads], [reads, dict(zip(reads, reversed(reads.values()), strict=True))]):
        for record in aligned(folder, *mates):
            check_within(record, contigs)


@pytest.fixture(scope="module", params=[3200, 3201, 3231], ids=["no padding", "31 between", "1 between"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder, rng = tmp_path_factory.mktemp("two"), np.random.default_rng(6)
    contigs = {"A": bases(rng, request.param), "B": bases(rng, 3200)}
    build(folder, contigs)
    return folder, contigs


OVER = (1, 2, 4, 5, 6, 20, 60, 99, 100, 130, 144, 146, 149)


def test_a_read_over_a_border_lies_on_the_contig_that_holds_more_of_it(two: tuple[Path, dict[str, str]]) -> None:
    folder, contigs = two
    reads = {f"{n}": contigs["A"][-n:] + contigs["B"][: 150 - n] for n in OVER}
    found = {str(record.query_name): record for record in aligned(folder, reads) if not record.is_supplementary}
    for n in OVER:
        wanted = ("B", 0, f"{n}S{150 - n}M") if n < 75 else ("A", len(contigs["A"]) - n, f"{n}M{150 - n}S")
        assert (found[f"{n}"].reference_name, found[f"{n}"].reference_start, found[f"{n}"].cigarstring) == wanted


@pytest.mark.parametrize("contig", ["A", "B"])
def test_what_lies_before_or_behind_a_contig_is_clipped(two: tuple[Path, dict[str, str]], contig: str) -> None:
    folder, contigs = two
    sequence, rng = contigs[contig], np.random.default_rng(7)
    known = (50, 80, 120, 145, 149)
    reads = {f"before{n}": bases(rng, 149 - n) + different(sequence[0]) + sequence[:n] for n in known}
    reads |= {f"behind{n}": sequence[-n:] + different(sequence[-1]) + bases(rng, 149 - n) for n in known}
    for record in aligned(folder, reads):
        n = int(str(record.query_name)[6:])
        before = str(record.query_name).startswith("before")
        place = (0, f"{150 - n}S{n}M") if before else (len(sequence) - n, f"{n}M{150 - n}S")
        assert (record.reference_name, record.reference_start, record.cigarstring) == (contig, *place)


def different(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def test_reads_over_the_joint_of_a_circular_contig_are_clipped(two: tuple[Path, dict[str, str]]) -> None:
    folder, contigs = two
    ring = contigs["A"] * 2
    length = len(contigs["A"])
    reads = {f"{n}": ring[length - n : length - n + 150] for n in (30, 60, 74, 76, 100, 130)}
    for record in aligned(folder, reads):
        if record.is_supplementary:
            continue
        n = int(str(record.query_name))
        wanted = (0, f"{n}S{150 - n}M") if n < 75 else (length - n, f"{n}M{150 - n}S")
        assert (record.reference_name, record.reference_start, record.cigarstring) == ("A", *wanted)

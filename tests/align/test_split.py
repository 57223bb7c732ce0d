"""Reads over the border of a structural variant have a supplementary record for the clipped end, named in SA."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup
from tests.oracles.alignment import nm_and_md
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
Place = tuple[str, int]


@dataclass(frozen=True)
class Border:
    """Two stretches that stand together in the donor, and the bases of the reference where they part."""

    left: str
    right: str
    ends: tuple[Place, Place]


@dataclass(frozen=True)
class Genome:
    folder: Path
    contigs: dict[str, str]

    def align(self, *mates: dict[str, str]) -> list[pysam.AlignedSegment]:
        """The records, sorted, of reads (or of first and second reads)."""
        paths = [self.folder / f"R{number}.fastq" for number, _ in enumerate(mates, 1)]
        for path, reads in zip(paths, mates, strict=True):
            path.write_text("".join(f"@{name}\n{read}\n+\n{'I' * len(read)}\n" for name, read in reads.items()))
        output = self.folder / "out.bam"
        align_files(paths[:1], paths[1:], self.folder / "ref", output, interleaved=False, read_group=GROUP, options=Options())
        with pysam.AlignmentFile(str(output)) as file:
            return list(file)

    def border(self, kind: str, at: int, size: int) -> Border:
        one, two = self.contigs["one"], self.contigs["two"]
        left = one[at - 600 : at]
        if kind == "deletion":
            return Border(left, one[at + size : at + size + 600], (("one", at), ("one", at + size)))
        if kind == "duplication":
            return Border(one[at + size - 600 : at + size], one[at : at + 600], (("one", at + size), ("one", at)))
        if kind == "inversion":
            return Border(left, reverse_complement(one[at + size - 600 : at + size]), (("one", at), ("one", at + size)))
        return Border(left, two[at // 2 : at // 2 + 600], (("one", at), ("two", at // 2)))


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    rng, folder = np.random.default_rng(21), tmp_path_factory.mktemp("split")
    contigs = {name: "".join(rng.choice(list("ACGT"), 40_000)) for name in ("one", "two")}
    (folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(folder / "ref.fa", folder / "ref", name="two contigs")
    return Genome(folder, contigs)


KINDS = ("deletion", "duplication", "inversion", "translocation")


def borders(genome: Genome) -> dict[str, Border]:
    rng = np.random.default_rng(3)
    return {
        f"{kind}{i}": genome.border(kind, int(rng.integers(5000, 30_000)), int(rng.integers(700, 4000))) for kind in KINDS for i in range(5)
    }


def over(border: Border, n: int) -> str:
    """150 bases of which the first `n` are left of the border."""
    return border.left[len(border.left) - n :] + border.right[: 150 - n]


def border_places(records: list[pysam.AlignedSegment]) -> set[Place]:
    """Where the clips of the records begin."""
    places = set()
    for record in records:
        operations = record.cigartuples or []
        if operations[0][0] == 4:
            places.add((str(record.reference_name), record.reference_start))
        if operations[-1][0] == 4:
            places.add((str(record.reference_name), record.reference_end or 0))
    return places


def near(place: Place, places: set[Place]) -> bool:
    return any(name == place[0] and abs(position - place[1]) <= 6 for name, position in places)


@pytest.fixture(scope="module")
def single(genome: Genome) -> dict[str, list[pysam.AlignedSegment]]:
    """Reads over every border, by name: its border and the bases left of it."""
    reads = {f"{name}:{n}": over(border, n) for name, border in borders(genome).items() for n in (45, 75, 90, 105)}
    reads |= {f"{name}:{n}r": reverse_complement(over(border, n)) for name, border in borders(genome).items() for n in (60, 100)}
    found: dict[str, list[pysam.AlignedSegment]] = {name: [] for name in reads}
    for record in genome.align(reads):
        found[str(record.query_name)].append(record)
    return found


def test_both_sides_of_a_border_are_found_within_a_few_bases(genome: Genome, single: dict[str, list[pysam.AlignedSegment]]) -> None:
    known = borders(genome)
    complete = [all(near(end, border_places(records)) for end in known[name.split(":")[0]].ends) for name, records in single.items()]
    assert np.mean(complete) > 0.97


def test_one_record_is_primary_and_longest(single: dict[str, list[pysam.AlignedSegment]]) -> None:
    for records in single.values():
        (primary,) = (record for record in records if not record.is_supplementary)
        assert primary.get_tag("AS") == max(record.get_tag("AS") for record in records)
        assert all(not record.is_secondary for record in records)


def named_in_sa(record: pysam.AlignedSegment) -> str:
    strand = "-" if record.is_reverse else "+"
    place = f"{record.reference_name},{record.reference_start + 1},{strand},{record.cigarstring}"
    return f"{place},{record.mapping_quality},{record.get_tag('NM')}"


def test_sa_of_each_record_names_the_others(single: dict[str, list[pysam.AlignedSegment]]) -> None:
    for records in single.values():
        for record in records:
            others = [other for other in records if other is not record]
            assert record.has_tag("SA") == bool(others)
            assert not others or set(str(record.get_tag("SA")).split(";")) == {*map(named_in_sa, others), ""}


def test_every_record_of_a_read_has_all_its_bases(single: dict[str, list[pysam.AlignedSegment]]) -> None:
    for records in single.values():
        assert len({record.get_forward_sequence() for record in records}) == 1
        assert {record.query_length for record in records} == {150}


def test_nm_and_md_equal_a_recount(genome: Genome, single: dict[str, list[pysam.AlignedSegment]]) -> None:
    for records in single.values():
        for record in records:
            assert (record.get_tag("NM"), record.get_tag("MD")) == nm_and_md(record, genome.contigs[str(record.reference_name)])


def test_unique_sides_have_high_quality(single: dict[str, list[pysam.AlignedSegment]]) -> None:
    quality = [record.mapping_quality for records in single.values() for record in records if len(records) == 2]
    assert min(quality) >= 40


def test_a_read_in_three_parts_has_two_supplementary_records(genome: Genome) -> None:
    one, two = genome.contigs["one"], genome.contigs["two"]
    read = two[100:145] + one[9000:9060] + reverse_complement(two[20_000:20_045])
    records = genome.align({"three": read})
    first, *others = sorted(records, key=lambda record: (record.is_supplementary, record.reference_start))
    assert [(r.reference_name, r.is_supplementary) for r in (first, *others)] == [("one", False), ("two", True), ("two", True)]
    assert [r.reference_start for r in (first, *others)] == pytest.approx([9000, 100, 20_000], abs=4)
    assert str(first.get_tag("SA")).count(";") == 2
    assert all(str(other.get_tag("SA")).startswith("one,") for other in others)


def pair(genome: Genome) -> tuple[str, str]:
    """A pair of which the first read reaches over a translocation, the second lies on contig two."""
    border = genome.border("translocation", 20_000, 0)
    return over(border, 90), reverse_complement(border.right[250:400])


def test_a_supplementary_record_points_to_the_mate_as_the_primary_does(genome: Genome) -> None:
    one, two = pair(genome)
    records = genome.align({"p": one}, {"p": two})
    mate = next(record for record in records if record.is_read2)
    parts = sorted((record for record in records if record.is_read1), key=lambda record: record.is_supplementary)
    assert [record.is_supplementary for record in parts] == [False, True]
    for record in parts:
        assert (record.next_reference_name, record.next_reference_start) == (mate.reference_name, mate.reference_start)
        assert (record.mate_is_reverse, record.is_paired, record.mate_is_unmapped) == (mate.is_reverse, True, False)
        assert (record.get_tag("MC"), record.get_tag("MQ")) == (mate.cigarstring, mate.mapping_quality)
    primary = parts[0]
    assert (mate.next_reference_name, mate.next_reference_start) == (primary.reference_name, primary.reference_start)
    assert mate.get_tag("MC") == primary.cigarstring


def test_the_duplicate_flag_of_a_read_is_on_all_its_records(genome: Genome) -> None:
    one, two = pair(genome)
    names = ("a", "b", "c")
    records = genome.align(dict.fromkeys(names, one), dict.fromkeys(names, two))
    assert {(record.query_name, record.is_duplicate) for record in records} == {("a", False), ("b", True), ("c", True)}
    assert len(records) == 9


def test_reads_without_a_border_have_one_record(genome: Genome) -> None:
    rng = np.random.default_rng(8)
    sequence = genome.contigs["one"]
    reads = {f"r{i}": sequence[at : at + 150] for i, at in enumerate(rng.integers(0, 39_000, 200))}
    reads["end"] = sequence[-100:] + "".join(rng.choice(list("ACGT"), 50))
    reads["indel"] = sequence[7000:7080] + sequence[7100:7170]
    assert sorted(str(record.query_name) for record in genome.align(reads)) == sorted(reads)


def test_reads_through_into_adapters_keep_their_quality(genome: Genome) -> None:
    rng = np.random.default_rng(9)
    adapters = ["".join(rng.choice(list("ACGT"), 100)) for _ in range(2)]
    fragment = genome.contigs["one"][3000:3050]
    records = genome.align({"short": fragment + adapters[0]}, {"short": reverse_complement(fragment) + adapters[1]})
    assert [record.reference_start for record in records] == pytest.approx([3000, 3000], abs=2)
    assert [(record.query_alignment_length // 10, record.is_proper_pair) for record in records] == [(5, True)] * 2
    assert min(record.mapping_quality for record in records) >= 40


@pytest.mark.skipif(shutil.which("bwa") is None, reason="bwa is not installed")
def test_bwa_finds_no_more(genome: Genome, single: dict[str, list[pysam.AlignedSegment]]) -> None:
    known = borders(genome)
    reads = genome.folder / "bwa.fastq"
    sequence = {name: str(records[0].get_forward_sequence()) for name, records in single.items()}
    reads.write_text("".join(f"@{name}\n{read}\n+\n{'I' * len(read)}\n" for name, read in sequence.items()))
    subprocess.run(["bwa", "index", genome.folder / "ref.fa"], check=True, capture_output=True)
    with open(genome.folder / "bwa.sam", "w") as out:
        subprocess.run(["bwa", "mem", genome.folder / "ref.fa", reads], check=True, stdout=out, stderr=subprocess.DEVNULL)
    theirs: dict[str, list[pysam.AlignedSegment]] = {name: [] for name in single}
    with pysam.AlignmentFile(str(genome.folder / "bwa.sam")) as file:
        for record in file:
            record.cigarstring = str(record.cigarstring).replace("H", "S")
            theirs[str(record.query_name)].append(record)

    def share(found: dict[str, list[pysam.AlignedSegment]]) -> float:
        return float(np.mean([all(near(end, border_places(found[name])) for end in known[name.split(":")[0]].ends) for name in single]))

    assert share(single) >= share(theirs) - 0.01

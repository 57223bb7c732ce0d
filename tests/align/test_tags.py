"""The tags of every record: there, and as samtools counts them; other places named on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats.bam import ReadGroup
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")


def bases(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


def changed(rng: np.random.Generator, read: str) -> str:
    """A read with errors, unknown bases, and a gap in one of three."""
    read = "".join(str(rng.choice(list("ACGTN"))) if rng.random() < 0.01 else base for base in read)
    at = int(rng.integers(20, len(read))) if len(read) > 60 and rng.random() < 0.3 else len(read)
    return read[:at] + (bases(rng, 3) + read[at:] if rng.random() < 0.5 else read[at + 4 :])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference with four copies of a repeat, one of them 2 % different, and pairs of 30 to 500 bases."""
    path, rng = tmp_path_factory.mktemp("tags"), np.random.default_rng(51)
    repeat = bases(rng, 600)
    other = "".join(str(rng.choice(list("ACGT"))) if rng.random() < 0.02 else base for base in repeat)
    one = bases(rng, 9000) + repeat + bases(rng, 3000) + "N" * 50 + reverse_complement(repeat) + bases(rng, 5000) + other + bases(rng, 900)
    contigs = {"one": one, "two": bases(rng, 4000) + repeat + bases(rng, 4000)}
    (path / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    build_reference(path / "ref.fa", path / "ref", name="tags")
    pairs = []
    for _ in range(400):
        sequence = contigs[str(rng.choice(["one", "two"]))]
        first, second = (int(rng.integers(30, 501)) for _ in range(2))
        size = max(first, second) + int(rng.integers(0, 200))
        start = int(rng.integers(0, len(sequence) - size))
        fragment = sequence[start : start + size]
        pairs.append((changed(rng, fragment[:first]), changed(rng, reverse_complement(fragment[-second:]))))
    for mate in range(2):
        text = "".join(f"@p{i}\n{pair[mate]}\n+\n{'I' * len(pair[mate])}\n" for i, pair in enumerate(pairs))
        (path / f"R{mate + 1}.fastq").write_text(text)
    (path / "copy.fastq").write_text(f"@c\n{repeat[100:250]}\n+\n{'I' * 150}\n")
    return path


def align(folder: Path, *reads: str, most: int = 0) -> Path:
    paths = [folder / name for name in reads]
    output = folder / f"{reads[0]}-{most}.bam"
    options = Options(other_places=most)
    align_files(paths[:1], paths[1:], folder / "ref", output, interleaved=False, read_group=GROUP, options=options)
    return output


@pytest.fixture(scope="module")
def bam(folder: Path) -> Path:
    return align(folder, "R1.fastq", "R2.fastq", most=5)


def records(path: Path) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path)) as file:
        return list(file)


def test_every_record_has_its_tags(bam: Path) -> None:
    found = records(bam)
    assert any(record.is_unmapped for record in found)
    for record in found:
        own = set() if record.is_unmapped else {"NM", "MD", "AS", "XS"}
        mate = set() if record.mate_is_unmapped else {"MC", "MQ"}
        assert {name for name, _ in record.get_tags()} - {"SA", "XA"} == own | mate | {"RG"}
        assert record.get_tag("RG") == "lane1"


def test_nm_and_md_are_those_of_samtools(folder: Path, bam: Path) -> None:
    checked = pysam.calmd("-Q", str(bam), str(folder / "ref.fa"))
    theirs = [line.split("\t") for line in checked.splitlines() if not line.startswith("@")]
    assert len(theirs) > 700
    for record, fields in zip(records(bam), theirs, strict=True):
        tags = {field[:2]: field[5:] for field in fields[11:]}
        assert record.query_name == fields[0]
        if not record.is_unmapped:
            assert (str(record.get_tag("NM")), record.get_tag("MD")) == (tags["NM"], tags["MD"])


def score_of(record: pysam.AlignedSegment) -> int:
    """1 a match, -4 a mismatch, -1 an unknown base of the read, -6 and -1 a base for each gap."""
    pairs = record.get_aligned_pairs(matches_only=True, with_seq=True)
    sequence = str(record.query_sequence)
    score = sum(-1 if sequence[at] == "N" else 1 if str(letter).isupper() and letter != "N" else -4 for at, _, letter in pairs)
    return score - sum(6 + length for operation, length in record.cigartuples or [] if operation in (1, 2))


def test_as_is_the_score_of_the_cigar(bam: Path) -> None:
    mapped = [record for record in records(bam) if not record.is_unmapped]
    assert [record.get_tag("AS") for record in mapped] == [score_of(record) for record in mapped]


def test_reads_of_30_to_500_bases_lie_well(bam: Path) -> None:
    for low, high, share in ((30, 40, 0.7), (40, 60, 0.95), (60, 600, 0.99)):
        lengths = [record for record in records(bam) if low <= record.query_length < high and not record.is_supplementary]
        assert np.mean([not record.is_unmapped for record in lengths]) >= share


def places(text: str) -> set[tuple[str, ...]]:
    return {tuple(place.split(",")) for place in text.split(";")[:-1]}


def test_other_places_are_named_on_request(folder: Path) -> None:
    (record,) = records(align(folder, "copy.fastq", most=5))
    strand = "-" if record.is_reverse else "+"
    own = (record.reference_name, f"{strand}{record.reference_start + 1}", record.cigarstring, str(record.get_tag("NM")))
    exact = {("one", "+9101", "150M", "0"), ("one", "-13001", "150M", "0"), ("two", "+4101", "150M", "0")}
    found = places(str(record.get_tag("XA")))
    assert own in exact
    assert {place for place in found if place[3] == "0"} == exact - {own}
    (worse,) = found - exact
    assert (worse[0], worse[1], worse[2]) == ("one", "+18351", "150M")


def test_more_places_than_asked_for_are_not_named(folder: Path) -> None:
    assert not records(align(folder, "copy.fastq", most=2))[0].has_tag("XA")
    assert not records(align(folder, "copy.fastq"))[0].has_tag("XA")


def test_what_xa_names_fits_there(folder: Path, bam: Path) -> None:
    fasta = pysam.FastaFile(str(folder / "ref.fa"))
    named = [record for record in records(bam) if record.has_tag("XA")]
    assert named
    for record in named:
        for name, place, cigar, distance in places(str(record.get_tag("XA"))):
            other = pysam.AlignedSegment()
            forward = str(record.get_forward_sequence())
            other.query_sequence = forward if place[0] == "+" else reverse_complement(forward)
            other.cigarstring, other.reference_start = cigar, int(place[1:]) - 1
            sequence = fasta.fetch(name)
            unequal = sum(sequence[at] != str(other.query_sequence)[i] for i, at in other.get_aligned_pairs(matches_only=True))
            assert unequal + sum(length for operation, length in other.cigartuples or [] if operation in (1, 2)) == int(distance)

"""Alternative contigs take nothing from the primary assembly, and hold what only they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.alternative import alternative_contigs
from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.errors import BadInput
from genopipe.formats.bam import ReadGroup
from genopipe.model import Contig
from tests.oracles.seed import reverse_complement

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
Contigs = dict[str, str]


def bases(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


def diverged(rng: np.random.Generator, sequence: str, rate: float) -> str:
    return "".join(str(rng.choice(list("ACGT"))) if rng.random() < rate else base for base in sequence)


def write(folder: Path, contigs: Contigs) -> Path:
    path = folder / "ref.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    return path


def pairs_of(sequence: str, rng: np.random.Generator, n: int) -> list[tuple[str, str]]:
    starts = rng.integers(0, len(sequence) - 400, n).tolist()
    fragments = (diverged(rng, sequence[start : start + 350], 0.003) for start in starts)
    return [(fragment[:120], reverse_complement(fragment[-120:])) for fragment in fragments]


def aligned(folder: Path, pairs: list[tuple[str, str]]) -> list[pysam.AlignedSegment]:
    paths = [folder / f"R{mate}.fastq" for mate in (1, 2)]
    for mate, path in enumerate(paths):
        path.write_text("".join(f"@p{i}\n{pair[mate]}\n+\n{'I' * 120}\n" for i, pair in enumerate(pairs)))
    align_files(paths[:1], paths[1:], folder / "ref", folder / "x.bam", interleaved=False, read_group=GROUP, options=Options())
    with pysam.AlignmentFile(str(folder / "x.bam")) as file:
        return list(file)


def lines(records: list[pysam.AlignedSegment]) -> list[str]:
    """Records as text, their contigs by name."""
    return [record.to_string() for record in records]


@pytest.fixture(scope="module")
def genome() -> Contigs:
    """A chromosome, and 60 alternatives to a part of it that differ a little from it, one of them with an insertion of its own."""
    rng = np.random.default_rng(31)
    chromosome = bases(rng, 30_000)
    locus = chromosome[10_000:14_000]
    alternatives = {f"HLA-A*{i:02}:01": diverged(rng, locus, 0.01) for i in range(59)}
    own = bases(np.random.default_rng(32), 3000)
    return {"chr6": chromosome, "chr6_KI270758v1_alt": diverged(rng, locus, 0.01) + own + locus[:2000], **alternatives}


def test_reads_of_the_primary_assembly_lie_as_without_alternatives(genome: Contigs, tmp_path: Path) -> None:
    pairs = pairs_of(genome["chr6"][9_000:15_000], np.random.default_rng(33), 150)
    found = {}
    for name, contigs in (("with", genome), ("without", {"chr6": genome["chr6"]})):
        (tmp_path / name).mkdir()
        build_reference(write(tmp_path / name, contigs), tmp_path / name / "ref", name=name)
        found[name] = aligned(tmp_path / name, pairs)
    assert lines(found["with"]) == lines(found["without"])
    assert min(record.mapping_quality for record in found["with"]) >= 40


@pytest.fixture(scope="module")
def reference(genome: Contigs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alternative")
    build_reference(write(folder, genome), folder / "ref", name="with")
    return folder


def test_what_only_an_alternative_has_lies_there(genome: Contigs, reference: Path) -> None:
    records = aligned(reference, pairs_of(genome["chr6_KI270758v1_alt"][4_000:7_000], np.random.default_rng(34), 50))
    assert {(record.reference_name, record.is_proper_pair) for record in records} == {("chr6_KI270758v1_alt", True)}
    assert min(record.mapping_quality for record in records) >= 40


def test_reads_of_an_alternative_that_fit_on_the_chromosome_lie_there(genome: Contigs, reference: Path) -> None:
    records = aligned(reference, pairs_of(genome["HLA-A*07:01"], np.random.default_rng(35), 50))
    assert {record.reference_name for record in records} == {"chr6"}
    assert min(record.mapping_quality for record in records) >= 20


def test_a_file_names_alternatives(tmp_path: Path) -> None:
    rng = np.random.default_rng(36)
    chromosome = bases(rng, 5000)
    fasta = write(tmp_path, {"one": chromosome, "NT_187361.1": diverged(rng, chromosome[1000:3000], 0.01)})
    (tmp_path / "x.alt").write_text(
        "@SQ\tSN:one\tLN:5000\nNT_187361.1\t0\tone\t1001\t60\t2000M\t*\t0\t0\t*\t*\nabsent\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n"
    )
    build_reference(fasta, tmp_path / "ref", name="x", alt_file=tmp_path / "x.alt")
    records = aligned(tmp_path, pairs_of(chromosome[1000:3000], rng, 20))
    assert {record.reference_name for record in records} == {"one"}
    assert min(record.mapping_quality for record in records) >= 40


def contigs(*names: str) -> list[Contig]:
    return [Contig(name, 0, 1, "", "") for name in names]


def test_alternatives_are_known_by_name() -> None:
    primary = ("chr1", "20", "chrUn_KI270302v1", "chr1_KI270706v1_random", "chrEBV", "chrUn_JTFH01000001v1_decoy", "hs37d5", "GL000207.1")
    others = ("chr1_KI270762v1_alt", "HLA-DRB1*16:02:01", "chr6_apd_hap1", "chr1_KN196472v1_fix", "CHR_HSCHR1_1_CTG3", "CHR_HG107_PATCH")
    assert alternative_contigs(contigs(*primary, *others), None) == list(others)


def test_a_file_of_another_genome_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.alt").write_text("elsewhere\t0\n")
    with pytest.raises(BadInput, match=r"x\.alt: no line names a contig of this genome"):
        alternative_contigs(contigs("chr1"), tmp_path / "x.alt")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.alt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="this is no text"):
        alternative_contigs(contigs("chr1"), tmp_path / "x.alt")


def test_a_genome_of_alternatives_alone_is_told() -> None:
    with pytest.raises(BadInput, match="every contig is an alternative"):
        alternative_contigs(contigs("HLA-A*01:01"), None)

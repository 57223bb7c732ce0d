"""Gene models: read back from the GFF3 alone, every transcript must be one that a cell could use."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from genopipe.simulate.family import Family
from tests.simulate.conftest import Feature, csq

STOPS = {"TAA", "TAG", "TGA"}
NOT_IN_MITOCHONDRIA = {"TGA", "AGA", "AGG", "ATA"}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def stranded(genome: dict[str, str], contig: str, start: int, end: int, strand: str) -> str:
    piece = genome[contig][start - 1 : end]
    return piece if strand == "+" else piece.translate(COMPLEMENT)[::-1]


@pytest.fixture(scope="module")
def parts(features: list[Feature]) -> dict[str, list[Feature]]:
    """The parts of each transcript in the direction of transcription."""
    found: dict[str, list[Feature]] = defaultdict(list)
    for feature in features:
        if feature.kind not in ("gene", "mRNA"):
            found[feature.attributes["Parent"]].append(feature)
    return {name: sorted(rows, key=lambda f: f.start if f.strand == "+" else -f.start) for name, rows in found.items()}


def of_kind(rows: list[Feature], kind: str) -> list[Feature]:
    return [row for row in rows if row.kind == kind]


def test_there_are_enough_genes_on_both_strands(features: list[Feature]) -> None:
    genes = of_kind(features, "gene")
    assert 40 <= len(genes) <= 60
    assert 10 < sum(gene.strand == "+" for gene in genes) < len(genes) - 10


def test_every_transcript_is_an_open_reading_frame(parts: dict[str, list[Feature]], genome: dict[str, str]) -> None:
    for name, rows in parts.items():
        coding = "".join(stranded(genome, f.contig, f.start, f.end, f.strand) for f in of_kind(rows, "CDS"))
        codons = [coding[i : i + 3] for i in range(0, len(coding), 3)]
        assert len(coding) % 3 == 0, name
        assert codons[0] == "ATG" and codons[-1] in STOPS, name
        assert not STOPS & set(codons[:-1]), name


def test_mitochondrial_genes_read_the_same_under_both_codes(parts: dict[str, list[Feature]], genome: dict[str, str]) -> None:
    mitochondrial = [f for rows in parts.values() for f in of_kind(rows, "CDS") if f.contig == "chrM"]
    assert mitochondrial
    for f in mitochondrial:
        coding = stranded(genome, f.contig, f.start, f.end, f.strand)
        assert not NOT_IN_MITOCHONDRIA & {coding[i : i + 3] for i in range(0, len(coding), 3)}


def test_introns_begin_with_gt_and_end_with_ag(parts: dict[str, list[Feature]], genome: dict[str, str]) -> None:
    n_introns = 0
    for rows in parts.values():
        exons = sorted(of_kind(rows, "exon"), key=lambda f: f.start)
        for left, right in pairwise(exons):
            intron = stranded(genome, left.contig, left.end + 1, right.start - 1, left.strand)
            assert (intron[:2], intron[-2:]) == ("GT", "AG")
            n_introns += 1
    assert n_introns > 80


def test_phase_is_what_is_left_of_the_codon_before(parts: dict[str, list[Feature]]) -> None:
    for rows in parts.values():
        coded = 0
        for f in of_kind(rows, "CDS"):
            assert int(f.phase) == -coded % 3
            coded += f.end - f.start + 1


def test_exons_are_coding_and_untranslated_parts_without_gap(parts: dict[str, list[Feature]]) -> None:
    for rows in parts.values():
        exonic = {i for f in of_kind(rows, "exon") for i in range(f.start, f.end + 1)}
        pieces = [i for f in rows if f.kind != "exon" for i in range(f.start, f.end + 1)]
        assert sorted(pieces) == sorted(exonic)


def test_genes_do_not_overlap(features: list[Feature]) -> None:
    genes = of_kind(features, "gene")
    for left, right in pairwise(genes):
        assert left.contig != right.contig or left.end < right.start


def test_some_genes_have_a_second_transcript(features: list[Feature]) -> None:
    assert len(of_kind(features, "mRNA")) > len(of_kind(features, "gene"))


def test_bcftools_csq_takes_every_transcript(family: Family, features: list[Feature]) -> None:
    assert f"Indexed {len(of_kind(features, 'mRNA'))} transcripts" in csq(family).stderr

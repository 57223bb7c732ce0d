"""Gene models come out alike from GFF3 and GTF."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.gff import Transcript, read_genes

ENSEMBL = """##gff-version 3
1\te\tgene\t101\t400\t.\t-\t.\tID=gene:G1;Name=ABC;biotype=protein_coding
1\te\tmRNA\t101\t400\t.\t-\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding;version=2;tag=basic,MANE_Select,Ensembl_canonical
1\te\texon\t101\t200\t.\t-\t.\tParent=transcript:T1
1\te\texon\t301\t400\t.\t-\t.\tParent=transcript:T1
1\te\tCDS\t151\t200\t.\t-\t2\tParent=transcript:T1
1\te\tCDS\t301\t340\t.\t-\t0\tParent=transcript:T1
"""

GTF = """#!genome
1\te\tgene\t101\t400\t.\t-\t.\tgene_id "G1"; gene_name "ABC";
1\te\ttranscript\t101\t400\t.\t-\t.\t@ gene_name "ABC"; transcript_type "protein_coding"; tag "MANE_Select"; tag "Ensembl_canonical";
1\te\texon\t301\t400\t.\t-\t.\tgene_id "G1"; transcript_id "T1.2"; exon_number 1;
1\te\texon\t101\t200\t.\t-\t.\tgene_id "G1"; transcript_id "T1.2"; exon_number 2;
1\te\tCDS\t301\t340\t.\t-\t0\tgene_id "G1"; transcript_id "T1.2";
1\te\tCDS\t154\t200\t.\t-\t2\tgene_id "G1"; transcript_id "T1.2";
1\te\tstop_codon\t151\t153\t.\t-\t0\tgene_id "G1"; transcript_id "T1.2";
""".replace("@", 'gene_id "G1"; transcript_id "T1.2";')

EXPECTED = Transcript(
    id="T1.2",
    gene_id="G1",
    gene="ABC",
    biotype="protein_coding",
    contig="1",
    strand="-",
    exons=((100, 200), (300, 400)),
    coding=((150, 200), (300, 340)),
    phase=0,
    mane=True,
    canonical=True,
)


def genes(folder: Path, text: str) -> tuple[Transcript, ...]:
    path = folder / "genes.gff3"
    path.write_bytes(text.encode())
    return read_genes(path)


@pytest.mark.parametrize("text", [ENSEMBL, GTF, ENSEMBL.replace("\n", "\r\n"), GTF.replace("\n", "\r\n")])
def test_gff3_and_gtf_with_any_line_end_give_the_same_transcript(tmp_path: Path, text: str) -> None:
    assert genes(tmp_path, text) == (EXPECTED,)


def test_gzip_and_lines_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "g.gff3.gz"
    path.write_bytes(gzip.compress("\n".join(reversed(ENSEMBL.splitlines()[1:])).encode()))
    assert read_genes(path) == (EXPECTED,)


def test_refseq_names_genes_and_transcripts_its_own_way(tmp_path: Path) -> None:
    text = (
        "NC_1\tR\tgene\t1\t90\t.\t+\t.\tID=gene-ABC;gene=ABC;Name=ABC;gene_biotype=protein_coding\n"
        "NC_1\tR\tmRNA\t1\t90\t.\t+\t.\tID=rna-NM_1.3;Parent=gene-ABC;transcript_id=NM_1.3;tag=MANE Select\n"
        "NC_1\tR\texon\t1\t90\t.\t+\t.\tID=exon-1;Parent=rna-NM_1.3;transcript_id=NM_1.3\n"
        "NC_1\tR\tCDS\t1\t90\t.\t+\t0\tID=cds-NP_1;Parent=rna-NM_1.3\n"
        "NC_1\tR\tgene\t101\t190\t.\t+\t.\tID=gene-MTX;gene=MTX;gene_biotype=protein_coding\n"
        "NC_1\tR\tCDS\t101\t190\t.\t+\t0\tID=cds-2;Parent=gene-MTX\n"
    )
    first, second = genes(tmp_path, text)
    assert (first.id, first.gene, first.biotype, first.mane) == ("NM_1.3", "ABC", "protein_coding", True)
    assert (second.id, second.gene, second.exons, second.coding) == ("MTX", "MTX", ((100, 190),), ((100, 190),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\te\tgene\t1\t2\n", ":1: 5 columns; wanted nine"),
        ("1\te\tgene\t0\t2\t.\t+\t.\tID=a\n", ":1: positions '0' to '2'"),
        ("1\te\tgene\t3\t2\t.\t+\t.\tID=a\n", ":1: positions '3' to '2'"),
        ("1\te\texon\t1\t2\t.\t?\t.\tParent=a\n", ":1: strand '?'"),
        ("1\te\tmRNA\t1\t2\t.\t.\t.\tID=t;Parent=g\n1\te\texon\t1\t2\t.\t+\t.\tParent=t\n", ":1: strand '.'"),
        ("##gff-version 3\n", "no transcript with exons in it"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        genes(tmp_path, text)
    assert message in str(caught.value)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 60), st.sampled_from(["exon", "CDS"])), min_size=1, max_size=12))
def test_parts_are_sorted_and_do_not_overlap(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int, str]]) -> None:
    """Oracle: the set of covered bases."""
    path = tmp_path_factory.getbasetemp() / "fuzz.gtf"
    path.write_text("".join(f'1\te\t{kind}\t{at}\t{at + n}\t.\t+\t0\tgene_id "G"; transcript_id "T";\n' for at, n, kind in parts))
    (transcript,) = read_genes(path)
    wanted = {b for at, n, kind in parts for b in range(at - 1, at + n) if kind == "CDS"}
    assert {b for start, end in transcript.coding for b in range(start, end)} == wanted
    assert all(left[1] < right[0] for left, right in zip(transcript.exons, transcript.exons[1:], strict=False))


@given(st.text(alphabet='1\te+-.;="IDParntx\n #', max_size=150))
def test_any_text_is_gene_models_or_bad_input(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.gff3"
    path.write_text(text)
    try:
        assert read_genes(path)
    except BadInput as error:
        assert str(path) in str(error)


def test_a_gencode_gtf_gives_whole_coding_sequences(data: Path) -> None:
    """GENCODE of chr21: the file has CRLF line ends, MANE tags, and coding sequences that are whole codons."""
    transcripts = read_genes(data / "gene_models/chr21_gencode.gtf")
    mane = [transcript for transcript in transcripts if transcript.mane and transcript.coding]
    assert "NCAM2" in {transcript.gene for transcript in mane}
    assert all(sum(end - start for start, end in transcript.coding) % 3 == 0 for transcript in mane)
    assert replace(mane[0], id="x").start == mane[0].exons[0][0]

"""Structural variants: what their ends do to a transcript, and how they rank beside small variants."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from genopipe.errors import BadInput
from genopipe.formats.gff import Transcript
from genopipe.interpret.findings import Finding
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import write_results
from genopipe.interpret.structural import _term, kind_of, with_structural
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, request
from tests.interpret.world import write_family_vcf

GENE = Transcript(
    "T1",
    "G1",
    "GENE",
    "protein_coding",
    "chr1",
    "+",
    ((100, 200), (300, 400), (500, 600)),
    ((150, 200), (300, 400), (500, 550)),
    0,
    True,
    True,
)


@pytest.mark.parametrize(
    "kind, start, end, expected",
    [
        ("DEL", 50, 700, "transcript_ablation"),
        ("DEL", 250, 450, "exon_loss_variant"),
        ("DEL", 350, 450, "feature_truncation"),
        ("DEL", 210, 290, "intron_variant"),
        ("DEL", 0, 100, None),
        ("DEL", 600, 700, None),
        ("DUP", 50, 700, "transcript_amplification"),
        ("DUP", 250, 450, "feature_elongation"),
        ("DUP", 210, 290, "intron_variant"),
        ("DUP", 350, 900, None),
        ("INV", 50, 700, None),
        ("INV", 50, 350, "feature_truncation"),
        ("INV", 250, 450, "feature_truncation"),
        ("INV", 210, 290, "intron_variant"),
        ("INS", 350, 350, "feature_elongation"),
        ("INS", 250, 250, "intron_variant"),
        ("BND", 250, 250, "feature_truncation"),
        ("BND", 700, 700, None),
    ],
)
def test_what_a_structural_variant_does_follows_from_its_ends(kind: str, start: int, end: int, expected: str | None) -> None:
    assert _term(kind, start, end, GENE) == expected


@pytest.mark.parametrize(
    "alt, kind", [("<DEL>", "DEL"), ("<DUP:TANDEM>", "DUP"), ("<INS:ME:ALU>", "INS"), ("N[chr2:5[", "BND"), ("]chr2:5]N", "BND")]
)
def test_the_kind_is_read_from_the_alt(alt: str, kind: str) -> None:
    assert kind_of(alt) == kind


HEAD = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=g>\n##INFO=<ID=END,Number=1,Type=Integer,Description=e>\n"
HEAD += "##INFO=<ID=SVLEN,Number=1,Type=Integer,Description=l>\n##INFO=<ID=SVTYPE,Number=1,Type=String,Description=t>\n"
HEAD += "##contig=<ID=chr1,length=30000>\n##contig=<ID=chr2,length=30000>\n"


def structural_vcf(path: Path, *records: str, samples: str = "KID\tMUM\tDAD") -> Path:
    columns = f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n"
    path.write_text(HEAD + columns + "".join("\t".join(record.split()) + "\n" for record in records))
    return path


@pytest.fixture
def case(tmp_path: Path, setting: Setting) -> Path:
    return case_file(tmp_path, setting)


@pytest.fixture
def small(tmp_path: Path, setting: Setting) -> Path:
    """A stop codon of the child in GENB, from the mother."""
    stop = setting.world.codon_change("GENB", 40, "TAA")
    return write_family_vcf(tmp_path / "small.vcf", ["KID", "MUM", "DAD"], [(stop, ["0/1", "0/1", "0/0"])])


def ranked(setting: Setting, case: Path, small: Path, structural: Path) -> dict[str, Finding]:
    result = interpret(replace(request(setting, small, case), structural=structural))
    return {finding.gene: finding for finding in result.findings}


def test_a_deletion_and_a_small_variant_are_two_hits_of_a_gene(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    gene = setting.world.transcripts["GENB"]
    large = structural_vcf(
        tmp_path / "large.vcf", f"chr1 {gene.exons[1][0] - 20} . N <DEL> . PASS END={gene.exons[1][1] + 20};SVTYPE=DEL GT 0/1 0/0 0/1"
    )
    finding = ranked(setting, case, small, large)["GENB"]
    assert finding.pattern is not None and finding.pattern.mode == "AR_comphet" and finding.pattern.in_trans
    assert {hit.consequence.terms for hit in finding.hits} == {("stop_gained",), ("exon_loss_variant",)}


def test_a_new_deletion_of_a_gene_is_found_and_written(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    gene = setting.world.transcripts["GENA"]
    length = gene.end - gene.start + 200
    large = structural_vcf(tmp_path / "large.vcf", f"1 {gene.start - 100} . N <DEL> . PASS SVLEN=-{length};SVTYPE=DEL GT 0/1 0/0 0/0")
    large.write_text(large.read_text().replace("ID=chr1,", "ID=1,"))
    result = interpret(replace(request(setting, small, case), structural=large))
    finding = next(finding for finding in result.findings if finding.gene == "GENA")
    assert finding.pattern is not None and finding.pattern.mode == "AD_de_novo"
    assert [criterion.code for criterion in finding.hits[0].acmg.criteria][:1] == ["PVS1"]
    assert "PM2" not in finding.hits[0].acmg.codes
    write_results(result, tmp_path / "out", issued=None)
    with pysam.VariantFile(str(tmp_path / "out/findings.vcf.gz")) as file:
        record = next(record for record in file if record.alts == ("<DEL>",))
    assert (record.contig, record.stop, record.info["SVTYPE"]) == ("chr1", gene.start - 100 + length, "DEL")
    page = (tmp_path / "out/report.html").read_text()
    assert "deletes the gene" in page and "Large deletions, duplications" not in page
    assert any("structural variant is in the population was not looked up" in note for note in result.notes)


def test_equal_places_of_two_contigs_stay_apart(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    both = [f"{name} 1000 . N <DEL> . PASS END=9000;SVTYPE=DEL GT 0/1 0/0 0/0" for name in ("chr1", "chr2")]
    found = ranked(setting, case, small, structural_vcf(tmp_path / "large.vcf", *both))
    assert {"GENA", "GENC"} <= found.keys()


def test_what_cannot_be_taken_is_told(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    """A copy number without more, and a deletion of no length. A spanned place, a small change and what the child lacks are not."""
    rows = ("<CN1> SVTYPE=CNV;END=9000", "<DEL> SVTYPE=DEL", "<DEL> SVTYPE=DEL;SVLEN=-900", "* .", "NA .")
    records = [f"chr1 {1000 + i} . N {alt} . PASS {info} GT 0/1 0/0 0/0" for i, (alt, info) in enumerate(map(str.split, rows))]
    large = structural_vcf(tmp_path / "large.vcf", *records, "chr1 2000 . N <CNV> . PASS SVTYPE=CNV GT 0/0 0/1 0/0")
    result = interpret(replace(request(setting, small, case), structural=large))
    [note] = [note for note in result.notes if "left out" in note and "Structural" in note]
    assert note.endswith("not told: <CN1> (1), <DEL> (1).")


def test_a_structural_vcf_without_genotypes_is_refused(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    large = structural_vcf(tmp_path / "large.vcf", "chr1 1000 . N <DEL> . PASS END=9000;SVTYPE=DEL GQ 9 9 9")
    with pytest.raises(BadInput, match=r"large\.vcf: no genotypes"):
        interpret(replace(request(setting, small, case), structural=large))


def test_a_structural_vcf_without_the_proband_is_refused(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    with pytest.raises(BadInput, match="sample KID of the case is not in the VCF of structural variants"):
        ranked(setting, case, small, structural_vcf(tmp_path / "large.vcf", samples="OTHER"))


def test_both_kinds_come_in_one_order(tmp_path: Path) -> None:
    """Oracle: all rows sorted by contig as it comes, position, REF and ALT."""
    draw = random.Random(4)
    head = '##fileformat=VCFv4.3\n##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
    head += '##INFO=<ID=END,Number=1,Type=Integer,Description="x">\n'
    head += "".join(f"##contig=<ID={name}>\n" for name in "XYZ") + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
    places = sorted((name, draw.randrange(1, 30)) for name in "XYZ" for _ in range(40))
    small = "".join(f"{name}\t{at}\t.\tC\t{draw.choice('AGT')}\t.\t.\t.\tGT\t0/1\n" for name, at in places if name != "X")
    large = "".join(f"{name}\t{at}\t.\tC\t{draw.choice(['<DEL>', '<DUP>'])}\t.\t.\tEND=90\tGT\t0/1\n" for name, at in places[::7])
    for name, text in (("small", small), ("large", large)):
        (tmp_path / f"{name}.vcf").write_text(head + text)
    few = read_variants(tmp_path / "small.vcf", ["S"])
    both, _ = with_structural(few, tmp_path / "large.vcf", genome=None)
    rows = [(both.contig[i], int(both.position[i]), both.ref[i], both.alt[i]) for i in range(len(both))]
    assert rows == sorted(rows, key=lambda row: ("YZX".index(row[0]), *row[1:]))
    assert len(rows) == len(few) + len({(*line.split("\t")[:2], line.split("\t")[4]) for line in large.splitlines()})
    assert both.structural.tolist() == [row[3].startswith("<") for row in rows]
    assert sorted(both.record[both.structural].tolist())[0] > int(few.record.max())

"""Structural variants: what their ends do to a transcript, and how they rank beside small variants."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from genopipe.errors import BadInput
from genopipe.formats.gff import Transcript
from genopipe.interpret.copy_numbers import Usual
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


DIALECTS = "##FORMAT=<ID=CN,Number=1,Type=Float,Description=c>\n##INFO=<ID=MATEID,Number=A,Type=String,Description=m>\n"
DIALECTS += "##INFO=<ID=EVENT,Number=1,Type=String,Description=m>\n##INFO=<ID=MEINFO,Number=4,Type=String,Description=m>\n"
DIALECTS += "##contig=<ID=chrX,length=20000>\n##contig=<ID=chrY,length=20000>\n##contig=<ID=chrM,length=3000>\n"
FAMILY_SEX = Usual({"KID": "male", "MUM": "female", "DAD": "male"}, {"X": ((0, 1000),), "Y": ((0, 1000),)})


def read_dialect(folder: Path, record: str, usual: Usual = FAMILY_SEX) -> tuple[list[tuple[str, int, list[int], int]], dict[str, int]]:
    """ALT, end, copies of it in child, mother and father, and the child's ploidy; beside what was left out."""
    small = structural_vcf(folder / "none.vcf")
    large = structural_vcf(folder / "large.vcf", *record.split("\n"))
    large.write_text(large.read_text().replace("#CHROM", DIALECTS + "#CHROM", 1))
    both, left_out = with_structural(read_variants(small, ["KID", "MUM", "DAD"]), large, genome=None, usual=usual)
    rows = [(both.alt[i], int(both.end[i]), both.alt_count[i].tolist(), int(both.ploidy[i, 0])) for i in range(len(both))]
    return rows, dict(left_out)


@pytest.mark.parametrize(
    ("caller", "record", "expected"),
    [
        ("copy numbers alone", "chr1 5000 . N <CNV> . PASS END=9000 CN 1 2 1", [("<DEL>", 9000, [1, 0, 1], 2)]),
        ("no copy is left", "chr1 5000 . N <CNV> . PASS END=9000 GT:CN ./.:0 0/0:1 ./.:.", [("<DEL>", 9000, [2, 1, -1], 2)]),
        ("more copies", "chr1 5000 . N <CNV> . PASS END=9000 GT:CN ./.:3 ./.:1 ./.:5", [("<DUP>", 9000, [1, 0, 2], 2)]),
        ("the usual number", "chr1 5000 . N <CNV> . PASS END=9000 GT:CN ./.:2 ./.:1 ./.:3", []),
        ("a boy's only X", "chrX 5000 . N <CNV> . PASS END=9000 GT:CN ./.:0 ./.:1 ./.:1", [("<DEL>", 9000, [1, 1, 0], 1)]),
        ("one X is usual for a boy", "chrX 5000 . N <CNV> . PASS END=9000 GT:CN ./.:1 ./.:2 ./.:1", []),
        ("pseudoautosomal", "chrX 500 . N <CNV> . PASS END=900 GT:CN ./.:1 ./.:2 ./.:2", [("<DEL>", 900, [1, 0, 0], 2)]),
        ("no Y is usual for a mother", "chrY 5000 . N <CNV> . PASS END=9000 GT:CN ./.:2 ./.:0 ./.:1", [("<DUP>", 9000, [1, -1, 0], 1)]),
        ("segments of GATK", "chr1 5000 . N <DEL>,<DUP> . . END=9000 GT:CN:GQ 1:1:9 0:2:9 1:1:9", [("<DEL>", 9000, [1, 0, 1], 2)]),
        ("segments of GATK", "chr1 5000 . N <DEL>,<DUP> . . END=9000 GT:CN:GQ 2:3:9 0:2:9 2:4:9", [("<DUP>", 9000, [1, 0, 2], 2)]),
        ("DRAGEN", "chr1 5000 . N <DUP> . PASS SVLEN=4000 GT:CN ./1:3 0/0:2 ./1:4", [("<DUP>", 9000, [1, 0, 1], 2)]),
        ("DELLY, whose CN is an estimate", "chr1 5000 . N <DEL> . PASS END=9000 GT:CN 0/1:2 0/0:2 0/1:2", [("<DEL>", 9000, [1, 0, 1], 2)]),
        (
            "both in one record",
            "chr1 5000 . N <DUP>,<DEL> . PASS SVLEN=4000,-500 GT 1/2 0/1 0/2",
            [("<DEL>", 5500, [1, 0, 1], 2), ("<DUP>", 9000, [1, 1, 0], 2)],
        ),
        ("1000 Genomes", "chr1 5000 . N <CN0>,<CN2> . PASS END=9000 GT 0|1 0|2 1|1", [("<DEL>", 9000, [1, 0, 2], 2)]),
        ("Sniffles", "chr1 5000 . N <INS> . PASS END=5000;SVLEN=300 GT 1/1 0/1 0/1", [("<INS>", 5000, [2, 1, 1], 2)]),
        ("mobile elements", "chr1 5000 . N <INS:ME:ALU> . PASS MEINFO=ALU,1,280,+ GT 0/1 0/0 0/1", [("<INS:ME:ALU>", 5000, [1, 0, 1], 2)]),
    ],
)  # fmt: skip
def test_what_callers_write(tmp_path: Path, caller: str, record: str, expected: list[tuple[str, int, list[int], int]]) -> None:
    assert read_dialect(tmp_path, record) == (expected, {})


@pytest.mark.parametrize(
    "record",
    [
        "chr1 5000 . N <CNV> . PASS END=9000 GT:CN ./.:. ./.:2 ./.:2",
        "chr1 5000 . N <CNV> . PASS SVTYPE=CNV GT:CN ./.:1 ./.:2 ./.:2",
        "chrM 5000 . N <CNV> . PASS END=9000 GT:CN ./.:1 ./.:2 ./.:2",
    ],
)
def test_a_copy_number_that_tells_nothing_is_counted(tmp_path: Path, record: str) -> None:
    """None, no end, and mitochondria, of which every cell has its own number."""
    assert read_dialect(tmp_path, record) == ([], {"<CNV>": 1})


def test_a_copy_number_on_x_asks_for_the_sex(tmp_path: Path) -> None:
    record = "chrX 5000 . N <CNV> . PASS END=9000 GT:CN ./.:1 ./.:1 ./.:1"
    assert read_dialect(tmp_path, record, Usual()) == ([], {"<CNV>": 1})


@pytest.mark.parametrize("named", ["MATEID=b{other}", "EVENT=e"])
def test_the_two_ends_of_one_event_are_no_two_hits(setting: Setting, tmp_path: Path, named: str) -> None:
    """An inversion within GENB, written as breakends: it lies on one copy, and is no recessive pair with itself."""
    (start, _), *_, (_, end) = setting.world.transcripts["GENB"].exons
    ends = ((start + 20, end - 20, 2), (end - 20, start + 20, 1))
    rows = [f"chr1 {at} b{3 - i} N N]chr1:{to}] . PASS SVTYPE=BND;{named.format(other=i)} GT 0/1 0/0 0/0" for at, to, i in ends]
    large = structural_vcf(tmp_path / "large.vcf", *rows)
    large.write_text(large.read_text().replace("#CHROM", DIALECTS + "#CHROM", 1))
    alone = case_file(tmp_path, setting, family="")
    finding = ranked(setting, alone, structural_vcf(tmp_path / "none.vcf"), large)["GENB"]
    assert len(finding.hits) == 1


def test_a_file_of_copy_numbers_needs_no_genotypes(setting: Setting, tmp_path: Path, case: Path, small: Path) -> None:
    gene = setting.world.transcripts["GENA"]
    large = structural_vcf(tmp_path / "large.vcf", f"chr1 {gene.start - 9} . N <CNV> . PASS END={gene.end + 9} CN 1 2 2")
    large.write_text(large.read_text().replace("##FORMAT=<ID=GT,", "##FORMAT=<ID=CN,"))
    finding = ranked(setting, case, small, large)["GENA"]
    assert finding.pattern is not None
    assert finding.pattern.mode == "AD_de_novo"
    assert finding.hits[0].consequence.terms == ("transcript_ablation",)

"""Bad evidence files: each is refused with one message that names file and line, and leaves nothing behind. And data sets in many files.

Oracle: files made with one fault each; one file with the records of all.
"""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from genopipe.cli import genopipe
from genopipe.errors import BadInput
from genopipe.formats import table_blocks
from genopipe.formats.bgzf import END_OF_FILE, BgzfWriter
from genopipe.interpret.evidence import DataSet, Release, add, datasets
from tests.interpret.conftest import Setting

HEAD = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
FINE = "1\t5\t.\tA\tC\t.\t.\tAF=0.1\n"
CADD = "## CADD GRCh38-v1.7\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"


def added(folder: Path, *files: Path, kind: str = "frequency", assembly: str = "GRCh38", version: str = "1") -> DataSet:
    return add(folder / "E", kind, *files, release=Release("x", version, "2026-01-01", "CC0", assembly))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def nothing_is_left(store: Path) -> bool:
    return not [path for path in store.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("1\t6\t.\tA\tC\t.\t.\tAF=1.5", ":5: AF is 1.5; wanted a share from 0 to 1"),
        ("1\t6\t.\tA\tC\t.\t.\tAF=0.1;AF_nfe=-0.1", ":5: AF_nfe is -0.1; wanted a share from 0 to 1"),
        ("1\t6\t.\tA\tC,G\t.\t.\tAF=0.1,inf", ":5: AF is 'inf'; wanted a number"),
        ("1\t6\t.\tA\tC,G\t.\t.\tAF=0.1,many", ":5: AF is 'many'; wanted a number"),
        ("1\t6\t.\tA\tC\t.\t.\tAC=-1;AN=4", ":5: AC is -1; wanted a count"),
        ("1\t6\t.\tA\tC\t.\t.\tAC=1.5;AN=4", ":5: AC is 1.5; wanted a count"),
        ("1\t6\t.\tA\tC\t.\t.\tAC=5;AN=4", ":5: AC is 5; wanted no more than AN"),
        ("1\t6\t.\tA\tC\t.\t.\tAC=1;AN=0", ":5: AC is 1; wanted no more than AN"),
        ("1\t6\t.\tA\tC\t.\t.\tAF=0.1;nhomalt=-3", ":5: nhomalt is -3; wanted a count"),
        ("1\t6\t.\tA\tC\t.\t.\tAF=0.1;nhomalt=3000000000", ":5: nhomalt is 3e+09; wanted a count"),
        ("1\t6.5\t.\tA\tC\t.\t.\tAF=0.1", ":5: POS '6.5'; wanted a whole number"),
        ("1\t6\t.\tA\tC\t.\t.", ":5: 7 columns; wanted the 8 columns of a VCF"),
        ("", ":5: 1 columns; wanted the 8 columns of a VCF"),
        ("2\t6\t.\tA\tC\t.\t.\tAF=0.1\n" + FINE.rstrip(), ":6: contig 1 comes again"),
    ],
)
def test_a_record_that_cannot_be_is_told_with_its_line(tmp_path: Path, rows: str, fault: str) -> None:
    with pytest.raises(BadInput) as error:
        added(tmp_path, written(tmp_path / "f.vcf", HEAD + FINE + rows + "\n1\t9\t.\tA\tC\t.\t.\tAF=0.1\n"))
    assert "f.vcf" + fault in str(error.value)
    assert nothing_is_left(tmp_path / "E")


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "f.vcf").write_bytes((HEAD + FINE).encode() + b"1\t6\trs\xff\tA\tC\t.\t.\tCLNSIG=Benign\n")
    with pytest.raises(BadInput, match=r"f\.vcf:5: bytes that are no UTF-8"):
        added(tmp_path, tmp_path / "f.vcf", kind="clinvar")


def test_no_people_no_frequency(tmp_path: Path) -> None:
    """gnomAD has sites at which no call passed: AN is 0, and AF a point or not there."""
    infos = ("AC=0;AN=0", "AC=0;AN=0;AF=.", "AC=0;AN=0;AF=nan", "AF=", "AC=0")
    rows = "".join(f"1\t{6 + i}\t.\tA\tC\t.\t.\t{info}\n" for i, info in enumerate(infos))
    assert added(tmp_path, written(tmp_path / "f.vcf", HEAD + FINE + rows)).records == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("just words\n", "no header line"),
        (">1\nACGT\n", "no header line"),
        ("#CHROM\tPOS\n", "this is no VCF"),
        (HEAD.replace("VCF", "BED"), "this is no VCF"),
        (HEAD.replace("ID=1", "ID=1,length=249250621") + FINE, "contig 1 has 249,250,621 bases, as on GRCh37; wanted a VCF on GRCh38"),
        (HEAD, "no record to keep"),
    ],
)
def test_what_is_no_vcf_of_this_assembly(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(BadInput) as error:
        added(tmp_path, written(tmp_path / "f.vcf", text))
    assert fault in str(error.value)
    assert "f.vcf" in str(error.value)
    assert nothing_is_left(tmp_path / "E")


def test_a_large_file_of_another_kind_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_blocks, "HEADER_BYTES", 1000)
    with pytest.raises(BadInput, match="no header line"):
        added(tmp_path, written(tmp_path / "f.vcf", "x" * 400_000 + "\n" + HEAD + FINE))


@pytest.mark.parametrize("kept", ["half a block", "no end mark"])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, kept: str) -> None:
    draw = random.Random(3)
    path = tmp_path / "f.vcf.gz"
    with BgzfWriter(path) as file:
        file.write((HEAD + "".join(f"1\t{i}\t.\tA\tC\t.\t.\tAF={draw.random()}\n" for i in range(1, 9000))).encode())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if kept == "half a block" else content.removesuffix(END_OF_FILE))
    with pytest.raises(BadInput, match=r"f\.vcf\.gz: the (gzip data ends before its end mark|bgzip data has no end mark)"):
        added(tmp_path, path)
    assert nothing_is_left(tmp_path / "E")


def test_another_reference_base_is_told_with_its_line(setting: Setting, tmp_path: Path) -> None:
    rows = [f"chr1\t{at + 1}\t.\t{setting.world.bases('chr1', at, at + 1)}\tN\t.\t.\tAF=0.1" for at in range(500, 520)]
    there = setting.world.bases("chr1", 520, 521)
    other = next(base for base in "ACGT" if base != there)
    path = written(tmp_path / "f.vcf", HEAD + "\n".join([*rows, f"chr1\t521\t.\t{other}\tN\t.\t.\tAF=0.1"]) + "\n")
    with pytest.raises(BadInput, match=rf"f\.vcf:24: REF {other} at chr1:521; the reference world has {there} there"):
        add(tmp_path / "E", "frequency", path, release=Release("f", "1", "2026-01-01", "x", "world"), genome=setting.genome)
    table = written(tmp_path / "f.tsv", CADD + f"1\t521\t{other}\tN\t1\t2\n")
    with pytest.raises(BadInput, match=rf"f\.tsv:3: REF {other} at chr1:521"):
        add(tmp_path / "E", "cadd", table, release=Release("f", "1", "2026-01-01", "x", "world"), genome=setting.genome)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1\t6\tA\tC\t1\thigh", ":4: score 'high'; wanted a number"),
        ("1\t6\tA\tC\t1\t-2", ":4: score '-2'; wanted from 0 to 99"),
        ("1\tsix\tA\tC\t1\t2", ":4: position 'six'; wanted a number"),
    ],
)
def test_a_score_that_cannot_be_is_told_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(BadInput) as error:
        added(tmp_path, written(tmp_path / "f.tsv", CADD + f"1\t5\tA\tC\t1\t2\n{row}\n"), kind="cadd")
    assert "f.tsv" + fault in str(error.value)
    assert nothing_is_left(tmp_path / "E")


def by_contig(folder: Path, contigs: list[str]) -> dict[str, Path]:
    """A file for each contig, named at random."""
    draw = random.Random(4)
    files = {}
    for contig in contigs:
        rows = [f"chr{contig}\t{at}\t.\tA\tC\t.\t.\tAF={draw.random():.4f}\n" for at in sorted(draw.sample(range(1, 999), 20))]
        files[contig] = written(folder / f"{draw.random()}.vcf", HEAD + "".join(rows))
    return files


def test_many_files_are_one_data_set_whatever_their_order(tmp_path: Path) -> None:
    order = ["1", "2", "10", "X", "MT", "odd"]
    files = by_contig(tmp_path, order)
    whole = written(tmp_path / "whole.vcf", HEAD + "".join(files[contig].read_text().removeprefix(HEAD) for contig in order))
    (tmp_path / "one").mkdir()
    one = added(tmp_path / "one", whole)
    draw = random.Random(5)
    given = [str(file) for file in draw.sample([*files.values()], len(files))]
    words = ["--name", "x", "--version", "1", "--date", "2026-01-01", "--licence", "CC0", "--assembly", "GRCh38"]
    done = CliRunner().invoke(genopipe, ["evidence", "add", "frequency", *given, *words, "--store", str(tmp_path / "E")])
    assert done.exit_code == 0, done.output
    (many,) = datasets(tmp_path / "E")
    assert (many.digest, many.records) == (one.digest, one.records)
    assert many == added(tmp_path, *reversed(files.values()))
    table = pq.read_table(tmp_path / "E" / "objects" / many.object[:2] / many.object[2:])
    assert table.equals(pq.read_table(tmp_path / "one" / "E" / "objects" / one.object[:2] / one.object[2:]))


def test_files_that_share_a_contig_are_refused(tmp_path: Path) -> None:
    files = by_contig(tmp_path, ["1", "2"])
    again = written(tmp_path / "again.vcf", HEAD + "3\t5\t.\tA\tC\t.\t.\tAF=0.1\n2\t1000\t.\tA\tC\t.\t.\tAF=0.1\n")
    with pytest.raises(BadInput, match=rf"again\.vcf:5: contig 2 comes again, after {files['2'].name}; .*each contig in one file"):
        added(tmp_path, *files.values(), again)
    with pytest.raises(BadInput, match="this file is given twice"):
        added(tmp_path, files["1"], files["1"])
    with pytest.raises(BadInput, match="2 files; wanted one file of gene-list"):
        added(tmp_path, *files.values(), kind="gene-list")
    with pytest.raises(BadInput, match=r"none\.vcf: no record to keep"):
        added(tmp_path, *files.values(), written(tmp_path / "none.vcf", HEAD))
    assert nothing_is_left(tmp_path / "E")

"""Intervals of a BED: what was seen of each, under which names, and clear errors."""

from __future__ import annotations

import gzip

import numpy as np
import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call.caller import Outputs, call_variants
from genopipe.call.coverage import measure_targets
from genopipe.call.targets import Targets, _by_contig, wanted_targets
from genopipe.cli.call import call
from genopipe.errors import BadInput
from genopipe.formats.genome import load_genome

SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40)).map(lambda span: (span[0], min(span[0] + span[1], 100))), max_size=12)


def rows(path):
    """Rows of the intervals."""
    lines = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return [line for line in lines if line[7] != "."]


def bed(folder, *lines):
    (folder / "t.bed").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return folder / "t.bed"


@given(SPANS, st.integers(0, 99), st.integers(1, 60))
def test_those_that_share_a_base_are_found(spans, start, length):
    intervals = [("c", a, b, "") for a, b in spans]
    end = min(start + length, 100)
    found = {tuple(row) for row in Targets(intervals, _by_contig(intervals)).over("c", start, end).tolist()}
    assert found >= {(i, a, b) for i, (a, b) in enumerate(spans) if max(a, start) < min(b, end)}
    reason, depth = np.arange(100) % 7 % 5, np.arange(100) * 37 % 50
    judged = reason[start:end].astype(np.uint8), depth[start:end].astype(np.int32)
    row, counts = measure_targets(judged, np.array(sorted(found), np.int64).reshape(-1, 3), start)
    for i, count in zip(row.tolist(), counts, strict=True):
        here = slice(max(spans[i][0], start), max(min(spans[i][1], end), start))
        known = depth[here][reason[here] != 1]
        deep = [np.count_nonzero(known >= threshold) for threshold in (10, 20, 30)]
        assert count.tolist() == [len(known), known.sum(), *deep, np.count_nonzero(reason[here] == 0)]


def test_every_interval_has_a_row_in_the_order_of_the_file(world, donor_bam, tmp_path):
    """Intervals that overlap, that lie across a bound of the grid, that are empty or have no name; depths as counted by samtools."""
    lines = [("chrX", 3000, 3100, "second"), ("chr1", 65_500, 65_700, "across"), ("chr1", 2000, 2600), ("chr1", 2500, 2700, "first")]
    lines.append(("chr1", 50, 50, "empty"))
    outputs = Outputs(tmp_path / "x.vcf.gz")
    call_variants(world.reference, donor_bam, outputs, targets=bed(tmp_path, *lines), threads=2)
    found = rows(outputs.coverage)
    assert [(row[0], *row[7:]) for row in found] == [(line[0], str(line[1]), str(line[2]), (*line, ".")[3]) for line in lines]
    for (contig, start, end, *_), row in zip(lines, found, strict=True):
        text = pysam.depth("-a", "-J", "-r", f"{contig}:{start + 1}-{max(end, start + 1)}", str(donor_bam))
        depth = np.array([int(line.split("\t")[2]) for line in text.splitlines()])[: end - start]
        assert int(row[1]) == end - start
        if end > start:
            expected = [depth.mean(), *((depth >= threshold).mean() for threshold in (10, 20, 30))]
            assert [float(value) for value in row[2:6]] == pytest.approx(expected, abs=0.006)
    assert found[-1][1:7] == ["0", "0.00", "0.0000", "0.0000", "0.0000", "0.0000"]


def test_threads_change_nothing_and_the_other_rows_stay(world, donor_bam, donor_calls, tmp_path):
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), targets=bed(tmp_path, ("chr1", 60_000, 70_000, "a")))
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "y.vcf.gz"), targets=tmp_path / "t.bed", threads=2)
    text = (tmp_path / "x.coverage.tsv").read_text()
    assert text == (tmp_path / "y.coverage.tsv").read_text()
    assert text.startswith(donor_calls.coverage.read_text())


def test_bases_outside_the_region_are_not_counted(world, donor_bam, tmp_path):
    path = bed(tmp_path, ("chr1", 900, 1100, "half"), ("chrX", 100, 200, "none"))
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), targets=path, region="chr1:1001-2000")
    assert [row[1] for row in rows(tmp_path / "x.coverage.tsv")] == ["100", "0"]


def test_other_names_are_recognised_and_logged_once(world, tmp_path, names_untold, caplog):
    path = bed(tmp_path, ("1", 10, 20, "a"), ("MT", 10, 20, "b"), ("1", 30, 40, "c"))
    with caplog.at_level("INFO", logger="genopipe"):
        targets = wanted_targets(path, None, load_genome(world.reference))
    assert [contig for contig, _, _, _ in targets.intervals] == ["chr1", "chrM", "chr1"]
    assert caplog.text.count("contig 1 is taken as chr1") == 1
    assert caplog.text.count("contig MT is taken as chrM") == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("chr2", 5, 9), r"t\.bed:2: there is no contig 'chr2'; wanted a contig of the reference 'invented', such as chr"),
        (("chrX", 7990, 8001), r"t\.bed:2: the interval 7990-8001 reaches beyond chrX, which has 8,000 bases"),
        (("chrX", 9, 8), r"t\.bed:2: start 9 behind end 8"),
    ],
)
def test_an_interval_that_cannot_be(world, donor_bam, tmp_path, line, expected):
    with pytest.raises(BadInput, match=expected):
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), targets=bed(tmp_path, ("chr1", 1, 9), line))
    assert not list(tmp_path.glob("x.*"))


def test_from_the_command_line_with_a_compressed_bed(world, donor_bam, tmp_path):
    (tmp_path / "t.bed.gz").write_bytes(gzip.compress(b"track name=exons\nchrM\t100\t200\texon 1\t0\t+\n"))
    options = ["--reference", world.reference, "-i", donor_bam, "-o", tmp_path / "x.vcf.gz", "--targets", tmp_path / "t.bed.gz"]
    done = CliRunner().invoke(call, [*map(str, options), "--region", "chrM"])
    assert done.exit_code == 0, done.output
    assert rows(tmp_path / "x.coverage.tsv")[0][7:] == ["100", "200", "exon 1"]


def gene_model(folder, *features):
    """A GFF3 of (contig, kind, start, end, strand, attributes)."""
    text = "##gff-version 3\n" + "".join(
        f"{contig}\tx\t{kind}\t{start + 1}\t{end}\t.\t{strand}\t{0 if kind == 'CDS' else '.'}\t{more}\n"
        for contig, kind, start, end, strand, more in features
    )
    (folder / "genes.gff3").write_text(text)
    return folder / "genes.gff3"


def transcript(contig, strand, gene, number, exons, coding, *, tag=""):
    first, last = exons[0][0], exons[-1][1]
    name = f"{gene}-{number}"
    yield contig, "mRNA", first, last, strand, f"ID=transcript:{name};Parent=gene:{gene}" + (f";tag={tag}" if tag else "")
    for start, end in exons:
        yield contig, "exon", start, end, strand, f"ID=exon:{name}:{start};Parent=transcript:{name}"
    for start, end in coding:
        yield contig, "CDS", start, end, strand, f"ID=CDS:{name};Parent=transcript:{name}"


def test_genes_and_their_exons_have_rows(world, donor_bam, tmp_path):
    """Coding parts of the MANE transcript, numbered in the direction of the gene, or the exons where there are none, after a BED's rows."""
    exons = [(1000, 1100), (2000, 2200), (65_500, 65_700)]
    model = gene_model(
        tmp_path,
        ("chr1", "gene", 1000, 65_700, "-", "ID=gene:A;Name=AAA"),
        *transcript("chr1", "-", "A", 1, exons, [(1050, 1100), (2000, 2200), (65_500, 65_600)], tag="MANE_Select"),
        *transcript("chr1", "-", "A", 2, [(3000, 3500)], [(3000, 3500)]),
        ("chrX", "gene", 100, 400, "+", "ID=gene:B;Name=BBB"),
        *transcript("chrX", "+", "B", 1, [(100, 200), (300, 400)], []),
        *transcript("chrX", "+", "B", 2, [(150, 250)], []),
        ("chr9", "gene", 0, 10, "+", "ID=gene:C;Name=CCC"),
        *transcript("chr9", "+", "C", 1, [(0, 10)], [(0, 10)]),
    )
    outputs = Outputs(tmp_path / "x.vcf.gz")
    call_variants(world.reference, donor_bam, outputs, targets=bed(tmp_path, ("chr1", 1050, 1100, "mine")), genes=model, threads=2)
    found = rows(outputs.coverage)
    assert [(row[0], *map(int, row[7:9]), row[9], int(row[1])) for row in found] == [
        ("chr1", 1050, 1100, "mine", 50),
        ("chr1", 1050, 65_600, "AAA", 350),
        ("chr1", 1050, 1100, "AAA:3", 50),
        ("chr1", 2000, 2200, "AAA:2", 200),
        ("chr1", 65_500, 65_600, "AAA:1", 100),
        ("chrX", 100, 400, "BBB", 250),
        ("chrX", 100, 250, "BBB:1", 150),
        ("chrX", 300, 400, "BBB:2", 100),
    ]
    assert found[0][1:7] == found[2][1:7]
    mean = sum(float(row[2]) * int(row[1]) for row in found[2:5]) / 350
    assert float(found[1][2]) == pytest.approx(mean, abs=0.01)


def test_a_gene_beyond_its_contig(world, donor_bam, tmp_path):
    model = gene_model(tmp_path, *transcript("chrX", "+", "B", 1, [(7900, 8001)], []))
    with pytest.raises(
        BadInput, match=r"genes\.gff3: gene .* reaches beyond chrX, which has 8,000 bases; wanted a gene model of this reference"
    ):
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "out.vcf.gz"), genes=model)
    assert not list(tmp_path.glob("*out*"))

"""The VCF writer: a header that programs read without a word, an index, and nothing left behind after a failure."""

from __future__ import annotations

import subprocess
import sys

import pysam
import pytest

from genopipe.errors import BadConfiguration, BadEnvironment
from genopipe.formats import tbi
from genopipe.formats.bgzf import BgzfWriter
from genopipe.formats.vcf import _DESCRIPTIONS, VcfContig, header, vcf_writer

CONTIGS = [VcfContig("chr1", 5000, "0" * 32), VcfContig("chr2", 800, None)]


def test_lines_can_be_read_back_and_looked_up(tmp_path):
    path = tmp_path / "x.vcf.gz"
    with vcf_writer(path, header(CONTIGS, ["me"], ["FORMAT/GT"]), threads=2) as write:
        write("chr1\t10\t.\tA\tT\t50\tPASS\t.\tGT\t0/1\nchr1\t20\t.\tA\tAT\t50\tPASS\t.\tGT\t1/1\n")
        write("chr2\t5\t.\tC\tG\t50\tPASS\t.\tGT\t0/1\n")
    with pysam.VariantFile(str(path)) as file:
        assert [(r.contig, r.pos, r.alleles, r.samples["me"]["GT"]) for r in file.fetch("chr1", 15, 100)] == [
            ("chr1", 20, ("A", "AT"), (1, 1))
        ]
        assert file.header.contigs["chr2"].length == 800


def test_every_field_is_defined_as_programs_expect(tmp_path):
    path = tmp_path / "x.vcf.gz"
    with vcf_writer(path, header(CONTIGS, ["me"], _DESCRIPTIONS)):
        pass
    program = "import sys, pysam.bcftools as b; sys.stdout.write(b.view('-h', sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n##") + 1 >= len(_DESCRIPTIONS) + 4


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.vcf.gz"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), vcf_writer(path, header(CONTIGS, ["me"], [])) as write:
        write("chr1\t10\t.\tA\tT\t50\tPASS\t.\tGT\t0/1\n")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["x.vcf.gz"]
    assert path.read_text() == "old"


def test_a_name_without_compression(tmp_path):
    with (
        pytest.raises(BadConfiguration, match=r"the output is named 'x\.vcf'; wanted a name that ends with \.vcf\.gz"),
        vcf_writer(tmp_path / "x.vcf", ""),
    ):
        pass


def test_an_index_that_does_not_fit_the_disk_is_a_full_disk(tmp_path, monkeypatch):
    class Full(BgzfWriter):
        def close(self):
            raise BadEnvironment("the disk is full", wanted="space", do="Free some.", path=self.path)

    monkeypatch.setattr(tbi, "BgzfWriter", Full)
    with pytest.raises(BadEnvironment, match="the disk is full"), vcf_writer(tmp_path / "x.vcf.gz", "##fileformat=VCFv4.2\n"):
        pass
    assert not list(tmp_path.iterdir())

"""A CRAM depends on its records and its reference, not on where either lies."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pysam
import pytest

from genopipe.formats.genome import build_genome, fasta_path
from genopipe.formats.htslib import HtslibFailed, decode_cram, encode_cram

BASES = "ACGTTGCAGT" * 40


@pytest.fixture
def bam(tmp_path: Path) -> bytes:
    """A plain BAM of one record."""
    header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, "SQ": [{"SN": "c1", "LN": len(BASES)}]})
    with pysam.AlignmentFile(str(tmp_path / "one.bam"), "wb", header=header) as out:
        text = f"r1\t0\tc1\t11\t60\t50M\t*\t0\t0\t{BASES[10:60]}\t{'I' * 50}"
        out.write(pysam.AlignedSegment.fromstring(text, header))
    return gzip.decompress((tmp_path / "one.bam").read_bytes())


def test_a_cram_is_the_same_wherever_it_is_written(tmp_path: Path, bam: bytes) -> None:
    (tmp_path / "c.fa").write_text(f">c1\n{BASES}\n")
    build_genome(tmp_path / "c.fa", tmp_path / "one", name="small")
    shutil.copytree(tmp_path / "one", tmp_path / "two" / "deeper")
    found = []
    for folder in (tmp_path / "one", tmp_path / "two" / "deeper"):
        encode_cram([bam], folder / "pool.cram", reference=fasta_path(folder), profile="fast")
        found.append((folder / "pool.cram").read_bytes())
        records = b"".join(decode_cram(folder / "pool.cram", reference=fasta_path(folder)))
        assert bam[bam.index(b"r1\0") :] in records
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]


def test_what_htslib_refuses_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(HtslibFailed, match="Truncated BAM header"):
        encode_cram([b"BAM\1nothing of that kind"], tmp_path / "pool.cram", reference=None, profile="fast")
    assert list(tmp_path.iterdir()) == []

"""Common sites are SNVs with one alternative and a frequency worth asking, the same ones for every sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genopipe.errors import BadInput
from genopipe.ingest import sites
from genopipe.ingest.sites import choose_sites, read_sites
from genopipe.model import Contig, Genome

GENOME = Genome(
    "g", (Contig("chr1", 0, 320, "", ""), Contig("chr2", 320, 320, "", "")), np.zeros(20, np.uint64), np.zeros(0, int), np.zeros(0, int)
)
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def read(tmp_path: Path, *records: str) -> list[tuple[int, int, int, int, float]]:
    (tmp_path / "s.vcf").write_text(HEAD + "".join(f"{record}\n" for record in records))
    found = read_sites(tmp_path / "s.vcf", GENOME)
    return list(
        zip(*(getattr(found, name).tolist() for name in ("contig", "position", "reference", "alternative", "frequency")), strict=True)
    )


def test_only_common_snvs_are_kept_sorted_and_once(tmp_path: Path) -> None:
    assert read(
        tmp_path,
        "2\t5\t.\tA\tG\t.\t.\tAF=0.5",  # another name of chr2
        "chr1\t10\t.\tC\tT\t.\t.\tAC=30;AN=100",
        "chr1\t10\t.\tC\tA\t.\t.\tAF=0.4",
        "chr1\t11\t.\tC\tT\t.\t.\tAF=0.01",
        "chr1\t12\t.\tC\tT,G\t.\t.\tAF=0.2,0.3",
        "chr1\t13\t.\tCA\tC\t.\t.\tAF=0.3",
        "chr1\t14\t.\tC\tG\t.\t.\tDP=3",
        "chr1\t900\t.\tC\tG\t.\t.\tAF=0.3",
    ) == [(0, 9, 1, 3, 0.3), (1, 4, 0, 2, 0.5)]


def test_of_too_many_the_same_ones_are_kept_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MOST_SITES", 50)
    rows = [("chr1", position, "A", "C", 0.5) for position in range(300)]
    first, second = choose_sites(rows, GENOME, path=Path("x")), choose_sites(rows[::-1], GENOME, path=Path("x"))
    assert len(first) == 50
    assert np.array_equal(first.position, second.position)
    assert np.histogram(first.position, 3, (0, 300))[0].min() > 5


@pytest.mark.parametrize(
    "record, message",
    [
        ("chr1\t5\t.\tA", r"s\.vcf:3: the line begins with"),
        ("chr1\t5\t.\tA\tG\t.\t.\tAF=0.001", "no common site"),
        ("9\t5\t.\tA\tG\t.\t.\tAF=0.5", "no contig '9'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, record: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(tmp_path, record)

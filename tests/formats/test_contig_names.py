"""A contig name in somebody else's file finds the right sequence, or an error; never another sequence."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from genopipe.errors import BadInput
from genopipe.formats.contig_names import manifests_folder, resolve_contig
from genopipe.model import Contig, Genome

CHR20 = "b18e6c531b0bd70e949a7fc20859cb01"
RCRS = "c68f52674c9fb33aef52dcf399755519"
HG19_M = "d2ed829b8a1628d16cbeee88e88e39eb"


def genome(**md5: str) -> Genome:
    """A genome with contigs of those names and digests, and no bases."""
    contigs = tuple(Contig(name, 32 * i, 10, digest, "SQ.x") for i, (name, digest) in enumerate(md5.items()))
    none = np.empty(0, np.int64)
    return Genome("ours", contigs, np.empty(0, np.uint64), none, none)


@pytest.mark.parametrize(
    "contigs, name, found",
    [
        ({"chr20": CHR20}, "chr20", "chr20"),
        ({"chr20": CHR20}, "20", "chr20"),
        ({"20": CHR20}, "chr20", "20"),
        ({"chr20": CHR20}, "NC_000020.11", "chr20"),
        ({"strange": CHR20}, "CM000682.2", "strange"),
        ({"chrM": RCRS}, "MT", "chrM"),
        ({"MT": RCRS}, "chrM", "MT"),
        ({"MT": RCRS}, "NC_012920.1", "MT"),
        ({"chr21": "0" * 32}, "21", "chr21"),
        ({"21": "0" * 32}, "chr21", "21"),
        ({"M": "0" * 32}, "chrMT", "M"),
    ],
)
def test_names_are_resolved(contigs: dict[str, str], name: str, found: str) -> None:
    assert resolve_contig(genome(**contigs), name).name == found


def test_a_digest_finds_a_contig_of_any_name() -> None:
    assert resolve_contig(genome(first="1" * 32, second="a" * 32), "third", md5="A" * 32).name == "second"


def test_everything_but_the_same_name_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "genopipe")
    ours = genome(chr9="9" * 32)
    resolve_contig(ours, "chr9")
    assert caplog.messages == []
    resolve_contig(ours, "9")
    assert caplog.messages == ["contig 9 is taken as chr9 of the reference ours (naming habit)"]


def test_the_mitochondrion_of_hg19_is_not_mt() -> None:
    with pytest.raises(BadInput, match="there is no contig 'MT'"):
        resolve_contig(genome(chrM=HG19_M), "MT")


def test_an_accession_of_another_assembly_is_not_guessed_at() -> None:
    with pytest.raises(BadInput, match=r"there is no contig 'NC_000020\.10'"):
        resolve_contig(genome(chr20=CHR20), "NC_000020.10")


def test_the_same_name_with_another_digest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"contig 'chr20' has the MD5 {'0' * 32}; wanted {CHR20}"):
        resolve_contig(genome(chr20=CHR20), "chr20", md5="0" * 32, path=tmp_path / "x.bam")


def test_an_unknown_name_is_named_with_its_place_and_the_nearest() -> None:
    with pytest.raises(BadInput) as caught:
        resolve_contig(genome(chr1="1" * 32, chr20=CHR20), "chr200", path=Path("x.bed"), line=7)
    assert str(caught.value).startswith("x.bed:7: there is no contig 'chr200'; wanted a contig of the reference 'ours', such as chr20")


def test_manifests_agree_among_themselves() -> None:
    manifests = [json.loads(path.read_text()) for path in sorted(manifests_folder().glob("*.json"))]
    assert {"GRCh37", "GRCh38"} <= {manifest["assembly"] for manifest in manifests}
    length: dict[str, int] = {}
    for manifest in manifests:
        assert manifest["sources"]
        names = [name for contig in manifest["contigs"] for name in contig["names"]]
        assert len(names) == len(set(names))
        for contig in manifest["contigs"]:
            assert length.setdefault(contig["md5"], contig["length"]) == contig["length"]
            assert len(bytes.fromhex(contig["md5"])) == 16

"""A packed genome gives back every base of its FASTA, and a folder that is not whole is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import genome as genome_module
from genopipe.formats.genome import build_genome, fasta_path, fetch, load_genome, locate, unpack, unpack_into
from genopipe.model import Genome


def fasta(path: Path, sequences: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()))
    return path


def codes(letters: str) -> list[int]:
    return ["ACGT".find(letter.upper()) % 5 for letter in letters]


@settings(max_examples=60)
@given(sequences=st.lists(st.text("ACGTNacgtnRYM", min_size=1, max_size=150), min_size=1, max_size=4), piece=st.integers(2, 90))
def test_every_base_comes_back(tmp_path_factory: pytest.TempPathFactory, sequences: list[str], piece: int) -> None:
    folder = tmp_path_factory.mktemp("genome")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genopipe.formats.inflate.PIECE", piece)
        genome = build_genome(fasta(folder / "x.fa", {f"c{i}": letters for i, letters in enumerate(sequences)}), folder / "ref", name="x")
    assert len(genome.contigs) == len(sequences)
    for contig, letters in zip(genome.contigs, sequences, strict=True):
        assert contig.start % 32 == 0
        assert contig.length == len(letters)
        assert fetch(genome, contig.name, 0, contig.length).tolist() == codes(letters)
        assert contig.md5 == hashlib.md5(letters.upper().encode()).hexdigest()


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    folder = tmp_path_factory.mktemp("genome")
    sequences = {"a": "ACGTTGCA" * 10 + "NNNN" + "GATTACA", "b": "NACGT", "c": "C" * 64}
    return build_genome(fasta(folder / "x.fa", sequences), folder / "ref", name="tiny")


def test_bases_between_contigs_are_unknown(genome: Genome) -> None:
    first, second, third = genome.contigs
    assert (first.start, second.start, third.start) == (0, 96, 128)
    assert set(unpack(genome, first.length, second.start + 1).tolist()) == {4}
    assert set(unpack(genome, second.start + second.length, third.start).tolist()) == {4}
    assert unpack(genome, second.start, second.start + 6).tolist() == [4, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("start, end", [(0, 0), (79, 81), (80, 84), (81, 83), (83, 90), (0, 192)])
def test_any_stretch_can_be_unpacked(genome: Genome, start: int, end: int) -> None:
    assert unpack(genome, start, end).tolist() == unpack(genome, 0, 192)[start:end].tolist()


def test_unpack_into_fills_known_bases_only(genome: Genome) -> None:
    out = np.empty(10, np.uint8)
    unpack_into(genome.packed, 78, out)
    assert out.tolist() == [*codes("CA"), 0, 0, 0, 0, *codes("GATT")]


def test_positions_are_located_in_contigs(genome: Genome) -> None:
    index, position = locate(genome, np.array([0, 90, 96, 100, 128, 191]))
    assert index.tolist() == [0, 0, 1, 1, 2, 2]
    assert position.tolist() == [0, 90, 0, 4, 0, 63]


def test_the_refget_digest_is_that_of_the_specification(tmp_path: Path) -> None:
    """Source: GA4GH refget 2.0, the worked example: sha512t24u of ACGT."""
    contig = build_genome(fasta(tmp_path / "x.fa", {"x": "acgt"}), tmp_path / "ref", name="x").contigs[0]
    assert contig.refget == "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
    assert contig.refget == "SQ." + base64.urlsafe_b64encode(hashlib.sha512(b"ACGT").digest()[:24]).decode()


def test_the_digest_of_the_human_mitochondrion_is_the_published_one(data: Path, tmp_path: Path) -> None:
    genome = build_genome(data / "mito" / "gatk_Homo_sapiens_assembly38.mt_only.fasta", tmp_path / "ref", name="mito")
    assert [(contig.name, contig.length, contig.md5) for contig in genome.contigs] == [("chrM", 16569, "c68f52674c9fb33aef52dcf399755519")]


def test_the_fasta_beside_it_is_read_by_htslib(data: Path, tmp_path: Path) -> None:
    source = next((data / "reference_1mb").glob("*.fa.gz"))
    genome = build_genome(source, tmp_path / "ref", name="1mb", threads=2)
    letters = np.frombuffer(b"ACGTN", np.uint8)
    with pysam.FastaFile(str(fasta_path(tmp_path / "ref"))) as peer:
        assert list(peer.references) == [contig.name for contig in genome.contigs]
        for contig in genome.contigs:
            assert peer.fetch(contig.name) == letters[fetch(genome, contig.name, 0, contig.length)].tobytes().decode()


def test_the_same_fasta_gives_the_same_files(tmp_path: Path) -> None:
    source = fasta(tmp_path / "x.fa", {"a": "ACGTN" * 50_000, "b": "GATTACA"})
    for threads in (1, 2):
        build_genome(source, tmp_path / str(threads), name="x", threads=threads)
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == ["genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi", "genome.packed.npy", "genome.unknown.npy", "reference.json"]
    assert all((tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes() for file in files)


def test_arrays_are_mapped_not_read(genome: Genome) -> None:
    assert isinstance(genome.packed, np.memmap)


def test_a_contig_without_bases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="contig 'b' has no bases"):
        build_genome(fasta(tmp_path / "x.fa", {"a": "A", "b": ""}), tmp_path / "ref", name="x")


@pytest.mark.parametrize(
    "limit, message", [("LARGEST_CONTIG", "contig 'a' is longer than 50"), ("LARGEST_GENOME", "the genome is larger than 50")]
)
def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str) -> None:
    monkeypatch.setattr(genome_module, limit, 50)
    with pytest.raises(BadInput, match=message):
        build_genome(fasta(tmp_path / "x.fa", {"a": "A" * 51}), tmp_path / "ref", name="x")


def test_a_failed_build_leaves_no_genome(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        build_genome(fasta(tmp_path / "x.fa", {"a": "AC-GT"}), tmp_path / "ref", name="x")
    with pytest.raises(BadInput, match="this is no reference folder"):
        load_genome(tmp_path / "ref")


def drop(folder: Path) -> None:
    (folder / "genome.packed.npy").unlink()


def cut(folder: Path) -> None:
    packed = folder / "genome.packed.npy"
    packed.write_bytes(packed.read_bytes()[:-1])


def age(folder: Path) -> None:
    manifest = json.loads((folder / "reference.json").read_text())
    (folder / "reference.json").write_text(json.dumps({**manifest, "schema": 0}))


def scribble(folder: Path) -> None:
    (folder / "reference.json").write_text("{")


@pytest.mark.parametrize(
    "harm, message",
    [
        (drop, "the reference file has 0 bytes"),
        (cut, "the reference file has"),
        (age, "the reference has format version 0; wanted version 1"),
        (scribble, "the manifest is damaged"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, harm: Callable[[Path], None], message: str) -> None:
    build_genome(fasta(tmp_path / "x.fa", {"a": "ACGT"}), tmp_path / "ref", name="x")
    harm(tmp_path / "ref")
    with pytest.raises(BadInput, match=message) as caught:
        load_genome(tmp_path / "ref")
    assert "genopipe reference build" in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"this is no reference folder.*genopipe reference build"):
        load_genome(tmp_path / "none")

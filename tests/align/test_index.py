"""A reference folder appears whole, its index holds every seed, and one that does not fit is refused."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from genopipe.align.index import build_reference, load_index
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.genome import load_genome
from tests.oracles.seed import syncmers


def random_sequence(n: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n))


@pytest.fixture(scope="module")
def contigs() -> dict[str, str]:
    return {"one": random_sequence(3000, 1) + "N" * 100 + random_sequence(777, 2), "two": random_sequence(640, 3), "short": "ACGT"}


@pytest.fixture
def fasta(tmp_path: Path, contigs: dict[str, str]) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    return path


def test_the_index_holds_every_seed(fasta: Path, tmp_path: Path, contigs: dict[str, str]) -> None:
    genome = build_reference(fasta, tmp_path / "ref", name="x")
    index = load_index(tmp_path / "ref", genome)
    held = {divmod(entry, 1 << 32) for entry in index.entry.tolist()}
    wanted = {
        (seed & 0xFFFFFFFF, contig.start + position) for contig in genome.contigs for seed, position in syncmers(contigs[contig.name])
    }
    assert held == wanted


def test_the_same_reference_gives_the_same_bytes(fasta: Path, tmp_path: Path) -> None:
    for folder, threads in (("a", 1), ("b", 2)):
        build_reference(fasta, tmp_path / folder, name="x", threads=threads)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "seeds.json" in files
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_partitions_that_grow_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A satellite of one unit puts its seeds into few partitions, which must grow again and again where stretches are short."""
    (tmp_path / "ref.fa").write_text(">c\n" + random_sequence(171, 1) * 600 + random_sequence(5000, 2) + "\n")
    for stretch in (1 << 20, 300):
        monkeypatch.setattr("genopipe.align.index._STRETCH", stretch)
        build_reference(tmp_path / "ref.fa", tmp_path / str(stretch), name="x")
    entry, again = (np.load(tmp_path / str(stretch) / "seeds.entry.npy") for stretch in (1 << 20, 300))
    assert len(entry) > 10_000 and entry.tobytes() == again.tobytes()


def test_at_most_four_bytes_a_base(tmp_path: Path) -> None:
    (tmp_path / "ref.fa").write_text(">c\n" + random_sequence(400_000) + "\n")
    build_reference(tmp_path / "ref.fa", tmp_path / "ref", name="x")
    assert sum(path.stat().st_size for path in (tmp_path / "ref").glob("seeds.*")) < 4 * 400_000


def test_nothing_is_left_of_a_failed_build(tmp_path: Path) -> None:
    (tmp_path / "ref.fa").write_text(">a\nACGT\n>a\nACGT\n")
    with pytest.raises(BadInput):
        build_reference(tmp_path / "ref.fa", tmp_path / "ref", name="x")
    assert [path.name for path in tmp_path.iterdir()] == ["ref.fa"]


def test_nothing_is_left_when_the_disk_is_full(fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("genopipe.formats.genome.np.ascontiguousarray", full)
    with pytest.raises(BadEnvironment, match="the disk is full"):
        build_reference(fasta, tmp_path / "ref", name="x")
    assert [path.name for path in tmp_path.iterdir()] == ["ref.fa"]


def test_an_older_reference_is_replaced(fasta: Path, tmp_path: Path) -> None:
    build_reference(fasta, tmp_path / "ref", name="old")
    assert build_reference(fasta, tmp_path / "ref", name="new").name == "new"


def test_a_folder_with_other_things_is_not_replaced(fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(BadInput, match="exists and is no reference"):
        build_reference(fasta, tmp_path / "mine", name="x")


def test_a_folder_that_cannot_be_made_is_told(fasta: Path) -> None:
    with pytest.raises(BadEnvironment, match="a part of the path is a file"):
        build_reference(fasta, fasta / "sub" / "ref", name="x")


def test_a_missing_index_is_told(fasta: Path, tmp_path: Path) -> None:
    genome = build_reference(fasta, tmp_path / "ref", name="x")
    (tmp_path / "ref" / "seeds.json").unlink()
    with pytest.raises(BadInput, match="has no seed index"):
        load_index(tmp_path / "ref", genome)


def test_an_index_of_another_genome_is_told(fasta: Path, tmp_path: Path) -> None:
    build_reference(fasta, tmp_path / "ref", name="x")
    fasta.write_text(">one\n" + random_sequence(500, 8) + "\n")
    other = build_reference(fasta, tmp_path / "other", name="y")
    with pytest.raises(BadInput, match="made from another genome"):
        load_index(tmp_path / "ref", other)


def test_an_index_of_another_version_is_told(fasta: Path, tmp_path: Path) -> None:
    genome = build_reference(fasta, tmp_path / "ref", name="x")
    path = tmp_path / "ref" / "seeds.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"k": 31}))
    with pytest.raises(BadInput, match="made by another version"):
        load_index(tmp_path / "ref", genome)


def test_a_damaged_manifest_is_told(fasta: Path, tmp_path: Path) -> None:
    genome = build_reference(fasta, tmp_path / "ref", name="x")
    (tmp_path / "ref" / "seeds.json").write_text("{")
    with pytest.raises(BadInput, match="manifest of the seed index is damaged"):
        load_index(tmp_path / "ref", genome)


@pytest.mark.parametrize("array, file", [("entry", "seeds.entry.npy"), ("bucket", "seeds.bucket.npy"), ("genome", "genome.packed.npy")])
def test_a_flipped_bit_is_told(fasta: Path, tmp_path: Path, array: str, file: str) -> None:
    genome = build_reference(fasta, tmp_path / "ref", name="x")
    path = tmp_path / "ref" / file
    content = bytearray(path.read_bytes())
    content[200] ^= 4
    path.write_bytes(content)
    with pytest.raises(BadInput, match=f"the {array} array of the reference is damaged"):
        load_index(tmp_path / "ref", load_genome(tmp_path / "ref") if array == "genome" else genome)


def test_a_cut_file_is_told(fasta: Path, tmp_path: Path) -> None:
    build_reference(fasta, tmp_path / "ref", name="x")
    path = tmp_path / "ref" / "seeds.entry.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BadInput, match="is not whole"):
        load_index(tmp_path / "ref", load_genome(tmp_path / "ref"))

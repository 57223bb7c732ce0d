"""Who is related to whom is found from drawn genotypes, and a swapped sample contradicts its pedigree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genopipe.errors import BadInput
from genopipe.formats.ped import Member
from genopipe.ingest.family import compare_family, said_relation
from genopipe.ingest.fingerprint import COLUMNS, compare, genotypes, read_fingerprint
from tests.ingest.documents import read_valid

PED = """\
F child father mother 1 2
F sister father mother 2 1
F father 0 0 1 1
F mother 0 0 2 1
F stranger 0 0 2 1
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Fingerprints of a family of four and a stranger, at 3,000 sites and 20x."""
    draw = np.random.default_rng(3)
    frequency = draw.uniform(0.1, 0.9, 3000)
    father, mother, stranger = (draw.random((3000, 2)) < frequency[:, None] for _ in range(3))
    child, sister = (np.stack([parent[np.arange(3000), draw.integers(0, 2, 3000)] for parent in (father, mother)], 1) for _ in range(2))
    named = {"father": father, "mother": mother, "stranger": stranger, "child": child, "sister": sister}
    for name, haplotypes in named.items():
        write_fingerprint(tmp_path / f"{name}.fingerprint.tsv", haplotypes.sum(1), draw)
    (tmp_path / "family.ped").write_text(PED)
    return tmp_path


def write_fingerprint(path: Path, genotype: np.ndarray, draw: np.random.Generator) -> None:
    lines = ["\t".join(COLUMNS)]
    for i, alternatives in enumerate(genotype):
        reads = int(draw.poisson(20))
        shown = int(draw.binomial(reads, (0.002, 0.5, 0.998)[alternatives]))
        lines.append(f"chr1\t{i + 1}\tA\tG\t0.5\t{reads - shown}\t{shown}")
    path.write_text("\n".join(lines) + "\n")


def files(folder: Path, *names: str) -> list[Path]:
    return [folder / f"{name}.fingerprint.tsv" for name in names]


def test_a_family_agrees_with_its_pedigree(people: Path) -> None:
    names = ("child", "sister", "father", "mother", "stranger")
    found = compare_family(files(people, *names), people / "family.ped", people / "family.json")
    relation = {(pair["first"], pair["second"]): pair["found"] for pair in found["pairs"]}
    assert relation["child", "father"] == relation["child", "mother"] == relation["sister", "father"] == "parent-child"
    assert relation["child", "sister"] == "siblings"
    assert {relation[pair] for pair in relation if "stranger" in pair} | {relation["father", "mother"]} == {"unrelated"}
    assert found["conflicts"] == 0
    assert read_valid(people / "family.json", "family") == found


def test_a_swapped_child_contradicts_both_parents(people: Path) -> None:
    (people / "child.fingerprint.tsv").write_bytes((people / "stranger.fingerprint.tsv").read_bytes())
    found = compare_family(files(people, "child", "father", "mother"), people / "family.ped", people / "family.json")
    assert found["conflicts"] == 2
    assert [pair["found"] for pair in found["pairs"]] == ["unrelated"] * 3


def test_a_sample_given_twice_under_two_names_is_a_conflict(people: Path) -> None:
    (people / "mother.fingerprint.tsv").write_bytes((people / "child.fingerprint.tsv").read_bytes())
    found = compare_family(files(people, "child", "mother"), people / "family.ped", people / "family.json")
    assert (found["conflicts"], found["pairs"][0]["found"]) == (1, "same")


def test_kinship_is_the_formula_of_king_robust() -> None:
    first = {("1", str(i), "A", "G"): genotype for i, genotype in enumerate([1, 1, 0, 2, 1, 0] * 20)}
    second = {("1", str(i), "A", "G"): genotype for i, genotype in enumerate([1, 0, 2, 2, 1, 1] * 20)}
    found = compare(first, second)  # per six sites: both het 2, opposite 1, hets 3 and 3
    assert found.kinship == pytest.approx((2 - 2 * 1) / (2 * 3) + 0.5 - (3 + 3) / (4 * 3))
    assert found.opposite_fraction == pytest.approx(1 / 6, abs=1e-5)
    assert found.equal_fraction == pytest.approx(3 / 6, abs=1e-5)


@pytest.mark.parametrize("n", [120, 300])
def test_few_sites_tell_parents_and_samples_given_twice_but_nothing_else(people: Path, n: int) -> None:
    for path in people.glob("*.tsv"):
        path.write_text("\n".join(path.read_text().splitlines()[: n + 40]) + "\n")
    names = ("child", "sister", "father", "mother", "stranger")
    found = compare_family(files(people, *names), people / "family.ped", people / "family.json")
    assert found["conflicts"] == 0
    assert {pair["found"] for pair in found["pairs"] if pair["said"] == "unrelated"} == {"other"}
    (people / "child.fingerprint.tsv").write_bytes((people / "stranger.fingerprint.tsv").read_bytes())
    assert compare_family(files(people, "child", "father", "mother"), people / "family.ped", people / "family.json")["conflicts"] == 2


def test_few_sites_tell_nothing() -> None:
    assert compare({("1", "1", "A", "G"): 1}, {("1", "1", "A", "G"): 1}).relation is None


def test_sex_chromosomes_do_not_count() -> None:
    place = {(contig, "1", "A", "G"): 1 for contig in ("chr1", "X", "chrM", "chrY")}
    assert compare(place, place).sites == 1


def test_genotypes_need_reads_and_a_clear_winner() -> None:
    reference, alternative = np.array([10, 5, 0, 3, 9]), np.array([0, 5, 10, 0, 1])
    assert genotypes(reference, alternative).tolist() == [0, 1, 2, -1, -1]


def test_relations_are_read_off_the_pedigree() -> None:
    def member(sample: str, father: str | None = None, mother: str | None = None) -> Member:
        return Member("F", sample, father, mother, "unknown", None)

    child, sister, father = member("c", "f", "m"), member("s", "f", "m"), member("f")
    half = member("h", "f", "n")
    assert said_relation(child, father) == said_relation(father, child) == "parent-child"
    assert said_relation(child, sister) == "siblings"
    assert said_relation(child, half) == "relatives"
    assert said_relation(father, member("m")) == "unrelated"


def test_bad_fingerprints_are_refused(people: Path) -> None:
    broken = people / "father.fingerprint.tsv"
    broken.write_text("\t".join(COLUMNS) + "\nchr1\t1\tA\n")
    with pytest.raises(BadInput, match=r"father\.fingerprint\.tsv:2: "):
        read_fingerprint(broken)
    with pytest.raises(BadInput, match="wanted SAMPLE"):
        compare_family([people / "family.ped"], people / "family.ped", people / "out.json")
    nobody = people / "nobody.fingerprint.tsv"
    nobody.write_text("\t".join(COLUMNS) + "\n")
    with pytest.raises(BadInput, match="nobody is not in the pedigree"):
        compare_family([nobody], people / "family.ped", people / "out.json")
    assert not (people / "out.json").exists()

"""The answer and the decoy, judged by `bcftools csq` and by the tables alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from genopipe.errors import BadInput
from genopipe.simulate.diagnosis import plant_answer
from genopipe.simulate.family import Family, simulate_family
from genopipe.simulate.sequence import ContigPlan, make_sequence
from tests.simulate.conftest import Record, csq


@pytest.fixture(scope="module")
def consequence(family: Family) -> dict[str, str]:
    """The first consequence of each variant of the family, and its gene."""
    lines = csq(family).stdout.splitlines()
    found = {}
    for row in (line.split("\t") for line in lines if not line.startswith("#") and "BCSQ=" in line):
        kind, gene = row[7].split("BCSQ=")[1].split("|")[:2]
        found["-".join((row[0], row[1], row[3], row[4]))] = f"{kind} {gene}"
    return found


def test_causal_variant_is_a_stop_in_the_causal_gene(family: Family, consequence: dict[str, str]) -> None:
    assert consequence[family.causal_variant] == f"stop_gained {family.causal_gene}"


def test_causal_variant_is_new_in_the_newborn(family: Family, truth: list[Record]) -> None:
    genotypes = next(r.genotypes for r in truth if r.name == family.causal_variant)
    assert sorted(genotypes[0]) == ["0", "1", "|"] and genotypes[1:] == ("0|0", "0|0")


def test_decoy_is_a_missense_and_a_frameshift_in_one_other_gene(family: Family, consequence: dict[str, str]) -> None:
    told = [consequence[name] for name in family.decoy_variants]
    assert told == [f"missense {family.decoy_gene}", f"frameshift {family.decoy_gene}"]
    assert family.decoy_gene != family.causal_gene


def test_decoy_is_in_trans(family: Family, truth: list[Record]) -> None:
    genotypes = {r.name: r.genotypes for r in truth}
    maternal, paternal = (genotypes[name] for name in family.decoy_variants)
    assert maternal[0] == "1|0" and "1" in maternal[1] and maternal[2] == "0|0"
    assert paternal[0] == "0|1" and paternal[1] == "0|0" and "1" in paternal[2]


def test_no_other_variant_breaks_a_protein(family: Family, consequence: dict[str, str]) -> None:
    severe = {
        name
        for name, told in consequence.items()
        if any(word in told for word in ("stop", "frameshift", "start_lost", "acceptor", "donor"))
    }
    planted = {family.causal_variant, family.decoy_variants[1]}
    assert planted <= severe
    with gzip.open(family.evidence / "frequency.vcf.gz", "rt") as lines:
        common = {
            "-".join((r[0], r[1], r[3], r[4]))
            for r in (line.split("\t") for line in lines if line[0] != "#")
            if float(r[7].split("AF=")[1].split(";")[0]) > 0.001
        }
    assert not (severe - planted) - common


def test_too_few_genes_is_told(tmp_path: Path) -> None:
    sequence = make_sequence(ContigPlan("chr1", 50_000, "autosome", 100), seed=1)
    with pytest.raises(BadInput, match=r"no gene with three coding exons came out; wanted a larger genome\. Raise genome_length"):
        plant_answer(sequence, [], seed=1)


@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_give_other_answers(family: Family, seed: int, tmp_path: Path) -> None:
    other = simulate_family(tmp_path, seed=seed, coverage=0.1, mitochondrial_coverage=1)
    assert other.causal_variant != family.causal_variant

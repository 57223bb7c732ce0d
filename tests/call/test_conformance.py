"""What is written is VCF 4.2 that others read without a warning and that `bcftools norm` finds nothing to change in."""

from __future__ import annotations

import subprocess
import sys

import pysam
import pytest

from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.joint import joint_genotypes
from tests.call.conftest import Person, build_world, change, write_reads

_BCFTOOLS = "import sys, pysam.bcftools as b; print(getattr(b, sys.argv[1])(*sys.argv[2:]), end='')"


def bcftools(*arguments):
    """Standard output and error of a bcftools command."""
    done = subprocess.run([sys.executable, "-c", _BCFTOOLS, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("world"), {"chr1": 8000})


@pytest.fixture(scope="module")
def person(world):
    """Someone with a site of two alternatives, SNVs and an insertion that lie in a deletion of the other copy, and one of both copies."""
    sequence = world.sequences["chr1"]
    deletion = change(world, "chr1", 3000, "del", "x" * 12)
    inside = deletion[1] + 6
    other_base = "ACGT"[("ACGT".index(sequence[4000]) + 2) % 4]
    first = [
        deletion,
        change(world, "chr1", 4000, "snv"),
        change(world, "chr1", 5000, "del", "xx"),
        change(world, "chr1", 2000, "snv"),
    ]
    second = [("chr1", 4000, sequence[4000], other_base), change(world, "chr1", 5000, "del", "xxxx"), first[-1]]
    second += [("chr1", inside, sequence[inside], "ACGT"[("ACGT".index(sequence[inside]) + 1) % 4])]
    return Person("donor", (sorted(first), sorted(second)))


@pytest.fixture(scope="module")
def outputs(world, person, tmp_path_factory):
    """VCF and gVCF of the person, and the VCF that `genopipe joint` makes of the gVCF."""
    folder = tmp_path_factory.mktemp("conformance")
    bam = write_reads(world, person, folder / "reads.bam", depth=40, seed=7, only="chr1")
    made = Outputs(folder / "donor.vcf.gz", folder / "donor.g.vcf.gz")
    call_variants(world.reference, bam, made, region="chr1", sample=Sample())
    (folder / "donor.ped").write_text("F\tdonor\t0\t0\t2\t1\n")
    joint_genotypes([made.gvcf], folder / "donor.ped", folder / "joint.vcf.gz")
    return {"call": made.vcf, "gvcf": made.gvcf, "joint": folder / "joint.vcf.gz"}


@pytest.mark.parametrize("name", ["call", "gvcf", "joint"])
def test_bcftools_reads_it_without_a_warning(outputs, name):
    text, warnings = bcftools("view", "--no-version", outputs[name])
    assert warnings == ""
    assert sum(not line.startswith("#") for line in text.splitlines()) > 4
    assert bcftools("stats", outputs[name])[1] == ""
    assert bcftools("index", "--nrecords", outputs[name])[1] == ""


@pytest.mark.parametrize("name", ["call", "joint"])
def test_alleles_are_left_aligned_and_trimmed_as_norm_has_them(world, outputs, name):
    text, _ = bcftools("norm", "--no-version", "-c", "e", "-f", world.fasta, outputs[name])
    assert text == bcftools("view", "--no-version", outputs[name])[0]


@pytest.mark.parametrize("name", ["call", "gvcf", "joint"])
def test_two_alternatives_of_a_place_are_one_record(person, outputs, name):
    for position in (4000, next(v[1] for v in person.haplotypes[0] if 4900 < v[1] < 5001)):
        with pysam.VariantFile(str(outputs[name])) as file:
            record = next(r for r in file if r.start == position)
        assert sorted(record.samples[0]["GT"]) == [1, 2]
        assert len({len(record.alleles[i]) - len(record.ref) for i in (1, 2)}) == (1 if position == 4000 else 2)


@pytest.mark.parametrize("name", ["call", "gvcf", "joint"])
def test_an_allele_that_a_deletion_lies_over_is_a_star(person, outputs, name):
    deletion = next(v for v in person.haplotypes[0] if len(v[2]) == 13)
    inside = next(v for v in person.haplotypes[1] if deletion[1] < v[1] < deletion[1] + 13)
    with pysam.VariantFile(str(outputs[name])) as file:
        records = {r.start: r for r in file if r.start in (deletion[1], inside[1]) and r.alts[0] != "<NON_REF>"}
    assert set(records[inside[1]].samples[0].alleles) == {inside[3], "*"}
    assert sorted(records[deletion[1]].samples[0]["GT"]) == [0, 1]
    assert records[inside[1]].samples[0]["PS"] == records[deletion[1]].samples[0]["PS"]
    # the copy that has the deletion is the one that has the star
    assert records[deletion[1]].samples[0]["GT"].index(1) == records[inside[1]].samples[0].alleles.index("*")


def test_joint_keeps_the_phase_of_a_genotype_that_stands(outputs):
    phase = {}
    for name in ("call", "joint"):
        with pysam.VariantFile(str(outputs[name])) as file:
            phase[name] = {r.start: (r.samples[0]["PS"], r.samples[0].alleles) for r in file if r.samples[0].phased and "PS" in r.format}
    assert phase["call"] == phase["joint"] != {}


RESERVED = {
    "info": {"AC": ("A", "Integer"), "AN": (1, "Integer"), "END": (1, "Integer"), "MQ": (1, "Float")},
    "formats": {"GT": (1, "String"), "AD": ("R", "Integer"), "DP": (1, "Integer"), "GQ": (1, "Integer"), "PL": ("G", "Integer")},
}
"""Number and type of the reserved keys in the tables of VCFv4.2 (AD: of VCFv4.3), those of them that we write; PS stands beside."""


@pytest.mark.parametrize("name", ["call", "gvcf", "joint"])
def test_reserved_keys_are_as_the_specification_has_them(outputs, name):
    with pysam.VariantFile(str(outputs[name])) as file:
        for section, keys in RESERVED.items():
            declared = getattr(file.header, section)
            assert {key: (declared[key].number, declared[key].type) for key in keys if key in declared} == {
                key: kind for key, kind in keys.items() if key in declared
            }
            assert {"GT", "GQ", "PL"} <= set(file.header.formats.keys())
        assert (file.header.formats["PS"].number, file.header.formats["PS"].type) == (1, "Integer")

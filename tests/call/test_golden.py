"""`genopipe call` and `genopipe joint` from the command line give the stored files, byte for byte as text.

Make them anew with `GENOPIPE_GOLDEN=write`, and say so in the CHANGELOG.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.cli.call import call
from genopipe.cli.joint import joint
from tests.call.conftest import Person, build_world, change, write_reads

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Folder with the gVCFs of three people, called from the command line."""
    folder = tmp_path_factory.mktemp("golden")
    world = build_world(folder, {"chr1": 3000}, seed=8)
    shared, own = change(world, "chr1", 700, "del", "xxx"), change(world, "chr1", 1500, "snv")
    insertion = change(world, "chr1", 2200, "ins", "GATTACA")
    people = [Person("dad", ([shared], [])), Person("mom", ([insertion], [shared])), Person("kid", ([shared, own], [insertion]))]
    for seed, person in enumerate(people):
        bam = write_reads(world, person, folder / f"{person.name}.bam", seed=seed, depth=25)
        outputs = ["-o", folder / f"{person.name}.vcf.gz", "--gvcf", folder / f"{person.name}.g.vcf.gz"]
        done = CliRunner().invoke(call, list(map(str, ["--reference", world.reference, "-i", bam, *outputs, "--threads", "2"])))
        assert done.exit_code == 0, done.output
        assert done.stdout == ""
    return folder


def compare(path, name):
    text = gzip.decompress(path.read_bytes()).decode()
    if os.environ.get("GENOPIPE_GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert text.splitlines() == (GOLDEN / name).read_text().splitlines()


@pytest.mark.parametrize("name", ["kid.vcf", "kid.g.vcf"])
def test_call(small, name):
    compare(small / f"{name}.gz", name)


def test_joint(small):
    (small / "family.ped").write_text("F\tkid\tdad\tmom\t1\t2\nF\tdad\t0\t0\t1\t1\nF\tmom\t0\t0\t2\t1\n")
    gvcfs = [str(small / f"{name}.g.vcf.gz") for name in ("kid", "mom", "dad")]
    done = CliRunner().invoke(joint, [*gvcfs, "--ped", str(small / "family.ped"), "-o", str(small / "family.vcf.gz")])
    assert done.exit_code == 0, done.output
    compare(small / "family.vcf.gz", "family.vcf")

"""Evidence narrowed to what cases carry says of them what the whole evidence says; and the catalogue spells variants as ranking does."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from genopipe.archive.query import ask, cohort
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.cases.keep import keep
from genopipe.cases.narrowed import narrowed
from genopipe.interpret.annotate import annotate
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.variants import read_variants
from tests.interpret import world as invented
from tests.interpret.conftest import Setting, setting  # noqa: F401

GENOTYPES = ("0/0", "0/1", "1/1", "1/2", "./1", "2|0", "1", ".", "./.", "0/3")
CASE = "case: C\nreference: r\nevidence: e\nproband: {sample: S, sex: female}\nreads:\n  - {sample: S, r1: r.fastq}\n"


def drawn_vcf(path: Path, setting: Setting, seed: int) -> Path:  # noqa: F811
    """Variants of two people, many of them indels that can be written in several ways, some with alleles that are no bases."""
    draw = random.Random(seed)
    lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">']
    lines += [f"##contig=<ID={name},length={length}>" for name, length in invented.CONTIGS.items()]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT\tS")
    for contig in invented.CONTIGS:
        for position in sorted(draw.sample(range(100, 2000), 150)):
            ref = setting.world.bases(contig, position, position + draw.choice((1, 1, 1, 2, 3, 6)))
            inserted = setting.world.bases(contig, position, position + draw.randrange(2, 7))
            alts = [draw.choice("ACGTacgt"), ref[: draw.randrange(1, len(ref) + 1)], inserted + ref[1:], "*", "<DEL>", ref]
            chosen = draw.sample(alts, 3)
            lines.append(
                "\t".join([contig, str(position + 1), ".", ref, ",".join(chosen), "50", "PASS", ".", "GT", *draw.choices(GENOTYPES, k=2)])
            )
    path.write_text("\n".join(lines) + "\n")
    return path


def archived(folder: Path, vcf: Path, reference: Reference | None) -> Path:
    (folder / "case.yaml").write_text(CASE)
    (folder / "r.fastq").touch()
    keep(folder / "archive", [vcf], PutOptions(None, reference), case=folder / "case.yaml")
    return folder / "archive"


@pytest.mark.parametrize("with_genome", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_catalogue_spells_what_a_person_carries_as_ranking_reads_it(
    setting: Setting,  # noqa: F811
    tmp_path: Path,
    seed: int,
    with_genome: bool,
) -> None:
    vcf = drawn_vcf(tmp_path / "C.vcf", setting, seed)
    archive = archived(tmp_path, vcf, Reference(setting.reference, setting.genome) if with_genome else None)
    read = read_variants(vcf, ["S"], genome=setting.genome if with_genome else None)
    expected = set(zip(read.key, read.position.tolist(), read.ref, read.alt, strict=True))
    assert len(expected) > 100
    assert set(ask(archive, "SELECT contig, position, ref, alt FROM variants WHERE sample = 'S'")[1]) == expected


def test_a_vcf_of_another_build_is_kept_and_not_catalogued(
    setting: Setting,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = setting.world.bases("chr1", 500, 501)
    variant = ("chr1", 500, "ACGT".replace(there, "")[0], there)
    invented.write_family_vcf(tmp_path / "C.vcf", ["S"], [(variant, ["0/1"])])
    archive = archived(tmp_path, tmp_path / "C.vcf", Reference(setting.reference, setting.genome))
    assert "kept, but not in the catalogue" in caplog.text and f"the reference world has {there} there" in caplog.text
    assert list(ask(archive, "SELECT count(*) FROM samples")[1]) == [(0,)]


@pytest.fixture
def evidence(setting: Setting, tmp_path: Path) -> EvidenceSet:  # noqa: F811
    """Frequencies of half of all changes of a base in the first 2,000 of each contig."""
    draw = random.Random(1)
    seen = []
    for contig in invented.CONTIGS:
        for position in range(2000):
            ref = setting.world.bases(contig, position, position + 1)
            alts = [alt for alt in "ACGT" if alt != ref and draw.random() < 0.5]
            seen += [(contig, position, ref, alt, f"AF={draw.random() / 10:.4f};nhomalt={draw.randrange(9)}") for alt in alts]
    file = invented.write_sites(tmp_path / "f.vcf.gz", invented.FREQUENCY_HEADER, seen)
    add(tmp_path / "evidence", "frequency", file, release=Release("frequency", "1", "2026-01-01", "CC0", "world"))
    return lock(tmp_path / "evidence", "set")


def test_narrowed_tables_say_the_same_of_a_case_and_are_smaller(setting: Setting, tmp_path: Path, evidence: EvidenceSet) -> None:  # noqa: F811
    vcf = drawn_vcf(tmp_path / "C.vcf", setting, 9)
    archive = archived(tmp_path, vcf, Reference(setting.reference, setting.genome))
    (tmp_path / "tables").mkdir()
    with cohort(archive) as connection:
        small = narrowed(connection, evidence, ["C"], tmp_path / "tables")
    sizes = [pq.read_metadata(one.table(one.of_kind("frequency")[0])).num_rows for one in (evidence, small)]
    assert sizes[1] < sizes[0] / 10
    read = read_variants(vcf, ["S"], genome=setting.genome)
    whole, part = annotate(read, evidence), annotate(read, small)
    assert np.isfinite(whole.frequency).sum() > 10
    for name in ("frequency", "homozygotes", "covered"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))


def test_nothing_is_narrowed_for_a_case_that_was_catalogued_without_its_reference(
    setting: Setting,  # noqa: F811
    tmp_path: Path,
    evidence: EvidenceSet,
) -> None:
    archive = archived(tmp_path, drawn_vcf(tmp_path / "C.vcf", setting, 9), Reference(setting.reference, setting.genome))
    from genopipe.cases.catalogued import make_again

    make_again(archive, genome=None)
    with cohort(archive) as connection:
        assert narrowed(connection, evidence, ["C"], tmp_path) is evidence

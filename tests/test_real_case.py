"""One real case by the commands of the README: NA12878, 32x over 200 kb of chromosome 21, from FASTQ to FHIR pointers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from genopipe.ehr.check import check_bundle

REGION = "chr21:16600001-16800000"
PUBLISHED = {"version": "1", "date": "2025-01-16", "assembly": "GRCh38", "licence": "see-source"}
EVIDENCE = {
    "genes": "gene_models/chr21_gencode.gtf",
    "hpo": "hpo/DERIVED_terms.tsv",
    "hpo-annotations": "hpo/DERIVED_gene_to_phenotype.tsv",
    "frequency": "known_sites_chr21/1000GP.chr21.noNA12878.s.vcf.gz",
}
CASE = """\
case: CHR21-0001
reference: reference
evidence: evidence/chr21
proband: {{sample: NA12878, sex: female, phenotypes: [HP:0001250]}}
reads:
  - {{sample: NA12878, lane: 1, r1: {r1}, r2: {r2}}}
gates: {{mean_coverage: null, fraction_10x: null}}
archive: archive
ehr: {{patient: Patient/example, service_request: ServiceRequest/example, base: null}}
"""


def genopipe(folder: Path, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", "genopipe", *map(str, arguments)]
    environment = os.environ | {"GENOPIPE_SITE_KEY_FILE": str(folder / "site.key")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"genopipe {arguments[0]}: {done.stderr}"


@pytest.fixture(scope="module")
def reads(data: Path) -> list[Path]:
    return [data / "na12878_chr21" / f"reads_R{mate}.fastq.gz" for mate in (1, 2)]


@pytest.fixture(scope="module")
def folder(data: Path, reads: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case run to its end."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "site.key").write_text("1" * 64 + "\n")
    (folder / "case.yaml").write_text(CASE.format(r1=reads[0], r2=reads[1]))
    genopipe(folder, "reference", "build", data / "na12878_chr21" / "GRCh38.chr21.partial.fa.gz", "-o", "reference", "--name", "chr21")
    release = [word for key, value in PUBLISHED.items() for word in (f"--{key}", value)]
    for kind, file in EVIDENCE.items():
        genopipe(folder, "evidence", "add", kind, data / file, "--name", kind, *release, "--store", "evidence")
    genopipe(folder, "evidence", "lock", "chr21", "--store", "evidence")
    genopipe(folder, "run", "case.yaml", "--issued", "2026-01-02T03:04:05Z")
    return folder


def test_genotypes_agree_with_the_platinum_truth(folder: Path, data: Path, tools: Path) -> None:
    sample = data / "na12878_chr21"
    calls = folder / "results" / "CHR21-0001" / "call" / "CHR21-0001.vcf.gz"
    command = [sys.executable, tools / "compare_calls.py", sample / "GRCh38.chr21.partial.fa.gz", sample / "truth.vcf.gz", calls]
    options = ["--bed", sample / "confident.bed.gz", "--region", REGION, "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    score = json.loads(done.stdout)
    assert score["snv_genotype"]["f1"] >= 0.990
    assert score["indel_genotype"]["f1"] >= 0.93


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_archive_gives_every_file_back_byte_for_byte(folder: Path, reads: list[Path]) -> None:
    bam = folder / "results" / "CHR21-0001" / "align" / "NA12878.bam"
    for path in [*reads, bam]:
        genopipe(folder, "archive", "get", digest(path), "--archive", "archive", "-o", folder / "restored")
        assert digest(folder / "restored") == digest(path)
        (folder / "restored").unlink()


def test_the_archive_is_smaller_than_what_it_keeps(folder: Path, reads: list[Path]) -> None:
    receipt = json.loads((folder / "results" / "CHR21-0001" / "archive" / "receipt.json").read_text())
    files = [file for file in receipt["files"] if file["name"].endswith((".bam", ".fastq.gz"))]
    assert len(files) == 3
    assert {file["exactness"] for file in files} == {"bytes"}
    assert sum(file["stored_size"] for file in files) < sum(file["size"] for file in files) / 3


def test_the_pointers_are_a_valid_bundle(folder: Path) -> None:
    bundle = json.loads((folder / "results" / "CHR21-0001" / "ehr" / "bundle.json").read_text())
    Bundle.model_validate(bundle)
    assert check_bundle(bundle) == []
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds.count("DocumentReference") >= 4

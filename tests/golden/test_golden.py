"""What every command writes for one small simulated family, to the byte, beside what it wrote before.

`tests/golden/COMMAND/` holds the expected files, text as text, VCF inflated, BAM and other binary files by their SHA-256. After a
change that is meant to change results, `GENOPIPE_WRITE_GOLDEN=1 pytest tests/golden` writes them anew, and the commit says
`Changes-output: yes`.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genopipe.cases.demo import EVIDENCE_FILES
from genopipe.cli import genopipe as program
from genopipe.simulate.case_file import write_case
from genopipe.simulate.family import simulate_family
from tests.ingest.runs import make_run
from tests.test_structure import commands

GOLDEN = Path(__file__).parent
ISSUED = "2026-01-02T03:04:05Z"
MEMBERS = ("newborn", "mother", "father")
RELEASE = ["--version", "1", "--date", "2026-01-01", "--licence", "CC0-1.0", "--assembly", "simulated", "--store", "evidence"]


def genopipe(folder: Path, *arguments: str) -> str:
    """Standard output of a command that is run in `folder`."""
    environment = os.environ | {"GENOPIPE_SITE_KEY_FILE": str(folder / "site.key"), "COLUMNS": "100"}
    command = [sys.executable, "-m", "genopipe", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"genopipe {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the simulated family, its case file, and reads as a laboratory would name them."""
    folder = tmp_path_factory.mktemp("golden")
    family = simulate_family(folder / "family", genome_length=200_000, coverage=12, mitochondrial_coverage=20)
    write_case(folder, family, reference=folder / "reference", evidence=folder / "evidence" / "demo", archive=folder / "archive")
    (folder / "site.key").write_text("2" * 64 + "\n")
    (folder / "reads").mkdir()
    for member in family.members[:2]:
        for path in (member.r1, member.r2):
            shutil.copy(path, folder / "reads" / path.name)
    make_run(folder / "sequencer-run", layout="cbcl")
    return folder


def as_text(path: Path) -> str:
    """A file in the form it is kept in: text, a VCF's text, else its digest."""
    content = path.read_bytes()
    if path.name == "receipt.json":
        return receipt_text(content)
    if path.name.endswith(".vcf.gz"):
        return gzip.decompress(content).decode()
    if path.suffix in {".json", ".tsv", ".yaml", ".bed", ".ped", ".html", ".txt"} and len(content) < 50_000:
        return content.decode()
    return f"sha256 {hashlib.sha256(content).hexdigest()}\n"


def receipt_text(content: bytes) -> str:
    """What was archived and how exactly; how small it became depends on encoders that may differ between processors."""
    files = json.loads(content)["files"]
    return "".join(f"{file['name']} {file['kind']} {file['size']} {file['digest']} {file['exactness']}\n" for file in files)


def without_stored_size(table: str) -> str:
    return "".join("\t".join(row.split("\t")[:4] + row.split("\t")[5:]) + "\n" for row in table.splitlines())


def same_as_before(command: str, name: str, text: str) -> None:
    expected = GOLDEN / command.replace(" ", "-") / f"{name}.golden"
    if os.environ.get("GENOPIPE_WRITE_GOLDEN") == "1":
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(text)
    before = expected.read_text() if expected.is_file() else ""
    if text != before:
        diff = difflib.unified_diff(before.splitlines(), text.splitlines(), "before", "now", lineterm="", n=0)
        pytest.fail(f"{command}: {name} changed\n" + "\n".join(list(diff)[:40]))


READS = ("-1", "family/reads/{}_R1.fastq.gz", "-2", "family/reads/{}_R2.fastq.gz")
STEPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("reference build", ("family/genome/genome.fa", "-o", "reference", "--name", "simulated"), ("reference/reference.json",)),
    *(
        (
            "evidence add",
            (kind, f"family/{file}", "--name", kind, *RELEASE),
            (f"evidence/datasets/{kind}@1.json",),
        )
        for kind, file in EVIDENCE_FILES.items()
    ),
    ("evidence lock", ("demo", "--store", "evidence"), ("evidence/demo",)),
    ("evidence list", ("--store", "evidence"), ()),
    ("evidence diff", ("evidence/demo", "evidence/demo"), ()),
    ("ingest run", ("sequencer-run", "-o", "from-run"), ("from-run/demultiplex.json", "from-run/A_S1_L001_R1_001.fastq.gz")),
    (
        "ingest fastq",
        (*(word.format("newborn") for word in READS), "--sample", "newborn", "-o", "qc"),
        ("qc/newborn.qc.json", "qc/newborn.qc.html"),
    ),
    *(
        (
            "align",
            ("--reference", "reference", *(word.format(member) for word in READS), "--sample", member, "-o", f"{member}.bam"),
            (f"{member}.bam", f"{member}.bam.bai", f"{member}.duplicates.tsv"),
        )
        for member in MEMBERS
    ),
    ("mark-duplicates", ("newborn.bam", "-o", "marked.bam"), ("marked.bam", "marked.bam.bai", "marked.duplicates.tsv")),
    ("fit", ("--reference", "reference", "-i", "newborn.bam", "-o", "newborn.model.json"), ("newborn.model.json",)),
    *(
        (
            "call",
            ("--reference", "reference", "-i", f"{member}.bam", "--gvcf", f"{member}.g.vcf.gz", "-o", f"{member}.vcf.gz", "--sex", sex),
            (f"{member}.vcf.gz",),
        )
        for member, sex in zip(MEMBERS, ("female", "female", "male"), strict=True)
    ),
    *(
        (
            "ingest aligned",
            (
                *(f"{member}.bam", "--reference", "reference", "--sample", member, "--evidence", "evidence/demo"),
                *("--sex", sex, "-o", "qc", "--threads", "1"),
            ),
            (f"qc/{member}.aligned.json", f"qc/{member}.genes.tsv") if member == "newborn" else (),
        )
        for member, sex in zip(MEMBERS, ("female", "female", "male"), strict=True)
    ),
    (
        "ingest family",
        (*(f"qc/{member}.fingerprint.tsv" for member in MEMBERS), "--ped", "family/family.ped", "-o", "qc/family.json"),
        ("qc/family.json",),
    ),
    ("gate", ("qc/newborn.qc.json", "qc/newborn.aligned.json", "-o", "qc/gates.json"), ("qc/gates.json",)),
    ("joint", (*(f"{member}.g.vcf.gz" for member in MEMBERS), "--ped", "family/family.ped", "-o", "family.vcf.gz"), ("family.vcf.gz",)),
    ("ingest called", ("family.vcf.gz", "-o", "qc/calls.json"), ("qc/calls.json",)),
    (
        "interpret",
        (
            *[
                "--variants",
                "family.vcf.gz",
                "--case",
                "case.yaml",
                "--evidence",
                "evidence/demo",
                "--reference",
                "reference",
                "-o",
                "interpreted",
                "--issued",
            ],
            ISSUED,
        ),
        tuple(f"interpreted/{name}" for name in ("findings.tsv", "findings.json", "findings.vcf.gz", "phenopacket.json", "report.html")),
    ),
    (
        "archive put",
        (
            "newborn.bam",
            "family/reads/newborn_R1.fastq.gz",
            "family/reads/newborn_R2.fastq.gz",
            "family.vcf.gz",
            *[
                "--archive",
                "archive",
                "--sample",
                "newborn",
                "--reference",
                "reference",
                "--profile",
                "archive",
                "--receipt",
                "receipt.json",
            ],
        ),
        ("receipt.json",),
    ),
    ("archive list", ("--archive", "archive"), ()),
    ("archive verify", ("--archive", "archive"), ()),
    ("archive get", ("newborn/newborn.bam", "--archive", "archive", "-o", "back.bam"), ("back.bam",)),
    (
        "ehr pointers",
        (
            *[
                "--case",
                "case.yaml",
                "--archive",
                "archive",
                "--receipt",
                "receipt.json",
                "--findings",
                "interpreted/findings.json",
                "-o",
                "bundle.json",
                "--issued",
            ],
            ISSUED,
        ),
        ("bundle.json",),
    ),
    ("ehr check", ("bundle.json",), ()),
    ("init", ("reads", "-o", "new.yaml"), ("new.yaml",)),
    ("run", ("case.yaml", "--until", "ingest", "--results", "results", "--issued", ISSUED), ("results/DEMO-0001/family.ped",)),
    ("status", ("results",), ()),
)
"""Command, its arguments, and the files it must write; what it prints is expected too."""

ELSEWHERE = {
    "demo": "tests/test_installed.py",
    "doctor": "tests/cases/test_doctor.py",
    "secondary": "tests/cases/test_secondary.py",
    "ingest interop": "tests/ingest/test_lane_metrics.py",
    "train-filter": "tests/call/test_filter.py",
    "ehr find": "tests/ehr/test_pointers.py",
    "evidence fetch": "tests/interpret/test_evidence_fetch.py",
    "pgx": "tests/interpret/test_pgx.py",
    "why": "tests/interpret/test_trace.py",
    **{f"archive {name}": "tests/archive/test_care_command.py" for name in ("init", "stat", "gc", "forget", "hold", "holds", "release")},
    **{f"archive {name}": "tests/archive/test_care_command.py" for name in ("audit", "repack", "migrate")},
    **dict.fromkeys(("archive query", "archive carriers", "archive counts", "archive catalogue"), "tests/archive/test_catalogue.py"),
    **dict.fromkeys(("archive burden", "archive samples"), "tests/cases/test_burden.py"),
    "archive rekey": "tests/archive/test_rekey.py",
    "archive lineage": "tests/archive/test_lineage.py",
    **dict.fromkeys(("reanalyze", "dismiss"), "tests/cases/test_reanalyze.py"),
}
"""Commands tested whole in another place."""


def test_every_command_writes_what_it_wrote_before(folder: Path) -> None:
    for command, arguments, files in STEPS:
        printed = genopipe(folder, *command.split(), *arguments)
        if command == "archive list":
            printed = without_stored_size(printed)
        same_as_before(command, "-".join(["printed", *(Path(name).name.split(".")[0] for name in files[:1])]), printed)
        for name in files:
            same_as_before(command, Path(name).name, as_text(folder / name))


def test_every_command_has_a_golden_case() -> None:
    covered = {command for command, _, _ in STEPS} | ELSEWHERE.keys()
    assert {" ".join(path) for path, _ in commands(program)} <= covered

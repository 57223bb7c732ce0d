"""The workflow on a small simulated family: the same files by either command, going on after a kill, one clear error when a step fails."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genopipe.cases.demo import prepare_case
from genopipe.simulate.family import simulate_family

ROOT = Path(__file__).resolve().parent.parent.parent
ISSUED = "2026-01-02T03:04:05Z"
OUTSIDE_THE_PROMISE = ("run.json", "logs", "timings", ".lock")
"""Results that hold durations."""


@pytest.fixture(scope="module")
def family_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case file for a family with a genome of 200 kb at 15x."""
    folder = tmp_path_factory.mktemp("family")
    family = simulate_family(folder / "family", genome_length=200_000, coverage=15, mitochondrial_coverage=15)
    (folder / "site.key").write_text("0" * 64 + "\n")
    return prepare_case(folder, family)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GENOPIPE_SITE_KEY_FILE": str(folder / "site.key")}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def run_case(case: Path, results: str, *more: str) -> subprocess.CompletedProcess[str]:
    options = ["--results", results, "--issued", ISSUED, "--cores", "2", *more]
    return run([sys.executable, "-m", "genopipe", "run", case.name, *options], case.parent)


def contents(folder: Path) -> dict[str, bytes]:
    """Every result that the promise of equal bytes covers."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path: path.relative_to(folder) for path in paths}
    return {str(name): path.read_bytes() for path, name in names.items() if name.parts[0] not in OUTSIDE_THE_PROMISE}


@pytest.fixture(scope="module")
def results(family_case: Path) -> Path:
    """The results of `genopipe run`."""
    done = run_case(family_case, "first")
    assert done.returncode == 0, done.stderr
    return family_case.parent / "first" / "DEMO-0001"


EXPECTED = (
    *(f"ingest/{sample}.{kind}" for sample in ("newborn", "mother", "father") for kind in ("qc.json", "qc.html")),
    *(f"ingest/{sample}.{kind}" for sample in ("newborn", "mother", "father") for kind in ("aligned.json", "aligned.html", "genes.tsv")),
    *("ingest/family.json", "ingest/calls.json", "gates/family.json", "gates/calls.json"),
    *(f"gates/{sample}.{kind}.json" for sample in ("newborn", "mother", "father") for kind in ("reads", "alignments")),
    *(f"align/{sample}.{kind}" for sample in ("newborn", "mother", "father") for kind in ("bam", "bam.bai", "duplicates.tsv")),
    *(f"call/{sample}.{kind}" for sample in ("newborn", "mother", "father") for kind in ("model.json", "vcf.gz", "g.vcf.gz")),
    *("call/DEMO-0001.vcf.gz", "call/DEMO-0001.vcf.gz.tbi"),
    *(f"interpret/{name}" for name in ("findings.json", "findings.tsv", "findings.vcf.gz", "phenopacket.json", "report.html")),
    *("archive/receipt.json", "ehr/bundle.json", "run.json"),
)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_result_stands_under_its_name(results: Path, name: str) -> None:
    assert (results / name).stat().st_size > 0


def test_no_index_is_older_than_its_file(results: Path) -> None:
    indexes = [path for suffix in ("tbi", "bai") for path in results.rglob(f"*.{suffix}")]
    assert len(indexes) >= 5
    assert [path.name for path in indexes if path.stat().st_mtime_ns < path.with_suffix("").stat().st_mtime_ns] == []


def test_plain_snakemake_gives_the_same_files(results: Path, family_case: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", family_case.name, "--cores", "1"]
    done = run([*command, "--config", "results=plain", f"issued={ISSUED}"], family_case.parent)
    assert done.returncode == 0, done.stderr
    plain = contents(family_case.parent / "plain" / "DEMO-0001")
    first = contents(results)
    assert plain.keys() == first.keys()
    assert [name for name in first if plain[name] != first[name]] == []


LINT_EXCEPTIONS = {
    "Specify a conda environment or container for each rule.",
    "Param folder is a prefix of input or output file but hardcoded",
}
"""Advice that is not followed; docs/workflow.md says why."""


def test_snakemake_s_own_linter_has_no_further_advice(family_case: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", family_case.name, "--lint"]
    done = run(command, family_case.parent)
    advice = {line.strip(" *").rstrip(":") for line in done.stderr.splitlines() if line.startswith("    *")}
    assert advice <= LINT_EXCEPTIONS


def test_a_finished_case_has_nothing_left_to_do(results: Path, family_case: Path) -> None:
    done = run_case(family_case, "first", "--dry-run")
    assert "Nothing to be done" in done.stderr + done.stdout


CHANGED = {
    "reads of a relative": ("r1: family/reads/mother_R1", "r1: other_R1", {"align_reads": 1, "call_variants": 1, "genotype_family": 1}),
    "sex of a relative": ("mother, sex: female", "mother, sex: unknown", {"measure_alignments": 1, "call_variants": 1}),
    "phenotype and gates": (
        "  onset: P3D\n",
        "gates: {titv: null}\n",
        {"align_reads": 0, "call_variants": 0, "judge": 8, "rank_findings": 1},
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_an_edited_case_does_again_what_the_edit_changes(results: Path, family_case: Path, name: str) -> None:
    """Whatever else is done again, the gates for one: a step whose own inputs or parameters changed is, and no other."""
    old, new, wanted = CHANGED[name]
    shutil.copy(family_case.parent / "family/reads/mother_R1.fastq.gz", family_case.parent / "other_R1.fastq.gz")
    text = family_case.read_text()
    assert old in text
    family_case.with_name("edited.yaml").write_text(text.replace(old, new))
    done = run_case(family_case.with_name("edited.yaml"), "first", "--dry-run")
    steps = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    assert {step: int(steps.get(step, 0)) for step in wanted} == wanted


def test_the_step_that_runs_on_a_gpu_asks_for_one(family_case: Path, tmp_path: Path) -> None:
    """A module of CuPy's name that sees a card stands in for one: a dry run launches nothing."""
    (tmp_path / "cupy.py").write_text("class cuda:\n    is_available = staticmethod(lambda: True)\n")
    command = [sys.executable, "-m", "genopipe", "run", family_case.name, "--results", "dry", "--device", "gpu", "--dry-run"]
    command += ["--cores", "4", "--", "--resources", "gpu=2", "--set-threads", "align_reads=2"]
    environment = os.environ | {"GENOPIPE_SITE_KEY_FILE": "site.key", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=family_case.parent, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = [text for text in (done.stdout + done.stderr).split("rule ") if text.startswith("align_reads:")]
    assert len(told) == 3
    assert all("gpu=1" in text.split("\n\n")[0] for text in told), done.stdout[:2000] + done.stderr[:2000]
    assert all("threads: 2" in text.split("\n\n")[0] for text in told), done.stdout[:2000] + done.stderr[:2000]


def test_a_killed_run_continues_where_it_stopped(results: Path, family_case: Path) -> None:
    folder = family_case.parent / "killed" / "DEMO-0001"
    options = ["--results", "killed", "--issued", ISSUED, "--cores", "2"]
    environment = os.environ | {"GENOPIPE_SITE_KEY_FILE": str(family_case.parent / "site.key")}
    process = subprocess.Popen(
        [sys.executable, "-m", "genopipe", "run", family_case.name, *options],
        cwd=family_case.parent, env=environment, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while not list(folder.glob("timings/align.*.tsv")) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)  # Snakemake notes that a step is done after its last file stands
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    [first, *_] = folder.glob("timings/align.*.tsv")
    first_bam = folder / "align" / f"{first.stem.removeprefix('align.')}.bam"
    aligned = first_bam.stat().st_mtime_ns
    done = run_case(family_case, "killed")
    assert done.returncode == 0, done.stderr
    assert first_bam.stat().st_mtime_ns == aligned
    assert contents(folder) == contents(results)


def test_the_run_record_names_versions_and_digests_and_no_path(results: Path) -> None:
    text = (results / "run.json").read_text()
    record = json.loads(text)
    assert record["results"]["call/DEMO-0001.vcf.gz"]["bytes"] == (results / "call/DEMO-0001.vcf.gz").stat().st_size
    assert [entry["name"] for entry in record["inputs"]][:2] == ["case.yaml", "newborn_R1.fastq.gz"]
    assert record["packages"]["pysam"]
    assert record["parameters"]["issued"] == ISSUED
    assert str(results.parent.parent) not in text


def test_a_step_that_fails_is_told_with_its_own_message(family_case: Path, tmp_path: Path) -> None:
    for name in ("reference", "evidence", "site.key"):
        (tmp_path / name).symlink_to(family_case.parent / name)
    shutil.copytree(family_case.parent / "family", tmp_path / "family")
    shutil.copy(family_case, tmp_path / "case.yaml")
    r1 = tmp_path / "family" / "reads" / "newborn_R1.fastq.gz"
    r1.write_bytes(r1.read_bytes()[:10_000])
    done = run_case(tmp_path / "case.yaml", "results", "--until", "ingest")
    assert done.returncode == 1
    assert "newborn_R1.fastq.gz" in done.stderr
    assert "the gzip data ends before its end mark" in done.stderr
    assert "run the same command: it continues" in done.stderr
    assert not list((tmp_path / "results").glob("*/ingest/newborn*"))


def test_a_gate_stops_a_case_with_its_reason_in_the_report(results: Path, family_case: Path) -> None:
    case = family_case.with_name("strict.yaml")
    case.write_text(family_case.read_text() + "gates: {q30_fraction: {stop_below: 0.999}}\n")
    done = run_case(case, "stopped", "--until", "align", "--cores", "1")
    assert done.returncode == 1
    reason = "bases of quality 30 or more is 0."
    assert reason in done.stderr
    folder = family_case.parent / "stopped" / "DEMO-0001"
    assert reason in (folder / "interpret" / "report.html").read_text()
    assert not list(folder.glob("align/*.bam"))
    shown = run([sys.executable, "-m", "genopipe", "status", "stopped"], family_case.parent)
    assert "Illumina" in shown.stdout  # the reason, wrapped


def test_nothing_is_archived_of_a_case_before_its_gates_let_it_pass(results: Path, family_case: Path) -> None:
    case = family_case.with_name("deep.yaml")
    case.write_text(family_case.read_text() + "gates: {mean_coverage: {stop_below: 1000}}\n")
    shutil.copytree(results, family_case.parent / "late" / "DEMO-0001", ignore=shutil.ignore_patterns("archive", "interpret", "ehr"))
    done = run_case(case, "late", "--", "--until", "archive_sample")
    assert done.returncode == 1
    assert "mean depth of the autosomes" in done.stderr
    assert not list((family_case.parent / "late" / "DEMO-0001").glob("archive/*"))


def test_no_identifier_or_path_is_in_any_text_result(results: Path) -> None:
    for name, content in contents(results).items():
        text = gzip.decompress(content) if name.endswith(".vcf.gz") else content
        assert str(results.parent.parent).encode() not in text, name

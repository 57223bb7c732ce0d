"""A case with the targets of a capture kit and structural variants: one whole run, and what is wrong with either told before it starts."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genopipe.archive.opened import Archive
from genopipe.archive.query import cohort
from genopipe.cases.archived_case import Restored, open_case
from genopipe.cases.checks import check_case
from genopipe.cases.demo import prepare_case
from genopipe.cases.plan import plan_case
from genopipe.errors import BadInput
from genopipe.formats.genome import build_genome
from genopipe.simulate.family import simulate_family
from tests.cases.test_checks import CASE, folder  # noqa: F401
from tests.interpret.test_structural import structural_vcf


def gff_rows(path: Path, kind: str) -> list[list[str]]:
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [row for row in rows if row[2] == kind]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a newborn and her father, whose kit covers the exons, the first of them twice; she lacks a copy of the causal gene."""
    place = tmp_path_factory.mktemp("captured")
    family = simulate_family(place / "family", genome_length=200_000, coverage=10, mitochondrial_coverage=10)
    exons = [(row[0], int(row[3]) - 1, int(row[4])) for row in gff_rows(family.genes, "exon")]
    lines = [f"{contig}\t{start}\t{end}\tE{number}\n" for number, (contig, start, end) in enumerate(exons)]
    (place / "kit.bed").write_text("".join([*lines[::-1], lines[0]]))
    [gene] = [row for row in gff_rows(family.genes, "gene") if f"Name={family.causal_gene};" in row[8]]
    deletion = f"{gene[0]} {int(gene[3]) - 50} . N <DEL> . PASS END={int(gene[4]) + 50};SVTYPE=DEL GT 0/1"
    structural = structural_vcf(place / "sv.vcf", deletion, samples="newborn")
    structural.write_text(structural.read_text().replace(",length=30000", ""))
    case = prepare_case(place, family)
    kept = [line for line in case.read_text().splitlines() if "sample: mother" not in line and not line.startswith("ehr:")]
    gates = "gates: {mean_coverage: {stop_below: 1}, fraction_10x: {}, contamination: null}"
    case.write_text("\n".join([*kept, "targets: kit.bed", "structural: sv.vcf", gates]) + "\n")
    command = [sys.executable, "-m", "genopipe", "run", "case.yaml", "--results", "results", "--cores", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
    assert done.returncode == 0, done.stderr
    return place


def document(captured: Path, name: str) -> Any:
    return json.loads((captured / "results" / "DEMO-0001" / name).read_text())


def test_gates_of_coverage_go_by_the_targets(captured: Path) -> None:
    """The bases are counted one by one from the BED."""
    intervals = [line.split("\t") for line in (captured / "kit.bed").read_text().splitlines()]
    bases = {(row[0], i) for row in intervals for i in range(int(row[1]), int(row[2]))}
    for sample, sex in (("newborn", "female"), ("father", "male")):
        measured = document(captured, f"ingest/{sample}.aligned.json")
        assert measured["targets"]["bases"] == len(bases)
        assert measured["coverage"]["bases"] == sum(contig in ("chr1", "chr2") for contig, _ in bases)
        assert measured["sex"]["found"] == sex
        told = {gate["name"]: gate["value"] for gate in document(captured, f"gates/{sample}.alignments.json")["gates"]}
        assert told["mean depth of the targets"] == measured["coverage"]["mean"]
        assert told["bases of the targets at 10x"] == measured["coverage"]["fraction_10x"]


def test_every_interval_has_its_line_of_coverage(captured: Path) -> None:
    intervals = [line.split("\t") for line in (captured / "kit.bed").read_text().splitlines()]
    for sample in ("newborn", "father"):
        with open(captured / "results/DEMO-0001/call" / f"{sample}.coverage.tsv") as lines:
            rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["start"] != "."]
        assert [[row[key] for key in ("contig", "start", "end", "name")] for row in rows] == intervals


def test_structural_variants_are_ranked_and_kept_to_be_ranked_again(captured: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((captured / "sv.vcf").read_bytes()).hexdigest()
    findings = document(captured, "interpret/findings.json")
    assert findings["inputs"]["structural"] == digest
    assert any("DEL" in hit["variant"].split("-")[-1] for one in findings["findings"] for hit in one["hits"])
    archive = Archive.existing(captured / "archive")
    with cohort(captured / "archive") as connection:
        opened = open_case(connection, archive, "DEMO-0001")
    assert opened.missing == ()
    kept = Restored(opened, archive, tmp_path).file("structural")
    assert kept is not None
    assert kept.read_bytes() == (captured / "sv.vcf").read_bytes()
    made_of = {step["step"]: step for step in opened.record["steps"]}
    assert digest not in made_of["joint"]["outputs"]
    assert digest in made_of["interpret"]["inputs"]


def test_the_run_record_names_both_files(captured: Path) -> None:
    assert {entry["name"] for entry in document(captured, "run.json")["inputs"]} >= {"kit.bed", "sv.vcf"}


@pytest.fixture
def small(folder: Path) -> Path:  # noqa: F811
    """A case that is sound but for its targets and structural variants; its genome has 30,000 bases of chr1 and of chr2."""
    (folder / "genome.fa").write_text(f">chr1\n{'ACGT' * 7500}\n>chr2\n{'N' * 100}{'ACGT' * 7475}\n")
    build_genome(folder / "genome.fa", folder / "reference", name="g")
    (folder / "case.yaml").write_text(CASE + "targets: kit.bed\nstructural: sv.vcf\n")
    (folder / "kit.bed").write_text("track\nchr1\t10\t90\n2\t50\t150\n")
    structural_vcf(folder / "sv.vcf", "chr1 1000 . N <DEL> . PASS END=9000;SVTYPE=DEL GT 0/1", samples="S1")
    return folder


def check(folder: Path, last: str | None = None) -> None:  # noqa: F811
    check_case(plan_case([folder / "case.yaml"], {"site_key_file": "site.key"}), last)


def test_sound_targets_and_structural_variants_have_no_fault(small: Path) -> None:
    check(small)


FAULTS = {
    "broken line": ("kit.bed", ("\t10\t", "\tten\t"), r"kit\.bed:2: positions 'ten' and '90'; wanted whole numbers"),
    "another contig": ("kit.bed", ("2\t50", "9\t50"), r"kit\.bed:3: .*9"),
    "another build": ("kit.bed", ("90", "31000"), r"kit\.bed:2: the interval 10-31000 reaches beyond chr1, which has 30,000 bases"),
    "no targets": ("kit.bed", ("chr1\t10\t90\n2\t50\t150\n", ""), r"kit\.bed: no interval with a known base"),
    "unknown bases only": ("kit.bed", ("chr1\t10\t90\n2\t50\t150\n", "chr2\t0\t90\n"), r"kit\.bed: no interval with a known base"),
    "no proband": ("sv.vcf", ("FORMAT\tS1", "FORMAT\tS2"), r"sv\.vcf: sample S1 of the case is not in the VCF of structural variants"),
    "no VCF": ("sv.vcf", ("##fileformat=VCFv4.2\n", "hello\n"), r"sv\.vcf: cannot be read as VCF"),
    "VCF of another build": (
        "sv.vcf",
        ("chr1,length=30000", "chr1,length=29999"),
        r"sv\.vcf: contig chr1 has 29,999 bases; the reference g has",
    ),
    "no genotypes": ("sv.vcf", ("GT\t0/1", ".\t."), r"sv\.vcf: .*GT"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_either_is_told_before_the_first_step(small: Path, name: str) -> None:
    file, (old, new), message = FAULTS[name]
    text = (small / file).read_text()
    assert old in text
    (small / file).write_text(text.replace(old, new))
    with pytest.raises(BadInput, match=message):
        check(small)


def test_what_is_not_reached_is_not_looked_at(small: Path) -> None:
    (small / "kit.bed").write_text("broken\n")
    check(small, "ingest")
    with pytest.raises(BadInput, match=r"kit\.bed:1: 1 columns"):
        check(small, "align")

"""Archived cases looked at again: who is concerned, what is told, and that nothing else happens."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from genopipe.archive.put import PutOptions
from genopipe.cases.keep import keep
from genopipe.cli import genopipe
from genopipe.interpret.evidence import Release, add, lock, open_set
from genopipe.interpret.findings import Request
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import write_results
from genopipe.interpret.subject import load_subject
from tests.interpret import world as invented
from tests.interpret.conftest import Setting, setting  # noqa: F401

SEIZURE, HYPOTONIA, BLISTERS, RASH = "HP:0001250", "HP:0001252", "HP:0008066", "HP:0000988"
STARRED = "CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts"
Variant = tuple[str, int, str, str]


@dataclass(frozen=True)
class Lab:
    """An evidence folder with the set `old`, and an archive with a few cases interpreted with it."""

    folder: Path
    setting: Setting

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def store(self) -> Path:
        return self.folder / "evidence"

    def release(self, name: str, date: str, **changed: Path) -> Path:
        """Adds new releases of some kinds, and locks a set."""
        for kind, file in changed.items():
            kind = kind.replace("_", "-")
            positional = kind in ("clinvar", "frequency", "genes")
            add(self.store, kind, file, release=Release(kind, name, date, "CC0", "world" if positional else None), may_shrink=True)
        lock(self.store, name)
        return self.store / name

    def clinvar(self, name: str, *told: tuple[Variant, str]) -> Path:
        records = [(*variant, f"CLNSIG={word};{STARRED};CLNDN=x;GENEINFO=GENA:1") for variant, word in told]
        return invented.write_sites(self.folder / f"{name}.clinvar.vcf.gz", invented.CLINVAR_HEADER, records)

    def case(self, name: str, variants: list[tuple[Variant, str]], phenotypes: list[str], *, evidence: str = "old") -> None:
        """A single patient, interpreted and archived."""
        folder = self.folder / name
        folder.mkdir()
        invented.write_family_vcf(folder / f"{name}.vcf", [f"{name}-1"], [(variant, [call]) for variant, call in variants])
        (folder / "case.yaml").write_text(
            f"case: {name}\nreference: r\nevidence: e\nproband:\n  sample: {name}-1\n  sex: female\n"
            f"  phenotypes: [{', '.join(phenotypes)}]\nreads:\n  - {{sample: {name}-1, r1: r.fastq}}\n"
        )
        (folder / "r.fastq").touch()
        subject = load_subject(folder / "case.yaml")
        request = Request(subject, open_set(self.store / evidence), folder / f"{name}.vcf", self.setting.genome, self.setting.reference)
        write_results(interpret(request), folder / "out", issued="2026-01-02T00:00:00Z")
        self.put(name)

    def put(self, name: str) -> None:
        from genopipe.archive.references import Reference

        folder = self.folder / name
        options = PutOptions(None, Reference(self.setting.reference, self.setting.genome))
        keep(self.archive, [folder / f"{name}.vcf", folder / "out" / "findings.json"], options, case=folder / "case.yaml")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def missense(setting: Setting) -> Variant:  # noqa: F811
    return setting.world.codon_change("GENA", 25, "TGG")


@pytest.fixture(scope="module")
def stop(setting: Setting) -> Variant:  # noqa: F811
    return setting.world.codon_change("GENA", 40, "TAA")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, setting: Setting, missense: Variant, stop: Variant) -> Lab:  # noqa: F811
    """Cases CARRIER (a missense variant of GENA, and its phenotype), STOP (a stop in GENA) and OTHER (something else)."""
    lab = Lab(tmp_path_factory.mktemp("lab"), setting)
    shutil.copytree(setting.evidence.store.root, lab.store)
    lab.release("old", "2026-02-01", clinvar=lab.clinvar("old", (stop, "Pathogenic")))
    lab.case("CARRIER", [(missense, "0/1")], [SEIZURE])
    lab.case("STOP", [(stop, "0/1")], [SEIZURE, HYPOTONIA])
    lab.case("OTHER", [(setting.world.codon_change("GENC", 30, "TGG"), "0/1")], [BLISTERS])
    return lab


@pytest.fixture
def lab(built: Lab, tmp_path: Path) -> Lab:
    """A copy that a test may change."""
    shutil.copytree(built.folder, tmp_path / "lab")
    return Lab(tmp_path / "lab", built.setting)


def look(lab: Lab, *more: object, out: str = "changes") -> Result:
    """`genopipe reanalyze` with the set `new`."""
    given = ["reanalyze", "--archive", lab.archive, "--evidence", lab.store / "new", "--reference", lab.setting.reference]
    return CliRunner().invoke(genopipe, [str(part) for part in [*given, *more, "-o", lab.folder / out]])


def told(lab: Lab, *more: object) -> dict[str, dict[str, str]]:
    """By case and gene the kind of change."""
    result = look(lab, *more)
    assert result.exception is None, result.exception
    document = json.loads((lab.folder / "changes" / "reanalysis.json").read_text())
    return {case["case"]: {change["gene"]: change["change"] for change in case["changes"]} for case in document["cases"]}


def test_a_variant_that_clinvar_calls_pathogenic_now_is_told_for_its_carrier_only(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    assert told(lab) == {"CARRIER": {"GENA": "up"}}

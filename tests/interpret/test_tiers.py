"""Panels, tiers, age of onset, and what an earlier run saw."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from genopipe.cli.interpret import interpret as command
from genopipe.errors import BadConfiguration, BadInput
from genopipe.interpret.annotate import Assertion
from genopipe.interpret.consequence import Consequence
from genopipe.interpret.evidence import EvidenceSet, Release, add, lock
from genopipe.interpret.findings import Hit, Interpretation, Request
from genopipe.interpret.history import read_history
from genopipe.interpret.inheritance import Pattern
from genopipe.interpret.onset import age_of, too_late
from genopipe.interpret.ontology import load_phenotypes
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import findings_document, write_results
from genopipe.interpret.subject import load_subject
from genopipe.interpret.tiers import Panels
from genopipe.interpret.trace import why
from tests.interpret import world as invented
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, places
from tests.interpret.world import write_family_vcf

PANEL = """gene\tLevel4\tversion\tconfidence\tinheritance
GENA\tSeizures\t2.1\tgreen\tmonoallelic
GENB\tSeizures\t2.1\tgreen\tmonoallelic
GENC\tSeizures\t2.1\tamber\tbiallelic
GENX\tSeizures\t2.1\tgreen\tx-linked recessive
GENC\tSkin\t1.0\tgreen\tbiallelic
"""
ONSETS = {"HP:0003674": "HP:0000005", "HP:0003593": "HP:0003674", "HP:0003581": "HP:0003674", "HP:0011462": "HP:0003581"}


@pytest.fixture(scope="module")
def evidence(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> EvidenceSet:
    """The world's evidence with two panels, a list, and ages of onset: GENA adult, GENC infantile and adult."""
    folder, store = tmp_path_factory.mktemp("panels"), setting.evidence.store.root
    obo = invented.OBO + "".join(f"\n[Term]\nid: {term}\nname: Onset {term[-2:]}\nis_a: {above}\n" for term, above in ONSETS.items())
    table = invented.write_annotations(folder / "g2p.txt").read_text()
    table += "".join(f"1\t{gene}\t{term}\tname\t-\tOMIM:1\n" for gene, term in (("GENA", "HP:0011462"), ("GENC", "HP:0003593")))
    table += "1\tGENC\tHP:0003581\tname\t-\tOMIM:1\n"
    files = {
        "panel": ("panel.tsv", PANEL),
        "gene-list": ("list.txt", "GENC\n"),
        "hpo": ("hp.obo", obo),
        "hpo-annotations": ("g2p.txt", table),
    }
    for kind, (name, text) in files.items():
        (folder / name).write_text(text)
        add(store, kind, folder / name, release=Release(f"tiered-{kind}", "1", "2026-01-01", "CC0", None))
    kept = [dataset.name for dataset in setting.evidence.datasets if not dataset.kind.startswith("hpo")]
    return lock(store, "tiered", only=(*kept, *(f"tiered-{kind}" for kind in files)))


HIGH = Consequence("G", "g", "T.1", ("stop_gained",), "HIGH")
MODERATE = replace(HIGH, terms=("missense_variant",), impact="MODERATE")
LOW = replace(HIGH, terms=("splice_region_variant",), impact="LOW")
KNOWN = Assertion("VCV1", "pathogenic", 2, "", "G")


def hit(consequence: Consequence, *, known: bool = False, structural: bool = False) -> Hit:
    return Hit(0, "1-1-A-C", consequence, 1.0, 0.0, 0, KNOWN if known else None, structural=structural)


def pattern(mode: str, weight: float = 1.0) -> Pattern:
    return Pattern(mode, (0,), weight, "", new=mode.endswith("de_novo"))


@pytest.mark.parametrize(
    ("gene", "mode", "hits", "expected"),
    [
        ("GENA", "AD", [hit(HIGH)], "1"),
        ("GENA", "AD", [hit(MODERATE)], "2"),
        ("GENA", "AD_de_novo", [hit(MODERATE)], "1"),
        ("GENA", "AD", [hit(MODERATE, known=True)], "1"),
        ("GENA", "AD", [hit(LOW, known=True)], "1"),
        ("GENA", "AD", [hit(LOW)], None),
        ("GENA", "AR_hom", [hit(HIGH)], "3"),
        ("GENB", "AD", [hit(HIGH)], "1"),
        ("GENC", "AR_comphet", [hit(HIGH), hit(MODERATE)], "1"),
        ("GENC", "AR_comphet", [hit(MODERATE), hit(MODERATE)], "2"),
        ("GENC", "AR_comphet", [hit(HIGH), hit(LOW)], None),
        ("GENX", "XR", [hit(HIGH)], "1"),
        ("GENX", "XD", [hit(HIGH)], "1"),
        ("GEND", "AD", [hit(HIGH)], "3"),
        ("GENA", "AD", [hit(HIGH, structural=True)], "A"),
        ("GEND", "AD", [hit(HIGH, structural=True)], None),
    ],
)
def test_tiers(evidence: EvidenceSet, gene: str, mode: str, hits: list[Hit], expected: str | None) -> None:
    """The published rules, case by case; of a boy, so that X-linked recessive and dominant are one."""
    assert Panels(evidence, ()).tier(gene, pattern(mode), hits, male=True) == expected


def test_no_tier_without_panels_nor_for_what_does_not_segregate(setting: Setting, evidence: EvidenceSet) -> None:
    assert Panels(setting.evidence, ()).tier("GENA", pattern("AD"), [hit(HIGH)], male=True) is None
    assert Panels(evidence, ()).tier("GENA", pattern("AD_incomplete", 0.25), [hit(HIGH)], male=True) is None
    assert Panels(evidence, ()).tier("GENA", pattern("AR_single", 0.05), [hit(HIGH)], male=True) is None
    assert Panels(evidence, ()).tier("GENX", pattern("XD"), [hit(HIGH)], male=False) == "3"


def test_a_panel_that_is_not_there_is_told_with_those_that_are(evidence: EvidenceSet) -> None:
    with pytest.raises(BadConfiguration, match=r"no panel or gene list 'Hearts'.*Seizures, Skin, tiered-gene-list"):
        Panels(evidence, ("Hearts",))


@pytest.fixture
def variants(setting: Setting, tmp_path: Path) -> Path:
    place = places(setting)
    records = [(place["stop"], ["0/1", "0/0", "0/0"])]
    records += [(place["missense"], ["0/1", "0/1", "0/0"]), (place["frameshift"], ["0/1", "0/0", "0/1"])]
    return write_family_vcf(tmp_path / "family.vcf", ["KID", "MUM", "DAD"], records)


def run(setting: Setting, evidence: EvidenceSet, variants: Path, **more: object) -> Interpretation:
    subject = replace(load_subject(case_file(variants.parent, setting)), onset="P3D")
    return interpret(Request(subject, evidence, variants, setting.genome, setting.reference, **more))  # type: ignore[arg-type]


def test_a_case_has_tiers_and_panels_beside_its_ranks(setting: Setting, evidence: EvidenceSet, variants: Path) -> None:
    found = {finding.gene: finding for finding in run(setting, evidence, variants).findings}
    assert {gene: (finding.tier, finding.panels) for gene, finding in found.items()} == {
        "GENA": ("1", ("Seizures",)),
        "GENC": ("1", ("Skin",)),
    }
    assert any("green in Seizures" in reason for reason in found["GENA"].reasons)


@pytest.mark.parametrize(("name", "genes"), [("seizures", ["GENA"]), ("Skin", ["GENC"]), ("tiered-gene-list", ["GENC"])])
def test_a_panel_or_list_limits_what_is_ranked(
    setting: Setting, evidence: EvidenceSet, variants: Path, tmp_path: Path, name: str, genes: list[str]
) -> None:
    result = run(setting, evidence, variants, panels=(name,))
    assert [finding.gene for finding in result.findings] == genes
    assert any(note.startswith("Only the ") for note in result.notes)
    write_results(result, tmp_path / "out")
    assert (tmp_path / "out" / "findings.tsv").read_text().splitlines()[0].endswith("\ttier")
    stop = result.variants.name(0) if result.variants is not None else ""
    told = why(stop, tmp_path / "out").sentences[0]
    assert ("in none of the panels" in told) == ("GENA" not in genes)


def test_what_could_not_be_seen_is_told_of_the_genes_of_a_panel(
    setting: Setting, evidence: EvidenceSet, variants: Path, tmp_path: Path
) -> None:
    """GENC does not fit the phenotype; without panels it is not looked at."""
    (tmp_path / "u.bed").write_text("chr1\t0\t9000\nchr2\t0\t9000\n")
    for panels, genes in (((), ["GENA"]), (("Skin",), ["GENC"])):
        result = run(setting, evidence, variants, panels=panels, uncallable=tmp_path / "u.bed")
        assert [one.gene for one in result.unseen] == genes
        write_results(result, tmp_path / "out")
        assert f"in genes {'of the panels' if panels else 'that fit the phenotype'}</h3>" in (tmp_path / "out" / "report.html").read_text()


def test_panels_and_onset_hold_without_variants(setting: Setting, evidence: EvidenceSet, tmp_path: Path) -> None:
    """Of the green genes of a panel the one known in adults only has half the score, and says why."""
    subject = replace(load_subject(case_file(tmp_path, setting)), onset="P3D")
    plain = {finding.gene: finding for finding in interpret(Request(subject, evidence)).findings}
    limited = {finding.gene: finding for finding in interpret(Request(subject, evidence, panels=("Seizures",), by_onset=True)).findings}
    assert set(limited) == {"GENA", "GENB", "GENX"} & set(plain)
    assert limited["GENA"].score == pytest.approx(plain["GENA"].score / 2, abs=1e-6)
    assert any("begins later" in reason for reason in limited["GENA"].reasons)


def test_onset(setting: Setting, evidence: EvidenceSet, variants: Path) -> None:
    """GENA is only known to begin in adults, GENC also in infants."""
    plain, by_onset = run(setting, evidence, variants), run(setting, evidence, variants, by_onset=True)
    before, after = ({finding.gene: finding for finding in result.findings} for result in (plain, by_onset))
    assert after["GENA"].score == pytest.approx(before["GENA"].score / 2, abs=1e-6)
    assert after["GENC"].score == before["GENC"].score
    assert any("begins later" in reason for reason in after["GENA"].reasons)


@pytest.mark.parametrize(("onset", "late"), [("P7Y", {"GENA"}), ("P8Y", set()), ("P30Y", set()), ("P1M1D", {"GENA"})])
def test_half_of_the_earliest_known_age_is_too_early(
    setting: Setting, evidence: EvidenceSet, tmp_path: Path, onset: str, late: set[str]
) -> None:
    """Adult onset begins at 16 years."""
    subject = replace(load_subject(case_file(tmp_path, setting)), onset=onset)
    assert set(too_late(*load_phenotypes(evidence), age_of(subject))) == late


@pytest.mark.parametrize(("onset", "told"), [(None, "no age at onset"), ("soon", "onset 'soon'")])
def test_ranking_by_onset_needs_one(setting: Setting, tmp_path: Path, onset: str | None, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        age_of(replace(load_subject(case_file(tmp_path, setting)), onset=onset))


def test_dates_are_carried_from_run_to_run(setting: Setting, evidence: EvidenceSet, variants: Path, tmp_path: Path) -> None:
    """First seen stays; a change of criteria or of ClinVar is dated and tells what was before."""
    result = run(setting, evidence, variants)
    write_results(result, tmp_path / "first", issued="2026-01-01T00:00:00Z")
    write_results(result, tmp_path / "second", issued="2026-02-01T00:00:00Z", previous=tmp_path / "first" / "findings.json")
    second = json.loads((tmp_path / "second" / "findings.json").read_text())
    dated = [
        (one["first_seen"], one["evidence_changed"], one["evidence_before"]) for finding in second["findings"] for one in finding["hits"]
    ]
    assert set(map(str, dated)) == {str(("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None))}
    one = second["findings"][0]["hits"][0]
    one["acmg"]["class"], one["acmg"]["criteria"] = "uncertain significance", []
    (tmp_path / "changed.json").write_text(json.dumps(second))
    history = read_history(tmp_path / "changed.json", result.request.subject.case)
    third = findings_document(result, "2026-03-01T00:00:00Z", history)["findings"][0]["hits"][0]
    assert (third["first_seen"], third["evidence_changed"]) == ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert third["evidence_before"] == {"class": "uncertain significance", "criteria": [], "clinvar": None}


def test_a_run_without_dates_knows_none(setting: Setting, evidence: EvidenceSet, variants: Path) -> None:
    hits = findings_document(run(setting, evidence, variants), None)["findings"][0]["hits"]
    assert hits[0]["first_seen"] is hits[0]["evidence_changed"] is None


def ask(setting: Setting, folder: Path, *more: str) -> Result:
    case = case_file(folder, setting)
    arguments = ["--case", str(case), "--evidence", str(setting.evidence_path), "-o", str(folder / "out"), *more]
    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize("text", ["{", "[]", '{"case": "TEST-1"}', '{"case": "TEST-1", "findings": [{"gene": "G", "hits": [{"id": 1}]}]}'])
def test_what_is_no_earlier_run_is_refused(setting: Setting, tmp_path: Path, text: str) -> None:
    (tmp_path / "old.json").write_text(text)
    error = ask(setting, tmp_path, "--previous", str(tmp_path / "old.json")).exception
    assert isinstance(error, BadInput)
    assert "findings.json of an earlier" in str(error)
    assert not (tmp_path / "out").exists()


def test_the_findings_of_another_case_are_refused(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"case": "OTHER", "findings": []}')
    assert "findings of the case OTHER" in str(ask(setting, tmp_path, "--previous", str(tmp_path / "old.json")).exception)


def test_a_panel_that_the_set_lacks_is_refused_by_the_command(setting: Setting, variants: Path) -> None:
    error = ask(setting, variants.parent, "--variants", str(variants), "--reference", str(setting.reference), "--panel", "Hearts").exception
    assert isinstance(error, BadConfiguration)
    assert "which has none" in str(error)


def test_a_case_file_may_name_panels(setting: Setting, evidence: EvidenceSet, variants: Path) -> None:
    case = case_file(variants.parent, setting)
    case.write_text(case.read_text() + "panels: [Skin]\n")
    result = interpret(Request(load_subject(case), evidence, variants, setting.genome, setting.reference))
    assert [finding.gene for finding in result.findings] == ["GENC"]

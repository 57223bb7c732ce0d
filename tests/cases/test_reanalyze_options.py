"""Archived cases ranked again as they were ranked then: with structural variants, panels and ages of onset, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.cli import genopipe
from genopipe.errors import GenopipeError
from genopipe.interpret.ranking import interpret
from genopipe.interpret.results import write_results
from tests.cases.test_reanalyze import BLISTERS, HYPOTONIA, SEIZURE, Lab, built, document, files_of, lab, look, missense, stop, told  # noqa: F401
from tests.interpret import world as invented
from tests.interpret.conftest import setting  # noqa: F401
from tests.interpret.test_structural import structural_vcf
from tests.interpret.test_tiers import ONSETS, PANEL

ISSUED = "2026-03-05T00:00:00Z"
BEARABLE = "gene\tpLI\toe_lof_upper\nGENA\t0.0\t1.5\nGENB\t0.0\t1.5\nGENC\t0.0\t1.2\n"
Variant = tuple[str, int, str, str]


def same_as_interpreted_anew(lab: Lab, case: str, **ranked: object) -> None:  # noqa: F811
    """The new ranking of a case is what a whole interpretation with the new set writes."""
    anew = lab.folder / "anew"
    write_results(interpret(lab.request(case, "new", **ranked)), anew, issued=ISSUED, previous=lab.folder / case / "out" / "findings.json")
    assert files_of(lab.folder / "changes" / "cases" / case) == files_of(anew)


def deletion(lab: Lab, gene: str, *, case: str) -> Path:  # noqa: F811
    """A structural VCF of one person who lacks a copy of a gene."""
    about = lab.setting.world.transcripts[gene]
    record = f"{about.contig} {about.start - 100} . N <DEL> . PASS END={about.end + 100};SVTYPE=DEL GT 0/1"
    return structural_vcf(lab.folder / f"{case}.structural.vcf", record, samples=f"{case}-1")


def test_structural_variants_are_ranked_again_with_the_others(lab: Lab, tmp_path: Path) -> None:  # noqa: F811
    large = deletion(lab, "GENA", case="LARGE")
    lab.case("LARGE", [(lab.setting.world.codon_change("GENC", 30, "TGG"), "0/1")], [SEIZURE, HYPOTONIA], structural=large)
    lab.put("LARGE", large)
    (tmp_path / "c.tsv").write_text(BEARABLE)
    lab.release("new", "2026-03-01", constraint=tmp_path / "c.tsv")
    assert told(lab, "--issued", ISSUED)["LARGE"] == {"GENA": "down"}
    assert document(lab)["without"] == {}
    same_as_interpreted_anew(lab, "LARGE", structural=large)


def test_gene_models_that_changed_concern_who_has_structural_variants(lab: Lab, tmp_path: Path) -> None:  # noqa: F811
    large = deletion(lab, "GENA", case="LARGE")
    lab.case("LARGE", [(lab.setting.world.codon_change("GENC", 30, "TGG"), "0/1")], [SEIZURE, HYPOTONIA], structural=large)
    lab.put("LARGE", large)
    shutil.copytree(lab.archive, lab.folder / "before")
    few = {name: model for name, model in lab.setting.world.transcripts.items() if name != "GENA"}
    world = type(lab.setting.world)(**{**vars(lab.setting.world), "transcripts": few})
    lab.release("new", "2026-03-01", genes=invented.write_genes(world, tmp_path / "genes.gff3"))
    assert told(lab)["LARGE"] == {"GENA": "withdrawn"}


def test_a_structural_vcf_that_is_not_archived_is_told(lab: Lab, tmp_path: Path) -> None:  # noqa: F811
    large = deletion(lab, "GENA", case="LARGE")
    lab.case("LARGE", [(lab.setting.world.codon_change("GENC", 30, "TGG"), "0/1")], [SEIZURE, HYPOTONIA], structural=large)
    (tmp_path / "c.tsv").write_text(BEARABLE)
    lab.release("new", "2026-03-01", constraint=tmp_path / "c.tsv")
    assert "LARGE" not in told(lab)
    assert document(lab)["without"] == {"LARGE": ["structural variants"]}
    assert "LARGE: without structural variants" in (lab.folder / "changes" / "report.html").read_text()
    lab.put("LARGE", large)
    assert told(lab)["LARGE"] == {"GENA": "down"}


@pytest.fixture
def tiered(lab: Lab, missense: Variant) -> Lab:  # noqa: F811
    """With panels, and a case that is limited to one of them."""
    (lab.folder / "panel.tsv").write_text(PANEL)
    lab.release("panels", "2026-02-02", panel=lab.folder / "panel.tsv")
    lab.case("SKIN", [(missense, "0/1")], [SEIZURE, HYPOTONIA], evidence="panels", panels=("Skin",))
    return lab


def test_a_case_stays_limited_to_its_panels(tiered: Lab, missense: Variant, stop: Variant) -> None:  # noqa: F811
    tiered.release("new", "2026-03-01", clinvar=tiered.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    assert told(tiered) == {"CARRIER": {"GENA": "up"}}
    assert (tiered.folder / "changes" / "cases" / "SKIN.json").exists()


def test_a_gene_that_came_to_its_panel_is_new_for_a_limited_case(tiered: Lab, tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text(PANEL.replace("Skin\t1.0", "Skin\t1.1") + "GENA\tSkin\t1.1\tgreen\tmonoallelic\n")
    tiered.release("new", "2026-03-01", panel=tmp_path / "p.tsv")
    assert told(tiered, "--since", tiered.store / "panels", "--issued", ISSUED) == {"SKIN": {"GENA": "new"}}
    same_as_interpreted_anew(tiered, "SKIN", panels=("Skin",))


def test_a_gene_that_left_its_panel_loses_its_tier(tiered: Lab, tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text(PANEL.replace("GENA\tSeizures\t2.1\tgreen", "GENA\tSeizures\t2.1\tamber"))
    tiered.release("new", "2026-03-01", panel=tmp_path / "p.tsv")
    found = told(tiered, "--since", tiered.store / "panels")
    assert found == {"CARRIER": {"GENA": "down"}, "STOP": {"GENA": "down"}}
    assert "Tier: 1, now 3." in document(tiered)["cases"][1]["changes"][0]["why"]


def test_a_panel_that_is_gone_is_told_for_the_case(tiered: Lab, tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("".join(line for line in PANEL.splitlines(keepends=True) if "Skin" not in line))
    tiered.release("new", "2026-03-01", panel=tmp_path / "p.tsv")
    result = look(tiered, "--since", tiered.store / "panels")
    assert isinstance(result.exception, GenopipeError)
    assert set(document(tiered)["faults"]) == {"SKIN"} and "no panel or gene list 'Skin'" in document(tiered)["faults"]["SKIN"]


def test_an_age_of_onset_that_is_known_now_counts_for_who_is_ranked_by_it(lab: Lab, tmp_path: Path, missense: Variant) -> None:  # noqa: F811
    table = invented.write_annotations(tmp_path / "g2p.txt")
    obo = tmp_path / "hp.obo"
    obo.write_text(invented.OBO + "".join(f"\n[Term]\nid: {term}\nname: O {term[-2:]}\nis_a: {above}\n" for term, above in ONSETS.items()))
    lab.release("onsets", "2026-02-02", hpo=obo)
    lab.case("LATE", [(missense, "0/1")], [SEIZURE, HYPOTONIA], evidence="onsets", by_onset=True)
    lab.case("SOON", [(missense, "0/1")], [SEIZURE, HYPOTONIA], evidence="onsets")
    table.write_text(table.read_text() + "1\tGENA\tHP:0011462\tname\t-\tOMIM:1\n")
    lab.release("new", "2026-03-01", hpo_annotations=table)
    found = told(lab, "--since", lab.store / "onsets", "--issued", ISSUED)
    assert found["LATE"] == {"GENA": "withdrawn"} and "SOON" not in found
    same_as_interpreted_anew(lab, "LATE", by_onset=True)


def test_a_change_of_pharmacogenomics_concerns_nobody_and_is_told_as_not_looked_at(lab: Lab, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "pharmcat").mkdir()
    (tmp_path / "pharmcat" / "GENE_translation.json").write_text("{}")
    lab.release("new", "2026-03-01", pgx_definitions=tmp_path / "pharmcat")
    assert told(lab) == {}
    assert document(lab)["cases_looked_at"] == 0
    assert "star alleles" in (lab.folder / "changes" / "report.html").read_text()


def test_two_runs_into_one_folder_are_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    lab.release("new", "2026-03-01")
    from genopipe.cases import reanalyze as module

    inside: list[str] = []

    def other(*_: object) -> object:
        given = ["reanalyze", "--archive", lab.archive, "--evidence", lab.store / "new", "-o", lab.folder / "changes"]
        monkeypatch.undo()
        inside.append(str(CliRunner().invoke(genopipe, [str(part) for part in given]).exception))
        return [], {}

    monkeypatch.setattr(module, "_all_looked_at", other)
    told(lab)
    assert "another re-analysis writes to this folder" in inside[0]

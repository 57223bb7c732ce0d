"""Questions that join the catalogue with evidence: rare variants gene by gene, and probands by phenotype."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner

from genopipe.cli import genopipe
from genopipe.errors import GenopipeError
from genopipe.interpret.evidence import Release, add, lock
from tests.cases.test_reanalyze import SEIZURE, Lab, Variant, built, lab, missense, setting, stop  # noqa: F401
from tests.interpret import world as invented


def asked(*arguments: object) -> list[tuple[str, ...]]:
    """The rows of an answer."""
    result = CliRunner().invoke(genopipe, ["archive", *map(str, arguments)])
    assert result.exit_code == 0, result.exception
    return [tuple(line.split("\t")) for line in result.output.splitlines()[1:]]


def fault(*arguments: object) -> str:
    result = CliRunner().invoke(genopipe, ["archive", *map(str, arguments)])
    assert isinstance(result.exception, GenopipeError), result.output
    return str(result.exception)


def test_rare_coding_variants_are_counted_gene_by_gene(built: Lab) -> None:  # noqa: F811
    """CARRIER has a missense variant of GENA, STOP a stop in it, OTHER a missense variant of GENC; three probands, all affected."""
    found = asked("burden", "--archive", built.archive, "--evidence", built.store / "old")
    assert found == [("GENA", "2", "2", "2", "0", "3"), ("GENC", "1", "1", "1", "0", "3")]
    assert asked("burden", "--archive", built.archive, "--evidence", built.store / "old", "--gene", "GENC") == found[1:]


def test_what_is_frequent_in_the_population_does_not_count(lab: Lab, missense: Variant, tmp_path: Path) -> None:  # noqa: F811
    seen = [(*missense, "AF=0.01;nhomalt=0")]
    lab.release("seen", "2026-03-01", frequency=invented.write_sites(tmp_path / "f.vcf.gz", invented.FREQUENCY_HEADER, seen))
    given = ("burden", "--archive", lab.archive, "--evidence", lab.store / "seen", "--gene", "GENA")
    assert asked(*given)[0][:3] == ("GENA", "1", "1")
    assert asked(*given, "--most-frequent", "0.02")[0][:3] == ("GENA", "2", "2")


def test_a_gene_without_models_is_told(built: Lab) -> None:  # noqa: F811
    assert "no gene 'NOGENE'" in fault("burden", "--archive", built.archive, "--evidence", built.store / "old", "--gene", "NOGENE")


def test_evidence_without_models_or_of_another_assembly_is_told(lab: Lab, tmp_path: Path) -> None:  # noqa: F811
    lock(lab.store, "bare", only=["hpo"])
    assert "has no gene models" in fault("burden", "--archive", lab.archive, "--evidence", lab.store / "bare")
    genes = invented.write_genes(lab.setting.world, tmp_path / "genes.gff3")
    add(lab.store, "genes", genes, release=Release("other", "1", "2026-03-01", "CC0", "elsewhere"))
    lock(lab.store, "other", only=["other"])
    assert "variants on world" in fault("burden", "--archive", lab.archive, "--evidence", lab.store / "other")


def test_probands_are_found_by_a_term_and_by_one_above_it(built: Lab) -> None:  # noqa: F811
    both = [("CARRIER-1", "CARRIER", SEIZURE), ("STOP-1", "STOP", SEIZURE)]
    assert asked("samples", SEIZURE, "--archive", built.archive) == both
    assert asked("samples", "HP:0000707", "--archive", built.archive) == []
    below = asked("samples", "HP:0000707", "--archive", built.archive, "--evidence", built.store / "old")
    assert {row[:2] for row in below} == {row[:2] for row in both}


def test_a_term_that_the_ontology_lacks_is_told(built: Lab) -> None:  # noqa: F811
    message = fault("samples", "HP:7777777", "--archive", built.archive, "--evidence", built.store / "old")
    assert "unknown or obsolete HPO term" in message


def test_affected_and_unaffected_are_cohorts(built: Lab, missense: Variant) -> None:  # noqa: F811
    contig, position, ref, alt = missense
    found = asked("counts", f"{contig}-{position + 1}-{ref}-{alt}", "--archive", built.archive)
    assert found == [("affected", "3", "1", "0", "1")]


def test_the_catalogue_is_made_again_with_cases_and_findings(lab: Lab) -> None:  # noqa: F811
    before = asked("query", "SELECT * FROM findings ORDER BY ALL", "--archive", lab.archive)
    shutil.rmtree(lab.archive / "catalogue")
    made = CliRunner().invoke(genopipe, ["archive", "catalogue", "--archive", str(lab.archive), "--reference", str(lab.setting.reference)])
    assert made.exit_code == 0 and "6 parts" in made.output
    assert asked("query", "SELECT * FROM findings ORDER BY ALL", "--archive", lab.archive) == before
    assert before


def test_an_evidence_set_that_is_not_there_is_told(built: Lab) -> None:  # noqa: F811
    assert "no evidence set" in fault("burden", "--archive", built.archive, "--evidence", built.store / "not")

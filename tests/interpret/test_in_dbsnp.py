"""A variant that the VCF flags as known to dbSNP counts a tenth, unless the evidence says more of it.

Oracle: the same family without the flag, and with it where a frequency table reaches.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.interpret.evidence import lock
from genopipe.interpret.findings import Interpretation, Request
from genopipe.interpret.ranking import IN_DBSNP_FACTOR, LEAST_PHENOTYPE, combine, interpret
from genopipe.interpret.subject import load_subject
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, places
from tests.interpret.world import write_family_vcf

FLAG = '##INFO=<ID=DB,Number=0,Type=Flag,Description="x">'


def interpreted(setting: Setting, folder: Path, *, flagged: bool, frequencies: bool = False) -> Interpretation:
    """A variant of two copies, without a reference."""
    vcf = write_family_vcf(folder / f"{flagged}.vcf", ["KID"], [(places(setting)["missense"], ["1/1"])], extra=FLAG)
    if flagged:
        vcf.write_text(vcf.read_text().replace("\tPASS\t.\t", "\tPASS\tDB\t"))
    kept = ("hpo", "hpo-annotations", "genes", "clinvar")
    only = (*kept, "frequency") if frequencies else kept
    evidence = lock(setting.evidence.store.root, f"db-{frequencies}", only=only)
    return interpret(Request(load_subject(case_file(folder, setting)), evidence, vcf))


def test_known_to_dbsnp_counts_a_tenth(setting: Setting, tmp_path: Path) -> None:
    (plain,), (flagged,) = (interpreted(setting, tmp_path, flagged=flag).findings for flag in (False, True))
    assert plain.variant_score and flagged.variant_score == pytest.approx(IN_DBSNP_FACTOR * plain.variant_score)


def test_the_flag_is_told_beside_the_lacking_frequencies(setting: Setting, tmp_path: Path) -> None:
    notes = interpreted(setting, tmp_path, flagged=True).notes
    assert any("known to dbSNP count a tenth" in note for note in notes)
    assert not any("dbSNP" in note for note in interpreted(setting, tmp_path, flagged=False).notes)


def test_a_frequency_that_nobody_looked_up_is_not_called_none(setting: Setting, tmp_path: Path) -> None:
    """`In none of the tables` is said where a table reaches the variant."""
    (without,) = interpreted(setting, tmp_path, flagged=False).findings
    assert any("is not known: no frequency table" in reason for reason in without.reasons)
    (beside,) = interpreted(setting, tmp_path, flagged=False, frequencies=True).findings
    assert any("is in none of the frequency tables" in reason for reason in beside.reasons)


def test_the_flag_means_nothing_where_a_frequency_table_reaches(setting: Setting, tmp_path: Path) -> None:
    (told,) = interpreted(setting, tmp_path, flagged=True, frequencies=True).findings
    assert told.variant_score is not None and told.variant_score > IN_DBSNP_FACTOR


def test_a_gene_of_which_nothing_is_known_is_ranked_by_its_variants() -> None:
    assert combine(0.0, 1.0, "genopipe", posterior=0.1) == LEAST_PHENOTYPE > combine(0.0, 0.5, "genopipe", posterior=0.1) > 0
    assert combine(0.5, 0.8, "genopipe", posterior=0.1) == pytest.approx(0.4)

"""What is not wrong enough to stop, and evidence that is too old, are named.

Oracle: inputs made to have one of these each.
"""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from genopipe.cli.interpret import interpret as interpret_command
from genopipe.errors import BadInput
from genopipe.interpret.evidence import Release, add
from genopipe.interpret.findings import Request
from genopipe.interpret.ranking import interpret
from genopipe.interpret.staleness import check_age
from genopipe.interpret.subject import load_subject
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, places
from tests.interpret.world import write_family_vcf


def test_a_phenotype_that_no_gene_is_known_for_ranks_by_variants(
    setting: Setting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """HP:0000001 is everything's ancestor and tells no gene from another."""
    place = places(setting)
    vcf = write_family_vcf(tmp_path / "a.vcf", ["KID"], [(place["stop"], ["0/1"]), (place["known"], ["1/1"])])
    case = load_subject(case_file(tmp_path, setting, phenotypes="[HP:0000001]"))
    with caplog.at_level(logging.WARNING, logger="genopipe"):
        result = interpret(Request(case, setting.evidence, vcf, setting.genome, setting.reference))
    assert any("No term of the phenotype is known of any gene" in note for note in result.notes)
    assert "no term of the phenotype is known of any gene" in caplog.text
    assert [finding.score for finding in result.findings] == [finding.variant_score for finding in result.findings]


def test_terms_that_describe_nobody_are_left_out_and_named(setting: Setting, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mode of inheritance beside a seizure changes no score; alone it leaves the variants."""
    vcf = write_family_vcf(tmp_path / "a.vcf", ["KID"], [(places(setting)["stop"], ["0/1"])])

    def ranked(terms: str) -> tuple[list[float], str]:
        case = load_subject(case_file(tmp_path, setting, phenotypes=terms))
        result = interpret(Request(case, setting.evidence, vcf, setting.genome, setting.reference))
        return [finding.phenotype_score for finding in result.findings], " ".join(result.notes)

    with caplog.at_level(logging.WARNING, logger="genopipe"):
        both, alone = ranked("[HP:0001250, HP:0000006]"), ranked("[HP:0000006]")
    assert both[0] == ranked("[HP:0001250]")[0]
    assert "Left out, as it says nothing of what the patient shows: Autosomal dominant inheritance." in both[1]
    assert "No term of the phenotype is known of any gene" in alone[1]
    assert "terms that say nothing of what the patient shows are left out: Autosomal dominant inheritance" in caplog.text


def test_a_file_without_a_variant_of_the_patient_is_named(setting: Setting, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A negative result of an empty file, or of one in which only a parent was called, is none."""
    vcf = write_family_vcf(tmp_path / "a.vcf", ["KID", "MUM"], [(places(setting)["stop"], ["./.", "0/1"])])
    with caplog.at_level(logging.WARNING, logger="genopipe"):
        result = interpret(Request(load_subject(case_file(tmp_path, setting)), setting.evidence, vcf, setting.genome, setting.reference))
    assert not result.findings
    assert any("The VCF has no variant of the patient" in note for note in result.notes)
    assert "The VCF has no variant of the patient" in caplog.text


def test_a_variant_that_stands_there_twice_counts_once(setting: Setting, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = places(setting)["stop"]
    vcf = write_family_vcf(tmp_path / "a.vcf", ["KID"], [(place, ["0/1"]), (place, ["1/1"])])
    with caplog.at_level(logging.WARNING, logger="genopipe"):
        variants = read_variants(vcf, ["KID"])
    assert len(variants) == 1
    assert int(variants.alt_count[0, 0]) == 1
    assert "1 of the proband's variants stand in the VCF more than once" in caplog.text


def test_stale_evidence_is_named(setting: Setting) -> None:
    """The data sets of the test are of 2026-01-01."""
    check_age(setting.evidence, days=30, on=date(2026, 1, 31))
    with pytest.raises(BadInput, match=r"clinvar is 31 days old.*at most 30 days"):
        check_age(setting.evidence, days=30, on=date(2026, 2, 1))


def test_the_age_counts_by_the_date_of_issue(setting: Setting, tmp_path: Path) -> None:
    words = ["--case", str(case_file(tmp_path, setting)), "--evidence", str(setting.evidence_path), "-o", str(tmp_path / "out")]
    young = CliRunner().invoke(interpret_command, [*words, "--max-age", "30", "--issued", "2026-01-15T00:00:00Z"])
    assert young.exit_code == 0, young.exception
    old = CliRunner().invoke(interpret_command, [*words, "--max-age", "30", "--issued", "2026-03-15T00:00:00Z"])
    assert isinstance(old.exception, BadInput)
    assert isinstance(CliRunner().invoke(interpret_command, [*words, "--max-age", "30"]).exception, BadInput)


@pytest.mark.parametrize(
    ("length", "assembly", "fault"), [(248_956_422, "GRCh37", True), (249_250_621, "GRCh37", False), (5, "GRCh37", False)]
)
def test_without_a_reference_the_lengths_of_contigs_tell_the_build(tmp_path: Path, length: int, assembly: str, fault: bool) -> None:
    """Lengths of chromosome 1 from the assembly reports of NCBI."""
    (tmp_path / "a.vcf").write_text(
        f"##fileformat=VCFv4.2\n##contig=<ID=chr1,length={length}>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tKID\nchr1\t5\t.\tA\tC\t.\t.\tAF=0.1\tGT\t0/1\n"
    )
    release = Release("f", "1", "2026-01-01", "CC0", assembly)
    if not fault:
        assert len(read_variants(tmp_path / "a.vcf", ["KID"], assembly=assembly)) == 1
        assert add(tmp_path / "E", "frequency", tmp_path / "a.vcf", release=release).records == 1
        return
    with pytest.raises(BadInput, match=f"contig chr1 has {length:,} bases, as on GRCh38; wanted a VCF on {assembly}"):
        read_variants(tmp_path / "a.vcf", ["KID"], assembly=assembly)
    with pytest.raises(BadInput, match=f"wanted a VCF on {assembly}"):
        add(tmp_path / "E", "frequency", tmp_path / "a.vcf", release=release)

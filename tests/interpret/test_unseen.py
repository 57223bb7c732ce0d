"""Coding bases that could not be called are counted by gene, and told where the gene fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.cli.interpret import interpret
from genopipe.interpret.transcripts import transcripts_of
from genopipe.interpret.unseen import MOST_TOLD, Unseen, told, unseen_genes
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file

spans = st.lists(st.tuples(st.integers(1_900, 4_500), st.integers(0, 400)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans)
def test_bases_are_counted_as_a_mask_counts_them(setting: Setting, tmp_path: Path, regions: list[tuple[int, int]]) -> None:
    """Regions in any order, overlapping, empty, on a contig named without `chr`; on another contig they do not count."""
    bed = tmp_path / "u.bed"
    bed.write_text("".join(f"1\t{start}\t{start + length}\n2\t{start}\t{start + length}\n" for start, length in regions))
    seen = np.ones(30_000, bool)
    for start, length in regions:
        seen[start : start + length] = False
    coding = np.zeros(30_000, bool)
    for start, end in setting.world.transcripts["GENA"].coding:
        coding[start:end] = True
    n_unseen = int((coding & ~seen).sum())
    expected = [Unseen("GENA", n_unseen, int(coding.sum()))] if n_unseen else []
    assert unseen_genes(bed, transcripts_of(setting.evidence, ["GENA"])) == expected


def test_genes_that_fit_best_are_told_first_and_long_lists_are_cut() -> None:
    unseen = [Unseen(f"G{i:02d}", 1_000 + i, 2_000) for i in range(MOST_TOLD + 2)]
    sentence = told(unseen, {one.gene: i / 100 for i, one in enumerate(unseen)})
    assert "fit the phenotype: G11 (1,011 of 2,000), G10 " in sentence
    assert sentence.endswith("G02 (1,002 of 2,000) and 2 more.")


def test_the_report_tells_where_nothing_could_be_seen(setting: Setting, tmp_path: Path) -> None:
    """GENA fits and lies in an uncallable region, so does GENC, which does not fit."""
    bed, vcf = tmp_path / "u.bed", tmp_path / "v.vcf"
    bed.write_text("chr1\t0\t9000\nchr2\t0\t9000\n")
    head = '##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
    vcf.write_text(head + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tKID\tMUM\tDAD\n")
    arguments = ["--variants", vcf, "--case", case_file(tmp_path, setting), "--evidence", setting.evidence_path, "--uncallable", bed]
    done = CliRunner().invoke(interpret, [*map(str, arguments), "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0
    n_coding = sum(end - start for start, end in setting.world.transcripts["GENA"].coding)
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Coding bases that could not be seen, in genes that fit the phenotype: GENA ({n_coding} of {n_coding})." in page
    assert "Negative result" in page

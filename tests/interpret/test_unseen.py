"""Coding bases that could not be called are counted by gene, and told where the gene fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.cli.interpret import interpret
from genopipe.interpret.transcripts import transcripts_of
from genopipe.interpret.unseen import Unseen, unseen_genes
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file

spans = st.lists(st.tuples(st.integers(1_900, 4_500), st.integers(0, 400)), min_size=1, max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    transcript = setting.world.transcripts["GENA"]
    exons = tuple(number for number, (start, end) in enumerate(transcript.exons, 1) if (coding & ~seen)[start:end].any())
    expected = [Unseen("GENA", n_unseen, int(coding.sum()), exons)] if n_unseen else []
    assert unseen_genes(bed, transcripts_of(setting.evidence, ["GENA"])) == expected


def test_exons_of_the_other_strand_count_from_their_own_beginning(setting: Setting, tmp_path: Path) -> None:
    """The last exon of GENC by position is its first."""
    transcript = setting.world.transcripts["GENC"]
    start, end = transcript.exons[-1]
    (tmp_path / "u.bed").write_text(f"chr2\t{start}\t{end}\n")
    [unseen] = unseen_genes(tmp_path / "u.bed", transcripts_of(setting.evidence, ["GENC"]))
    assert unseen.exons == (1,)


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
    assert "No result" in page
    assert f'<td><b>GENA</b></td><td>1, 2, 3, 4</td><td class="number">{n_coding} (100 %)</td>' in page
    assert "<b>GENC</b>" not in page
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert findings["unseen"] == [{"gene": "GENA", "n_unseen": n_coding, "n_coding": n_coding, "exons": [1, 2, 3, 4]}]
    assert "Repeat expansions" in findings["not_looked_for"]

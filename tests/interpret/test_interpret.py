"""From a family's VCF to ranked, explained files: the main road, and every way to get lost on it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pysam
import pytest
from click.testing import CliRunner

from genopipe.cli.evidence import evidence as evidence_command
from genopipe.cli.interpret import interpret as interpret_command
from genopipe.errors import BadConfiguration, BadInput, GenopipeError
from genopipe.interpret.evidence import open_set
from genopipe.interpret.findings import Interpretation, Request
from genopipe.interpret.ranking import combine, frequency_factor, interpret
from genopipe.interpret.results import COLUMNS, write_results
from genopipe.interpret.subject import load_subject
from tests.interpret.conftest import Setting
from tests.interpret.world import write_family_vcf

FAMILY = """family:
  - {sample: MUM, relation: mother, sex: female, affected: false}
  - {sample: DAD, relation: father, sex: male, affected: false}
"""


def case_file(folder: Path, setting: Setting, *, family: str = FAMILY, phenotypes: str = "[HP:0001250, HP:0001252]") -> Path:
    for sample in ("KID", "MUM", "DAD"):
        (folder / f"{sample}.fastq").write_text("")
    people = ["KID", "MUM", "DAD"] if family == FAMILY else ["KID"]
    reads = "".join(f"  - {{sample: {sample}, r1: {sample}.fastq}}\n" for sample in people)
    path = folder / "case.yaml"
    path.write_text(
        f"case: TEST-1\nreference: {setting.reference}\nevidence: {setting.evidence_path}\n"
        f"proband:\n  sample: KID\n  sex: male\n  phenotypes: {phenotypes}\n{family}reads:\n{reads}"
    )
    return path


def places(setting: Setting) -> dict[str, tuple[str, int, str, str]]:
    """A new stop in GENA, a pair in GENC, a common variant in GEND, one known as pathogenic in GENC."""
    world = setting.world
    contig, start, _, _ = world.codon_change("GENC", 40, "AAA")
    frame = (contig, start, world.bases(contig, start, start + 3), world.bases(contig, start, start + 1))
    return {
        "stop": world.codon_change("GENA", 25, "TAG"),
        "missense": world.codon_change("GENC", 8, "TGG"),
        "frameshift": frame,
        "common": world.codon_change("GEND", 30, "TGG"),
        "known": world.codon_change("GENC", 20, "TAA"),
    }


def _far_from_genes(setting: Setting) -> tuple[str, int, str, str]:
    ref = setting.world.bases("chrX", 200, 201)
    return "chrX", 200, ref, "A" if ref != "A" else "C"


@pytest.fixture
def trio(setting: Setting, tmp_path: Path) -> Path:
    place = places(setting)
    records = [
        (place["stop"], ["0/1", "0/0", "0/0"]),
        (place["missense"], ["0/1", "0/1", "0/0"]),
        (place["frameshift"], ["0/1", "0/0", "0/1"]),
        (place["common"], ["0/1", "0/0", "0/1"]),
        (("chrX", 100, setting.world.bases("chrX", 100, 101), "<DEL>"), ["0/1", "0/0", "0/1"]),
        (_far_from_genes(setting), ["1", "0/1", "0"]),
    ]
    return write_family_vcf(tmp_path / "family.vcf", ["KID", "MUM", "DAD"], records)


def request(setting: Setting, variants: Path | None, case: Path, **more: object) -> Request:
    return Request(load_subject(case), setting.evidence, variants, setting.genome, setting.reference, **more)  # type: ignore[arg-type]


def result_of(setting: Setting, variants: Path | None, folder: Path) -> Interpretation:
    return interpret(request(setting, variants, case_file(folder, setting)))


@pytest.mark.parametrize("score", ["genopipe", "exomiser14", "exomiser15"])
def test_a_new_variant_that_fits_stands_above_a_recessive_pair_that_does_not(
    setting: Setting, trio: Path, tmp_path: Path, score: str
) -> None:
    result = interpret(request(setting, trio, case_file(tmp_path, setting), score=score))
    assert [finding.gene for finding in result.findings] == ["GENA", "GENC"]
    first, second = result.findings
    assert first.pattern is not None
    assert second.pattern is not None
    assert (first.pattern.mode, second.pattern.mode) == ("AD_de_novo", "AR_comphet")
    assert second.pattern.in_trans
    assert first.score > 2 * second.score
    assert re.fullmatch(r"p\.\([A-Z][a-z]{2}26Ter\)", first.hits[0].consequence.hgvs_p or "")
    assert {criterion.code for criterion in first.hits[0].acmg.criteria} == {"PVS1", "PM6_supporting", "PM2_supporting"}
    assert any("new in the child" in reason for reason in first.reasons)


def test_the_files(setting: Setting, trio: Path, tmp_path: Path) -> None:
    """Names, columns, index, digest of the evidence, nobody named in the phenopacket."""
    folder = tmp_path / "out"
    write_results(result_of(setting, trio, tmp_path), folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "findings.json",
        "findings.tsv",
        "findings.vcf.gz",
        "findings.vcf.gz.tbi",
        "phenopacket.json",
        "report.html",
        "trace.parquet",
    ]
    lines = (folder / "findings.tsv").read_text().splitlines()
    assert tuple(lines[0].split("\t")) == COLUMNS
    first = dict(zip(COLUMNS, lines[1].split("\t"), strict=True))
    contig, start, ref, alt = places(setting)["stop"]
    assert (first["rank"], first["gene"], first["variants"]) == ("1", "GENA", f"{contig}-{start + 1}-{ref}-{alt}")
    document = json.loads((folder / "findings.json").read_text())
    assert document["findings"][0]["gene"] == "GENA"
    assert document["negative"] is False
    for name in ("findings.json", "phenopacket.json", "report.html"):
        assert setting.evidence.digest in (folder / name).read_text()
    packet = (folder / "phenopacket.json").read_text()
    assert not re.search("KID|MUM|DAD", packet)
    assert not re.search("KID|MUM|DAD", (folder / "report.html").read_text())
    with pysam.VariantFile(str(folder / "findings.vcf.gz")) as file:
        (record,) = file.fetch(contig, start, start + 1)
        assert record.info["GENE"] == ("GENA",)
        assert record.samples["KID"]["GT"] == (0, 1)
        assert list(file.header.samples) == ["KID", "MUM", "DAD"]


def test_the_golden_case(setting: Setting, trio: Path, tmp_path: Path) -> None:
    """The table and the records of the annotated VCF are those of `golden/`; a change of them is a change of results."""
    write_results(result_of(setting, trio, tmp_path), tmp_path / "out")
    golden = Path(__file__).parent / "golden"
    records = gzip.decompress((tmp_path / "out/findings.vcf.gz").read_bytes()).decode().splitlines(keepends=True)
    found = {
        "findings.tsv": (tmp_path / "out/findings.tsv").read_text(),
        "records.vcf": "".join(line for line in records if not line.startswith("##")),
    }
    if os.environ.get("GENOPIPE_WRITE_GOLDEN") == "1":
        for name, text in found.items():
            (golden / name).write_text(text)
    assert found == {name: (golden / name).read_text() for name in found}


def test_the_same_input_gives_the_same_bytes(setting: Setting, trio: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        write_results(result_of(setting, trio, tmp_path), tmp_path / name, issued="2026-11-20T10:00:00Z")
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / name).iterdir()})
    assert digests[0] == digests[1]


def test_without_variants_every_annotated_gene_is_ranked_by_phenotype(setting: Setting, tmp_path: Path) -> None:
    result = result_of(setting, None, tmp_path)
    assert len(result.findings) == 7
    assert result.findings[0].gene == "GENA"
    tied = [finding.rank for finding in result.findings if finding.score == 0]
    assert tied
    assert len(set(tied)) == 1, "equal scores share their mean rank"
    write_results(result, tmp_path / "out")
    assert not (tmp_path / "out/findings.vcf.gz").exists()


def test_a_folder_used_again_holds_only_the_last_interpretation(setting: Setting, trio: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_results(result_of(setting, trio, tmp_path), folder)
    write_results(result_of(setting, None, tmp_path), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["findings.json", "findings.tsv", "phenopacket.json", "report.html"]


def test_nothing_found_is_said_plainly(setting: Setting, tmp_path: Path) -> None:
    place = places(setting)
    path = write_family_vcf(tmp_path / "v.vcf", ["KID", "MUM", "DAD"], [(place["common"], ["0/1", "0/0", "0/1"])])
    write_results(result_of(setting, path, tmp_path), tmp_path / "out")
    assert json.loads((tmp_path / "out/findings.json").read_text())["negative"] is True
    assert "Negative result" in (tmp_path / "out/report.html").read_text()
    assert json.loads((tmp_path / "out/phenopacket.json").read_text()).get("interpretations") is None


def test_a_variant_known_as_pathogenic_is_kept_and_shown(setting: Setting, tmp_path: Path) -> None:
    place = places(setting)
    records = [(place["known"], ["0/1", "0/1", "0/0"]), (place["missense"], ["0/1", "0/0", "0/1"])]
    case = case_file(tmp_path, setting, phenotypes="[HP:0008066]")
    result = interpret(request(setting, write_family_vcf(tmp_path / "v.vcf", ["KID", "MUM", "DAD"], records), case))
    (finding,) = result.findings
    assert finding.pattern is not None
    assert finding.pattern.mode == "AR_comphet"
    told = {hit.name: hit for hit in finding.hits}
    contig, start, ref, alt = place["known"]
    known = told.pop(f"{contig}-{start + 1}-{ref}-{alt}")
    assert known.clinvar is not None
    assert known.clinvar.pathogenic
    (partner,) = told.values()
    assert "PM3" in {criterion.code for criterion in partner.acmg.criteria}


def test_what_the_gene_is_known_for_and_the_patient_lacks_is_told(setting: Setting, trio: Path, tmp_path: Path) -> None:
    case = case_file(tmp_path, setting, phenotypes="[HP:0001250]\n  excluded: [HP:0001252, HP:0000988]")
    reasons = {finding.gene: finding.reasons for finding in interpret(request(setting, trio, case)).findings}
    assert "Known of GENA too, but looked for in the patient and not found: Hypotonia." in reasons["GENA"]


def test_without_a_reference_the_limits_are_told(setting: Setting, trio: Path, tmp_path: Path) -> None:
    case = case_file(tmp_path, setting)
    result = interpret(Request(load_subject(case), setting.evidence, trio))
    assert result.findings[0].gene == "GENA"
    assert any("No reference" in note for note in result.notes)
    assert all(hit.consequence.hgvs_c is None for finding in result.findings for hit in finding.hits)


def test_no_phenotype_ranks_by_variants_and_says_so(setting: Setting, trio: Path, tmp_path: Path) -> None:
    result = interpret(request(setting, trio, case_file(tmp_path, setting, phenotypes="[]")))
    assert {finding.gene for finding in result.findings} == {"GENA", "GENC"}
    assert any("No phenotype" in note for note in result.notes)


def test_contigs_with_other_names_are_resolved(setting: Setting, trio: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.vcf"
    renamed.write_text(trio.read_text().replace("\nchr1\t", "\n1\t").replace("\nchr2\t", "\n2\t").replace("ID=chr", "ID="))
    assert [finding.gene for finding in result_of(setting, renamed, tmp_path).findings] == ["GENA", "GENC"]


def test_a_joint_caller_that_doubts_a_new_variant_is_believed(setting: Setting, tmp_path: Path) -> None:
    stop = places(setting)["stop"]
    for phred, mode in (("40", "AD_de_novo"), ("2", "AD_incomplete")):
        path = write_family_vcf(tmp_path / "v.vcf", ["KID", "MUM", "DAD"], [(stop, ["0/1", "0/0", "0/0"])])
        path.write_text(path.read_text().replace("GT:AD:DP:GQ", "GT:AD:DP:GQ:DNM").replace("0/1:15,15:30:99", f"0/1:15,15:30:99:{phred}"))
        pattern = result_of(setting, path, tmp_path).findings[0].pattern
        assert pattern is not None
        assert pattern.mode == mode


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("KID", "OTHER"), "sample KID of the case is not in the VCF, which has OTHER, MUM, DAD"),
        (lambda text: re.sub(r"##FORMAT=<ID=GT.*\n", "", text).replace("GT:AD:DP:GQ", "AD:DP:GQ"), "no genotypes"),
        (lambda text: text.replace("chr1,length=30000", "chr1,length=249250621"), "contig chr1 has 249,250,621 bases"),
        (lambda text: text.replace("chr2", "chr7").replace(",length=30000", ""), "there is no contig 'chr7'"),
        (lambda _: "nothing", "cannot be read as VCF"),
    ],
)
def test_a_vcf_that_does_not_fit_is_named(setting: Setting, trio: Path, tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "changed.vcf"
    path.write_text(change(trio.read_text()))
    with pytest.raises(BadInput) as caught:
        result_of(setting, path, tmp_path)
    assert message in str(caught.value)


def test_a_vcf_of_another_build_is_named(setting: Setting, tmp_path: Path) -> None:
    contig, start, ref, alt = places(setting)["stop"]
    other = next(base for base in "ACGT" if base not in (ref, alt))
    path = write_family_vcf(tmp_path / "v.vcf", ["KID"], [((contig, start, other, alt), ["0/1"])])
    with pytest.raises(BadInput, match=f"REF {other} at {contig}:{start + 1}; the reference world has {ref} there"):
        result_of(setting, path, tmp_path)


def test_a_gzip_that_is_no_bgzip_is_named(setting: Setting, trio: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.vcf.gz"
    path.write_bytes(gzip.compress(trio.read_bytes()))
    with pytest.raises(BadInput, match="compressed by gzip; wanted plain text or bgzip"):
        result_of(setting, path, tmp_path)


@pytest.mark.parametrize(
    ("term", "near"),
    [("HP:0001251", "HP:0001250 (Seizure)"), ("HP:0008888", "HP:")],
)
def test_an_unknown_term_is_named_with_its_neighbours(setting: Setting, tmp_path: Path, term: str, near: str) -> None:
    with pytest.raises(BadInput) as caught:
        interpret(request(setting, None, case_file(tmp_path, setting, phenotypes=f"[{term}]")))
    assert f"unknown or obsolete HPO term '{term}'" in str(caught.value)
    assert near in str(caught.value)


def test_old_terms_are_followed(setting: Setting, tmp_path: Path) -> None:
    """An alternative id and a replaced one rank like the term they mean."""
    rankings = [
        [
            (finding.gene, finding.score)
            for finding in interpret(request(setting, None, case_file(tmp_path, setting, phenotypes=text))).findings
        ]
        for text in ("[HP:0001250]", "[HP:0002279]", "[HP:0009999]")
    ]
    assert rankings[0] == rankings[1] == rankings[2]


def test_a_pedigree_without_the_proband_is_named(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "f.ped").write_text("F\tOTHER\t0\t0\t1\t2\n")
    with pytest.raises(BadInput, match="the proband KID is not in the pedigree"):
        load_subject(case_file(tmp_path, setting, family="pedigree: f.ped\n"))
    (tmp_path / "f.ped").write_text("F\tKID\t0\t0\t2\t2\n")
    with pytest.raises(BadInput, match="male in the case file and female in the pedigree"):
        load_subject(case_file(tmp_path, setting, family="pedigree: f.ped\n"))


def test_missing_evidence_is_named(setting: Setting, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no evidence set '2026-02'; wanted a locked set, such as 2026-01"):
        open_set(setting.evidence_path.parent / "2026-02")


def test_evidence_on_another_assembly_is_named(setting: Setting, trio: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    evidence = replace(setting.evidence, assembly="GRCh38")
    genome = replace(setting.genome, name="hg19")
    with pytest.raises(BadInput, match=r"is on GRCh38, the reference is hg19"):
        interpret(Request(load_subject(case_file(tmp_path, setting)), evidence, trio, genome, setting.reference))


def test_the_command_line(setting: Setting, trio: Path, tmp_path: Path) -> None:
    """`interpret` writes the folder; `evidence list` and `diff` print; a phenopacket is a case too."""
    case = case_file(tmp_path, setting)
    arguments = [
        "--variants",
        trio,
        "--case",
        case,
        "--evidence",
        setting.evidence_path,
        "--reference",
        setting.reference,
        "-o",
        tmp_path / "o",
    ]
    ran = CliRunner().invoke(interpret_command, list(map(str, arguments)), catch_exceptions=False)
    assert ran.exit_code == 0
    assert (tmp_path / "o/findings.tsv").read_text().splitlines()[1].startswith("1\tGENA\t")
    packet = tmp_path / "o/phenopacket.json"
    ran = CliRunner().invoke(
        interpret_command,
        ["--case", str(packet), "--evidence", str(setting.evidence_path), "-o", str(tmp_path / "p")],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0
    assert (tmp_path / "p/findings.tsv").read_text().splitlines()[1].startswith("1\tGENA\t")
    listed = CliRunner().invoke(evidence_command, ["list", "--store", str(setting.evidence_path.parent)], catch_exceptions=False)
    assert "clinvar\t1\tclinvar\t2026-01-01\tworld\tCC0\t1" in listed.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "no subject with an id"),
        ('{"proband": 5}', "proband: 5; wanted an object"),
        ('{"subject": {"id": "a"}, "phenotypicFeatures": 5}', "phenotypicFeatures: 5; wanted a list"),
        ('{"subject": {"id": "a"}, "phenotypicFeatures": [{"type": 5}]}', "phenotypicFeatures.0: a feature without a term"),
        ('{"subject": {"id": "a"}, "pedigree": 5}', "pedigree: 5; wanted an object"),
        ('{"subject": {"id": "a"}, "pedigree": {"persons": [{}]}}', "pedigree.persons.0: a person without an id"),
        ('{"subject": {"id": "a"}, "phenotypicFeatures": [{}]}', "phenotypicFeatures.0: a feature without a term"),
        ('{"subject": {"id": "a"}, "pedigree": {"persons": [{"individualId": "b"}]}}', "the subject a is not in the pedigree"),
    ],
)
def test_a_broken_phenopacket_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises((BadInput, BadConfiguration)) as caught:
        load_subject(path)
    assert message in str(caught.value)
    assert isinstance(caught.value, GenopipeError)


def test_a_date_that_is_no_instant_is_a_wrong_command_line(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").touch()
    options = ["--case", str(tmp_path / "case.yaml"), "--evidence", "e", "--issued", "yesterday", "-o", str(tmp_path / "o")]
    done = CliRunner().invoke(interpret_command, options)
    assert done.exit_code == 2
    assert "'yesterday' is no instant in UTC such as 2026-11-20T10:00:00Z" in done.output


def test_published_formulas() -> None:
    """Values worked out by hand from the published logistic function and frequency factor."""
    assert combine(0.9, 1.0, "exomiser14", posterior=0.1) == pytest.approx(0.9948, abs=1e-4)
    assert combine(0.5, 1.0, "exomiser14", posterior=0.1) == pytest.approx(0.749, abs=1e-3)
    assert combine(0.9, 1.0, "exomiser15", posterior=0.1) == pytest.approx(0.347, abs=1e-3)
    assert combine(0.9, 1.0, "exomiser15", posterior=0.975) == pytest.approx(0.974, abs=1e-3)
    assert frequency_factor(float("nan")) == 1
    assert frequency_factor(0.021) == 0
    assert 0.1 < frequency_factor(0.02) < 0.2


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_report_opens_in_a_browser(setting: Setting, trio: Path, tmp_path: Path) -> None:
    """A screenshot from the file system is made, and is no blank page."""
    write_results(result_of(setting, trio, tmp_path), tmp_path / "out")
    picture = tmp_path / "report.png"
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    place = [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,1600", f"--screenshot={picture}"]
    page = f"file://{tmp_path / 'out/report.html'}"
    subprocess.run(["chromium", *flags.split(), *place, page], check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 50_000
    text = (tmp_path / "out/report.html").read_text()
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', text), "nothing is loaded from elsewhere"

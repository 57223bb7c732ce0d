"""Archived cases looked at again: who is concerned, what is told, and that nothing else happens."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pysam
import pytest
from click.testing import CliRunner, Result

from genopipe.archive.opened import Archive
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions
from genopipe.cases import reanalyze as module
from genopipe.cases.affected import _rarity, _verdict
from genopipe.cases.keep import keep
from genopipe.cli import genopipe
from genopipe.errors import BadInput, GenopipeError
from genopipe.interpret.criteria import LIMITS
from genopipe.interpret.evidence import Release, add, lock, open_set
from genopipe.interpret.findings import Request
from genopipe.interpret.inheritance import LIMIT
from genopipe.interpret.ranking import MOST_FREQUENT, interpret
from genopipe.interpret.results import write_results
from genopipe.interpret.subject import load_subject
from genopipe.outputs import PARTIAL
from genopipe.store import Location
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
            positional = kind in ("clinvar", "frequency", "genes", "alphamissense")
            add(self.store, kind, file, release=Release(kind, name, date, "CC0", "world" if positional else None), may_shrink=True)
        lock(self.store, name)
        return self.store / name

    def clinvar(self, name: str, *told: tuple[Variant, str]) -> Path:
        records = [(*variant, f"CLNSIG={word};{STARRED};CLNDN=x;GENEINFO=GENA:1") for variant, word in told]
        return invented.write_sites(self.folder / f"{name}.clinvar.vcf.gz", invented.CLINVAR_HEADER, records)

    def case(self, name: str, variants: list[tuple[Variant, str]], phenotypes: list[str], *, evidence: str = "old", **ranked: Any) -> None:
        """A single patient, interpreted as `ranked` says, and archived."""
        folder = self.folder / name
        folder.mkdir()
        invented.write_family_vcf(folder / f"{name}.vcf", [f"{name}-1"], [(variant, [call]) for variant, call in variants])
        (folder / "case.yaml").write_text(
            f"case: {name}\nreference: r\nevidence: e\nproband:\n  sample: {name}-1\n  sex: female\n  onset: P3D\n"
            f"  phenotypes: [{', '.join(phenotypes)}]\nreads:\n  - {{sample: {name}-1, r1: r.fastq}}\n"
        )
        (folder / "r.fastq").touch()
        write_results(interpret(self.request(name, evidence, **ranked)), folder / "out", issued="2026-01-02T00:00:00Z")
        self.put(name)

    def request(self, name: str, evidence: str, **ranked: Any) -> Request:
        """To interpret a case."""
        subject, variants = load_subject(self.folder / name / "case.yaml"), self.folder / name / f"{name}.vcf"
        request = Request(subject, open_set(self.store / evidence), variants, self.setting.genome, self.setting.reference)
        return replace(request, **ranked)

    def put(self, name: str, *more: Path, archive: Location | None = None) -> None:
        """Archives a case, and other files with it."""
        folder = self.folder / name
        options = PutOptions(None, Reference(self.setting.reference, self.setting.genome))
        files = [folder / f"{name}.vcf", folder / "out" / "findings.json", *more]
        keep(archive or self.archive, files, options, case=folder / "case.yaml")


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


def expected(lab: Lab, case: str, evidence: str = "new") -> dict[str, float]:
    """By gene the score of a whole new interpretation, which reads no catalogue."""
    return {finding.gene: finding.score for finding in interpret(lab.request(case, evidence)).findings}


def document(lab: Lab) -> dict[str, Any]:
    return json.loads((lab.folder / "changes" / "reanalysis.json").read_text())


def test_a_variant_that_clinvar_calls_pathogenic_now_is_told_for_its_carrier_only(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    assert told(lab) == {"CARRIER": {"GENA": "up"}}
    change = document(lab)["cases"][0]["changes"][0]
    assert "unknown, now pathogenic, 2 stars" in " ".join(change["why"])
    assert change["after"]["score"] == expected(lab, "CARRIER")["GENA"]


def test_an_archive_in_a_bucket_tells_the_same(lab: Lab, missense: Variant, s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(lab.folder / "cache"))
    for name in ("CARRIER", "STOP", "OTHER"):
        lab.put(name, archive=s3_place)
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    assert told(lab, "--issued", "2026-03-05T00:00:00Z") == {"CARRIER": {"GENA": "up"}, "STOP": {"GENA": "down"}}
    result = look(lab, "--issued", "2026-03-05T00:00:00Z", "--archive", s3_place, out="bucket")
    assert result.exception is None, result.output
    assert files_of(lab.folder / "bucket") == files_of(lab.folder / "changes")


def test_both_evidence_sets_and_dates_are_told(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    told(lab, "--issued", "2026-03-05T00:00:00Z")
    case = document(lab)["cases"][0]
    old, new = (open_set(lab.store / name) for name in ("old", "new"))
    assert case["then"] == {"evidence": {"name": "old", "digest": old.digest, "date": "2026-02-01"}, "issued": "2026-01-02T00:00:00Z"}
    assert document(lab)["evidence"] == {"name": "new", "digest": new.digest, "date": "2026-03-01"}
    assert document(lab)["issued"] == "2026-03-05T00:00:00Z"
    line = (lab.folder / "changes" / "changes.tsv").read_text().splitlines()[1].split("\t")
    assert line[:3] == ["CARRIER", "up", "GENA"]
    assert {old.digest, new.digest} < set(line)


def test_an_assertion_that_is_withdrawn_makes_the_finding_weaker(lab: Lab) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (("chr2", 10, "A", "C"), "Benign")))
    assert told(lab)["STOP"] == {"GENA": "down"}


def test_a_gene_with_a_new_phenotype_makes_a_new_finding(lab: Lab, tmp_path: Path) -> None:
    table = invented.write_annotations(tmp_path / "g2p.txt")
    lab.case("UNKNOWN", [(lab.setting.world.codon_change("GENY", 30, "TAA"), "0/1")], [SEIZURE])
    table.write_text(table.read_text() + f"9\tGENY\t{SEIZURE}\tname\t-\tOMIM:1\n9\tGENY\tHP:0001417\tname\t-\tOMIM:1\n")
    lab.release("new", "2026-03-01", hpo_annotations=table)
    assert told(lab)["UNKNOWN"] == {"GENY": "new"}


def test_a_gene_that_loses_its_phenotype_is_withdrawn(lab: Lab, tmp_path: Path) -> None:
    table = invented.write_annotations(tmp_path / "g2p.txt")
    kept = [line for line in table.read_text().splitlines() if "GENA" not in line]
    table.write_text("\n".join(kept) + "\n")
    lab.release("new", "2026-03-01", hpo_annotations=table)
    assert told(lab) == {"CARRIER": {"GENA": "withdrawn"}, "STOP": {"GENA": "withdrawn"}}


def test_a_variant_that_is_common_now_is_withdrawn(lab: Lab, missense: Variant, tmp_path: Path) -> None:
    seen = [(*missense, "AF=0.2;nhomalt=50")]
    lab.release("new", "2026-03-01", frequency=invented.write_sites(tmp_path / "f.vcf.gz", invented.FREQUENCY_HEADER, seen))
    assert told(lab) == {"CARRIER": {"GENA": "withdrawn"}}


@pytest.mark.parametrize("limit", sorted({*LIMITS, *LIMIT.values(), MOST_FREQUENT}))
def test_a_frequency_that_passes_a_limit_of_ranking_is_seen(limit: float) -> None:
    below, above = ([{"af_max": limit * share, "homozygotes": 0}] for share in (0.99, 1.01))
    assert _rarity(below) != _rarity(above)


def test_who_stands_behind_an_assertion_is_seen() -> None:
    """Criteria ask whether several submitters call a variant pathogenic."""
    told = [("pathogenic", 0), ("pathogenic", 1), ("pathogenic", 2), ("likely_pathogenic", 2), ("benign", 1), ("uncertain", 2)]
    words = [_verdict([{"significance": word, "stars": stars}]) for word, stars in told]
    assert words == [None, "pathogenic", "established pathogenic", "pathogenic", "benign", None]


def test_a_gene_that_bears_losing_a_copy_now_weakens_a_stop(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("gene\tpLI\toe_lof_upper\nGENA\t0.0\t1.5\nGENB\t0.0\t1.5\nGENC\t0.0\t1.2\n")
    lab.release("new", "2026-03-01", constraint=tmp_path / "c.tsv")
    assert told(lab) == {"STOP": {"GENA": "down"}}


def test_a_gene_without_a_model_any_more_is_withdrawn(lab: Lab, tmp_path: Path) -> None:
    world = replace(lab.setting.world, transcripts={k: v for k, v in lab.setting.world.transcripts.items() if k != "GENA"})
    lab.release("new", "2026-03-01", genes=invented.write_genes(world, tmp_path / "genes.gff3"))
    assert told(lab)["CARRIER"] == {"GENA": "withdrawn"}


def test_a_prediction_that_is_known_now_concerns_its_carrier(lab: Lab, missense: Variant, tmp_path: Path) -> None:
    contig, position, ref, alt = missense
    (tmp_path / "am.tsv").write_text(
        "#CHROM\tPOS\tREF\tALT\tgenome\tuniprot_id\ttranscript_id\tprotein_variant\tam_pathogenicity\tam_class\n"
        f"{contig}\t{position + 1}\t{ref}\t{alt}\tworld\tP\tT\tA1V\t0.99\tlikely_pathogenic\n"
    )
    lab.release("new", "2026-03-01", alphamissense=tmp_path / "am.tsv")
    look(lab)
    assert (lab.folder / "changes" / "cases" / "CARRIER.json").exists()
    assert not (lab.folder / "changes" / "cases" / "OTHER.json").exists()


def test_no_genome_is_opened_where_nothing_concerns_anybody(lab: Lab, stop: Variant, tmp_path: Path) -> None:
    records = [(*stop, f"CLNSIG=Pathogenic;{STARRED};CLNDN=x;GENEINFO=GENA:1")]
    records.append(("chr2", 29_000, "A", "C", f"CLNSIG=Pathogenic;{STARRED};CLNDN=x;GENEINFO=GENX:1"))
    lab.release("new", "2026-03-01", clinvar=invented.write_sites(tmp_path / "c.vcf.gz", invented.CLINVAR_HEADER, records))
    for manifest in Archive.existing(lab.archive).manifests():
        if manifest.name.endswith(".vcf"):
            for entry in manifest.objects:
                Archive.existing(lab.archive).store.delete(entry["digest"])
    told(lab)
    assert document(lab)["cases"] == []


def test_since_takes_both_rankings_where_the_findings_are_of_another_set(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("between", "2026-02-15", clinvar=lab.clinvar("between", (stop, "Pathogenic"), (missense, "Pathogenic")))
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Benign")))
    assert told(lab, "--since", lab.store / "between") == {"CARRIER": {"GENA": "withdrawn"}}
    before = document(lab)["cases"][0]["changes"][0]["before"]
    assert before["score"] == expected(lab, "CARRIER", "between")["GENA"]


def test_the_same_run_gives_the_same_bytes_and_leaves_the_archive_as_it_was(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    told(lab)
    first, archive = files_of(lab.folder / "changes"), files_of(lab.archive)
    told(lab)
    assert files_of(lab.folder / "changes") == first
    look(lab, out="elsewhere")
    assert files_of(lab.folder / "elsewhere") == first
    assert files_of(lab.archive) == archive


def test_a_killed_run_goes_on_where_it_was(lab: Lab, missense: Variant, stop: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    told(lab)
    whole = files_of(lab.folder / "changes")
    assert {"cases/CARRIER.json", "cases/STOP.json"} < whole.keys()
    shutil.rmtree(lab.folder / "changes")
    (lab.folder / "changes" / "cases").mkdir(parents=True)
    (lab.folder / "changes" / "cases" / "CARRIER.json").write_bytes(whole["cases/CARRIER.json"])
    (lab.folder / "changes" / "cases" / f"{PARTIAL}1-STOP.json").write_text("cut sh")
    ranked: list[str] = []
    monkeypatch.setattr(module, "interpret", lambda request: ranked.append(request.subject.case) or interpret(request))
    told(lab)
    assert ranked == ["STOP"]
    assert {name: content for name, content in whole.items() if not name.startswith("cases/CARRIER/")} == files_of(lab.folder / "changes")


def test_what_is_dismissed_is_not_told_again_until_its_evidence_changes(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    told(lab)
    reviews = lab.folder / "reviews.tsv"
    for _ in range(2):
        command = ["dismiss", "CARRIER", "GENA", "-r", lab.folder / "changes", "--reviews", reviews, "--reason", "does not segregate"]
        assert CliRunner().invoke(genopipe, [str(part) for part in command]).exit_code == 0
    assert len(reviews.read_text().splitlines()) == 2
    assert told(lab, "--reviews", reviews) == {}
    assert document(lab)["dismissed"] == 1
    guideline = "CLNSIG=Likely_pathogenic;CLNREVSTAT=practice_guideline;CLNDN=x;GENEINFO=GENA:1"
    shutil.move(lab.store / "new", lab.folder / "moved")
    records = [(*missense, guideline), (*stop, f"CLNSIG=Pathogenic;{STARRED};CLNDN=x;GENEINFO=GENA:1")]
    file = invented.write_sites(lab.folder / "newer.vcf.gz", invented.CLINVAR_HEADER, records)
    add(lab.store, "clinvar", file, release=Release("clinvar", "newer", "2026-04-01", "CC0", "world"), may_shrink=True)
    lock(lab.store, "new")
    assert told(lab, "--reviews", reviews) == {"CARRIER": {"GENA": "up"}}


def test_the_page_and_the_new_ranking_can_be_read(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    told(lab)
    page = (lab.folder / "changes" / "report.html").read_text()
    assert "cases/CARRIER/report.html" in page and "GENA" in page
    assert (lab.folder / "changes" / "cases" / "CARRIER" / "report.html").is_file()
    assert str(lab.folder) not in page


def fault(lab: Lab, *more: object) -> str:
    """The message of a run that must fail, and leaves the archive as it was."""
    kept = {name: content for name, content in files_of(lab.archive).items() if "cohort" not in name}
    result = look(lab, *more)
    assert isinstance(result.exception, GenopipeError), result.output
    assert {name: content for name, content in files_of(lab.archive).items() if "cohort" not in name} == kept
    return str(result.exception)


def test_evidence_of_another_assembly_is_refused(lab: Lab, tmp_path: Path) -> None:
    genes = invented.write_genes(lab.setting.world, tmp_path / "genes.gff3")
    for file in (lab.store / "datasets").iterdir():
        if json.loads(file.read_text())["assembly"] is not None:
            file.unlink()
    add(lab.store, "genes", genes, release=Release("genes", "9", "2026-03-01", "CC0", "elsewhere"))
    lock(lab.store, "new")
    assert "is on world" in fault(lab) and "elsewhere" in fault(lab)
    assert not (lab.folder / "changes").exists()


def test_cases_on_another_assembly_are_told_and_the_others_are_done(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    for path in (lab.archive / "catalogue" / "entries").iterdir():
        entry = json.loads(path.read_text())
        if entry["kind"] == "case" and entry["record"]["case"] == "OTHER":
            entry["record"]["evidence"]["assembly"] = "elsewhere"
            path.write_text(json.dumps(entry))
    assert "first OTHER: it is on elsewhere, the evidence set new is on world" in fault(lab)
    assert [case["case"] for case in document(lab)["cases"]] == ["CARRIER"]


def test_an_old_set_that_is_newer_is_refused(lab: Lab, missense: Variant) -> None:
    lab.release("later", "2026-05-01", clinvar=lab.clinvar("later", (missense, "Pathogenic")))
    shutil.copy(lab.store / "old", lab.store / "new")
    message = fault(lab, "--since", lab.store / "later")
    assert "clinvar is of 2026-05-01 in later and of 2026-02-01" in message
    assert "Give the newer set as --evidence" in message


def test_an_archive_without_a_case_is_refused(lab: Lab) -> None:
    lab.release("new", "2026-03-01")
    shutil.rmtree(lab.archive)
    keep(lab.archive, [lab.folder / "STOP" / "STOP.vcf"], PutOptions())
    assert "no case in this archive" in fault(lab)


def test_another_reference_than_then_is_told_and_nothing_ranked(lab: Lab, missense: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    given = ["reanalyze", "--archive", lab.archive, "--evidence", lab.store / "new", "-o", lab.folder / "changes"]
    result = CliRunner().invoke(genopipe, [str(part) for part in given])
    assert "with the reference world, given is none" in str(result.exception)
    assert set(document(lab)["faults"]) == {"CARRIER", "STOP"}


def test_the_reference_comes_from_the_archive_where_alignments_are(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    contigs = [{"SN": name, "LN": length} for name, length in invented.CONTIGS.items()]
    with pysam.AlignmentFile(str(lab.folder / "S.bam"), "wb", header={"HD": {"VN": "1.6"}, "SQ": contigs}) as bam:
        read = pysam.AlignedSegment(bam.header)
        read.query_name, read.query_sequence, read.reference_id, read.reference_start, read.cigarstring = "r", "ACGT", 0, 5, "4M"
        bam.write(read)
    keep(lab.archive, [lab.folder / "S.bam"], PutOptions("S", Reference(lab.setting.reference, lab.setting.genome)))
    assert told(lab) == {"CARRIER": {"GENA": "up"}}
    first = files_of(lab.folder / "changes")
    given = ["reanalyze", "--archive", lab.archive, "--evidence", lab.store / "new", "-o", lab.folder / "without"]
    assert CliRunner().invoke(genopipe, [str(part) for part in given]).exception is None
    assert files_of(lab.folder / "without") == first


def test_a_case_whose_vcf_is_gone_is_told_and_the_others_are_done(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    archive = Archive.existing(lab.archive)
    for entry in archive.find("STOP.vcf").objects:
        archive.store.delete(entry["digest"])
    assert "1 of 3 cases could not be looked at, first STOP" in fault(lab)
    assert [case["case"] for case in document(lab)["cases"]] == ["CARRIER"]


def test_a_case_that_the_catalogue_lacks_is_told_and_the_others_are_done(lab: Lab, missense: Variant, stop: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (stop, "Pathogenic"), (missense, "Pathogenic")))
    for path in (lab.archive / "catalogue" / "entries").iterdir():
        entry = json.loads(path.read_text())
        if (entry["kind"], entry["file"]["name"]) in {("case", "OTHER.case.json"), ("variants", "STOP.vcf")}:
            path.unlink()
    assert "2 of 3 cases could not be looked at" in fault(lab)
    assert {case: text.split(" is not in")[0] for case, text in document(lab)["faults"].items()} == {
        "OTHER": "its record",
        "STOP": "its VCF",
    }
    assert [case["case"] for case in document(lab)["cases"]] == ["CARRIER"]


def test_a_case_whose_evidence_set_is_not_at_hand_is_told(lab: Lab, missense: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    (lab.store / "old").unlink()
    assert "give the set to compare with as --since" in fault(lab)


@pytest.mark.parametrize("text, told_", [("case\tgene\n", "2 columns"), ("", None), ("case\tgene\tfingerprint\tissued\treason\nx\n", "2:")])
def test_a_reviews_file_that_is_none_is_told(lab: Lab, text: str, told_: str | None) -> None:
    lab.release("new", "2026-03-01")
    (lab.folder / "reviews.tsv").write_text(text)
    if told_ is None:
        assert look(lab, "--reviews", lab.folder / "reviews.tsv").exception is None
    else:
        assert told_ in fault(lab, "--reviews", lab.folder / "reviews.tsv")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("CARRIER", "GENB"), "one of GENA"),
        (("NOBODY", "GENA"), "a case with changes"),
        (("CARRIER", "GENA", "--reason", "a\tb"), "one line"),
    ],
)
def test_a_dismissal_that_cannot_be_is_told(lab: Lab, missense: Variant, arguments: tuple[str, ...], message: str) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    told(lab)
    command = ["dismiss", *arguments, "-r", str(lab.folder / "changes"), "--reviews", str(lab.folder / "reviews.tsv")]
    result = CliRunner().invoke(genopipe, command)
    assert isinstance(result.exception, GenopipeError) and message in str(result.exception)
    assert not (lab.folder / "reviews.tsv").exists()


def test_findings_of_another_case_are_not_archived_with_a_case(lab: Lab) -> None:
    folder = lab.folder
    with pytest.raises(BadInput, match="findings are those of case 'STOP'"):
        keep(
            folder / "other",
            [folder / "CARRIER" / "CARRIER.vcf", folder / "STOP" / "out" / "findings.json"],
            PutOptions(),
            case=folder / "CARRIER" / "case.yaml",
        )


def test_a_case_without_its_vcf_is_not_archived(lab: Lab) -> None:
    findings = lab.folder / "STOP" / "out" / "findings.json"
    with pytest.raises(BadInput, match="come from a VCF that is not archived with them"):
        keep(lab.folder / "other", [findings, lab.folder / "OTHER" / "OTHER.vcf"], PutOptions(), case=lab.folder / "STOP" / "case.yaml")
    older = {key: value for key, value in json.loads(findings.read_text()).items() if key != "inputs"}
    findings.write_text(json.dumps(older))
    with pytest.raises(BadInput, match="0 files may be the VCF"):
        keep(lab.folder / "other", [findings], PutOptions(), case=lab.folder / "STOP" / "case.yaml")


def test_no_sample_is_named_in_a_path(lab: Lab, missense: Variant) -> None:
    lab.release("new", "2026-03-01", clinvar=lab.clinvar("new", (missense, "Pathogenic")))
    told(lab)
    paths = [*(lab.archive / "catalogue").rglob("*"), *(lab.folder / "changes").rglob("*")]
    assert not [path for path in paths if "CARRIER-1" in path.name]

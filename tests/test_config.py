"""Case and site files: what is read, and the one clear error for everything that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genopipe.config import load_case, load_settings
from genopipe.errors import BadConfiguration, BadInput

GOOD = """\
case: NICU-0001
priority: stat
reference: refs/small
evidence: evidence/now
proband:
  sample: S1
  sex: female
  phenotypes: [HP:0001250, HP:0001252]
  excluded: [HP:0000252]
  onset: P3D
family:
  - {sample: S2, relation: mother, sex: female, affected: false}
reads:
  - {sample: S1, lane: 1, r1: S1_R1.fq, r2: S1_R2.fq}
  - {sample: S2, r1: S2.fq}
archive: archive
ehr: {patient: Patient/abc, service_request: ServiceRequest/def, base: null}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("S1_R1.fq", "S1_R2.fq", "S2.fq"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "case.yaml"
    path.write_text(text)
    return path


def test_a_case_is_read_with_paths_relative_to_its_file(folder: Path) -> None:
    case = load_case(write(folder, GOOD))
    assert (case.case, case.priority, case.proband.onset) == ("NICU-0001", "stat", "P3D")
    assert case.reference == folder / "refs/small"
    assert case.samples == ("S1", "S2")
    assert case.read_files("S1") == [folder / "S1_R1.fq", folder / "S1_R2.fq"]
    assert case.sex_of("S2") == "female"
    assert case.ehr is not None and case.ehr.patient == "Patient/abc"


def test_the_pedigree_says_the_sex_of_relatives(folder: Path) -> None:
    (folder / "family.ped").write_text("F\tS1\tS3\tS2\t2\t2\nF\tS2\t0\t0\t2\t1\nF\tS3\t0\t0\t1\t1\n")
    text = re.sub(r"family:\n.*\n", "pedigree: family.ped\n", GOOD)
    case = load_case(write(folder, text))
    assert [case.sex_of(sample) for sample in ("S1", "S2", "S3", "S9")] == ["female", "female", "male", "unknown"]


def test_targets_and_structural_variants_are_files_beside_the_case(folder: Path) -> None:
    path = write(folder, GOOD + "targets: kit.bed\nstructural: sv.vcf\n")
    assert load_case(path, with_reads=False).structural == folder / "sv.vcf"
    for name in ("kit.bed", "sv.vcf"):
        (folder / name).touch()
    case = load_case(path)
    assert (case.targets, case.structural) == (folder / "kit.bed", folder / "sv.vcf")


def test_an_archive_may_be_a_bucket(folder: Path) -> None:
    assert load_case(write(folder, GOOD)).archive == folder / "archive"
    assert load_case(write(folder, GOOD.replace("archive: archive", "archive: s3://genomes/nicu"))).archive == "s3://genomes/nicu"


def test_reads_may_stand_in_a_table(folder: Path) -> None:
    (folder / "reads.tsv").write_text("sample\tlane\tr1\tr2\nS1\t2\tS1_R1.fq\tS1_R2.fq\nS2\t1\tS2.fq\t\n")
    text = GOOD[: GOOD.index("reads:")] + "reads: reads.tsv\n"
    case = load_case(write(folder, text))
    assert [(files.sample, files.lane, files.r2 is None) for files in case.reads] == [("S1", 2, False), ("S2", 1, True)]


def test_a_table_of_reads_may_come_from_a_spreadsheet(folder: Path) -> None:
    """With a byte order mark and CR LF."""
    (folder / "reads.tsv").write_bytes("\ufeffsample\tr1\tr2\r\nS1\tS1_R1.fq\tS1_R2.fq\r\nS2\tS2.fq\t\r\n".encode())
    assert load_case(write(folder, GOOD[: GOOD.index("reads:")] + "reads: reads.tsv\n")).samples == ("S1", "S2")


@pytest.mark.parametrize("reads", ["", "reads: gone.tsv\n", "run_folder: gone\n"])
def test_a_case_whose_calls_are_there_needs_no_reads(folder: Path, reads: str) -> None:
    path = write(folder, GOOD[: GOOD.index("reads:")] + reads)
    assert load_case(path, with_reads=False).proband.sample == "S1"
    with pytest.raises((BadConfiguration, BadInput)):
        load_case(path)


def run_folder_case(folder: Path, sheet: str) -> Path:
    """A case whose reads come from a run of two lanes."""
    (folder / "run").mkdir()
    (folder / "run" / "RunInfo.xml").write_text(
        '<RunInfo><Run Id="R" Number="1"><Flowcell>F</Flowcell><Instrument>I</Instrument><Reads>'
        '<Read Number="1" NumCycles="9"/><Read Number="2" NumCycles="8" IsIndexedRead="Y"/><Read Number="3" NumCycles="9"/>'
        '</Reads><FlowcellLayout LaneCount="2"/></Run></RunInfo>'
    )
    (folder / "run" / "SampleSheet.csv").write_text(sheet)
    return write(folder, GOOD[: GOOD.index("reads:")] + "run_folder: run\n")


def test_the_reads_of_a_run_folder_are_those_of_its_sheet(folder: Path) -> None:
    sheet = "[BCLConvert_Data]\nLane,Sample_ID,Index,OverrideCycles\n,OTHER,AAAAAAAA,\n2,S2,ACGTACGT,Y9;I8;N9\n,S1,TTTTTTTT,\n"
    case = load_case(run_folder_case(folder, sheet))
    assert case.sample_sheet == folder / "run" / "SampleSheet.csv"
    assert case.samples == ("S2", "S1")
    assert [(files.r1.name, files.r2 and files.r2.name) for files in case.reads] == [
        ("S2_S2_L002_R1_001.fastq.gz", None),
        ("S1_S3_L001_R1_001.fastq.gz", "S1_S3_L001_R2_001.fastq.gz"),
        ("S1_S3_L002_R1_001.fastq.gz", "S1_S3_L002_R2_001.fastq.gz"),
    ]


def test_a_mask_that_does_not_fit_the_run_is_named(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"SampleSheet.csv:3: OverrideCycles Y9: 1 masks for 3 reads"):
        load_case(run_folder_case(folder, "[BCLConvert_Data]\nSample_ID,OverrideCycles\nS1,Y9\n"))


def test_a_person_who_is_not_in_the_sheet_is_named(folder: Path) -> None:
    with pytest.raises(BadConfiguration, match="no reads of S2"):
        load_case(run_folder_case(folder, "[Data]\nSample_ID,Index\nS1,ACGTACGT\n"))


FAULTS = {
    "unknown key": (("priority:", "prioritty:"), r"case.yaml:2: unknown key `prioritty`.*Did you mean `priority`\?"),
    "unknown inner key": (("onset:", "onest:"), r"case.yaml:10: unknown key `onest`.*Did you mean `onset`\?"),
    "unknown key of reads": (("r2: S1", "r3: S1"), r"case.yaml:14: unknown key `r3`.*Did you mean `r[12]`\?"),
    "missing key": (("evidence: evidence/now\n", ""), r"case.yaml:1: `evidence` is missing"),
    "key twice": (("priority: stat", "priority: stat\npriority: urgent"), r"case.yaml:3: key `priority` for the second time \(line 2\)"),
    "no reads at all": (
        ("reads:\n  - {sample: S1, lane: 1, r1: S1_R1.fq, r2: S1_R2.fq}\n  - {sample: S2, r1: S2.fq}\n", ""),
        r"`reads` or",
    ),
    "reads and run folder": (("archive: archive", "archive: archive\nrun_folder: run"), r"`reads` or `run_folder` is missing, or both"),
    "bad value": (("priority: stat", "priority: now"), r"case.yaml:2: priority: 'now' does not fit; wanted one of stat, urgent, routine"),
    "no path": (("reference: refs", "reference: 38 # refs"), r"case.yaml:3: reference: 38 does not fit; wanted a path. Put it in quotes"),
    "one term": (("[HP:0001250", "HP:0001250 #["), r"proband.phenotypes: 'HP:0001250' does not fit; wanted .* such as \[HP:0001250, HP"),
    "another store": (("archive: archive", "archive: gs://b/x"), r"archive: 'gs://b/x' does not fit; wanted a folder.* or s3://bucket"),
    "number as name": (("NICU-0001", "0123"), r"case.yaml:1: case: 83 does not fit; wanted letters.* Put it in quotes"),
    "bad name": (("NICU-0001", "Jane Doe"), r"case.yaml:1: case: 'Jane Doe' does not fit"),
    "bad term": (("HP:0000252", "HP:252"), r"case.yaml:9: .*'HP:252' does not fit; wanted an HPO id such as HP:0001250"),
    "term observed and excluded": (("[HP:0000252]", "[HP:0001250]"), r"HP:0001250 is both observed and excluded"),
    "no such file": (("S2.fq", "S9.fq"), r"case.yaml:15: no file .*S9.fq"),
    "file twice": (("r2: S1_R2.fq", "r2: S1_R1.fq"), r"case.yaml:14: S1_R1.fq is named twice"),
    "two mothers of one sample": (("{sample: S2, relation", "{sample: S1, relation"), r"case.yaml:12: sample S1 stands for two people"),
    "male mother": (("relation: mother, sex: female", "relation: mother, sex: male"), r"case.yaml:12: the mother is male"),
    "no reads of the proband": (("sample: S1\n", "sample: S7\n"), r"no reads of the proband's sample S7"),
    "reads of nobody": (("{sample: S2, r1", "{sample: S3, r1"), r"reads of sample S3, who is nobody in this case"),
    "case named like a sample": (("case: NICU-0001", "case: S1"), r"the case is named like its sample S1"),
    "lanes with and without r2": (
        ("  - {sample: S2, r1: S2.fq}", "  - {sample: S1, lane: 2, r1: S2.fq}"),
        r"case.yaml:13: sample S1 has lanes with and without r2",
    ),
    "broken YAML": (("[HP:0000252]", "[HP:0000252"), r"case.yaml:\d+: .*wanted well-formed YAML"),
    "no targets": (
        ("archive: archive", "archive: archive\ntargets: kit.bed"),
        r"case.yaml:17: targets: no file .*kit.bed; wanted a BED file",
    ),
    "no structural variants": (("archive: archive", "structural: sv.vcf"), r"case.yaml:16: structural: no file .*sv.vcf; wanted a VCF"),
    "structural variants named like the family's VCF": (
        ("archive: archive", "structural: NICU-0001.vcf.gz"),
        r"case.yaml:16: structural: NICU-0001.vcf.gz is what the family's small variants will be called",
    ),
    "two pedigrees": (("archive: archive", "archive: archive\npedigree: family.ped"), r"both `family` and `pedigree`"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_line(folder: Path, name: str) -> None:
    (old, new), message = FAULTS[name]
    assert old in GOOD
    (folder / "NICU-0001.vcf.gz").touch()
    with pytest.raises(BadConfiguration, match=message):
        load_case(write(folder, GOOD.replace(old, new, 1)))


def test_a_missing_case_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"nothing.yaml: no case file here"):
        load_case(tmp_path / "nothing.yaml")


TABLE_FAULTS = {
    "columns": ("sample\tfile\nS1\tS1_R1.fq\n", r"reads.tsv:1: columns"),
    "lane": ("sample\tlane\tr1\nS1\tone\tS1_R1.fq\n", r"reads.tsv:2: lane 'one'"),
    "file": ("sample\tr1\nS1\tgone.fq\n", r"reads.tsv:2: no file .*gone.fq"),
    "no file named": ("sample\tr1\nS1_R1.fq\n", r"reads.tsv:2: no sample or no r1"),
    "more values than columns": ("sample\tr1\nS1\tS1_R1.fq\tS1_R2.fq\n", r"reads.tsv:2: more values than columns"),
}


@pytest.mark.parametrize("name", TABLE_FAULTS)
def test_a_fault_in_the_table_of_reads_is_named(folder: Path, name: str) -> None:
    table, message = TABLE_FAULTS[name]
    (folder / "reads.tsv").write_text(table)
    with pytest.raises(BadConfiguration, match=message):
        load_case(write(folder, GOOD[: GOOD.index("reads:")] + "reads: reads.tsv\n"))


YAML_ALONE = {
    "null as a key": ("?\n", "case.yaml:1: key ``, which is no text"),
    "a number as a key": ("proband: {7: 8}\n", "case.yaml:1: key `7`, which is no text"),
    "a date is text": ("case: 2026-01-01\nproband: 2026-01-01\n", "`reference` is missing"),
    "a set": ("case: !!set {a}\n", "could not determine a constructor for the tag 'tag:yaml.org,2002:set'"),
    "bytes": ("case: !!binary aGk=\n", "could not determine a constructor for the tag 'tag:yaml.org,2002:binary'"),
    "half a pair": ('case: "\\ud800"\n', "text with half of a surrogate pair"),
    "too deep": ("case: " + "[" * 5000, "broken YAML"),
    "too long a number": ("case: " + "7" * 5000, "broken YAML"),
}


@pytest.mark.parametrize("name", YAML_ALONE)
def test_what_yaml_has_beyond_json_is_an_error(tmp_path: Path, name: str) -> None:
    text, message = YAML_ALONE[name]
    with pytest.raises(BadConfiguration, match=re.escape(message)):
        load_case(write(tmp_path, text))


@given(text=st.text(max_size=200))
@example("?")
@example("? [a]\n: b")
@example("a: {2020-01-01: !!omap [b: c]}")
def test_any_text_is_a_case_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "case.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadConfiguration):
        load_case(path)


def test_settings_say_where_each_value_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.yaml").write_text("memory: 8G\ncores: 3\ndevice: cpu\n")
    monkeypatch.setenv("GENOPIPE_CORES", "5")
    settings = load_settings({"device": "auto", "results": None}, folder=tmp_path)
    assert (settings.value["memory"], settings.value["cores"], settings.value["device"]) == ("8G", 5, "auto")
    assert settings.origin["memory"] == str(tmp_path / "site.yaml")
    assert settings.origin["cores"] == "GENOPIPE_CORES"
    assert settings.origin["device"] == "command line"
    assert settings.origin["results"] == "default"


def test_a_bad_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOPIPE_CORES", "many")
    with pytest.raises(BadConfiguration, match=r"GENOPIPE_CORES.*'many' does not fit"):
        load_settings({}, folder=tmp_path)


def test_an_unknown_site_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("memroy: 8G\n")
    with pytest.raises(BadConfiguration, match=r"site.yaml:1: unknown key `memroy`.*Did you mean `memory`\?"):
        load_settings({}, folder=tmp_path)

"""Case and site configuration, read once into frozen dataclasses.

A case file is YAML (schema: `schemas/case.schema.json`); paths in it are relative to it. Every mistake is told with its line: an
unknown key with the nearest known one, a value that does not fit with what would. A site file holds what is the same for all
cases; the environment (`GENOPIPE_...`) wins over it, and the command line over both. `Settings` remembers where each value came
from.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genopipe.errors import BadConfiguration
from genopipe.formats.ped import read_ped
from genopipe.formats.read_structure import parse_override_cycles, whole_reads
from genopipe.formats.run_info import read_run_info
from genopipe.formats.sample_sheet import read_sample_sheet
from genopipe.formats.text_lines import read_lines
from genopipe.formats.yaml_document import Lines, check, read_yaml
from genopipe.store import Location, is_s3

SITE_FILE = "site.yaml"
DEFAULTS: dict[str, Any] = {
    "cores": None,
    "memory": "4G",
    "device": "auto",
    "results": "results",
    "archive_profile": "archive",
    "site_key_file": None,
    "gates": {},
}


@dataclass(frozen=True, slots=True)
class Proband:
    """The person the case is about; `phenotypes` and `excluded` are HPO ids, `onset` an ISO 8601 duration or None."""

    sample: str
    sex: str
    phenotypes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    onset: str | None = None


@dataclass(frozen=True, slots=True)
class Relative:
    """A sequenced relative of the proband; `relation` is mother or father."""

    sample: str
    relation: str
    sex: str
    affected: bool


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """The FASTQ file or pair of one lane of one sample."""

    sample: str
    lane: int
    r1: Path
    r2: Path | None


@dataclass(frozen=True, slots=True)
class Ehr:
    """Where pointer records hang: FHIR references, and the host that hands out objects (None: none yet)."""

    patient: str
    service_request: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case as its file describes it, paths resolved. `archive` and `ehr` are None where the case has none.

    With a `run_folder`, `reads` are what `genopipe ingest run` will make of it, relative to the folder of the case's reads.
    """

    path: Path
    case: str
    priority: str
    reference: Path
    evidence: Path
    proband: Proband
    family: tuple[Relative, ...]
    pedigree: Path | None
    reads: tuple[ReadFiles, ...]
    archive: Location | None
    ehr: Ehr | None
    gates: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    pgx: Path | None = None
    run_folder: Path | None = None
    sample_sheet: Path | None = None
    panels: tuple[str, ...] = ()
    targets: Path | None = None
    structural: Path | None = None

    @property
    def samples(self) -> tuple[str, ...]:
        """Every sample that has reads, in the order the file names them."""
        return tuple(dict.fromkeys(files.sample for files in self.reads))

    def read_files(self, sample: str) -> list[Path]:
        """The FASTQ files of a sample, R1 and R2 of each lane in turn."""
        return [path for files in self.reads if files.sample == sample for path in (files.r1, files.r2) if path is not None]

    def sex_of(self, sample: str) -> str:
        """female, male or unknown, as the case or its pedigree says."""
        known: dict[str, str] = {member.sample: member.sex for member in (read_ped(self.pedigree) if self.pedigree else ())}
        known |= {self.proband.sample: self.proband.sex} | {relative.sample: relative.sex for relative in self.family}
        return known.get(sample, "unknown")


def load_case(path: Path, *, with_reads: bool = True) -> Case:
    """The case of a case file, checked, with paths resolved against the file's folder.

    Without reads, `reads:` and `run_folder:` are not looked at, nor whether `targets:` and `structural:` exist: what begins with calls
    needs none of them. Raises BadConfiguration (file, line, key) for anything unknown, missing, contradicting or not there. The FASTQ
    files must exist; the reference and the evidence set are checked by the stages that open them.
    """
    path = Path(path)
    document, lines = read_yaml(path, "case")
    check(document, lines, "case", path)
    base = path.resolve().parent
    proband = document["proband"]
    case = Case(
        path=path,
        case=document["case"],
        priority=document.get("priority", "routine"),
        reference=base / document["reference"],
        evidence=base / document["evidence"],
        proband=Proband(
            proband["sample"],
            proband["sex"],
            tuple(proband.get("phenotypes", ())),
            tuple(proband.get("excluded", ())),
            proband.get("onset"),
        ),
        family=tuple(Relative(**relative) for relative in document.get("family", ())),
        pedigree=base / document["pedigree"] if "pedigree" in document else None,
        reads=_reads(document, base, path, lines) if with_reads else (),
        archive=_archive(document, base),
        ehr=Ehr(**document["ehr"]) if "ehr" in document else None,
        gates=document.get("gates", {}),
        pgx=base / document["pgx"] if "pgx" in document else None,
        run_folder=base / document["run_folder"] if "run_folder" in document else None,
        sample_sheet=_sample_sheet(document, base),
        panels=tuple(document.get("panels", ())),
        targets=base / document["targets"] if "targets" in document else None,
        structural=base / document["structural"] if "structural" in document else None,
    )
    _check_people(case, lines)
    if with_reads:
        _check_reads(case, lines)
        _check_files(case, lines)
    return case


def _reads(document: dict[str, Any], base: Path, path: Path, lines: Lines) -> tuple[ReadFiles, ...]:
    """The reads of `reads:`, or of the run folder in its place."""
    if ("reads" in document) == ("run_folder" in document) or ("sample_sheet" in document and "reads" in document):
        raise BadConfiguration(
            "`reads` or `run_folder` is missing, or both are there",
            wanted="`reads:`, or `run_folder:` with its `sample_sheet:`",
            do="Add or remove one.",
            path=path,
            line=lines.at(()),
        )
    if "reads" in document:
        return tuple(_read_files(document["reads"], base, path, lines))
    people = {person["sample"] for person in (document["proband"], *document.get("family", ()))}
    if "pedigree" in document:
        people |= {member.sample for member in read_ped(base / document["pedigree"])}
    sheet = _sample_sheet(document, base)
    assert sheet is not None
    return tuple(reads_of_run(base / document["run_folder"], sheet, people))


def _archive(document: Mapping[str, Any], base: Path) -> Location | None:
    """A bucket as it is written, or a folder beside the case file."""
    written = document.get("archive")
    return written if written is None or is_s3(written) else base / written


def _sample_sheet(document: Mapping[str, Any], base: Path) -> Path | None:
    if "run_folder" not in document:
        return None
    return base / document.get("sample_sheet", Path(document["run_folder"]) / "SampleSheet.csv")


def reads_of_run(run_folder: Path, sheet: Path, people: set[str]) -> Iterator[ReadFiles]:
    """The files that a run's reads of `people` will be in, by the names that BCL Convert gives too. Raises BadInput."""
    run = read_run_info(run_folder / "RunInfo.xml")
    samples = read_sample_sheet(sheet)
    number = {name: n for n, name in enumerate(dict.fromkeys(sample.name for sample in samples.samples), 1)}
    for sample in samples.samples:
        mask = sample.override_cycles or samples.settings.get("overridecycles")
        try:
            segments = parse_override_cycles(mask, run.reads) if mask else whole_reads(run.reads)
        except ValueError as error:
            raise samples.bad(f"OverrideCycles {mask}: {error}", "a mask for the reads of the run", sample.line) from error
        paired = len({segment.read for segment in segments if segment.kind == "Y"}) > 1
        for lane in range(1, run.lanes + 1) if sample.lane is None else (sample.lane,):
            stem = f"{sample.name}_S{number[sample.name]}_L{lane:03d}"
            r1, r2 = (Path(f"{stem}_R{mate}_001.fastq.gz") for mate in (1, 2))
            if sample.name in people:
                yield ReadFiles(sample.name, lane, r1, r2 if paired else None)


def _read_files(reads: str | list[dict[str, Any]], base: Path, path: Path, lines: Lines) -> Iterator[ReadFiles]:
    if isinstance(reads, str):
        yield from _read_table(base / reads)
        return
    seen: dict[Path, int] = {}
    for index, entry in enumerate(reads):
        line = lines.at(("reads", index))
        files = ReadFiles(entry["sample"], entry.get("lane", 1), base / entry["r1"], base / entry["r2"] if "r2" in entry else None)
        _check_read_files(files, seen, path, line)
        yield files


def _read_table(table: Path) -> Iterator[ReadFiles]:
    if not table.is_file():
        raise BadConfiguration(
            "no table of reads here",
            wanted="a TSV with the columns sample, lane, r1, r2",
            do="Check `reads:` in the case file.",
            path=table,
        )
    rows = csv.DictReader((text for _, text in read_lines(table)), delimiter="\t", restval="")
    if not {"sample", "r1"} <= set(rows.fieldnames or ()):
        raise BadConfiguration(
            f"columns {rows.fieldnames}", wanted="the columns sample, lane, r1, r2", do="Mend the first line.", path=table, line=1
        )
    seen: dict[Path, int] = {}
    for row in rows:
        files = _table_row(row, table, rows.line_num)
        _check_read_files(files, seen, table, rows.line_num)
        yield files


def _table_row(row: Mapping[str, str], table: Path, line: int) -> ReadFiles:
    lane, r2 = row.get("lane") or "1", row.get("r2")
    for came, wanted, wrong in (
        (f"lane {lane!r}", "a whole number", not (lane.isascii() and lane.isdigit())),
        ("no sample or no r1", "a sample and its FASTQ file", not (row["sample"] and row["r1"])),
        ("more values than columns", "a value for each column", None in row),
    ):
        if wrong:
            raise BadConfiguration(came, wanted=wanted, do="Mend this line.", path=table, line=line)
    return ReadFiles(row["sample"], int(lane), table.parent / row["r1"], table.parent / r2 if r2 else None)


def _check_read_files(files: ReadFiles, seen: dict[Path, int], path: Path, line: int) -> None:
    for fastq in (files.r1, files.r2):
        if fastq is None:
            continue
        if not fastq.is_file():
            raise BadConfiguration(
                f"no file {fastq}", wanted="an existing FASTQ file", do="Check the path; it is relative to this file.", path=path, line=line
            )
        if fastq in seen:
            raise BadConfiguration(
                f"{fastq.name} is named twice (line {seen[fastq]})", wanted="each FASTQ file once", do="Remove one.", path=path, line=line
            )
        seen[fastq] = line


def _faults_of(path: Path, lines: Lines) -> Callable[..., BadConfiguration]:
    """What makes a fault of a case file from what came, what was wanted, what to do, and the place."""

    def fault(came: str, wanted: str, do: str, *place: str | int) -> BadConfiguration:
        return BadConfiguration(came, wanted=wanted, do=do, path=path, line=lines.at(place))

    return fault


def _check_people(case: Case, lines: Lines) -> None:
    """Samples, relations and terms must tell one story."""
    fault = _faults_of(case.path, lines)
    if case.family and case.pedigree:
        raise fault("both `family` and `pedigree`", "one of the two", "Remove one.", "pedigree")
    if case.pedigree and not case.pedigree.is_file():
        raise fault(f"no file {case.pedigree}", "a PED file", "Check the path; it is relative to this file.", "pedigree")
    people = [case.proband.sample, *(relative.sample for relative in case.family)]
    for index, relative in enumerate(case.family):
        place = ("family", index)
        if relative.sample in people[: index + 1]:
            raise fault(
                f"sample {relative.sample} stands for two people", "a sample of its own for each person", "Mend the sample.", *place
            )
        if relative.relation in {other.relation for other in case.family[:index]}:
            raise fault(f"two people are the {relative.relation}", "one mother and one father at most", "Mend the relation.", *place)
        if relative.sex not in ({"mother": "female", "father": "male"}[relative.relation], "unknown"):
            raise fault(
                f"the {relative.relation} is {relative.sex}", "a female mother and a male father", "Mend the sex or the relation.", *place
            )
    both = set(case.proband.phenotypes) & set(case.proband.excluded)
    if both:
        raise fault(f"{min(both)} is both observed and excluded", "each term once", "Remove one.", "proband", "excluded")


def _check_reads(case: Case, lines: Lines) -> None:
    """Everyone has reads, and all reads are of somebody."""
    fault = _faults_of(case.path, lines)
    if case.proband.sample not in case.samples:
        raise fault(f"no reads of the proband's sample {case.proband.sample}", "reads of the proband", "Add them under `reads:`.", "reads")
    for sample in case.samples:
        if len({files.r2 is None for files in case.reads if files.sample == sample}) > 1:
            raise fault(f"sample {sample} has lanes with and without r2", "all lanes paired, or none", "Mend its lanes.", "reads")
    if case.case in case.samples:
        raise fault(f"the case is named like its sample {case.case}", "a name of its own for the case", "Rename one.", "case")
    if case.pedigree is None:
        people = {case.proband.sample, *(relative.sample for relative in case.family)}
        for sample in sorted(set(case.samples) - people):
            raise fault(
                f"reads of sample {sample}, who is nobody in this case",
                "samples of the proband and the family",
                "Name the person under `family:`.",
                "reads",
            )
    for relative in case.family:
        if relative.sample not in case.samples:
            raise fault(
                f"no reads of {relative.sample}",
                "reads of everyone in `family:`",
                "Add them under `reads:` or remove the person.",
                "family",
            )


def _check_files(case: Case, lines: Lines) -> None:
    """The targets and the structural variants are there, and these are not called like what `genopipe joint` writes."""
    fault = _faults_of(case.path, lines)
    for key, what, path in (("targets", "a BED file", case.targets), ("structural", "a VCF", case.structural)):
        if path is not None and not path.is_file():
            raise fault(f"{key}: no file {path}", what, "Check the path; it is relative to this file.", key)
    if case.structural is not None and case.structural.name == f"{case.case}.vcf.gz":
        came = f"structural: {case.structural.name} is what the family's small variants will be called"
        raise fault(came, "another name, so that the archive can tell them apart", "Rename it.", "structural")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run uses, and where each value came from (`default`, a file, a variable, or the command line)."""

    value: Mapping[str, Any]
    origin: Mapping[str, str] = field(default_factory=dict)


def load_settings(given: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
    """Settings of a run: command line over environment (`GENOPIPE_CORES` and so on) over `site.yaml` over defaults.

    `given` holds the values of the command line, None where it names none; `site.yaml` is sought in `folder` (default: here) unless
    `GENOPIPE_SITE` names another file. Raises BadConfiguration.
    """
    value, origin = dict(DEFAULTS), dict.fromkeys(DEFAULTS, "default")
    for source, found in (*_site_layers(folder or Path()), ("command line", given)):
        for key, setting in found.items():
            if setting is not None:
                value[key], origin[key] = setting, source
    return Settings(value, origin)


def _site_layers(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    named = os.environ.get("GENOPIPE_SITE")
    site = Path(named) if named else folder / SITE_FILE
    if named or site.is_file():
        document, lines = read_yaml(site, "site")
        check(document, lines, "site", site)
        for key in ("results", "site_key_file"):
            if key in document:
                document[key] = str(site.parent / document[key])
        yield str(site), document
    for key in DEFAULTS:
        variable = f"GENOPIPE_{key.upper()}"
        if variable in os.environ:
            text = os.environ[variable]
            document = {key: int(text) if key == "cores" and text.isdigit() else text}
            check(document, Lines(None), "site", Path(variable))
            yield variable, document

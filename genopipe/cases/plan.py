"""What a case will do before anything is done: its file and settings resolved, what it needs checked, its results named.

`genopipe run` and plain `snakemake --configfile CASE.yaml` both start here, so they do the same. The date that results carry is
chosen once, when a case starts for the first time, and kept in `issued` in its results folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from genopipe import device
from genopipe.cases.gates import Gate, gates_with
from genopipe.config import Case, ReadFiles, Settings, load_case, load_settings
from genopipe.errors import BadConfiguration
from genopipe.outputs import make_folder, whole_file
from genopipe.progress import log
from genopipe.provenance import INSTANT, is_instant

STAGES = ("ingest", "align", "call", "interpret", "archive", "ehr")
"""The stages in the order data takes; also the names of the workflow's target rules."""

RULES = {
    "ingest": ("demultiplex", "measure_reads", "judge"),
    "align": ("align_reads", "measure_alignments", "compare_family", "judge"),
    "call": ("fit_model", "call_variants", "genotype_family", "measure_calls", "judge"),
    "interpret": ("name_star_alleles", "rank_findings"),
    "archive": ("archive_sample", "archive_case"),
    "ehr": ("write_pointers",),
}
"""The rules that do each stage's work."""

_PED_SEX = {"male": "1", "female": "2", "unknown": "0"}

SETTING_KEYS = ("memory", "device", "results", "archive_profile", "site_key_file", "issued")


@dataclass(frozen=True, slots=True)
class Plan:
    """A case ready to run. `folder` holds its results; `issued` is the ISO 8601 instant that results carry."""

    case: Case
    settings: Settings
    folder: Path
    device: str
    issued: str

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages this case goes through."""
        return STAGES[: 4 + (self.case.archive is not None) + (self.case.archive is not None and self.case.ehr is not None)]

    def rules(self, stage: str) -> list[str]:
        """The rules that do a stage's work in this case."""
        asked = {
            "demultiplex": self.case.run_folder is not None,
            "compare_family": len(self.case.samples) > 1,
            "name_star_alleles": self.case.pgx is not None,
        }
        return [rule for rule in RULES[stage] if asked.get(rule, True)]

    @property
    def parameters(self) -> dict[str, Any]:
        """What the run record keeps of the plan."""
        memory = self.settings.value["memory"]
        return {"case": self.case.case, "stages": list(self.stages), "device": self.device, "issued": self.issued, "memory": memory}

    def read_options(self, sample: str) -> str:
        """The FASTQ files of a sample as `-1`, `-2` options, lane by lane."""
        lanes = [files for files in self.case.reads if files.sample == sample]
        return " ".join(f"-1 {quote(str(files.r1))}" + (f" -2 {quote(str(files.r2))}" if files.r2 else "") for files in lanes)

    @property
    def reads_folder(self) -> Path:
        """Where a run folder's reads go."""
        return self.folder / "reads"

    @property
    def run_options(self) -> str:
        """What `genopipe ingest run` is told: to follow a run that is not complete."""
        assert self.case.run_folder is not None
        markers = {"copycomplete.txt", "rtacomplete.txt"}
        return "" if any(entry.name.lower() in markers for entry in self.case.run_folder.iterdir()) else "--follow"

    def sex_option(self, sample: str) -> str:
        """What `genopipe call` is told of the sex; nothing where it is unknown."""
        sex = self.case.sex_of(sample)
        return f"--sex {sex}" if sex in ("female", "male") else ""

    @property
    def other_inputs(self) -> list[Path]:
        """The files beside the reads that the run record names."""
        return [path for path in (self.case.targets, self.case.structural) if path is not None]

    @property
    def targets_option(self) -> str:
        """What measures and calls a captured sample is told of its kit; nothing of a whole genome."""
        return f"--targets {quote(str(self.case.targets))}" if self.case.targets else ""

    @property
    def structural_option(self) -> str:
        """Where `genopipe interpret` finds structural variants; nothing where the case has none."""
        return f"--structural {quote(str(self.case.structural))}" if self.case.structural else ""

    @property
    def gates(self) -> dict[str, Gate]:
        """The quality gates: the defaults with the limits of the site, then of the case."""
        return gates_with(self.settings.value["gates"], self.case.gates, captured=self.case.targets is not None)

    def gate_names(self, stage: str) -> list[str]:
        """The gates that close a stage, by the names of their files in `gates/`."""
        each = {"ingest": "reads", "align": "alignments"}
        names = [f"{sample}.{each[stage]}" for sample in self.case.samples] if stage in each else []
        family = ["family"] if stage == "align" and len(self.case.samples) > 1 else []
        return [*names, *family, *(["calls"] if stage == "call" else [])]

    def gates_up_to(self, stage: str) -> list[str]:
        """The gates that must have let a case pass when a stage is done."""
        return [gate for one in STAGES[: STAGES.index(stage) + 1] for gate in self.gate_names(one)]

    def gate_measures(self, gate: str) -> Path:
        """The file of measures that a gate judges."""
        sample, _, kind = gate.rpartition(".")
        names = {"reads": f"{sample}.qc.json", "alignments": f"{sample}.aligned.json", "family": "family.json", "calls": "calls.json"}
        return self.folder / "ingest" / names[kind]

    @property
    def pedigree(self) -> Path:
        """The PED file of the case: its own, or the one `start` writes from `family:`."""
        return self.case.pedigree or self.folder / "family.ped"

    @property
    def site_key_option(self) -> str:
        """Where `genopipe ehr pointers` finds the site's secret; empty where the environment names it."""
        key = self.settings.value["site_key_file"]
        return f"--site-key-file {quote(str(key))}" if key else ""

    def start(self) -> None:
        """Makes the results folder, fixes the date of the results, and writes the family as a PED file and a list of the samples."""
        make_folder(self.folder)
        self._forget_gates()
        _write_new(self.folder / "issued", self.issued + "\n")
        _write_new(self.folder / "samples", "".join(f"{sample}\n" for sample in self.case.samples))
        _write_new(self.folder / "family.ped", "".join("\t".join(row) + "\n" for row in _pedigree_rows(self.case)))

    def _forget_gates(self) -> None:
        """Takes away what was decided of people who are no longer in the case."""
        known = {f"{gate}{suffix}" for gate in self.gates_up_to(STAGES[-1]) for suffix in (".json", ".stopped.json")}
        for path in (self.folder / "gates").glob("[!.]*.json"):
            if path.name not in known:
                path.unlink()


def plan_case(configfiles: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> Plan:
    """The plan of one case file, with settings from `overrides` (the command line), the environment and `site.yaml`.

    Raises BadConfiguration when no or several case files are given, or when the reference or the evidence set is not there.
    """
    if len(configfiles) != 1:
        raise BadConfiguration(f"{len(configfiles)} case files", wanted="one case file", do="Give it with --configfile CASE.yaml.")
    case = load_case(Path(configfiles[0]).resolve())
    settings = load_settings({key: (overrides or {}).get(key) for key in SETTING_KEYS})
    folder = Path(settings.value["results"]) / case.case
    if case.run_folder is not None:
        case = replace(case, reads=tuple(_placed(files, folder / "reads") for files in case.reads))
    _check_needs(case)
    _check_paths(case, folder)
    return Plan(case, settings, folder, device.resolve(settings.value["device"]), _issued(folder, settings.value.get("issued")))


def _placed(files: ReadFiles, folder: Path) -> ReadFiles:
    return replace(files, r1=folder / files.r1, r2=None if files.r2 is None else folder / files.r2)


def _write_new(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        with whole_file(path) as partial:
            partial.write_text(text)


def _pedigree_rows(case: Case) -> Iterator[tuple[str, ...]]:
    parent = {relative.relation: relative.sample for relative in case.family}
    proband = case.proband
    yield case.case, proband.sample, parent.get("father", "0"), parent.get("mother", "0"), _PED_SEX[proband.sex], "2"
    for relative in case.family:
        yield case.case, relative.sample, "0", "0", _PED_SEX[relative.sex], "2" if relative.affected else "1"


def _check_needs(case: Case) -> None:
    if case.pgx is not None and not case.pgx.exists():
        raise BadConfiguration(
            f"no folder or evidence set {case.pgx}",
            wanted="the definition and phenotype tables of a PharmCAT release",
            do="Mend `pgx:`, or leave it out.",
            path=case.path,
            key="pgx",
        )
    if not (case.reference / "reference.json").is_file():
        raise BadConfiguration(
            f"no reference in {case.reference}",
            wanted="a folder made by `genopipe reference build`",
            do=f"Run `genopipe reference build REF.fa -o {case.reference}`, or mend `reference:`.",
            path=case.path,
            key="reference",
        )
    if not case.evidence.is_file():
        raise BadConfiguration(
            f"no evidence set {case.evidence}",
            wanted="a set locked by `genopipe evidence lock`",
            do="See `genopipe evidence list`, or mend `evidence:`.",
            path=case.path,
            key="evidence",
        )


def _check_paths(case: Case, folder: Path) -> None:
    """Raises BadConfiguration for a path with braces, which Snakemake takes for wildcards wherever they stand."""
    reads = [path for files in case.reads for path in (files.r1, files.r2)]
    others = (case.path, case.reference, case.evidence, case.pedigree, case.archive, case.pgx, case.run_folder, case.sample_sheet)
    for path in (*others, case.targets, case.structural, *reads, folder):
        if path is not None and {"{", "}"} & set(str(path)):
            raise BadConfiguration(
                f"braces in the path {path}", wanted="paths without { and }", do="Rename it, or link to it.", path=case.path
            )


def _issued(folder: Path, asked: str | None) -> str:
    """The date already fixed for this case, else the one asked for, else now."""
    if asked is not None and not is_instant(str(asked)):
        raise BadConfiguration(f"date {asked!r}", wanted="an instant in UTC such as 2026-11-20T10:00:00Z", do="Mend it.", key="--issued")
    kept = folder / "issued"
    if not kept.is_file():
        return str(asked or datetime.now(UTC).strftime(INSTANT))
    issued = kept.read_text().strip()
    if asked not in (None, issued):
        log.warning("the results of this case carry %s since it first started; %s is not used", issued, asked)
    return issued

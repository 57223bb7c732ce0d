"""A first case file from a folder of reads, or a run folder: samples and lanes are read off the names, or off the sample sheet of the run;
the rest is left to fill in, with comments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from genopipe.config import ReadFiles, reads_of_run
from genopipe.errors import BadInput
from genopipe.formats.sample_sheet import read_sample_sheet
from genopipe.ingest.run_plan import UNDETERMINED
from genopipe.outputs import whole_file
from genopipe.progress import log

FASTQ_NAME = re.compile(r"^(?P<sample>.+?)(?:_S\d+)?(?:_L(?P<lane>\d{3}))?_R?(?P<mate>[12])(?:_001)?\.(?:fastq|fq)(?:\.gz|\.bgz)?$")
"""`SAMPLE_S1_L001_R1_001.fastq.gz` (bcl2fastq) and its shorter forms."""

_FASTQ = re.compile(r"\.(fastq|fq)(\.\w+)?$")
_PLAIN = re.compile(r"[\w./-][\w./ -]*")

TEMPLATE = """\
case: {case}                    # letters, digits, - and _; never a name or a record number
priority: routine               # stat | urgent | routine
reference: refs/GRCh38          # made by `genopipe reference build`
evidence: evidence/current      # locked by `genopipe evidence lock`
proband:
  sample: {proband}   # check who is who
  sex: unknown                  # female | male | unknown
  phenotypes: []                # HPO terms seen, such as [HP:0001250, HP:0001252]
  excluded: []                  # HPO terms looked for and not found
  # onset: P3D                  # age at onset, an ISO 8601 duration
{family}{reads}archive: archive                # a folder or s3://bucket/prefix; remove this line to archive nothing
# targets: kit.bed              # BED of the capture kit, for an exome or a panel
# structural: sv.vcf.gz         # structural variants of the family, from another caller
# panels: [epilepsy]            # panels or gene lists of the evidence set whose genes alone are ranked
# pgx: pharmcat                 # folder of a PharmCAT release: star alleles of the proband
# gates: {{mean_coverage: {{warn_below: 30, stop_below: 15}}}}   # limits other than the site's and the defaults
# ehr: {{patient: Patient/abc, service_request: ServiceRequest/def, base: null}}   # pointer records; needs the archive
"""

PARENTS = (("mother", "female"), ("father", "male"))
RELATIVE = "  - {{sample: {sample}, relation: {relation}, sex: {sex}, affected: false}}   # check who is who\n"
OTHER = "  # {entry}   # of neither parent: such a family is named by `pedigree:` in place of `family:`\n"


def find_reads(folder: Path) -> list[ReadFiles]:
    """The FASTQ files in `folder`, paired by name, sorted by sample and lane; reads that belong to nobody are left out.

    Raises BadInput when there are none, a mate is alone, or two files have one sample, lane and mate.
    """
    found: dict[tuple[str, int], dict[str, Path]] = {}
    for path in sorted(path for path in folder.iterdir() if _FASTQ.search(path.name)):
        match = FASTQ_NAME.match(path.name)
        if match is None:
            log.warning("%s: no name such as S1_R1.fastq.gz; it is left out", path)
        elif match["sample"] != UNDETERMINED:
            mates = found.setdefault((re.sub(r"[^A-Za-z0-9_-]", "-", match["sample"]), int(match["lane"] or 1)), {})
            if match["mate"] in mates:
                came = f"the same sample, lane and mate as {mates[match['mate']].name}"
                raise BadInput(came, wanted="one file of each", do="Rename one.", path=path)
            mates[match["mate"]] = path
    if not found:
        raise BadInput(
            "no FASTQ files", wanted="names such as S1_R1.fastq.gz and S1_R2.fastq.gz", do="Name the folder with the reads.", path=folder
        )
    for mates in found.values():
        if "1" not in mates:
            raise BadInput("an R2 without its R1", wanted="R1 beside it", do="Check the folder.", path=mates["2"])
    return [ReadFiles(sample, lane, mates["1"], mates.get("2")) for (sample, lane), mates in sorted(found.items())]


def write_case(folder: Path, target: Path) -> Sequence[ReadFiles]:
    """Writes a commented case file for the reads in `folder`; the first sample is taken for the proband, the next
    two for mother and father.

    Raises BadInput when there are no reads or `target` exists.
    """
    if target.exists():
        raise BadInput("a case file is already here", wanted="a new file", do="Choose another name with -o, or remove it.", path=target)
    base = target.resolve().parent
    is_run = (folder / "RunInfo.xml").is_file()
    reads = reads_of_sheet(folder) if is_run else find_reads(folder)
    samples = list(dict.fromkeys(files.sample for files in reads))
    people = [] if is_run else samples[1:]
    relatives = "".join(
        RELATIVE.format(sample=_value(sample), relation=relation, sex=sex) for sample, (relation, sex) in zip(people, PARENTS, strict=False)
    )
    others = people[len(PARENTS) :]
    lines = "".join((OTHER if files.sample in others else "  {entry}\n").format(entry=_entry(files, base)) for files in reads)
    section = f"run_folder: {_shown(folder, base)}   # samples of its sheet: {', '.join(samples)}\n" if is_run else f"reads:\n{lines}"
    text = TEMPLATE.format(case="CASE-1", proband=_value(samples[0]), family=f"family:\n{relatives}" if relatives else "", reads=section)
    with whole_file(target) as partial:
        partial.write_text(text)
    return reads


def reads_of_sheet(run_folder: Path) -> list[ReadFiles]:
    """What the run's sample sheet will become. Raises BadInput."""
    sheet = run_folder / "SampleSheet.csv"
    return list(reads_of_run(run_folder, sheet, {sample.name for sample in read_sample_sheet(sheet).samples}))


def _shown(path: Path, base: Path) -> str:
    """The path in the case file, relative where it can be."""
    path = path.resolve()
    return _value(str(path.relative_to(base) if path.is_relative_to(base) else path))


def _value(text: str) -> str:
    """Text as YAML reads it back, in quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text else json.dumps(text, ensure_ascii=False)


def _entry(files: ReadFiles, base: Path) -> str:
    r2 = f", r2: {_shown(files.r2, base)}" if files.r2 else ""
    return f"- {{sample: {_value(files.sample)}, lane: {files.lane}, r1: {_shown(files.r1, base)}{r2}}}"

"""What would stop a case hours later, looked for before its first step: pedigree, phenotype, targets, structural variants, evidence
set, panels, archive, site key.

Each check is the one that the stage itself makes, so that both tell the same; only what the stages to come need is looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

from genopipe.cases.measures import targets_on
from genopipe.cases.plan import STAGES, Plan
from genopipe.ehr.identifiers import read_site_key
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.formats.genome import load_genome
from genopipe.interpret.evidence import open_set
from genopipe.interpret.ontology import load_ontology
from genopipe.interpret.structural import check_structural
from genopipe.interpret.subject import Subject, check_terms, load_subject
from genopipe.interpret.tiers import Panels
from genopipe.progress import log
from genopipe.store import check_access


def check_case(plan: Plan, last: str | None = None, *, first: str | None = None) -> None:
    """Raises a GenopipeError for the first thing that a stage of the case, up to `last`, would fail at; and where `first`, the stage to do
    again, is none of the case's."""
    to_come = [stage for stage in plan.stages if last is None or STAGES.index(stage) <= STAGES.index(last)]
    _check_stage(plan, first, "--from")
    _check_stage(plan, last, "--until")
    _check_working_folder()
    subject = load_subject(plan.case.path)
    _check_samples(plan, subject)
    if plan.case.targets and "align" in to_come:
        targets_on(load_genome(plan.case.reference), plan.case.targets)
    if "interpret" in to_come:
        evidence = open_set(plan.case.evidence)
        check_terms(subject, load_ontology(evidence))
        Panels(evidence, subject.panels)
        if plan.case.structural:
            check_structural(plan.case.structural, subject.proband, load_genome(plan.case.reference))
    if "archive" in to_come:
        _check_archive(plan)
    if plan.case.ehr is not None and plan.case.archive is None:
        log.warning("%s: `ehr:` without `archive:`: no pointers are written, as nothing is archived", plan.case.path)
    if "ehr" in to_come:
        key = plan.settings.value["site_key_file"]
        read_site_key(Path(key) if key else None)


def _check_stage(plan: Plan, stage: str | None, option: str) -> None:
    if stage is not None and stage not in plan.stages:
        raise BadConfiguration(
            f"the case has no stage {stage}",
            wanted=f"one of {', '.join(plan.stages)}",
            do="Add `archive:` (and `ehr:`) to the case file, or name an earlier stage.",
            path=plan.case.path,
            key=option,
        )


def _check_working_folder() -> None:
    """Snakemake keeps its notes in the working folder."""
    if not os.access(Path.cwd(), os.W_OK):
        raise BadEnvironment(
            "the working folder cannot be written",
            wanted="write permission, for `.snakemake`",
            do="Change to a folder of your own and name the results with --results.",
            path=Path.cwd(),
        )


def _check_samples(plan: Plan, subject: Subject) -> None:
    """Everyone with reads must be somebody in the family."""
    known = [member.sample for member in subject.family]
    for sample in plan.case.samples:
        if sample not in known:
            raise BadInput(
                f"sample {sample} of the case is not in the pedigree",
                wanted=f"one of {', '.join(known)}",
                do="Correct the pedigree, or the samples under `reads:`.",
                path=plan.case.pedigree or plan.case.path,
            )


def _check_archive(plan: Plan) -> None:
    archive = plan.case.archive
    if isinstance(archive, Path) and archive.exists() and not archive.is_dir():
        raise BadConfiguration(
            f"{archive} is a file", wanted="a folder for the archive", do="Mend `archive:`.", path=plan.case.path, key="archive"
        )
    if archive is not None:
        check_access(archive)

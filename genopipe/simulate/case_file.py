"""The case file of a simulated family."""

from __future__ import annotations

import os
from pathlib import Path

from genopipe.simulate.family import Family
from genopipe.simulate.tables import write_lines


def write_case(folder: Path, family: Family, *, reference: Path, evidence: Path, archive: Path, case: str = "DEMO-0001") -> Path:
    """Writes `folder`/case.yaml; all paths in it are relative to `folder`. Returns its path."""

    def near(path: Path) -> str:
        return Path(os.path.relpath(path, folder)).as_posix()

    newborn, *parents = family.members
    lines = [
        "# A simulated newborn and both parents: nobody's data.",
        f"case: {case}",
        "priority: stat",
        f"reference: {near(reference)}",
        f"evidence: {near(evidence)}",
        "proband:",
        f"  sample: {newborn.sample}",
        f"  sex: {newborn.sex}",
        f"  phenotypes: [{', '.join(family.phenotypes)}]",
        f"  excluded: [{', '.join(family.excluded)}]",
        "  onset: P3D",
        "family:",
        *(f"  - {{sample: {p.sample}, relation: {p.relation}, sex: {p.sex}, affected: {str(p.affected).lower()}}}" for p in parents),
        "reads:",
        *(f"  - {{sample: {m.sample}, lane: 1, r1: {near(m.r1)}, r2: {near(m.r2)}}}" for m in family.members),
        f"archive: {near(archive)}",
        "ehr: {patient: Patient/demo-newborn, service_request: ServiceRequest/demo-order, base: null}",
    ]
    write_lines(folder / "case.yaml", lines)
    return folder / "case.yaml"

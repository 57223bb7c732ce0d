"""The run of a case as an RO-Crate: what went in, what came out, and by which workflow and versions, for other programs to read.

The crate holds the Snakefile and the metadata. Files stay in the archive: each is an entity named by its digest (`ni:`, RFC 6920), with its
name, size and SHA-256; of people it tells no more than the names of files do. One CreateAction is the whole run, and one more is each step.
The same record gives the same bytes.

Source: RO-Crate 1.3; profiles Workflow Run Crate 0.6, Process Run Crate 0.6 and Workflow RO-Crate 1.1 (www.researchobject.org).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genopipe.archive.lineage import Lineage, Record, check_recorded
from genopipe.errors import BadEnvironment
from genopipe.outputs import writing

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.6": ("Process Run Crate", "0.6"),
    "https://w3id.org/ro/wfrun/workflow/0.6": ("Workflow Run Crate", "0.6"),
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"


def write_crate(lineage: Lineage, folder: Path, *, snakefile: Path) -> None:
    """Writes the crate of the last case record that mentions the file.

    Raises BadInput where there is none, or it has no date; BadEnvironment without the package `rocrate`.
    """
    crate = _Crate(lineage, check_recorded(lineage))
    crate.describe(snakefile)
    with writing(folder):
        crate.crate.write(folder)


class _Crate:
    """A crate in the making."""

    def __init__(self, lineage: Lineage, record: Record) -> None:
        try:
            from rocrate.model.contextentity import ContextEntity
            from rocrate.rocrate import ROCrate
        except ImportError as error:
            raise BadEnvironment("the package rocrate is missing", wanted="it", do="pip install 'genopipe[crate]'.") from error
        self.lineage, self.record = lineage, record
        self.crate, self._new = ROCrate(), ContextEntity
        self.files: dict[str, Any] = {}

    def describe(self, snakefile: Path) -> None:
        """Everything: the data set, the workflow, its files, and what was done."""
        record, root = self.record, self.crate.root_dataset
        root["name"] = f"Case {record['case']}"
        root["description"] = "One run of the genopipe workflow; the files are in the archive, named by their digests."
        root["datePublished"] = record["issued"]
        restricted = {"@type": "CreativeWork", "name": "Restricted", "description": "Genetic data of people; not for distribution."}
        root["license"] = self._entity("#restricted", restricted)
        version = record["packages"].get("snakemake")
        workflow = self.crate.add_workflow(str(snakefile), "Snakefile", main=True, lang="snakemake", lang_version=version)
        workflow["name"] = "genopipe: one case from reads to pointers"
        workflow["version"] = record["genopipe"]
        for url, (name, number) in PROFILES.items():
            root.append_to("conformsTo", self._entity(url, {"@type": "CreativeWork", "name": name, "version": number}))
        self.crate.metadata.extra_contexts.append(TERMS)
        self._add_actions(workflow)

    def _add_actions(self, workflow: Any) -> None:
        steps = self.record["steps"]
        for number, step in enumerate(steps, 1):
            tool = self._entity(f"#genopipe-{step['step']}", self._tool(step["step"]))
            if tool not in (workflow.get("hasPart") or []):
                workflow.append_to("hasPart", tool)
            self._action(f"#step-{number}", f"genopipe {step['step']}", tool, (step["inputs"], step["outputs"]))
        made = {digest for step in steps for digest in step["outputs"]}
        given = {digest for step in steps for digest in step["inputs"]} - made
        self._action("#run", f"Run of case {self.record['case']}", workflow, (sorted(given), sorted(made)))

    def _tool(self, step: str) -> dict[str, Any]:
        return {"@type": "SoftwareApplication", "name": f"genopipe {step}", "softwareVersion": self.record["genopipe"]}

    def _action(self, identifier: str, name: str, instrument: Any, files: tuple[Iterable[str], Iterable[str]]) -> None:
        action = self._entity(identifier, {"@type": "CreateAction", "name": name, "description": self._settings()})
        action["endTime"] = self.record["issued"]
        action["instrument"] = instrument
        action["object"], action["result"] = ([self._file(digest) for digest in digests] for digests in files)
        self.crate.root_dataset.append_to("mentions", action)

    def _settings(self) -> str:
        record = self.record
        packages = ", ".join(f"{name} {number}" for name, number in sorted(record["packages"].items()))
        evidence = f"{record['evidence']['name']} (SHA-256 {record['evidence']['digest']})"
        return f"genopipe {record['genopipe']}; reference {record['reference']}; evidence {evidence}; {packages}"

    def _file(self, digest: str) -> Any:
        """The entity of a file, made once."""
        if digest not in self.files:
            manifest = self.lineage.file.get(digest)
            about = {"name": manifest.name, "contentSize": str(manifest.size)} if manifest is not None else {"name": digest[:12]}
            self.files[digest] = self.crate.add_file(_named_by(digest), properties=about | {"sha256": digest})
        return self.files[digest]

    def _entity(self, identifier: str, properties: dict[str, Any]) -> Any:
        return self.crate.add(self._new(self.crate, identifier, properties=properties))


def _named_by(digest: str) -> str:
    """The `ni:` name of a SHA-256. Source: RFC 6920, section 3."""
    return f"ni:///sha-256;{base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip('=')}"

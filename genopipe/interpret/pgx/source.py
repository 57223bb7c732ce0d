"""Where the definition and phenotype tables come from: the folder of a PharmCAT release, or a locked evidence set that holds one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.interpret.evidence import open_set
from genopipe.interpret.evidence_files import laid_out


@contextmanager
def tables_folder(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folder with the tables, and what tells their origin: name and digest of the set, nothing for a folder.

    Raises BadInput for a set without definitions.
    """
    if path.is_dir():
        yield path, []
        return
    evidence = open_set(path)
    dataset = evidence.one("pgx-definitions")
    if dataset is None:
        raise BadInput(
            f"the evidence set {evidence.name} has no definitions of named alleles",
            wanted="data of kind pgx-definitions",
            do="Add the folder of a PharmCAT release with `genopipe evidence add pgx-definitions` and lock a new set.",
            path=path,
        )
    with laid_out(evidence.table(dataset)) as folder:
        yield folder, [f"evidence set {evidence.name} (sha256:{evidence.digest})"]

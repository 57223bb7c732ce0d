"""Evidence that is read in place by whoever uses it: the files of a folder, kept by name, and laid out again as a folder.

pgx-definitions  the folder of a PharmCAT release: its JSON tables of definitions and phenotypes, at any depth
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.errors import BadInput
from genopipe.outputs import temporary_folder
from genopipe.store import file_digest

_COLUMNS: dict[str, pa.DataType] = {"path": pa.string(), "content": pa.binary()}
FILE = pa.schema(_COLUMNS)


def write_files(folder: Path, target: Path) -> int:
    """Keeps the JSON files of a folder; gives their number. Raises BadInput when there is no definition table among them."""
    paths = _files(folder)
    if not any(path.name.endswith("_translation.json") for path in paths):
        do = "Name the folder of a PharmCAT release."
        raise BadInput("no definition tables", wanted="GENE_translation.json files", do=do, path=folder)
    rows = [{"path": path.relative_to(folder).as_posix(), "content": path.read_bytes()} for path in paths]
    pq.write_table(pa.Table.from_pylist(rows, schema=FILE), target, compression="zstd")
    return len(rows)


def source_digest(paths: Sequence[Path]) -> str:
    """SHA-256 of a file, of the digests of several files in whatever order, or of the names and digests of a folder's JSON files."""
    if len(paths) > 1:
        told = "".join(f"{digest}\n" for digest in sorted(map(file_digest, paths)))
    elif paths[0].is_dir():
        told = "".join(f"{file_digest(file)}  {file.relative_to(paths[0]).as_posix()}\n" for file in _files(paths[0]))
    else:
        return file_digest(paths[0])
    return hashlib.sha256(told.encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


@contextmanager
def laid_out(table: Path) -> Iterator[Path]:
    """A temporary folder with the files of a table of `write_files`."""
    with temporary_folder() as name:
        for row in pq.read_table(table).to_pylist():
            path = name / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row["content"])
        yield name

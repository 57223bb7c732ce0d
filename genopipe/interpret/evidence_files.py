"""Evidence that is read in place by whoever uses it: the files of a folder, kept by name, and laid out again as a folder.

pgx-definitions  the folder of a PharmCAT release: its JSON tables of definitions and phenotypes, at any depth
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.errors import BadInput
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


def source_digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and digests of a folder's JSON files."""
    if not path.is_dir():
        return file_digest(path)
    told = "".join(f"{file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path))
    return hashlib.sha256(told.encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


@contextmanager
def laid_out(table: Path) -> Iterator[Path]:
    """A temporary folder with the files of a table of `write_files`."""
    with TemporaryDirectory(prefix="genopipe-") as name:
        for row in pq.read_table(table).to_pylist():
            path = Path(name) / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row["content"])
        yield Path(name)

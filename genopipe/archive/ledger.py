"""The ledger: manifests in SQLite, so that one of a million is found without reading the others.

It is a copy and never the truth: opened, it takes up the manifests that are new in the archive and drops those that went; it may be
deleted at any time. It lies in the folder of the archive, for a bucket among the user's cached files, and in memory where neither can be
written. Of several manifests of the same file (two puts at once, or a file kept anew) one counts: the highest revision, then the first
version, then the smallest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from genopipe.archive.manifests import Manifest, decode_manifest, parse_manifest
from genopipe.progress import log
from genopipe.store import Files, Found, Location, inside, is_digest, is_s3

LEDGER = "ledger.sqlite"
_READERS = 16
_AT_ONCE = 10_000
"""Manifests that are read and taken up at a time: memory is bounded, and a first look that was killed goes on from there."""
_BUSY_SECONDS = 300
_SCHEMA = """
CREATE TABLE IF NOT EXISTS manifest (
    file TEXT PRIMARY KEY, sample TEXT NOT NULL, name TEXT NOT NULL, version INTEGER, digest TEXT, plain_digest TEXT,
    revision INTEGER, stored_size INTEGER, size INTEGER, kind TEXT, document BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object (digest TEXT, file TEXT, size INTEGER, role TEXT, PRIMARY KEY (digest, file)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS manifest_of_sample ON manifest (sample, name);
CREATE INDEX IF NOT EXISTS manifest_by_name ON manifest (name, sample, version);
CREATE INDEX IF NOT EXISTS manifest_by_digest ON manifest (digest, sample, name);
CREATE INDEX IF NOT EXISTS manifest_of_content ON manifest (plain_digest);
CREATE INDEX IF NOT EXISTS object_of_manifest ON object (file);
CREATE TEMP VIEW counting AS SELECT * FROM manifest AS m WHERE NOT EXISTS (
    SELECT 1 FROM manifest AS other WHERE other.digest = m.digest AND other.sample = m.sample AND other.name = m.name
        AND (-other.revision, other.version, other.stored_size, other.file) < (-m.revision, m.version, m.stored_size, m.file)
);
"""


class Ledger:
    """The ledger of the archive at `root`, whose files are `files`."""

    def __init__(self, root: Location, files: Files) -> None:
        self._root, self._files = root, files
        self._connection: sqlite3.Connection | None = None

    def manifests(self, where: str = "1", *values: object) -> list[Manifest]:
        """The manifests that count and fulfil a condition on `counting`, by sample, name and version."""
        return list(map(parse_manifest, self._documents(f"counting WHERE {where} ORDER BY sample, name, version, digest", *values)))

    def every(self, where: str = "1", *values: object) -> list[Manifest]:
        """Also those that do not count any more."""
        return list(map(parse_manifest, self._documents(f"manifest WHERE {where} ORDER BY sample, name, version, digest, file", *values)))

    def rows(self, query: str, *values: object) -> list[Any]:
        """The answer to a query over `manifest`, `counting` and `object`."""
        try:
            return self._opened().execute(query, values).fetchall()
        except sqlite3.Error:
            self._discard()
            self.refresh()
            return self._opened().execute(query, values).fetchall()

    def needed(self) -> set[str]:
        """The objects that manifests name, from their own bytes: what is not among them may be deleted. Raises as `refresh`."""
        self.refresh()
        return {entry["digest"] for document in self._documents("manifest") for entry in json.loads(document)["objects"]}

    def insert(self, manifest: Manifest) -> None:
        """Takes up a manifest that was just written."""
        try:
            with self._opened() as ledger:
                _insert(ledger, [(manifest, manifest.encode())])
        except sqlite3.Error:
            self._discard()
            self.refresh()

    def refresh(self) -> None:
        """Takes up what is new in the archive and drops what went. Raises BadInput for a manifest that is damaged or too new."""
        try:
            self._refresh()
        except sqlite3.Error:
            self._discard()
            self._refresh()

    def _documents(self, source: str, *values: object) -> list[bytes]:
        """The bytes of manifests, as their names say they are; a ledger with others is made again."""
        query = f"SELECT CAST(document AS BLOB), file FROM {source}"
        found = self.rows(query, *values)
        if any(hashlib.sha256(document).hexdigest() != digest_in(file) for document, file in found):
            self._discard()
            self.refresh()
            found = self.rows(query, *values)
        return [document for document, _ in found]

    def _refresh(self) -> None:
        present = {found.name for found in manifest_files(self._files)}
        ledger = self._opened()
        known = {file for (file,) in ledger.execute("SELECT file FROM manifest")}
        fresh, gone = sorted(present - known), [(file,) for file in known - present]
        with ThreadPoolExecutor(_READERS) as readers:
            for start in range(0, len(fresh), _AT_ONCE):
                some = fresh[start : start + _AT_ONCE]
                with ledger:
                    _insert(ledger, filter(None, readers.map(self._read, some)))
                if len(fresh) > _AT_ONCE:
                    log.info("%s of %s new manifests are in the ledger", f"{start + len(some):,}", f"{len(fresh):,}")
        if gone:
            with ledger:
                ledger.executemany("DELETE FROM manifest WHERE file = ?", gone)
                ledger.executemany("DELETE FROM object WHERE file = ?", gone)

    def _read(self, file: str) -> tuple[Manifest, bytes] | None:
        """A manifest and its bytes; None for one that went between the listing and now."""
        try:
            content = self._files.read(file)
        except FileNotFoundError:
            return None
        return decode_manifest(content, digest_in(file), inside(self._root, file)), content

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = _prepared(sqlite3.connect(_path(self._root), timeout=_BUSY_SECONDS))
            except (sqlite3.Error, OSError):
                self._discard()
        assert self._connection is not None
        return self._connection

    def _discard(self) -> None:
        """Goes on in memory; a file that cannot be used is removed, and made again by the next command."""
        if self._connection is not None:
            self._connection.close()
        with suppress(OSError):
            _path(self._root).unlink(missing_ok=True)
        self._connection = _prepared(sqlite3.connect(":memory:"))


def manifest_files(files: Files) -> Iterator[Found]:
    """The files of all manifests, sorted."""
    for found in files.listed("manifests/"):
        if found.name.endswith(".json") and is_digest(digest_in(found.name)):
            yield found


def digest_in(file: str) -> str:
    """The digest in the name of a manifest's file."""
    return file.removeprefix("manifests/").removesuffix(".json")


def _path(root: Location) -> Path:
    if not is_s3(root):
        return Path(root) / LEDGER
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genopipe"
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{hashlib.sha256(str(root).encode()).hexdigest()[:32]}.sqlite"


def _prepared(ledger: sqlite3.Connection) -> sqlite3.Connection:
    ledger.execute("PRAGMA cache_size = -65536")  # 64 MB, so that a million random digests go into the indices in seconds
    ledger.execute("PRAGMA secure_delete = ON")  # what is forgotten leaves no trace in free pages
    ledger.executescript(_SCHEMA)
    return ledger


def _insert(ledger: sqlite3.Connection, manifests: Iterable[tuple[Manifest, bytes]]) -> None:
    """Takes up manifests, each with its bytes."""
    rows, entries = [], []
    for m, content in manifests:
        file = f"manifests/{hashlib.sha256(content).hexdigest()}.json"
        about = (m.sample or "", m.name, m.version, m.digest, m.plain_digest, m.revision, m.stored_size, m.size, m.content["kind"])
        rows.append((file, *about, content))
        entries += [(entry["digest"], file, entry["size"], entry["role"]) for entry in m.objects]
    ledger.executemany(f"INSERT OR REPLACE INTO manifest VALUES ({', '.join('?' * 11)})", rows)
    ledger.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", sorted(entries))

"""Manifests: small canonical JSON files that name what is archived and say how each file comes back.

A manifest lies at `manifests/DIGEST.json`, the digest being that of its own bytes; it is written last and never changed, so that a file is
archived wholly or not at all. The bytes are canonical: sorted keys, no blanks, ASCII. `schemas/manifest.schema.json` describes them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.outputs import make_folder
from genopipe.store import Location, inside, is_digest, open_store

VERSION = 1
_MARKER = "archive.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One archived file.

    name, sample, version   what it is called; a file of the same name and sample with other bytes has the next version
    digest, size            SHA-256 and bytes of the file as it was given
    exactness               "bytes": it comes back bit for bit
    plain_digest            SHA-256 of the content without gzip
    container               how gzip is laid around the content (`genopipe.archive.container`), or None
    content                 where the content is: kind `alignments`, `reads` or `packed`
    objects                 digest, size and role of every object needed
    """

    name: str
    sample: str | None
    version: int
    digest: str
    size: int
    exactness: str
    plain_digest: str
    container: dict[str, Any] | None
    content: dict[str, Any]
    objects: list[dict[str, Any]]

    def encode(self) -> bytes:
        """The canonical bytes."""
        return canonical({"manifest": VERSION, **asdict(self)})

    @property
    def stored_size(self) -> int:
        """Bytes of the objects it needs, the reference left out."""
        return sum(entry["size"] for entry in self.objects if entry["role"] != "reference")


def canonical(document: dict[str, Any]) -> bytes:
    """JSON with one spelling only."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


class Archive:
    """An archive in a folder or a bucket: its objects and its manifests."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self.store = open_store(root)
        self.files = self.store.files
        self._read: dict[str, Manifest] = {}

    @classmethod
    def existing(cls, root: Location) -> Archive:
        """Opens an archive for reading. Raises BadInput where there is none, or one of a newer version."""
        archive = cls(root)
        if archive.files.found(_MARKER) is None:
            raise BadInput(
                "there is no archive here",
                wanted="a folder or a bucket written by `genopipe archive put`",
                do="Check --archive, or put a file first.",
                path=root,
            )
        archive._check_version()
        return archive

    @classmethod
    def make(cls, root: Location) -> Archive:
        """Opens an archive for writing, a new one where there is none."""
        archive = cls(root)
        archive.files.add(_MARKER, canonical({"archive": VERSION}))
        archive._check_version()
        return archive

    def manifests(self) -> list[Manifest]:
        """All manifests by sample, name and version. Raises BadInput for one that is damaged or of a newer version."""
        names = list(self.manifest_names())
        for name in names:
            if name not in self._read:  # manifests never change
                self._read[name] = self.read_manifest(name)
        found = [self._read[name] for name in names]
        return sorted(found, key=lambda manifest: (manifest.sample or "", manifest.name, manifest.version, manifest.digest))

    def manifest_names(self) -> Iterator[str]:
        """The files of all manifests, sorted."""
        for found in self.files.listed("manifests/"):
            if is_digest(_digest_in(found.name)) and found.name.endswith(".json"):
                yield found.name

    def read_manifest(self, name: str) -> Manifest:
        """One manifest, checked against its name and the schema. Raises BadInput for one that is damaged or of a newer version."""
        return decode_manifest(self.files.read(name), _digest_in(name), inside(self.root, name))

    def add(self, manifest: Manifest) -> None:
        """Writes a manifest; from then on the file is archived."""
        content = manifest.encode()
        self.files.add(f"manifests/{hashlib.sha256(content).hexdigest()}.json", content)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder, on the archive's own disk where it has one."""
        parent = make_folder(self.root / "partial") if isinstance(self.root, Path) else None
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)

    def find(self, wanted: str) -> Manifest:
        """The manifest of a digest (or its beginning, at least 8 digits), a name or SAMPLE/NAME; the last version of a name.

        Raises BadInput when there is none or the name is that of several samples.
        """
        manifests = self.manifests()
        by_name = [m for m in manifests if wanted in (m.name, f"{m.sample}/{m.name}")]
        by_digest = [m for m in manifests if len(wanted) >= 8 and m.digest.startswith(wanted.lower())]
        found = by_name or by_digest
        if len({(m.sample if by_name else None, m.name if by_name else m.digest) for m in found}) > 1:
            raise self._ambiguous(wanted, found)
        if not found:
            raise self._unknown(wanted, manifests)
        return found[-1]

    def _check_version(self) -> None:
        place = inside(self.root, _MARKER)
        try:
            version = json.loads(self.files.read(_MARKER))["archive"]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(place, "this is no mark of an archive") from error
        if version != VERSION:
            raise _other_version(place, version)

    def _unknown(self, wanted: str, manifests: list[Manifest]) -> BadInput:
        import difflib

        near = difflib.get_close_matches(wanted, sorted({m.name for m in manifests}), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return BadInput(
            f"nothing is archived as {wanted!r}",
            wanted="a name, SAMPLE/NAME or a digest from `genopipe archive list`",
            do="List the archive and take a name from there." + hint,
            path=self.root,
        )

    def _ambiguous(self, wanted: str, found: list[Manifest]) -> BadInput:
        choices = ", ".join(sorted({f"{m.sample}/{m.name}" if m.sample else m.digest[:12] for m in found}))
        return BadInput(f"{wanted!r} is several files", wanted=f"one of {choices}", do="Give SAMPLE/NAME or the digest.", path=self.root)


def decode_manifest(content: bytes, digest: str, path: Location) -> Manifest:
    """A manifest, checked against its digest and the schema. Raises BadInput for one that is damaged or of a newer version."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(path, "the manifest's bytes do not have its digest")
    try:
        document = json.loads(content)
        version = document.pop("manifest")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, "this is no manifest") from error
    if version != VERSION:
        raise _other_version(path, version)
    fault = next(_validator().iter_errors({"manifest": version, **document}), None)
    if fault is not None:
        raise _damaged(path, f"the manifest breaks its schema: {fault.message[:200]}")
    return Manifest(**document)


@cache
def _validator() -> Any:
    import jsonschema

    schema = json.loads(resources.files("genopipe").joinpath("schemas/manifest.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def _digest_in(name: str) -> str:
    return name.removeprefix("manifests/").removesuffix(".json")


def _damaged(path: Location, came: str) -> BadInput:
    return BadInput(came, wanted="the bytes that were written", do="Restore this file from a copy of the archive.", path=path)


def _other_version(path: Location, version: object) -> BadInput:
    return BadInput(
        f"this was written in version {version!r} of the archive's format",
        wanted=f"version {VERSION}",
        do="Use a newer genopipe for this archive.",
        path=path,
    )

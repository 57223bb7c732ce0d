"""Manifests: small canonical JSON files that name what is archived and say how each file comes back.

A manifest lies at `manifests/DIGEST.json`, the digest being that of its own bytes; it is written last and never changed, so that a file is
archived wholly or not at all. The bytes are canonical: sorted keys, no blanks, ASCII. `schemas/manifest.schema.json` describes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from genopipe import outputs
from genopipe.errors import BadInput
from genopipe.store import FolderStore, is_digest

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
    """An archive in a folder: its objects and its manifests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FolderStore(root)
        self._read: dict[Path, Manifest] = {}

    @classmethod
    def existing(cls, root: Path) -> Archive:
        """Opens an archive for reading. Raises BadInput where there is none, or one of a newer version."""
        if not (root / _MARKER).is_file():
            raise BadInput(
                "there is no archive here",
                wanted="a folder written by `genopipe archive put`",
                do="Check --archive, or put a file first.",
                path=root,
            )
        archive = cls(root)
        archive._check_version()
        return archive

    @classmethod
    def make(cls, root: Path) -> Archive:
        """Opens an archive for writing, a new one where there is none."""
        if (root / _MARKER).is_file():
            return cls.existing(root)
        outputs.make_folder(root)
        with outputs.whole_file(root / _MARKER) as marker:
            marker.write_bytes(canonical({"archive": VERSION}))
        return cls(root)

    def manifests(self) -> list[Manifest]:
        """All manifests by sample, name and version. Raises BadInput for one that is damaged or of a newer version."""
        paths = list(self.manifest_paths())
        for path in paths:
            if path not in self._read:  # manifests never change
                self._read[path] = read_manifest(path)
        found = [self._read[path] for path in paths]
        return sorted(found, key=lambda manifest: (manifest.sample or "", manifest.name, manifest.version, manifest.digest))

    def manifest_paths(self) -> Iterator[Path]:
        """The files of all manifests, sorted."""
        for path in sorted((self.root / "manifests").glob("*.json")):
            if is_digest(path.stem):
                yield path

    def add(self, manifest: Manifest) -> None:
        """Writes a manifest; from then on the file is archived."""
        content = manifest.encode()
        with outputs.whole_file(self.root / "manifests" / f"{hashlib.sha256(content).hexdigest()}.json") as target:
            target.write_bytes(content)

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
        try:
            version = json.loads((self.root / _MARKER).read_bytes())["archive"]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self.root / _MARKER, "this is no mark of an archive") from error
        if version != VERSION:
            raise _other_version(self.root / _MARKER, version)

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


def read_manifest(path: Path) -> Manifest:
    """One manifest, checked against its name and the schema. Raises BadInput for one that is damaged or of a newer version."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != path.stem:
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


def _damaged(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="the bytes that were written", do="Restore this file from a copy of the archive.", path=path)


def _other_version(path: Path, version: object) -> BadInput:
    return BadInput(
        f"this was written in version {version!r} of the archive's format",
        wanted=f"version {VERSION}",
        do="Use a newer genopipe for this archive.",
        path=path,
    )

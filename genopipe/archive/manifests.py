"""Manifests: small canonical JSON files that name what is archived and say how each file comes back.

A manifest lies at `manifests/DIGEST.json`, the digest being that of its own bytes; it is written last and never changed, so that a file is
archived wholly or not at all. The bytes are canonical: sorted keys, no blanks, ASCII. `schemas/manifest.schema.json` describes them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from genopipe.errors import BadInput
from genopipe.formats.json_schema import fault
from genopipe.store import Location

VERSION = 2
"""The format of manifests and of the archive. Version 1 manifests have neither profile nor revision; `migrate` brings them up to date."""

READABLE = (1, 2)

VCF_FILE, CASE_FILE = (".vcf", ".vcf.gz", ".vcf.bgz"), ".case.json"
"""How the names of those files end of which the catalogue is made."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One archived file.

    name, sample, version   what it is called; a file of the same name and sample with other bytes has the next version
    digest, size            SHA-256 and bytes of the file as it was given
    exactness               "bytes": it comes back bit for bit; "content": the same content comes back, in another gzip
    plain_digest            SHA-256 of the content without gzip
    container               how gzip is laid around the content (`genopipe.archive.container`), or None
    content                 where the content is: kind `alignments`, `reads` or `packed`
    objects                 digest, size and role of every object needed
    profile                 "fast" or "archive": how hard the content was compressed
    revision                grows when the same file is kept anew; of one file, the manifest with the highest counts
    format                  version of the format the manifest is written in
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
    profile: str = "fast"
    revision: int = 1
    format: int = VERSION

    def encode(self) -> bytes:
        """The canonical bytes."""
        document = asdict(self)
        if document.pop("format") == 1:
            del document["profile"], document["revision"]
        return canonical({"manifest": self.format, **document})

    @property
    def file(self) -> str:
        """The name of its own file in the archive."""
        return f"manifests/{hashlib.sha256(self.encode()).hexdigest()}.json"

    @property
    def returned(self) -> str:
        """SHA-256 of what comes back."""
        digest: str = (self.container or {}).get("makes", self.digest)
        return digest

    @property
    def stored_size(self) -> int:
        """Bytes of the objects it needs, the reference left out."""
        return sum(entry["size"] for entry in self.objects if entry["role"] != "reference")


def canonical(document: dict[str, Any]) -> bytes:
    """JSON with one spelling only."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def decode_manifest(content: bytes, digest: str, path: Location) -> Manifest:
    """A manifest, checked against its digest and the schema. Raises BadInput for one that is damaged or of a newer version."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise damaged(path, "the manifest's bytes do not have its digest")
    try:
        document = json.loads(content)
        version = document.pop("manifest")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, "this is no manifest") from error
    if version not in READABLE:
        raise other_version(path, version)
    found = fault({"manifest": version, **document}, "manifest")
    if found is not None:
        raise damaged(path, f"the manifest breaks its schema: {found}")
    return parse_manifest(content)


def parse_manifest(content: bytes) -> Manifest:
    """A manifest that was checked before."""
    document = json.loads(content)
    version = document.pop("manifest")
    return Manifest(**{"revision": 0} | document, format=version)


def damaged(path: Location, came: str) -> BadInput:
    """The error for a file of an archive that is not what was written."""
    return BadInput(came, wanted="the bytes that were written", do="Restore this file from a copy of the archive.", path=path)


def other_version(path: Location, version: object) -> BadInput:
    """The error for a file that this version cannot read."""
    return BadInput(
        f"this was written in version {version!r} of the archive's format",
        wanted=f"version {VERSION} or older",
        do="Use a newer genopipe for this archive.",
        path=path,
    )

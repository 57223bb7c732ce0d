"""Content-addressed objects, named by their SHA-256, in a folder or on S3: there whole or not at all.

Two layers. `files` and `s3` know named files of any kind: list, read, add without ever overwriting, replace, delete. `objects` keeps
objects in such files and checks every digest, the same way in both places. `open_store` chooses by the look of the location.
"""

from __future__ import annotations

from pathlib import Path

from genopipe.errors import BadConfiguration
from genopipe.store.files import Files, FolderFiles, Found, Location, file_digest
from genopipe.store.objects import FolderStore, Objects, Store, inside, is_digest

__all__ = [
    "SEALED",
    "Files",
    "FolderStore",
    "Found",
    "Location",
    "Objects",
    "Store",
    "check_access",
    "file_digest",
    "inside",
    "is_digest",
    "is_s3",
    "open_files",
    "open_store",
    "seal",
]


SEALED = "sealed.json"
"""The file by which a store is known to be encrypted."""


def open_files(location: Location) -> Files:
    """The files at a location: a folder, or `s3://bucket/prefix`. Raises BadConfiguration for an S3 location that is none."""
    if not is_s3(location):
        return FolderFiles(Path(location))
    from genopipe.store.s3 import S3Files

    return S3Files(str(location))


def open_store(location: Location) -> Objects:
    """The objects at a location. Raises as `open_files`."""
    files = open_files(location)
    if files.found(SEALED) is not None:
        from genopipe.store.sealed import SealedFiles, SealedObjects

        return SealedObjects(SealedFiles(files))
    return FolderStore(files.root) if isinstance(files, FolderFiles) else Objects(files)


def seal(location: Location) -> None:
    """Makes a new, empty store one that is encrypted. Raises BadConfiguration without public keys, or where there are objects already."""
    from genopipe.store.keys import public_keys

    files = open_files(location)
    public_keys()
    if next(files.listed("objects/"), None) is not None:
        raise BadConfiguration(
            "there are objects here that are not encrypted", wanted="an empty place", do="Choose another place.", path=location
        )
    files.add(SEALED, b"{}\n")


def check_access(location: Location) -> None:
    """Raises BadEnvironment or BadConfiguration for what would stop a put: no server, no credentials, no keys."""
    from genopipe.store.keys import public_keys, secret_key

    if open_files(location).found(SEALED) is not None:
        public_keys()
        secret_key()


def is_s3(location: Location) -> bool:
    """True for `s3://...`; everything else is a folder."""
    return str(location).startswith("s3://")

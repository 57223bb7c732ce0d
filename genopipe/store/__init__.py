"""Content-addressed objects, named by their SHA-256, in a folder or on S3: there whole or not at all.

Two layers. `files` and `s3` know named files of any kind: list, read, add without ever overwriting, replace, delete. `objects` keeps
objects in such files and checks every digest, the same way in both places. `open_store` chooses by the look of the location.
"""

from __future__ import annotations

from pathlib import Path

from genopipe.errors import BadConfiguration
from genopipe.store.files import Files, FolderFiles, Found, Location, file_digest
from genopipe.store.objects import FolderStore, Objects, Store, inside, is_digest
from genopipe.store.sealed import SEALED, SealedFiles, SealedObjects, sealed_mark

__all__ = [
    "SEALED",
    "Files",
    "FolderStore",
    "Found",
    "Location",
    "Objects",
    "SealedFiles",
    "SealedObjects",
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
        return SealedObjects(SealedFiles(files))
    return FolderStore(files.root) if isinstance(files, FolderFiles) else Objects(files)


def seal(location: Location, *, empty: bool = True) -> None:
    """Makes a store one that is encrypted. Raises BadConfiguration without public keys, or for objects in what should be empty."""
    from genopipe.store.keys import public_keys

    files, public = open_files(location), public_keys()
    if empty and next(files.listed("objects/"), None) is not None:
        raise BadConfiguration(
            "there are objects here that are not encrypted", wanted="an empty place", do="Choose another place.", path=location
        )
    files.add(SEALED, sealed_mark(public))


def check_access(location: Location) -> None:
    """Raises BadEnvironment or BadConfiguration for what would stop a put: no server, no credentials, no keys."""
    from genopipe.store.keys import secret_keys

    files = open_files(location)
    if files.found(SEALED) is not None:
        SealedFiles(files).check_keys()
        secret_keys()


def is_s3(location: Location) -> bool:
    """True for `s3://...`; everything else is a folder."""
    return str(location).startswith("s3://")

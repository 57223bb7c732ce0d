"""Files out of the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from zstandard import ZstdError

from genopipe.archive.container import RecipeFailed
from genopipe.archive.contents import file_bytes
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.plain_bam import NotBam
from genopipe.archive.workshop import Workshop, file_and_folder
from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.htslib import HtslibFailed
from genopipe.progress import Progress, progress
from genopipe.store import Location

GZIPPED = (".gz", ".bgz")
"""How names end that say that a file is compressed."""


def get_file(root: Location, wanted: str, out: Path) -> Manifest:
    """Writes an archived file to `out`, whole and checked, or not at all; what comes back, bytes or content, the manifest says.

    Raises BadInput for an unknown name and for damage, BadEnvironment when the encoder here writes other bytes than at the put,
    BadConfiguration where `out` says that the file is compressed, and it is not.
    """
    archive = Archive.existing(root)
    manifest = archive.find(wanted)
    if out.name.endswith(GZIPPED) and not (manifest.container or manifest.name.endswith(GZIPPED)):
        raise BadConfiguration(
            f"{manifest.name} is archived as it is, not as gzip",
            wanted=f"a name that does not end in {' or '.join(GZIPPED)}",
            do="Choose another name; compress the file afterwards where that is wanted.",
            key="-o",
        )
    total = manifest.size if manifest.exactness == "bytes" else None
    with progress("restored", total=total, unit="bytes") as counter:
        write_file(archive, manifest, out, counter)
    return manifest


def write_file(archive: Archive, manifest: Manifest, out: Path, counter: Progress | None = None) -> None:
    """Writes one file of an archive that is open, and counts its bytes. Raises as `get_file`."""
    with file_and_folder(out) as (target, folder):
        pieces = restored(archive, manifest, folder)
        with open(target, "wb") as file:
            for piece in pieces:
                file.write(piece)
                if counter is not None:
                    counter.advance(len(piece))


def restored(archive: Archive, manifest: Manifest, folder: Path) -> Iterator[bytes]:
    """The bytes of an archived file in pieces; only when they were used up without an error are they the file's.

    `folder` is for temporary files. Raises as `get_file`.
    """
    digest = hashlib.sha256()
    try:
        for piece in file_bytes(manifest, Workshop(archive.store, folder)):
            digest.update(piece)
            yield piece
    except (NotBam, HtslibFailed, RecipeFailed, StopIteration, RuntimeError, ZstdError) as error:
        raise _not_restored(archive, manifest, str(error)) from error
    if digest.hexdigest() != manifest.returned:
        raise _not_restored(archive, manifest, "the restored bytes differ")


def _not_restored(archive: Archive, manifest: Manifest, reason: str) -> BadInput:
    return BadInput(
        f"{manifest.name} cannot be restored: {reason}",
        wanted=f"the file {manifest.digest[:12]} that was put",
        do="Run `genopipe archive verify`, and try with the version of genopipe that archived it.",
        path=archive.root,
    )

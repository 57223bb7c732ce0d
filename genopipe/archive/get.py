"""Files out of the archive, and the check of everything in it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from genopipe import outputs
from genopipe.archive.bam_stream import NotBam
from genopipe.archive.container import RecipeFailed
from genopipe.archive.contents import file_bytes
from genopipe.archive.htslib import HtslibFailed
from genopipe.archive.manifests import Archive, Manifest
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadInput, GenopipeError
from genopipe.progress import progress
from genopipe.store import Location


def get_file(root: Location, wanted: str, out: Path) -> Manifest:
    """Writes an archived file to `out`, whole and checked, or not at all.

    Raises BadInput for an unknown name and for damage, BadEnvironment when the encoder here writes other bytes than at the put.
    """
    archive = Archive.existing(root)
    manifest = archive.find(wanted)
    with outputs.whole_file(out) as target, tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as folder:
        digest = hashlib.sha256()
        try:
            with open(target, "wb") as file:
                for piece in file_bytes(manifest, Workshop(archive.store, Path(folder))):
                    digest.update(piece)
                    file.write(piece)
        except (NotBam, HtslibFailed, RecipeFailed, StopIteration, RuntimeError) as error:
            raise _not_restored(archive, manifest, str(error)) from error
        if digest.hexdigest() != manifest.digest:
            raise _not_restored(archive, manifest, "the restored bytes differ")
    return manifest


def verify(root: Location) -> Iterator[GenopipeError]:
    """What is wrong in an archive: each damaged manifest, and each missing or damaged object with a file that needs it."""
    archive = Archive.existing(root)
    needed: dict[str, Manifest] = {}
    for name in archive.manifest_names():
        try:
            manifest = archive.read_manifest(name)
        except BadInput as fault:
            yield fault
            continue
        for entry in manifest.objects:
            needed.setdefault(entry["digest"], manifest)
    with progress("verified", total=len(needed), unit="objects") as counter:
        for digest, manifest in sorted(needed.items()):
            try:
                archive.store.verify(digest)
            except BadInput as fault:
                yield BadInput(f"{fault.came} ({manifest.name} needs it)", wanted=fault.wanted, do=fault.do, path=fault.path)
            counter.advance()


def _not_restored(archive: Archive, manifest: Manifest, reason: str) -> BadInput:
    return BadInput(
        f"{manifest.name} cannot be restored: {reason}",
        wanted=f"the file {manifest.digest[:12]} that was put",
        do="Run `genopipe archive verify`, and try with the version of genopipe that archived it.",
        path=archive.root,
    )

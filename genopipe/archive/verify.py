"""The check of everything in an archive: that every object and manifest is there undamaged, and, deeply, that every file comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from genopipe.archive.get import restored
from genopipe.archive.ledger import digest_in, manifest_files
from genopipe.archive.manifests import Manifest, decode_manifest
from genopipe.archive.opened import Archive
from genopipe.errors import BadInput, GenopipeError
from genopipe.progress import progress
from genopipe.store import Location, SealedFiles, inside
from genopipe.store.keys import secret_keys


def verify(root: Location, *, deep: bool = False) -> Iterator[GenopipeError]:
    """What is wrong in an archive: each damaged manifest, and each missing or damaged object with a file that needs it.

    With `deep`, every file is restored too and its digest compared. Raises BadConfiguration where that needs a key that is not given.
    """
    archive = Archive.existing(root)
    if deep and isinstance(archive.files, SealedFiles):
        secret_keys()
    manifests: list[Manifest] = []
    for found in manifest_files(archive.files):
        try:
            manifests.append(decode_manifest(archive.files.read(found.name), digest_in(found.name), inside(root, found.name)))
        except FileNotFoundError:
            continue  # a collection took it away
        except BadInput as fault:
            yield fault
    manifests = _counting(manifests)
    yield from _damaged_objects(archive, manifests)
    yield from _to_other_keys(archive)
    if deep:
        yield from _not_restored(archive, manifests)


def _counting(manifests: list[Manifest]) -> list[Manifest]:
    """Those that another of the same file has not replaced."""
    latest: dict[tuple[str | None, str, str], Manifest] = {}
    for manifest in sorted(manifests, key=lambda m: m.revision):
        latest[manifest.sample, manifest.name, manifest.digest] = manifest
    return list(latest.values())


def _damaged_objects(archive: Archive, manifests: list[Manifest]) -> Iterator[GenopipeError]:
    needed = {entry["digest"]: manifest for manifest in reversed(manifests) for entry in manifest.objects}
    with progress("verified", total=len(needed), unit="objects") as counter:
        for digest, manifest in sorted(needed.items(), key=lambda item: item[0]):
            try:
                archive.store.verify(digest)
            except BadInput as fault:
                yield BadInput(f"{fault.came} ({_named(manifest)} needs it)", wanted=fault.wanted, do=fault.do, path=fault.path)
            counter.advance()


def _to_other_keys(archive: Archive) -> Iterator[GenopipeError]:
    left = archive.files.to_other_keys() if isinstance(archive.files, SealedFiles) else []
    if left:
        yield BadInput(
            f"{len(left)} files are not, or not only, encrypted to the keys of the archive",
            wanted="an exchange of keys that was carried through",
            do="Run `genopipe archive rekey`, with the old secret key and the new one.",
            path=archive.root,
        )


def _not_restored(archive: Archive, manifests: list[Manifest]) -> Iterator[GenopipeError]:
    with progress("restored", total=len(manifests), unit="files") as counter:
        for manifest in manifests:
            try:
                with archive.folder() as folder:
                    deque(restored(archive, manifest, folder), maxlen=0)
            except GenopipeError as fault:
                yield BadInput(f"{_named(manifest)} does not come back: {fault.came}", wanted=fault.wanted, do=fault.do, path=fault.path)
            counter.advance()


def _named(manifest: Manifest) -> str:
    name = f"{manifest.sample}/{manifest.name}" if manifest.sample else manifest.name
    return f"{name}, version {manifest.version}," if manifest.version > 1 else name

"""Files that are archived already, kept anew: smaller (`repack`), or in the present format (`migrate`).

Smaller are reads that were archived before their alignments, as views of these; then all that the `fast` profile kept.

New objects and manifests are made beside the old, each file is restored from them and compared, and only then the old manifests go, with
the objects that nothing else needs. Killed in between, both are there, and the next collection takes the old. What does not come back from
its new form stays in the old one and is told.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from genopipe.archive.alignments import describe_patched
from genopipe.archive.audit import record
from genopipe.archive.collection import collecting, pinned
from genopipe.archive.container import RecipeFailed
from genopipe.archive.contents import digest_of, file_bytes, object_roles, pack
from genopipe.archive.encoders import Encoder, encoders, vector
from genopipe.archive.fastq_views import describe_view, open_pool
from genopipe.archive.manifests import VERSION, Manifest, canonical
from genopipe.archive.opened import MARKER, Archive
from genopipe.archive.plain_bam import NotBam
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.realigned import describe_realigned
from genopipe.archive.references import link_reference
from genopipe.archive.staging import Staging
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadEnvironment, BadInput, GenopipeError
from genopipe.formats.htslib import HtslibFailed, decode_cram, encode_cram
from genopipe.outputs import make_folder
from genopipe.progress import progress

Anew = Callable[[list[Manifest], Staging], list[Manifest]]
"""Gives manifests of the same files, or none where they stay as they are; new objects go to the staging."""

_AT_ONCE, _AT_ONCE_BYTES = 256, 64 << 20
"""Groups, and bytes of new objects, after which the old ones are exchanged."""


@dataclass(slots=True)
class Rekept:
    """Files that were kept anew, bytes of the objects that went and of those in their place, and what stays as it was."""

    files: int = 0
    before: int = 0
    after: int = 0
    faults: list[GenopipeError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Made:
    """Files that can take their new form: manifests as they are and as they will be, and where the new objects lie."""

    old: list[Manifest]
    new: list[Manifest]
    staging: Staging

    def count(self, done: Rekept) -> None:
        """Adds what is about to be done."""
        needed = {entry["digest"] for manifest in self.new for entry in manifest.objects}
        given = {entry["digest"]: entry["size"] for manifest in self.old for entry in manifest.objects}
        done.files += len(self.new)
        done.before += sum(size for digest, size in given.items() if digest not in needed)
        done.after += self.size()

    def size(self) -> int:
        """Bytes of the new objects."""
        return sum(self.staging.size(digest) for digest in self.staging.digests())


def repack(archive: Archive) -> Rekept:
    """Moves reads into alignments that were archived after them, and compresses what the `fast` profile kept as `archive` would."""
    archive.ledger.refresh()
    done = Rekept()
    pools, separate = _separate_reads(archive.ledger.manifests("1"))
    _keep_anew(archive, separate, partial(_joined, pools), done)
    _keep_anew(archive, _groups(archive.ledger.manifests("1")), _smaller, done)
    return _recorded(archive, "repack", done)


def migrate(archive: Archive) -> Rekept:
    """Brings manifests of older formats, and recipes of encoders that changed, up to date."""
    done = Rekept()
    _keep_anew(archive, [[manifest] for manifest in archive.manifests() if _is_outdated(manifest)], _up_to_date, done)
    if not done.faults:
        archive.files.replace(MARKER, canonical(json.loads(archive.files.read(MARKER)) | {"archive": VERSION}))
    return _recorded(archive, "migrate", done)


def _keep_anew(archive: Archive, groups: list[list[Manifest]], anew: Anew, done: Rekept) -> None:
    """Makes groups one by one, and exchanges some at a time: before anything may be deleted, all manifests are looked at."""
    waiting = deque(groups)
    with progress("kept anew", total=len(groups), unit="groups") as counter:
        while waiting:
            n = len(waiting)
            with archive.folder() as folder:
                _switch(archive, _made(archive, waiting, anew, folder, done), done)
            counter.advance(n - len(waiting))


def _made(archive: Archive, waiting: deque[list[Manifest]], anew: Anew, folder: Path, done: Rekept) -> list[_Made]:
    """The next groups in their new form, restored and compared; those that do not come back are told, and those that stay are left out."""
    made: list[_Made] = []
    size = 0
    while waiting and size < _AT_ONCE_BYTES and len(made) < _AT_ONCE:
        group = waiting.popleft()
        staging = Staging(make_folder(folder / str(len(waiting))), archive.store, folder)
        try:
            new = anew(group, staging)
            _check(new, staging)
        except (GenopipeError, HtslibFailed, NotBam, NotInPool, RecipeFailed) as fault:
            done.faults.append(_stays(archive, group[0], fault))
            continue
        if new:
            made.append(_Made(group, new, staging))
            size += made[-1].size()
    return made


Pools = dict[str, list[dict[str, Any]]]
"""By sample the pools of its alignments."""


def _separate_reads(manifests: list[Manifest]) -> tuple[Pools, list[list[Manifest]]]:
    """The pools of alignments, and of each unaligned pool of a sample that has such the reads."""
    pools: Pools = {}
    for manifest in manifests:
        if manifest.sample and manifest.content["kind"] in ("alignments", "cram"):
            pools.setdefault(manifest.sample, []).append({key: manifest.content[key] for key in ("cram", "reference")})
    aligned = {pool["cram"] for found in pools.values() for pool in found}
    separate: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        pool = _pool(manifest.content)
        if manifest.content["kind"] == "reads" and not pool["reference"] and pool["cram"] not in aligned:
            separate.setdefault(pool["cram"], []).append(manifest)
    return pools, [group for group in separate.values() if any(manifest.sample in pools for manifest in group)]


def _joined(pools: Pools, group: list[Manifest], staging: Staging) -> list[Manifest]:
    """Reads as views of alignments that have them all; none where they are others."""
    shop = staging.shop
    candidates = {pool["cram"]: pool for manifest in group for pool in pools.get(manifest.sample or "", ())}
    for content in candidates.values():
        pool = open_pool(content, shop)
        with suppress(NotInPool):
            views = [describe_view(partial(_plain, manifest, shop), pool, shop=shop) for manifest in group]
            return [_manifest(manifest, view, staging) for manifest, view in zip(group, views, strict=True)]
    return []


def _plain(manifest: Manifest, shop: Workshop) -> Iterator[bytes]:
    """The content without gzip."""
    return file_bytes(replace(manifest, container=None), shop)


def _groups(manifests: list[Manifest]) -> list[list[Manifest]]:
    """Files that share a pool or an object go together; those stay away that nothing makes smaller, and pools that were put as files."""
    groups: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        key = _pool(manifest.content).get("cram") or manifest.content.get("object")
        if key is not None:
            groups.setdefault(key, []).append(manifest)
    kinds = {key: {manifest.content["kind"] for manifest in group} for key, group in groups.items()}
    changeable = [group for key, group in groups.items() if "cram" not in kinds[key]]
    return [group for group in changeable if any(manifest.profile != "archive" for manifest in group)]


def _smaller(group: list[Manifest], staging: Staging) -> list[Manifest]:
    content = group[0].content
    pool = _pool(content)
    old = pool.get("cram") or content["object"]
    new = _smaller_cram(pool, staging) if "cram" in pool else _smaller_packed(group[0], staging)
    if staging.size(new) < staging.size(old):
        contents = [_remade(manifest, old, new, staging) for manifest in group]
    else:
        staging.delete(new)
        contents = [manifest.content for manifest in group]
    return [_manifest(manifest, content, staging, profile="archive") for manifest, content in zip(group, contents, strict=True)]


def _remade(manifest: Manifest, old: str, new: str, staging: Staging) -> dict[str, Any]:
    """The content on another pool: what notes differences from the pool's records is made again."""
    content, shop = manifest.content, staging.shop
    pool = _exchanged(_pool(content), old, new)

    pieces = partial(_plain, manifest, shop)
    if content["kind"] == "alignments":
        return describe_patched(pieces, pool, shop, check=_used_up, most_changed=1)
    if content["kind"] == "realigned":
        return describe_realigned(pieces, pool, shop)
    return {key: _exchanged(value, old, new) for key, value in content.items()}


def _used_up(pieces: Iterator[bytes]) -> None:
    """The comparison with the original follows, for every kind of content alike."""
    deque(pieces, maxlen=0)


def _smaller_cram(pool: dict[str, Any], staging: Staging) -> str:
    """The same records, in the same order, by CRAM's archive profile."""
    reference = link_reference(pool["reference"], staging.shop)
    cram = staging.shop.folder / "smaller.cram"
    records = decode_cram(staging.shop.local(pool["cram"]), reference=reference)
    encode_cram(records, cram, reference=reference, profile="archive")
    return staging.put_file(cram)


def _smaller_packed(manifest: Manifest, staging: Staging) -> str:
    if manifest.content["codec"] == "none":
        return str(manifest.content["object"])
    return str(pack(_plain(manifest, staging.shop), staging.shop, profile="archive")["object"])


def _exchanged(content: Any, old: str, new: str) -> Any:
    """The content with one digest in the place of another."""
    if isinstance(content, dict):
        return {key: _exchanged(value, old, new) for key, value in content.items()}
    if isinstance(content, list):
        return [_exchanged(value, old, new) for value in content]
    return new if content == old else content


def _is_outdated(manifest: Manifest) -> bool:
    container = manifest.container
    return manifest.format != VERSION or (container is not None and container["vector"] != vector(container["library"]))


def _up_to_date(group: list[Manifest], staging: Staging) -> list[Manifest]:
    return [_manifest(manifest, manifest.content, staging, container=_present_container(manifest, staging)) for manifest in group]


def _present_container(manifest: Manifest, staging: Staging) -> dict[str, Any] | None:
    """The container with an encoder that makes the file today. Raises BadEnvironment where none does."""
    container = manifest.container
    if container is None or container["vector"] == vector(container["library"]):
        return container
    own = Encoder(container["library"], container["level"], container["memory_level"])
    for encoder in (own, *(each for each in encoders() if each != own)):
        named = {"library": encoder.library, "level": encoder.level, "memory_level": encoder.memory_level}
        tried = container | named | {"vector": vector(encoder.library)}
        if _restores(replace(manifest, container=tried), staging):
            return tried
    raise BadEnvironment(
        f"no encoder here makes {manifest.name} again",
        wanted=f"the {container['library']} that archived it",
        do="Keep the version of genopipe that archived it, or get the file with that and put it again with this one.",
    )


def _restores(manifest: Manifest, staging: Staging) -> bool:
    try:
        return digest_of(file_bytes(manifest, staging.shop)) == manifest.returned
    except RecipeFailed:
        return False


def _manifest(old: Manifest, content: dict[str, Any], staging: Staging, **changed: Any) -> Manifest:
    """The next revision of a manifest."""
    new = replace(old, content=content, revision=old.revision + 1, format=VERSION, **changed)
    roles = sorted(object_roles(content, new.container).items())
    return replace(new, objects=[{"digest": digest, "size": staging.size(digest), "role": role} for digest, role in roles])


def _check(new: list[Manifest], staging: Staging) -> None:
    for manifest in new:
        if not _restores(manifest, staging):
            raise RecipeFailed("the restored file differs")


def _switch(archive: Archive, made: list[_Made], done: Rekept) -> None:
    """From the old manifests to the new, while nobody forgets or collects; of what was forgotten meanwhile nothing stays.

    Raises BadInput where somebody does.
    """
    if not made:
        return
    objects = {entry["digest"] for each in made for manifest in each.new for entry in manifest.objects}
    with pinned(archive, objects):
        for each in made:
            each.count(done)
            each.staging.commit()
        with collecting(archive) as collection:
            for each in made:
                if all(archive.files.found(manifest.file) for manifest in each.old):
                    for manifest in each.new:
                        archive.add(manifest)
                    for manifest in each.old:
                        collection.delete_file(manifest.file)
    objects.update(entry["digest"] for each in made for manifest in each.old for entry in manifest.objects)
    with collecting(archive) as collection:
        for digest in collection.unneeded(objects):
            collection.delete_object(digest)


def _recorded(archive: Archive, action: str, done: Rekept) -> Rekept:
    if done.files:
        with collecting(archive) as collection:
            record(archive, action, collection.now, files=done.files)
    return done


def _pool(content: dict[str, Any]) -> dict[str, Any]:
    pool: dict[str, Any] = content.get("pool", content)
    return pool


def _stays(archive: Archive, manifest: Manifest, fault: Exception) -> BadInput:
    return BadInput(
        f"{manifest.name} stays as it was: {fault}",
        wanted="a file that comes back from its new form",
        do="Run `genopipe archive verify --deep`.",
        path=archive.root,
    )

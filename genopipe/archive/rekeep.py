"""Files that are archived already, kept anew: smaller (`repack`), or in the present format (`migrate`).

New objects and manifests are made beside the old, each file is restored from them and compared, and only then the old manifests go, with
the objects that nothing else needs. Killed in between, both are there, and the next collection takes the old. What does not come back from
its new form stays in the old one and is told.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from genopipe.archive.alignments import describe_patched
from genopipe.archive.audit import record
from genopipe.archive.collection import collecting, pinned
from genopipe.archive.container import RecipeFailed
from genopipe.archive.contents import digest_of, file_bytes, object_roles, pack
from genopipe.archive.encoders import Encoder, encoders, vector
from genopipe.archive.manifests import VERSION, Manifest, canonical
from genopipe.archive.opened import MARKER, Archive
from genopipe.archive.plain_bam import NotBam
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.realigned import describe_realigned
from genopipe.archive.references import link_reference
from genopipe.archive.staging import Staging
from genopipe.errors import BadEnvironment, BadInput, GenopipeError
from genopipe.formats.htslib import HtslibFailed, decode_cram, encode_cram
from genopipe.progress import progress

Anew = Callable[[list[Manifest], Staging], list[Manifest]]
"""Gives manifests of the same files; new objects go to the staging."""


@dataclass(frozen=True, slots=True)
class Rekept:
    """Files that were kept anew, their stored bytes before and after, and what is wrong with those that were not."""

    files: int
    before: int
    after: int
    faults: list[GenopipeError]


def repack(archive: Archive) -> Rekept:
    """Compresses what the `fast` profile kept as the `archive` profile would."""
    archive.ledger.refresh()
    return _kept_anew(archive, _groups(archive.ledger.manifests("1")), _smaller, "repack")


def migrate(archive: Archive) -> Rekept:
    """Brings manifests of older formats, and recipes of encoders that changed, up to date."""
    groups = [[manifest] for manifest in archive.manifests() if _is_outdated(manifest)]
    done = _kept_anew(archive, groups, _up_to_date, "migrate")
    if not done.faults:
        archive.files.replace(MARKER, canonical(json.loads(archive.files.read(MARKER)) | {"archive": VERSION}))
    return done


def _kept_anew(archive: Archive, groups: list[list[Manifest]], anew: Anew, action: str) -> Rekept:
    faults: list[GenopipeError] = []
    pairs: list[tuple[Manifest, Manifest]] = []
    with archive.folder() as fetched, progress("kept anew", total=len(groups), unit="groups") as counter:
        for group in groups:
            with archive.folder() as folder:
                staging = Staging(folder, archive.store, fetched)
                try:
                    new = anew(group, staging)
                    _check(new, staging)
                    _switch(archive, group, new, staging)
                except (GenopipeError, HtslibFailed, NotBam, NotInPool, RecipeFailed) as fault:
                    faults.append(_stays(archive, group[0], fault))
                    continue
                pairs += zip(group, new, strict=True)
            counter.advance()
    if pairs:
        _record(archive, action, len(pairs))
    return Rekept(len(pairs), _stored(old for old, _ in pairs), _stored(new for _, new in pairs), faults)


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

    def pieces() -> Iterator[bytes]:
        return file_bytes(replace(manifest, container=None), shop)

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
    plain = file_bytes(replace(manifest, container=None), staging.shop)
    return str(pack(plain, staging.shop, profile="archive")["object"])


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


def _switch(archive: Archive, old: list[Manifest], new: list[Manifest], staging: Staging) -> None:
    """From the old manifests to the new, while nobody forgets or collects. Raises BadInput where somebody does, or did."""
    with pinned(archive, {entry["digest"] for manifest in new for entry in manifest.objects}):
        staging.commit()
        with collecting(archive) as collection:
            if any(archive.files.found(manifest.file) is None for manifest in old):
                raise BadInput("it was forgotten meanwhile", wanted="a file that is archived", do="Nothing is left to be done.")
            for manifest in new:
                archive.add(manifest)
            for manifest in old:
                collection.delete_file(manifest.file)
            for digest in collection.unneeded(entry["digest"] for manifest in old for entry in manifest.objects):
                collection.delete_object(digest)


def _record(archive: Archive, action: str, files: int) -> None:
    with collecting(archive) as collection:
        record(archive, action, collection.now, files=files)


def _stored(manifests: Iterator[Manifest]) -> int:
    """Bytes of the objects, each counted once, references left out."""
    return sum({entry["digest"]: entry["size"] for m in manifests for entry in m.objects if entry["role"] != "reference"}.values())


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

"""Files into the archive.

For each file: read it once for its digests and its gzip recipe; build the smallest representation of its content; restore the file from
that and compare digests; only then move the objects into the store and write the manifest. Where something does not come back bit for bit,
the next simpler representation is tried, last the file as it is. Until the manifest stands, everything lies in a temporary folder.

Alignments go first, so that FASTQ files of the same sample find their reads there; the order of files and of puts changes sizes only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from genopipe import outputs
from genopipe.archive.collection import pinned
from genopipe.archive.container import (
    OWN_ENCODERS,
    Recipe,
    RecipeFailed,
    Unwrapped,
    container_kind,
    own_recipe,
    unwrap,
    wrap,
)
from genopipe.archive.contents import describe_recipe, digest_of, file_bytes, object_roles
from genopipe.archive.forget import check_not_being_forgotten
from genopipe.archive.manifests import Manifest
from genopipe.archive.nearest import correct, nearest
from genopipe.archive.opened import Archive
from genopipe.archive.representations import (
    FASTQ,
    NOT_REPRESENTABLE,
    Attempt,
    Examined,
    PutOptions,
    Run,
    attempts,
    check_file,
    checks_itself,
    counted,
    was_asked_for,
)
from genopipe.archive.staging import Staging
from genopipe.errors import BadEnvironment, BadInput
from genopipe.formats.cram_stretch import ends_whole, is_cram
from genopipe.formats.sample_name import check_sample_name
from genopipe.progress import log, progress
from genopipe.store import Location

_PROMISES_GZIP = re.compile(r"\.(bam|gz|bgz)$")
_ALIGNMENTS = (".bam", ".cram")
_MOST_CORRECTED, _MOST_CORRECTED_FOR_BYTES = 0.05, 0.3
"""Share of a file that corrections of its gzip may take: where its content would do, and where its bytes are wanted."""
_MATE = re.compile(r"(.*[_.]R?)([12])((?:_\d+)?\.(?:fastq|fq)(?:\.gz|\.bgz)?)")


def put_files(root: Location, files: list[Path], options: PutOptions) -> list[Manifest]:
    """Archives files and gives their manifests, in the order given.

    Raises BadInput for a file that is missing, cut short or damaged, BadEnvironment where the archive cannot be written.
    """
    if options.sample is not None:
        check_sample_name(options.sample)
    for path in files:
        _check_given(path)
    archive = Archive.make(root)
    check_not_being_forgotten(archive, options.sample)
    archive.ledger.refresh()
    done: dict[Path, Manifest] = {}
    with archive.folder() as fetched, progress("read", unit="bytes of content") as counter:
        run = Run(archive, options, fetched, counter)
        for group in _groups(files):
            done |= zip(group, _put_group(run, group), strict=True)
    return [done[path] for path in files]


def _check_given(path: Path) -> None:
    if not path.is_file():
        came = "this is no file" if path.exists() else "there is no such file"
        raise BadInput(came, wanted="a file to archive", do="Check the path.", path=path)
    if path.suffix == ".cram" and not is_cram(path):
        raise BadInput("this is no CRAM file", wanted="a CRAM", do="Write the CRAM again, or rename it to what it is.", path=path)
    if path.suffix == ".cram" and not ends_whole(path):
        came = f"the file ends at byte {path.stat().st_size} without the end-of-file container"
        raise BadInput(came, wanted="a whole CRAM", do="Copy or write the file again, then archive it.", path=path)
    if not path.name.isprintable():
        raise BadInput(
            f"the file is called {path.name!a}",
            wanted="a name of printable characters in UTF-8",
            do="Rename the file.",
            path=path.parent,
        )
    if path.suffix == ".bam" and container_kind(path) != "bgzf":
        raise BadInput("this is no BAM file", wanted="a BGZF file", do="Write the BAM again, or rename it to what it is.", path=path)


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Alignments one by one, then FASTQ files, mates together, then the rest; no file twice."""
    given = list(dict.fromkeys(files))
    fastq = [path for path in given if FASTQ.search(path.name)]
    yield from ([path] for path in given if path.suffix in _ALIGNMENTS)
    mates: dict[str, list[Path]] = {}
    for path in fastq:
        match = _MATE.fullmatch(path.name)
        mates.setdefault(f"{path.parent}/{match[1]}{match[3]}" if match else str(path), []).append(path)
    yield from (sorted(group) for group in mates.values())
    yield from ([path] for path in given if path not in fastq and path.suffix not in _ALIGNMENTS)


def _put_group(run: Run, paths: list[Path]) -> list[Manifest]:
    examined = [_examine(path, run) for path in paths]
    known = [_known(run, file) for file in examined]
    manifests = []
    for i, file in enumerate(examined):
        already = known[i] or _known(run, file)
        manifests.append(already or _put_new(run, file, [e for e, k in zip(examined, known, strict=True) if k is None]))
        if manifests[-1].exactness == "content":
            log.warning("%s: no encoder here makes its gzip; its content will come back, in other bytes", file.path.name)
    return manifests


def _examine(path: Path, run: Run) -> Examined:
    """Reads a file once. Raises BadInput for damaged gzip where the name promises gzip."""
    found = Unwrapped()
    with open(path, "rb") as source:
        digest, size = hashlib.file_digest(source, "sha256").hexdigest(), source.tell()
    try:
        plain_digest = digest_of(counted(unwrap(path, found), run.counter))
    except BadInput:
        if _PROMISES_GZIP.search(path.name):
            raise
        return Examined(path, digest, size, digest, plain=False, recipe=None, returned=digest, counter=run.counter)
    by_content = run.options.require != "bytes" and (path.suffix == ".bam" or FASTQ.search(path.name) is not None)
    recipe = _recipe(path, found.recipes, digest) or _corrected(path, found, run.fetched / f"{digest}.corrections", by_content)
    if recipe and recipe.corrections and not _wraps(path, recipe, digest):
        recipe = None
    exact = Examined(path, digest, size, plain_digest, plain=found.kind == "plain", recipe=recipe, returned=digest, counter=run.counter)
    if exact.plain or recipe or not by_content:
        return exact
    recipe = own_recipe(sum(map(len, unwrap(path, Unwrapped()))))
    return replace(exact, recipe=recipe, returned=digest_of(wrap(unwrap(path, Unwrapped()), recipe)))


def _recipe(path: Path, recipes: list[Recipe], digest: str) -> Recipe | None:
    """The recipe that makes the file; genopipe's own way is left to the check that every put ends with."""
    if len(recipes) == 1 and recipes[0].encoder in OWN_ENCODERS:
        return recipes[0]
    return next((recipe for recipe in recipes if _wraps(path, recipe, digest)), None)


def _corrected(path: Path, found: Unwrapped, corrections: Path, by_content: bool) -> Recipe | None:
    """The nearest encoder with corrections; None where these are too large for what they gain."""
    near, most = nearest(found), _MOST_CORRECTED if by_content else _MOST_CORRECTED_FOR_BYTES
    corrected = correct(path, near[0], corrections) if near and near[1] <= most else None
    return corrected if corrected and corrections.stat().st_size <= most * path.stat().st_size else None


def _wraps(path: Path, recipe: Recipe, digest: str) -> bool:
    try:
        return digest_of(wrap(unwrap(path, Unwrapped()), recipe)) == digest
    except RecipeFailed:
        return False


def _known(run: Run, file: Examined) -> Manifest | None:
    """A manifest for a file archived before, its objects whole; the same bytes under another name or sample get one that shares them."""
    archived = run.archive.ledger.manifests("digest = ?", file.digest)
    for manifest in archived:
        run.archive.mend(manifest)
    same = [m for m in archived if run.options.require in (m.exactness, "content") and _are_whole(run, m)]
    named = [m for m in same if (m.name, m.sample) == (file.path.name, run.options.sample)]
    if named:
        return named[-1]
    if not same:
        return None
    renamed = replace(same[0], name=file.path.name, sample=run.options.sample, version=_next_version(run, file))
    return renamed if _kept(run, renamed) else None


def _is_whole(run: Run, digest: str) -> bool:
    """False for an object that is damaged or missing, which is told; a put that makes it again mends it."""
    if digest not in run.whole:
        try:
            run.archive.store.verify(digest)
            run.whole[digest] = True
        except BadInput as fault:
            log.warning("%s", fault)
            run.whole[digest] = False
    return run.whole[digest]


def _are_whole(run: Run, manifest: Manifest) -> bool:
    """True where all objects of a file are whole; all that are not are told."""
    return not [entry for entry in manifest.objects if not _is_whole(run, entry["digest"])]


def _finds_damage(run: Run, file: Examined) -> bool:
    """True where an object of the sample, of a file with the same content or of a reference is damaged or missing."""
    where = "sample = ? OR digest = ? OR plain_digest = ?"
    near = run.archive.ledger.manifests(where, run.options.sample or "", file.digest, file.plain_digest)
    digests = {digest for (digest,) in run.archive.ledger.rows("SELECT DISTINCT digest FROM object WHERE role = 'reference'")}
    digests.update(entry["digest"] for manifest in near for entry in manifest.objects)
    return bool([digest for digest in sorted(digests) if not _is_whole(run, digest)])


def _next_version(run: Run, file: Examined) -> int:
    last = "SELECT version FROM counting WHERE name = ? AND sample = ? ORDER BY version DESC LIMIT 1"
    return 1 + sum(version for (version,) in run.archive.ledger.rows(last, file.path.name, run.options.sample or ""))


def _put_new(run: Run, file: Examined, group: list[Examined]) -> Manifest:
    for attempt, wrapped in attempts(run, file, group):
        manifest = None
        for _again in range(2):  # now that it is known which objects are damaged
            try:
                manifest = _attempted(run, file, attempt, wrapped=wrapped)
                break
            except BadInput:
                if not _finds_damage(run, file):
                    raise
        if manifest is not None:
            return manifest
    raise BadEnvironment(
        "objects that the file shares with others were removed while it was put",
        wanted="no collection with a short grace during a put",
        do="Put it again.",
        path=file.path,
    )


def _attempted(run: Run, file: Examined, attempt: Attempt, *, wrapped: bool) -> Manifest | None:
    """The manifest of a file that was kept in this form; None where it cannot be. Raises BadInput for damage in the archive too."""
    with run.archive.folder() as folder, outputs.writing(run.archive.root):
        staging = Staging(folder, run.archive.store, run.fetched, run.whole)
        try:
            manifest = _manifest(run, file, attempt(staging), staging, wrapped)
            if not checks_itself(attempt):
                check_file(manifest.returned, file_bytes(manifest, staging.shop))
        except NOT_REPRESENTABLE as reason:
            if was_asked_for(attempt):
                log.warning("%s: kept without being aligned: %s", file.path.name, reason)
            else:
                log.debug("%s: %s is not kept as %s: %s", file.path.name, file.digest[:12], attempt.func.__name__, reason)
            return None
        return manifest if _kept(run, manifest, staging) else None


def _kept(run: Run, manifest: Manifest, staging: Staging | None = None) -> bool:
    """Moves what is staged into the archive and writes the manifest; False where an object that it shares is damaged, or went meanwhile."""
    digests = [entry["digest"] for entry in manifest.objects]
    with pinned(run.archive, digests):
        if staging is not None:
            staging.commit()
        if not all(run.whole.get(digest, True) and run.archive.store.has(digest) for digest in digests):
            return False
        run.archive.add(manifest)
    return True


def _manifest(run: Run, file: Examined, content: dict[str, Any], staging: Staging, wrapped: bool) -> Manifest:
    container = describe_recipe(file.recipe, staging) if wrapped and file.recipe else None
    if container and file.exactness == "content":
        container["makes"] = file.returned
    objects = [
        {"digest": digest, "size": staging.size(digest), "role": role} for digest, role in sorted(object_roles(content, container).items())
    ]
    named = ("name = ? AND sample = ? AND digest = ?", file.path.name, run.options.sample or "", file.digest)
    before = run.archive.ledger.manifests(*named)  # kept by its content only, where bytes are required now
    return Manifest(
        name=file.path.name,
        sample=run.options.sample,
        version=before[-1].version if before else _next_version(run, file),
        revision=1 + max((manifest.revision for manifest in before), default=0),
        digest=file.digest,
        size=file.size,
        exactness=file.exactness if wrapped else "bytes",
        profile=run.options.profile,
        plain_digest=file.plain_digest if wrapped else file.digest,
        container=container,
        content=content,
        objects=objects,
    )

"""How a file can be kept: its representations, the smallest first.

Each is an attempt: called with a `Staging`, it stores objects there and gives the content part of a manifest, or raises one of
NOT_REPRESENTABLE, and the next is tried. What an attempt does not compare by itself, the put does.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from genopipe.archive.alignments import aligned_pool, describe_alignments, describe_patched
from genopipe.archive.container import Recipe, RecipeFailed, Unwrapped, unwrap, wrap
from genopipe.archive.contents import digest_of, object_roles, pack
from genopipe.archive.fastq_text import NotFastq
from genopipe.archive.fastq_views import describe_view, make_pool, open_pool
from genopipe.archive.manifests import Manifest
from genopipe.archive.opened import Archive
from genopipe.archive.plain_bam import NotBam
from genopipe.archive.read_rows import NotInPool, Pool
from genopipe.archive.realigned import describe_realigned
from genopipe.archive.references import Reference, link_reference
from genopipe.archive.staging import Staging
from genopipe.errors import BadInput
from genopipe.formats.htslib import HtslibFailed, decode_cram, without_locations
from genopipe.progress import Progress

NOT_REPRESENTABLE = (NotBam, NotFastq, NotInPool, HtslibFailed, RecipeFailed)
FASTQ = re.compile(r"\.(fastq|fq)(\.gz|\.bgz)?$")

Attempt = partial[dict[str, Any]]
"""Called with a `Staging`, stores objects there and gives the content part of a manifest."""


Aligner = Callable[[list[Path], Path], Path]
"""Writes a BAM of the reads in one FASTQ file, or two of mates, into a folder, and gives its path. Raises BadInput for other files."""


@dataclass(frozen=True, slots=True)
class PutOptions:
    """What holds for all files of one put.

    With an `aligner`, reads without a BAM become an aligned pool. `require` is "bytes" or "content": what must come back of alignments
    and reads in a gzip that no encoder at hand makes.
    """

    sample: str | None = None
    reference: Reference | None = None
    profile: str = "fast"
    aligner: Aligner | None = None
    require: str = "content"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file as it was given.

    recipe    how gzip is laid around the content again; None for a plain file, and where that is not asked for or cannot be
    returned  SHA-256 of what recipe and content make: that of the file, or of other bytes with the same content
    counter   counts the content that is read
    """

    path: Path
    digest: str
    size: int
    plain_digest: str
    plain: bool
    recipe: Recipe | None
    returned: str
    counter: Progress

    @property
    def exactness(self) -> str:
        """What comes back: "bytes", or the same "content" in other bytes."""
        return "bytes" if self.returned == self.digest else "content"

    def pieces(self) -> Iterator[bytes]:
        """The content without gzip."""
        return counted(unwrap(self.path, Unwrapped()), self.counter)


@dataclass(slots=True)
class Run:
    """One put: the archive, the options, a folder for objects fetched from it, what counts the content that is read, the pool that was
    looked into last, and which objects were found whole or not."""

    archive: Archive
    options: PutOptions
    fetched: Path
    counter: Progress
    pools: dict[str, Pool] = field(default_factory=dict)
    whole: dict[str, bool] = field(default_factory=dict)


def counted(pieces: Iterable[bytes], counter: Progress) -> Iterator[bytes]:
    """The same pieces, each counted."""
    for piece in pieces:
        counter.advance(len(piece))
        yield piece


def attempts(run: Run, file: Examined, group: list[Examined]) -> Iterator[tuple[Attempt, bool]]:
    """Representations, the smallest first, and whether the gzip recipe goes around them; the last one cannot fail."""
    if file.plain or file.recipe:
        for content in _same_plain(run, file):
            yield partial(_again, content), True
        if file.path.suffix == ".bam":
            for content in _aligned_pools(run):
                yield partial(_patched, file, content), True
            for content in _aligned_pools(run):
                yield partial(_realigned, file, content), True
            yield partial(_alignments, run, file), True
        if file.path.suffix == ".cram":
            yield partial(_cram, run, file), True
        if FASTQ.search(file.path.name):
            for content in _pools(run):
                yield partial(_view, run, file, content), True
            if run.options.aligner and run.options.reference:
                yield partial(_aligned_on_the_way, run, file, group), True
            yield partial(_own_pool, run, file, group), True
            yield partial(_own_pool, run, file, [file]), True
        if file.exactness == "bytes":
            yield partial(_packed, run, file), True
    yield partial(_original, run, file), False


def _same_plain(run: Run, file: Examined) -> Iterator[dict[str, Any]]:
    """Content archived before with another container."""
    for manifest in run.archive.ledger.manifests("plain_digest = ?", file.plain_digest):
        if manifest.container or manifest.digest == manifest.plain_digest:
            yield manifest.content


def _pools(run: Run) -> Iterator[dict[str, Any]]:
    """The pools of the sample, aligned ones first."""
    mine = [manifest.content for manifest in _of_sample(run) if "cram" in manifest.content.get("pool", manifest.content)]
    pools = {(c.get("pool", c))["cram"]: (c["kind"], c.get("pool", c)) for c in mine}
    yield from (pool for _, pool in sorted(pools.values(), key=lambda entry: (entry[0], entry[1]["cram"])))


def _aligned_pools(run: Run) -> Iterator[dict[str, Any]]:
    """The pools of the sample's alignments, and of reads that were aligned on the way in."""
    alignments = {manifest.content["cram"] for manifest in _of_sample(run) if manifest.content["kind"] in ("alignments", "cram")}
    yield from (pool for pool in _pools(run) if pool["reference"] or pool["cram"] in alignments)


def _of_sample(run: Run) -> list[Manifest]:
    return run.archive.ledger.manifests("sample = ?", run.options.sample or "")


def _again(content: dict[str, Any], _staging: Staging) -> dict[str, Any]:
    return content


def _alignments(run: Run, file: Examined, staging: Staging) -> dict[str, Any]:
    options, check = run.options, partial(_check_plain, file)
    return describe_alignments(file.pieces, staging.shop, reference=options.reference, profile=options.profile, check=check)


def _cram(run: Run, file: Examined, staging: Staging) -> dict[str, Any]:
    """The CRAM as it is; it must come without another reference than the one that goes into the archive."""
    reference = run.options.reference.keep(staging) if run.options.reference else None
    alone = staging.shop.folder / "alone.cram"
    without_locations(file.path, alone)
    deque(decode_cram(alone, reference=link_reference(reference, staging.shop)), maxlen=0)
    return {"kind": "cram", "cram": staging.put_file(file.path), "reference": reference}


def _patched(file: Examined, content: dict[str, Any], staging: Staging) -> dict[str, Any]:
    return describe_patched(file.pieces, content, staging.shop, check=partial(_check_plain, file))


def _realigned(file: Examined, content: dict[str, Any], staging: Staging) -> dict[str, Any]:
    return describe_realigned(file.pieces, content, staging.shop)


def _view(run: Run, file: Examined, content: dict[str, Any], staging: Staging) -> dict[str, Any]:
    pool = run.pools.get(content["cram"])
    if pool is None:
        run.pools.clear()
        pool = run.pools[content["cram"]] = open_pool(content, staging.shop)  # its tables outlive the folder
    return describe_view(file.pieces, pool, shop=staging.shop)


def _aligned_on_the_way(run: Run, file: Examined, group: list[Examined], staging: Staging) -> dict[str, Any]:
    options, shop = run.options, staging.shop
    assert options.aligner is not None
    try:
        bam = options.aligner([member.path for member in group], shop.folder)
    except BadInput as reason:
        if reason.path not in [member.path for member in group]:
            raise
        raise NotFastq(str(reason)) from reason
    content = aligned_pool(partial(unwrap, bam, Unwrapped()), shop, reference=options.reference, profile=options.profile)
    bam.unlink()
    return _view(run, file, content, staging)


def _own_pool(run: Run, file: Examined, group: list[Examined], staging: Staging) -> dict[str, Any]:
    content = make_pool([member.pieces for member in group], staging.shop, profile=run.options.profile)
    return _view(run, file, content, staging)


def _packed(run: Run, file: Examined, staging: Staging) -> dict[str, Any]:
    content = pack(file.pieces(), staging.shop, profile=run.options.profile)
    corrections = file.recipe.corrections if file.recipe else None
    if _size(content, staging) + (corrections.stat().st_size if corrections else 0) >= file.size:
        raise RecipeFailed("the packed content is larger than the file")
    return content


def _original(run: Run, file: Examined, staging: Staging) -> dict[str, Any]:
    with open(file.path, "rb") as source:
        content = pack(iter(partial(source.read, 1 << 20), b""), staging.shop, profile=run.options.profile)
    if _size(content, staging) < file.size:
        return content
    for digest in object_roles(content, None):
        staging.delete(digest)
    return {"kind": "packed", "object": staging.put_file(file.path), "codec": "none"}


def _size(content: dict[str, Any], staging: Staging) -> int:
    return sum(staging.size(digest) for digest in object_roles(content, None))


def checks_itself(attempt: Attempt) -> bool:
    """True when the attempt has compared what comes back with the file while it was writing."""
    return attempt.func in (_alignments, _patched)


def was_asked_for(attempt: Attempt) -> bool:
    """True for alignment on the way in: that it cannot be is told."""
    return attempt.func is _aligned_on_the_way


def check_file(digest: str, restored: Iterable[bytes]) -> None:
    """Raises RecipeFailed unless the bytes have this digest."""
    if digest_of(restored) != digest:
        raise RecipeFailed("the restored file differs")


def _check_plain(file: Examined, restored: Iterable[bytes]) -> None:
    """Raises RecipeFailed unless the content and the recipe make the file."""
    check_file(file.returned, wrap(restored, file.recipe))

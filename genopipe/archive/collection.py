"""The right to delete from an archive, safe while others put.

A put pins the objects its manifest will name (`leases/ID.json`), and only then looks whether a collection runs; a collection puts up its
mark (`leases/collecting`), and only then looks at pins, and after them at manifests. So either the collection sees the pin or the manifest,
or the put sees the mark and waits; having waited, it looks again whether its objects are there. Ages are measured by the clock of the
place that keeps the files. What a killed put left is younger than the grace for a while, and goes afterwards; so does its pin.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from genopipe.archive.manifests import canonical
from genopipe.archive.opened import Archive
from genopipe.errors import BadEnvironment, BadInput

GRACE_HOURS = 24
_MARK = "leases/collecting"
_MARK_SECONDS = 120
"""A mark that was not renewed for so long is that of a collection that was killed."""
_WAIT_SECONDS = 3600
_CLOCK_TICK = 1
"""An S3 server tells the age of one file in whole seconds, and in a list more finely."""
_CLOCK_SECONDS = 300
"""How far clocks may differ."""


@contextmanager
def pinned(archive: Archive, digests: Iterable[str]) -> Iterator[None]:
    """Keeps objects from being collected until their manifest is written. Raises BadEnvironment where a collection does not end."""
    lease = f"leases/{uuid.uuid4().hex}.json"
    archive.files.add(lease, canonical({"objects": sorted(digests)}))
    try:
        found = archive.files.found(lease)
        _wait_for_collection(archive, found.modified if found else time.time())
        yield
    finally:
        archive.files.delete(lease)


class Collecting:
    """A collection that is running; `now` is the time by the clock of the place."""

    def __init__(self, archive: Archive, now: float, mark: bytes) -> None:
        self.archive, self.now = archive, now
        self._mark = mark
        self._renewed = time.monotonic()

    def unneeded(self, digests: Iterable[str]) -> list[str]:
        """Those objects that no put pins and no manifest names. The pins are read first: see above."""
        pins = self._pins()
        return sorted(set(digests) - pins - self.archive.ledger.needed())

    def delete_object(self, digest: str) -> None:
        """Removes an object, as long as the mark stands."""
        self.renew()
        self.archive.store.delete(digest)

    def delete_file(self, name: str) -> None:
        """Removes another file, as long as the mark stands."""
        self.renew()
        self.archive.files.delete(name)

    def _pins(self) -> set[str]:
        pins: set[str] = set()
        for found in list(self.archive.files.listed("leases/")):
            if found.name == _MARK:
                continue
            if self.now - found.modified > GRACE_HOURS * 3600:
                self.archive.files.delete(found.name)
                continue
            try:
                pins.update(self.archive.document(found.name)["objects"])
            except FileNotFoundError:
                continue
        return pins

    def renew(self) -> None:
        """Keeps the mark fresh. Raises BadEnvironment where it may have become stale."""
        silent = time.monotonic() - self._renewed
        if silent > _MARK_SECONDS / 2:
            raise BadEnvironment(
                "the collection was held up for too long",
                wanted="a deletion at least every few minutes",
                do="Run it again; nothing that is needed was removed.",
                path=self.archive.root,
            )
        if silent > _MARK_SECONDS / 20:
            self.archive.files.replace(_MARK, self._mark)
            self._renewed = time.monotonic()


@contextmanager
def collecting(archive: Archive, *, wait_seconds: float = 0) -> Iterator[Collecting]:
    """The right to delete. Raises BadInput while another collection runs, after a wait, BadEnvironment where the clock went backwards."""
    own = uuid.uuid4().hex.encode()
    deadline = time.monotonic() + wait_seconds
    while not archive.files.add(_MARK, own):
        try:
            _replace_stale_mark(archive, own)
            break
        except BadInput:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    try:
        mark = archive.files.found(_MARK)
        assert mark is not None, "the mark was just written"
        now = mark.modified + _CLOCK_TICK
        _check_clock(archive, now)
        yield Collecting(archive, now, own)
    finally:
        archive.files.delete(_MARK)


def _wait_for_collection(archive: Archive, now: float) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    started = time.monotonic()
    while (mark := archive.files.found(_MARK)) is not None:
        if now + time.monotonic() - started - mark.modified > _MARK_SECONDS:
            return
        if time.monotonic() > deadline:
            raise BadEnvironment(
                "a collection has been running for too long",
                wanted="one that ends",
                do=f"Run `genopipe archive gc` again; if none runs, remove {_MARK}.",
                path=archive.root,
            )
        time.sleep(0.2)


def _replace_stale_mark(archive: Archive, own: bytes) -> None:
    """Takes the place of a collection that was killed. Raises BadInput for one that may be running."""
    probe = f"leases/{uuid.uuid4().hex}.json"
    archive.files.add(probe, canonical({"objects": []}))
    try:
        now, mark = archive.files.found(probe), archive.files.found(_MARK)
    finally:
        archive.files.delete(probe)
    if mark is not None and now is not None:
        if now.modified - mark.modified <= _MARK_SECONDS:
            raise BadInput(
                "another collection is running, or was killed a few minutes ago",
                wanted="one at a time",
                do=f"Try again in {_MARK_SECONDS // 60} minutes.",
                path=archive.root,
            )
        archive.files.delete(_MARK)
    if not archive.files.add(_MARK, own):
        raise BadInput("another collection has just begun", wanted="one at a time", do="Try again when it has ended.", path=archive.root)


def _check_clock(archive: Archive, now: float) -> None:
    newest = max((found.modified for folder in ("audit/", "manifests/") for found in archive.files.listed(folder)), default=now)
    if newest > now + _CLOCK_SECONDS:
        raise BadEnvironment(
            f"the clock went backwards: the archive has files written {newest - now:.0f} s after now",
            wanted="a clock that tells how old files are",
            do="Set the clock, then run again; nothing was removed.",
            path=archive.root,
        )

"""The keys of an encrypted archive exchanged: what is there is written anew to the public keys that are given now, and to no other.

The keys that count are named first, in `sealed.json`, and puts with others are refused from then on. Then every object and every file of
the catalogue gets another header; what is encrypted stays as it is, byte for byte. An archive that was killed in between is read with the
old secret key and the new one together, and the next `rekey` does the rest. An archive that is not encrypted becomes one that is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from genopipe.archive.audit import record
from genopipe.archive.catalogue import DATABASE
from genopipe.archive.collect import delete_leftovers
from genopipe.archive.collection import collecting
from genopipe.archive.forget import delete_forgotten
from genopipe.archive.manifests import canonical
from genopipe.archive.opened import MARKER, Archive
from genopipe.archive.query import database_path
from genopipe.errors import BadConfiguration, BadInput, GenopipeError
from genopipe.progress import progress
from genopipe.store import Location, SealedFiles, SealedObjects, seal
from genopipe.store.keys import PUBLIC, SECRET, mark_of, opens, public_keys, secret_keys
from genopipe.store.objects import digest_in

_BATCH = 1000
_WAIT_SECONDS = 600
_PAUSE_SECONDS = 0.5
"""Between batches of the catalogue, so that puts that wait have their turn."""


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """How many files were written anew, and what is wrong with those that stay as they were."""

    files: int
    faults: list[GenopipeError]


def rekey(root: Location, *, encrypt: bool = False) -> Rekeyed:
    """Writes everything anew to the present public keys; with `encrypt` also what is not encrypted.

    Raises BadInput for an archive that is not encrypted, BadConfiguration where the secret keys given open nothing, or not what is written
    now; then the archive is as it was.
    """
    archive = Archive.existing(root)
    plain = not isinstance(archive.files, SealedFiles)
    if plain and not encrypt:
        raise BadInput("this archive is not encrypted", wanted="one that is", do="Add --encrypt to encrypt it.", path=root)
    public = _checked_keys()
    if plain:
        archive = _encrypted(archive)
    _exchange(archive, mark_of(public))
    return _written_anew(archive)


def _checked_keys() -> list[bytes]:
    """The public keys. Raises BadConfiguration where no secret key at hand opens what would be written."""
    public = public_keys()
    if not opens(secret_keys(), public):
        raise BadConfiguration(
            "no secret key given belongs to a public key given, so nobody may be able to read the archive afterwards",
            wanted=f"in {SECRET} the secret key that opens the archive now and, with `:` between them, one of the new",
            do=f"Mend {SECRET} or {PUBLIC}.",
            key=SECRET,
        )
    return public


def _encrypted(archive: Archive) -> Archive:
    """The same archive, from now on written encrypted; plain copies beside it go."""
    seal(archive.root, empty=False)
    archive.files.replace(MARKER, canonical(json.loads(archive.files.read(MARKER)) | {"encrypted": True}))
    for name in (DATABASE, f"{DATABASE}.wal"):
        archive.files.delete(name)
    database_path(archive.root).unlink(missing_ok=True)
    delete_leftovers(archive, time.time())
    return Archive.existing(archive.root)


def _exchange(archive: Archive, mark: str) -> None:
    """Names the keys that count. Raises BadConfiguration where the secret keys at hand do not open the archive."""
    assert isinstance(archive.files, SealedFiles)
    for name in archive.files.to_other_keys(mark)[:1]:
        with suppress(BadInput):  # damage is told when it is its turn
            archive.files.open(name).close()
    if archive.files.mark() != mark:
        with collecting(archive, wait_seconds=_WAIT_SECONDS) as collection:
            archive.files.exchange_keys()
            record(archive, "rekey", collection.now, keys=mark)


def _written_anew(archive: Archive) -> Rekeyed:
    assert isinstance(archive.store, SealedObjects)
    names = archive.store.files.to_other_keys()
    objects = [digest for name in names if (digest := digest_in(name))]
    catalogued = [name for name in names if name.startswith("catalogue/")]
    faults: list[GenopipeError] = []
    with progress("rekeyed", total=len(objects) + len(catalogued), unit="files") as counter:
        for digest in objects:
            faults += _tried(archive.store.files, partial(archive.store.rekey, digest))
            counter.advance()
        for first in range(0, len(catalogued), _BATCH):
            with collecting(archive, wait_seconds=_WAIT_SECONDS) as collection:  # nothing is taken out of the catalogue meanwhile
                for name in catalogued[first : first + _BATCH]:
                    collection.renew()
                    faults += _tried(archive.store.files, partial(archive.store.files.rekey, name))
                    counter.advance()
            time.sleep(_PAUSE_SECONDS)
    files = len(objects) + len(catalogued) - len(faults)
    if objects or catalogued:
        with collecting(archive, wait_seconds=_WAIT_SECONDS) as collection:
            delete_forgotten(collection)
            record(archive, "rekeyed", collection.now, files=files)
    return Rekeyed(files, faults)


def _tried(files: SealedFiles, rekey_one: Callable[[], None]) -> list[GenopipeError]:
    """What is wrong with a file that stays as it was. Raises BadConfiguration where the keys were exchanged once more meanwhile."""
    try:
        rekey_one()
    except (BadInput, BadConfiguration) as fault:
        files.check_keys()
        return [fault]
    return []

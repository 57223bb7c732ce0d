"""The site's keys for encrypted archives, read from the files that variables name; the keys themselves are never printed or logged.

GENOPIPE_ARCHIVE_PUBLIC_KEYS        files of Crypt4GH (or OpenSSH ed25519) public keys, `:` between them: who may read what is written
GENOPIPE_ARCHIVE_SECRET_KEY_FILE    the secret key that reads
GENOPIPE_ARCHIVE_PASSPHRASE_FILE    the passphrase of the secret key, where it has one
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from genopipe.errors import BadConfiguration

PUBLIC, SECRET, PASSPHRASE = "GENOPIPE_ARCHIVE_PUBLIC_KEYS", "GENOPIPE_ARCHIVE_SECRET_KEY_FILE", "GENOPIPE_ARCHIVE_PASSPHRASE_FILE"
_KEY_BYTES = 32

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)  # at its debug level it writes out keys


def public_keys() -> list[bytes]:
    """The public keys to encrypt to. Raises BadConfiguration where there are none, or a file is no key."""
    from crypt4gh.keys import get_public_key

    named = [Path(path) for path in os.environ.get(PUBLIC, "").split(os.pathsep) if path]
    if not named:
        raise BadConfiguration(
            "this archive is encrypted, and no public key is given", wanted=f"files of keys in {PUBLIC}", do=f"Set {PUBLIC}.", key=PUBLIC
        )
    return [_read(path, PUBLIC, lambda path=path: get_public_key(path)) for path in named]  # type: ignore[misc]


def secret_key() -> bytes:
    """The secret key that reads. Raises BadConfiguration where there is none, or the file or the passphrase is wrong."""
    from crypt4gh.keys import get_private_key

    named = os.environ.get(SECRET)
    if not named:
        raise BadConfiguration(
            "this archive is encrypted, and no secret key is given",
            wanted=f"the file of a key in {SECRET}",
            do=f"Set {SECRET}.",
            key=SECRET,
        )
    return _read(Path(named), SECRET, lambda: get_private_key(Path(named), _passphrase))


def _read(path: Path, variable: str, read: Callable[[], bytes]) -> bytes:
    try:
        key = read()
    except OSError as error:
        raise _no_key(path, variable, f"the key cannot be read ({error.strerror})") from None
    except (Exception, SystemExit):  # crypt4gh leaves by SystemExit when a passphrase is wrong; what it says may hold key material
        raise _no_key(path, variable, "this is no key, or its passphrase is wrong") from None
    if len(key) != _KEY_BYTES:
        raise _no_key(path, variable, "this is no key")
    return bytes(key)


def _passphrase() -> str:
    named = os.environ.get(PASSPHRASE)
    if not named:
        raise ValueError("no passphrase")
    return Path(named).read_text().rstrip("\n")


def _no_key(path: Path, variable: str, came: str) -> BadConfiguration:
    return BadConfiguration(
        came,
        wanted="a file written by `crypt4gh-keygen`, and the file of its passphrase",
        do=f"Check {variable} and {PASSPHRASE}.",
        path=path,
        key=variable,
    )

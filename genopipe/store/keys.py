"""The site's keys for encrypted archives, read from the files that variables name; the keys themselves are never printed or logged.

GENOPIPE_ARCHIVE_PUBLIC_KEYS        files of Crypt4GH (or OpenSSH ed25519) public keys, `:` between them: who may read what is written
GENOPIPE_ARCHIVE_SECRET_KEY_FILE    the secret key that reads; several files with `:` between them while keys are exchanged
GENOPIPE_ARCHIVE_PASSPHRASE_FILE    the passphrase of the secret key, where it has one; of several keys one file each, in their order

Which public keys a file is written to is told by their mark, drawn from the keys: it says when two sets are the same, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from genopipe.errors import BadConfiguration

PUBLIC, SECRET, PASSPHRASE = "GENOPIPE_ARCHIVE_PUBLIC_KEYS", "GENOPIPE_ARCHIVE_SECRET_KEY_FILE", "GENOPIPE_ARCHIVE_PASSPHRASE_FILE"
_KEY_BYTES = 32

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)  # at its debug level it writes out keys


def public_keys() -> list[bytes]:
    """The public keys to encrypt to, sorted. Raises BadConfiguration where there are none, or a file is no key."""
    from crypt4gh.keys import get_public_key

    named = _files(PUBLIC)
    if not named:
        raise _not_given("public", PUBLIC)
    return sorted({_read(path, PUBLIC, lambda path=path: get_public_key(path)) for path in named})  # type: ignore[misc]


def secret_keys() -> list[bytes]:
    """The secret keys that read. Raises BadConfiguration where there is none, or a file or its passphrase is wrong."""
    from crypt4gh.keys import get_private_key

    named, passphrases = _files(SECRET), _files(PASSPHRASE)
    if not named:
        raise _not_given("secret", SECRET)
    return [
        _read(path, SECRET, lambda path=path, i=i: get_private_key(path, lambda: _passphrase(passphrases, i)))  # type: ignore[misc]
        for i, path in enumerate(named)
    ]


def mark_of(public: list[bytes]) -> str:
    """16 hex digits that tell a set of public keys from others."""
    return hashlib.sha256(b"".join(sorted(public))).hexdigest()[:16]


def opens(secret: list[bytes], public: list[bytes]) -> bool:
    """True when one of the secret keys belongs to one of the public keys."""
    from crypt4gh.sodium import derive_pk

    return any(bytes(derive_pk(key)) in public for key in secret)


def _files(variable: str) -> list[Path]:
    return [Path(path) for path in os.environ.get(variable, "").split(os.pathsep) if path]


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


def _passphrase(files: list[Path], number: int) -> str:
    if not files:
        raise ValueError("no passphrase")
    return files[min(number, len(files) - 1)].read_text().rstrip("\n")


def _not_given(kind: str, variable: str) -> BadConfiguration:
    return BadConfiguration(
        f"this archive is encrypted, and no {kind} key is given", wanted=f"files of keys in {variable}", do=f"Set {variable}.", key=variable
    )


def _no_key(path: Path, variable: str, came: str) -> BadConfiguration:
    return BadConfiguration(
        came,
        wanted="a file written by `crypt4gh-keygen`, and the file of its passphrase",
        do=f"Check {variable} and {PASSPHRASE}.",
        path=path,
        key=variable,
    )

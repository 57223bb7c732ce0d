"""Ids that say nothing: UUIDs from a keyed hash of a digest.

The key is the site's secret. With it the same file always has the same id; without it nobody can tell whether an id is that of a file they
hold. The key comes from a file, is never logged and never part of a message.

Source: RFC 2104 (HMAC); RFC 9562, section 5.8 (UUID version 8); RFC 6920 (ni URIs, the digest as an identifier).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from pathlib import Path

from genopipe.errors import BadEnvironment
from genopipe.progress import log

KEY_VARIABLE = "GENOPIPE_SITE_KEY_FILE"
SHORTEST_KEY = 16
_MAKE_ONE = "Make one with `openssl rand -hex 32 > site.key; chmod 600 site.key` and keep it for good."


def read_site_key(path: Path | None) -> bytes:
    """The site's secret, from `path` or from the file that GENOPIPE_SITE_KEY_FILE names.

    Raises BadEnvironment when there is none, or one that is too short.
    """
    named = path or (Path(os.environ[KEY_VARIABLE]) if os.environ.get(KEY_VARIABLE) else None)
    if named is None:
        raise BadEnvironment("no site key is given", wanted=f"--site-key-file or {KEY_VARIABLE}", do=_MAKE_ONE)
    try:
        key = named.read_bytes().strip()
    except OSError as error:
        raise BadEnvironment(
            f"the site key cannot be read ({error.strerror})", wanted="a readable file", do=_MAKE_ONE, path=named
        ) from error
    if len(key) < SHORTEST_KEY:
        raise BadEnvironment("the site key is too short", wanted=f"at least {SHORTEST_KEY} bytes", do=_MAKE_ONE, path=named)
    if named.stat().st_mode & 0o077:
        log.warning("%s: others can read the site key; chmod 600 it", named)
    return key


def record_id(site_key: bytes, digest: str) -> str:
    """The UUID of the object with this SHA-256 at this site."""
    keyed = bytearray(hmac.digest(site_key, bytes.fromhex(digest), "sha256")[:16])
    keyed[6] = keyed[6] & 0x0F | 0x80
    keyed[8] = keyed[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(keyed)))


def group_digest(kind: str, digests: list[str]) -> str:
    """A digest for a record about several objects."""
    return hashlib.sha256("\n".join([kind, *sorted(digests)]).encode()).hexdigest()


def digest_uri(digest: str) -> str:
    """The SHA-256 as a URI."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()

"""Ids are stable for a site and say nothing without its key."""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from pathlib import Path

import pytest

from genopipe.ehr.identifiers import digest_uri, group_digest, read_site_key, record_id
from genopipe.errors import BadEnvironment

KEY = b"a secret of sixteen bytes or more"
DIGEST = hashlib.sha256(b"reads").hexdigest()


def test_an_id_is_the_keyed_hash_of_the_digest() -> None:
    """Oracle: hmac and uuid of the standard library; all but the version and variant bits come from the hash."""
    keyed = hmac.new(KEY, bytes.fromhex(DIGEST), hashlib.sha256).digest()[:16]
    found = uuid.UUID(record_id(KEY, DIGEST))
    free = (1 << 128) - 1 - (0xF << 76) - (0x3 << 62)
    assert found.int & free == int.from_bytes(keyed) & free
    assert (found.version, found.variant) == (8, uuid.RFC_4122)


def test_another_site_has_another_id() -> None:
    assert record_id(KEY, DIGEST) == record_id(KEY, DIGEST)
    assert record_id(KEY, DIGEST) != record_id(KEY + b"!", DIGEST)


def test_a_group_does_not_depend_on_the_order() -> None:
    assert group_digest("Device", ["a", "b"]) == group_digest("Device", ["b", "a"]) != group_digest("Provenance", ["a", "b"])


def test_the_digest_uri_is_that_of_the_specification() -> None:
    """Published: the example of RFC 6920, section 8.1, `Hello World!`."""
    assert digest_uri(hashlib.sha256(b"Hello World!").hexdigest()) == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"


def test_the_key_comes_from_the_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.key").write_bytes(KEY + b"\n")
    (tmp_path / "site.key").chmod(0o600)
    assert read_site_key(tmp_path / "site.key") == KEY
    monkeypatch.setenv("GENOPIPE_SITE_KEY_FILE", str(tmp_path / "site.key"))
    assert read_site_key(None) == KEY


def test_no_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENOPIPE_SITE_KEY_FILE", raising=False)
    with pytest.raises(BadEnvironment, match="no site key is given; wanted --site-key-file or GENOPIPE_SITE_KEY_FILE"):
        read_site_key(None)


def test_a_short_key_is_told_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "site.key").write_bytes(b"hunter2")
    with pytest.raises(BadEnvironment, match="the site key is too short") as told:
        read_site_key(tmp_path / "site.key")
    assert "hunter2" not in str(told.value)


def test_a_missing_key_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match="the site key cannot be read"):
        read_site_key(tmp_path / "none")


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "site.key").write_bytes(KEY)
    (tmp_path / "site.key").chmod(0o644)
    with caplog.at_level(logging.WARNING, "genopipe"):
        read_site_key(tmp_path / "site.key")
    assert "others can read the site key" in caplog.text

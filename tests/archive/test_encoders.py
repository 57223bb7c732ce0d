"""Encoders are trusted only while they make the bytes they made."""

from __future__ import annotations

import zlib

import deflate
import pytest

from genopipe.archive import encoders
from genopipe.archive.encoders import KNOWN_VECTORS, Encoder, check_vector, vector
from genopipe.errors import BadEnvironment


@pytest.mark.parametrize("library", ["igzip", "libdeflate", "zlib-ng"])
def test_what_comes_with_genopipe_makes_its_vector(library: str) -> None:
    assert vector(library) == KNOWN_VECTORS[library]


@pytest.mark.parametrize("encoder", [Encoder("libdeflate", 6), Encoder("zlib", 6, 8), Encoder("zlib", 9, 9), Encoder("zlib-ng", 6, 8)])
def test_blocks_are_raw_deflate(encoder: Encoder) -> None:
    """Oracle: zlib inflates what any encoder wrote."""
    payload = b"ACGT" * 500
    assert zlib.decompress(encoder.block(payload), -15) == payload


def test_an_encoder_that_changed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN_VECTORS, "libdeflate", "0" * 64)
    assert "libdeflate" not in {encoder.library for encoder in encoders.encoders()}


def test_an_encoder_that_changed_since_the_put_is_refused() -> None:
    with pytest.raises(BadEnvironment, match="libdeflate here makes other bytes than the one that archived this file"):
        check_vector("libdeflate", "0" * 64)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(BadEnvironment, match="this file needs the encoder 'zopfli'"):
        check_vector("zopfli", "0" * 64)


def test_the_vector_sees_a_changed_library(monkeypatch: pytest.MonkeyPatch) -> None:
    compress = deflate.deflate_compress
    monkeypatch.setattr(encoders.deflate, "deflate_compress", lambda payload, level: compress(payload, 1 + level % 12))
    assert vector.__wrapped__("libdeflate") != KNOWN_VECTORS["libdeflate"]

"""Large content is cut where its bytes say so, comes back, and versions of it share their chunks."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive import chunks, contents
from genopipe.archive.get import get_file
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.representations import PutOptions
from genopipe.archive.stat import measure

NOISE = np.random.default_rng(1).integers(0, 256, 12 << 20, np.uint8).tobytes()


def sizes(content: bytes) -> list[int]:
    return [len(chunk) for chunk in chunks.cut([content])]


@settings(max_examples=10)
@given(pieces=st.lists(st.integers(0, 3 << 20), max_size=5))
def test_chunks_are_the_content_whatever_its_pieces(pieces: list[int]) -> None:
    ends = np.cumsum([0, *pieces])
    given_pieces = [NOISE[start:end] for start, end in pairwise(ends)]
    content = b"".join(given_pieces)
    found = list(chunks.cut(given_pieces))
    assert b"".join(found) == content
    assert found == list(chunks.cut([content]))


def test_chunks_are_neither_small_nor_large() -> None:
    found = sizes(NOISE)
    assert len(found) > 4
    assert max(found) <= chunks.MOST
    assert min(found[:-1]) >= chunks.LEAST
    assert sizes(bytes(10 << 20)) == [chunks.MOST] * 2 + [(10 << 20) - 2 * chunks.MOST], "nothing in zeros says where to cut"


@pytest.mark.parametrize("seed", range(3))
def test_an_insertion_changes_the_chunks_beside_it_only(seed: int) -> None:
    at = random.Random(seed).randrange(len(NOISE))
    before, after = (set(chunks.cut([content])) for content in (NOISE, NOISE[:at] + b"a new line\n" + NOISE[at:]))
    assert 1 <= len(after - before) <= 2


def test_versions_of_a_large_file_share_their_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNKED_BYTES", 1 << 20)
    monkeypatch.setattr(chunks, "_LEVEL", 1)
    part = NOISE[: 5 << 20]
    texts = [part.hex().encode(), (part[: 3 << 20] + b"inserted" + part[3 << 20 :]).hex().encode()]
    stored = []
    for text in texts:
        (tmp_path / "x.vcf").write_bytes(text)
        (manifest,) = put_files(tmp_path / "A", [tmp_path / "x.vcf"], PutOptions())
        assert manifest.content["kind"] == "chunks"
        get_file(tmp_path / "A", manifest.digest, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == text
        stored.append(measure(Archive.existing(tmp_path / "A")).stored)
    assert stored[1] < 1.6 * stored[0]

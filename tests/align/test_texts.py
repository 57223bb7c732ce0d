"""Text of two files comes in pieces that hold the same records, whatever is kept of the pieces before."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genopipe.align import texts
from genopipe.align.texts import Cutting, Lane, texts_of
from genopipe.formats.bgzf import END_OF_FILE, compress_block


def records(rng: np.random.Generator, n: int, longest: int) -> list[bytes]:
    lengths = rng.integers(0, longest, n).tolist()
    return [b"@r%d\n%s\n+\n%s\n" % (i, b"A" * length, b"I" * length) for i, length in enumerate(lengths)]


def in_blocks(rng: np.random.Generator, text: bytes) -> bytes:
    """As bgzip of blocks that hold some hundred bytes each, some of them none."""
    cuts = [0, *sorted(rng.integers(0, len(text) + 1, len(text) // 300).tolist()), len(text)]
    return b"".join(compress_block(text[first:last], 1) for first, last in pairwise(cuts)) + END_OF_FILE


@settings(max_examples=40)
@given(
    st.integers(0, 1 << 30),
    st.integers(0, 60),
    st.sampled_from([(90, 90), (10, 200), (200, 10)]),
    st.integers(1, 3000),
    st.booleans(),
    st.booleans(),
)
def test_pieces_hold_the_same_records_of_both_files(tmp_path_factory, seed, n, longest, size, keep, packed):  # type: ignore[no-untyped-def]
    """Plain, and as bgzip of small blocks that threads inflate."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("texts")
    files = [records(rng, n, most) for most in longest]
    skipped = int(rng.integers(0, n + 1))
    paths = (folder / "1.fastq", folder / "2.fastq")
    for path, rows in zip(paths, files, strict=True):
        path.write_bytes(in_blocks(rng, b"".join(rows)) if packed else b"".join(rows))
    found, held, first_read = [b"", b""], [], 2 * skipped
    for text in texts_of(Lane(0, paths, True), first_read=2 * skipped, cutting=Cutting(size, 3)):
        told = [each.tobytes() for each in text.text]
        assert text.first_read == first_read and told[0].count(b"\n") == told[1].count(b"\n") and told[0].endswith(b"\n")
        first_read += told[0].count(b"\n") // 2
        found = [before + now for before, now in zip(found, told, strict=True)]
        held += [(text, told)] if keep or rng.random() < 0.3 else []
        assert all([each.tobytes() for each in kept.text] == then for kept, then in held)
    assert found == [b"".join(rows[skipped:]) for rows in files]


@pytest.mark.parametrize("before", [0, 10, 1 << 20])
def test_what_is_left_of_a_piece_stands_before_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: int) -> None:
    """Also where there is no room for it."""
    monkeypatch.setattr(texts, "_ROOM_BEFORE", before)
    rows = records(np.random.default_rng(1), 300, 100)
    (tmp_path / "r.fastq").write_bytes(b"".join(rows))
    lane = Lane(0, (tmp_path / "r.fastq",), False)
    found = [text.text[0].tobytes() for text in texts_of(lane, first_read=0, cutting=Cutting(1000, 1))]
    assert len(found) > 20 and b"".join(found) == b"".join(rows)


def test_memory_is_used_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pieces that nobody keeps lie in as few places as are under way at a time."""
    lent = []

    class Counted(texts._Lent):
        def __init__(self, memory: NDArray[np.uint8], free: deque[NDArray[np.uint8]]) -> None:
            lent.append(memory)
            super().__init__(memory, free)

    monkeypatch.setattr(texts, "_Lent", Counted)
    (tmp_path / "r.fastq").write_bytes(b"".join(records(np.random.default_rng(1), 3000, 100)))
    n = sum(1 for _ in texts_of(Lane(0, (tmp_path / "r.fastq",), False), first_read=0, cutting=Cutting(10_000, 1)))
    assert n > 20 and len(lent) > 20 and len(set(map(id, lent))) < 8

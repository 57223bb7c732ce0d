"""Runs of blocks give what bgzip holds, and what is damaged is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import bgzf_runs
from genopipe.formats.bgzf import END_OF_FILE, BgzfWriter, compress_block
from genopipe.formats.bgzf_runs import MOST_CONTENT, inflate_into, runs

CONTENT = np.random.default_rng(1).integers(65, 69, 700_000).astype(np.uint8).tobytes()


def written(path: Path, content: bytes) -> bytes:
    with BgzfWriter(path) as out:
        out.write(content)
    return path.read_bytes()


def inflated(path: Path, most: int) -> list[bytes]:
    """The content of each run."""
    found = [(run, np.empty(run.size, np.uint8)) for run in runs(path, lambda: most)]
    for run, out in found:
        inflate_into(run, out, path)
    return [out.tobytes() for _, out in found]


@pytest.mark.parametrize("piece", [100, 5_000, 40_000, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
@pytest.mark.parametrize("most", [1, 70_000, 1 << 18, 1 << 30])
def test_the_content_comes_whole_and_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, piece: int, content: bytes, most: int
) -> None:
    monkeypatch.setattr(bgzf_runs, "_PIECE", piece)
    written(tmp_path / "x.gz", content)
    found = inflated(tmp_path / "x.gz", most)
    assert b"".join(found) == content and max(map(len, found)) <= max(most, MOST_CONTENT)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "inside a block": lambda data: data[:30_000] + bytes([data[30_000] ^ 255]) + data[30_001:],
    "cut in a block": lambda data: data[:-100],
    "without its end mark": lambda data: data[: -len(END_OF_FILE)],
    "with something behind": lambda data: data + b"more and more and more",
    "nothing at all": lambda data: b"",
    "a size that is not its own": lambda data: data[: -len(END_OF_FILE) - 4] + b"\x07\0\0\0" + END_OF_FILE,
    "a size that no block has": lambda data: data[: -len(END_OF_FILE) - 4] + b"\0\0\1\1" + END_OF_FILE,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(DAMAGES[damage](written(path, CONTENT)))
    with pytest.raises(BadInput, match=r"x\.gz: the bgzip data is damaged .* wanted a whole bgzip file"):
        inflated(path, 1 << 20)


SMALL = b"".join(compress_block(CONTENT[i : i + 300], 1) for i in range(0, 1_500, 300)) + END_OF_FILE


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, len(SMALL)))
def test_no_damage_gives_other_content(tmp_path_factory, changes, kept):  # type: ignore[no-untyped-def]
    """Bytes that are changed, and a file that is cut, are told, unless nothing hangs on them."""
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "fuzz.gz"
    path.write_bytes(data[:kept] if kept % 4 == 0 else data)
    with suppress(BadInput):
        assert b"".join(inflated(path, 700)) == CONTENT[:1_500]

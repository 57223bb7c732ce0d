"""bgzip in threads gives what bgzip holds, and refuses what is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genopipe.errors import BadInput
from genopipe.formats import bgzf_runs
from genopipe.formats.bgzf import END_OF_FILE, BgzfWriter
from genopipe.formats.bgzf_runs import inflated_in_threads

CONTENT = np.random.default_rng(1).integers(65, 69, 700_000).astype(np.uint8).tobytes()


def written(path: Path, content: bytes) -> bytes:
    with BgzfWriter(path) as out:
        out.write(content)
    return path.read_bytes()


@pytest.mark.parametrize("run", [100, 5_000, 40_000, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_the_content_comes_whole_and_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: int, content: bytes) -> None:
    monkeypatch.setattr(bgzf_runs, "_RUN", run)
    written(tmp_path / "x.gz", content)
    assert b"".join(inflated_in_threads(tmp_path / "x.gz", 3)) == content


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "inside a block": lambda data: data[:30_000] + bytes([data[30_000] ^ 255]) + data[30_001:],
    "cut in a block": lambda data: data[:-100],
    "without its end mark": lambda data: data[: -len(END_OF_FILE)],
    "with something behind": lambda data: data + b"more and more and more",
    "nothing at all": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(DAMAGES[damage](written(path, CONTENT)))
    with pytest.raises(BadInput, match=r"x\.gz: the bgzip data is damaged .* wanted a whole bgzip file"):
        list(inflated_in_threads(path, 2))

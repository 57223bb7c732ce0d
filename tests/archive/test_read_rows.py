"""A FASTQ finds its reads in a pool and comes back, with the same manifest however little memory there is.

Oracle: the text that was put; orders drawn at random.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genopipe.archive import rearranged, sorted_rows
from genopipe.archive.fastq_views import describe_view, make_pool, open_pool, plain_reads
from genopipe.archive.read_rows import NotInPool
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadEnvironment
from genopipe.store import FolderStore

MATES = (1, 2)
N = 150
_DRAW = random.Random(3)
NAMES = [f"A:{lane}:{tile}:{x}:{i}" for i, (lane, tile, x) in enumerate((i % 2, i % 5, _DRAW.randrange(40)) for i in range(N))]
READS = [[("".join(_DRAW.choices("ACGTN", k=30)), "".join(_DRAW.choices("#5F", k=30))) for _ in NAMES] for _ in MATES]


def text(mate: int, order: list[int]) -> bytes:
    """Rows of these templates."""
    rows = ((NAMES[i], *READS[mate - 1][i]) for i in order)
    return "".join(f"@{name} {mate}:N:0\n{bases}\n+\n{qualities}\n" for name, bases, qualities in rows).encode()


def pool_of(shop: Workshop, texts: list[bytes]) -> dict[str, Any]:
    """An unaligned pool of one text, or of two."""
    return make_pool([lambda plain=plain: iter([plain]) for plain in texts], shop, profile="fast")


def shop_in(folder: Path) -> Workshop:
    """A workshop with a store of its own."""
    return Workshop(FolderStore(folder / "store"), folder)


def given_memory(patch: pytest.MonkeyPatch, *, little: bool) -> None:
    """Few rows at a time, or as usual."""
    for name, value in {"RUN_BYTES": 999, "MERGE_BYTES": 1, "CHUNK": 11}.items() if little else ():
        patch.setattr(sorted_rows, name, value)
    if little:
        patch.setattr(rearranged, "HELD_BYTES", 3000)
        patch.setattr(rearranged, "BUCKET_BYTES", 1000)
        patch.setattr(sorted_rows, "_STRETCH", 13)


def swapped(order: list[int]) -> list[int]:
    """The same with a few rows out of place."""
    out = list(order)
    out[3], out[90] = out[90], out[3]
    return out


BY_TILE = sorted(range(N), key=lambda i: [int(part) for part in NAMES[i].split(":")[1:]])
SHUFFLED = random.Random(5).sample(range(N), N)
ORDERS = {
    "as the pool": (list(range(N)), "pool"),
    "a few of the pool": ([5, 6, 140], "pool"),
    "by tile": (BY_TILE, "x_y"),
    "part, by tile": ([i for i in BY_TILE if i % 7], "x_y"),
    "part, by tile, a few out of order": (swapped([i for i in BY_TILE if i % 7]), "x_y"),
    "shuffled": (SHUFFLED, "listed"),
    "part, shuffled": (SHUFFLED[:70], "listed"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_rows_come_back_alike_with_little_memory_and_with_much(order: str, tmp_path: Path) -> None:
    shop = shop_in(tmp_path)
    content = pool_of(shop, [text(mate, list(range(N))) for mate in MATES])
    wanted, rule = ORDERS[order]
    for mate in MATES:
        plain, views = text(mate, wanted), []
        for little in (False, True):
            with pytest.MonkeyPatch.context() as patch:
                given_memory(patch, little=little)
                views.append(describe_view(lambda plain=plain: iter([plain]), open_pool(content, shop), shop=shop))  # type: ignore[misc]
                assert b"".join(plain_reads(views[-1], shop)) == plain
        assert views[0] == views[1]
        assert views[0]["order"]["rule"] == rule
        assert views[0]["mate"] == mate
        assert views[0]["numbered_by_mate"] == (mate if order == "as the pool" else 1)


def test_a_view_numbered_by_the_other_mate_comes_back(tmp_path: Path) -> None:
    """As such a view was written for every second FASTQ before."""
    shop, plain = shop_in(tmp_path), text(2, list(range(N)))
    content = pool_of(shop, [text(mate, list(range(N))) for mate in MATES])
    view = describe_view(lambda: iter([plain]), open_pool(content, shop), shop=shop)
    assert b"".join(plain_reads(view | {"numbered_by_mate": 1}, shop)) == plain


def test_pairs_whose_mates_read_alike_keep_their_mate(tmp_path: Path) -> None:
    """Of a cluster that failed both reads are N: nothing but the other rows tells the mates apart."""
    shop, failed = shop_in(tmp_path), b"@A:0:0:0:failed 1:N:0\nNN\n+\n##\n"
    texts = [text(mate, list(range(9))) + failed for mate in MATES]
    pool = open_pool(pool_of(shop, texts), shop)
    views = [describe_view(lambda plain=plain: iter([plain]), pool, shop=shop) for plain in texts]  # type: ignore[misc]
    assert [view["mate"] for view in views] == [1, 2]
    assert [b"".join(plain_reads(view, shop)) for view in views] == texts


@pytest.mark.parametrize(
    "other",
    [
        text(1, [*range(9), 0]),
        text(1, [10]),
        text(1, [0]) + text(2, [1]),
        text(1, [0]).replace(b"A:", b"B:"),
        text(1, [0])[:-2] + b"!\n",
        b"",
    ],
    ids=["a row twice", "a read that is not there", "rows of both mates", "another name", "another quality", "no rows"],
)
def test_other_reads_are_not_in_the_pool(other: bytes, tmp_path: Path) -> None:
    shop = shop_in(tmp_path)
    pool = open_pool(pool_of(shop, [text(mate, list(range(9))) for mate in MATES]), shop)
    with pytest.raises(NotInPool):
        describe_view(lambda: iter([other]), pool, shop=shop)


def test_a_killed_get_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and reads lie in files without a name."""
    shop, plain = shop_in(tmp_path), text(1, SHUFFLED)
    content = pool_of(shop, [text(1, list(range(N)))])
    view = describe_view(lambda: iter([plain]), open_pool(content, shop), shop=shop)
    given_memory(monkeypatch, little=True)
    before = sorted(tmp_path.rglob("*"))
    pieces = plain_reads(view, shop)
    for _ in range(3):
        next(pieces)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told_before_work_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, order = shop_in(tmp_path), np.random.default_rng(1).permutation(N).tolist()
    content, plain = pool_of(shop, [text(1, list(range(N)))]), text(1, order)
    view = describe_view(lambda: iter([plain]), open_pool(content, shop), shop=shop)
    monkeypatch.setattr("genopipe.archive.read_rows.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100})())
    for work in (lambda: open_pool(content, shop), lambda: list(plain_reads(view, shop))):
        with pytest.raises(BadEnvironment, match="0 MB are free for temporary files"):
            work()

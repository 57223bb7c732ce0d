"""What is handed to workers arrives whole, and belongs to them; the memory it lay in comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genopipe.call.handed import _Asking, _Shared
from genopipe.errors import BadEnvironment
from genopipe.kernels import pairhmm


@pytest.fixture
def shared() -> Iterator[_Shared]:
    made = _Shared()
    yield made
    made.close()


def test_arrays_come_whole_and_can_be_written_to(shared: _Shared) -> None:
    """Of any type and shape, empty ones too; what is written to one that was taken stays with who took it."""
    arrays = [np.arange(7, dtype=np.uint8), np.empty((0, 3)), np.arange(12).reshape(3, 4), np.zeros(0, np.int32), np.ones(1, np.uint16)]
    laid = shared.lay({"arrays": arrays, "name": "x"})
    found = shared.take(laid)
    assert found["name"] == "x"
    for ours, theirs in zip(found["arrays"], arrays, strict=True):
        assert (ours.dtype, ours.shape, ours.tolist()) == (theirs.dtype, theirs.shape, theirs.tolist())
        ours[...] = 5
    assert [array.tolist() for array in shared.take(laid)["arrays"]] == [array.tolist() for array in arrays]


@pytest.mark.parametrize(("n", "is_kept"), [(100_000, True), (2_000_000, False)])
def test_memory_is_used_again_and_much_of_it_given_back(shared: _Shared, n: int, is_kept: bool) -> None:
    laid = shared.lay(np.arange(n))
    assert len(shared.take(laid)) == n
    shared.clear()
    assert bool(os.fstat(shared._file).st_blocks) == is_kept
    assert shared.take(shared.lay(np.arange(3))).tolist() == [0, 1, 2]
    assert shared.take(shared.lay("no array")) == "no array"


def compared(cells: int) -> tuple[Any, ...]:
    """Reads, haplotypes and pairs of at least so many cells."""
    rng, n = np.random.default_rng(2), 40
    start = np.arange(n + 1, dtype=np.int64) * 50
    reads = rng.integers(0, 4, 50 * n).astype(np.uint8), rng.integers(10, 40, 50 * n).astype(np.uint8), start
    haplotypes = rng.integers(0, 4, 50 * n).astype(np.uint8), np.full(50 * n, 3e-5, np.float32), start
    pairs = rng.integers(0, n, (2, cells // 2_500 + 1))
    return reads, haplotypes, *pairs


def ask(asking: _Asking, monkeypatch: pytest.MonkeyPatch, given: tuple[Any, ...]) -> tuple[NDArray[np.int32], list[int]]:
    """What is answered through `likelihoods`, as a worker would ask; and how many pairs each question had."""
    asked: list[int] = []

    def elsewhere(*given: Any) -> NDArray[np.int32]:
        asked.append(len(given[2]))
        return asking.likelihoods(*given)

    monkeypatch.setattr(pairhmm, "_elsewhere", [elsewhere])
    monkeypatch.setattr(asking, "_costs", lambda reads, haplotypes, *pairs: own(monkeypatch, reads, haplotypes, *pairs))
    thread = Thread(target=asking.answer)
    thread.start()
    try:
        return pairhmm.likelihoods(*given[:2], pair_read=given[2], pair_haplotype=given[3]), asked
    finally:
        asking.there.close()
        thread.join(10)
        assert not thread.is_alive()
        asking.here.close()
        asking.shared.close()


def own(monkeypatch: pytest.MonkeyPatch, reads: Any, haplotypes: Any, *pairs: Any) -> NDArray[np.int32]:
    monkeypatch.setattr(pairhmm, "_elsewhere", [])
    return pairhmm.likelihoods(reads, haplotypes, pair_read=pairs[0], pair_haplotype=pairs[1])


@pytest.mark.parametrize(("cells", "n_asked"), [(pairhmm.WORTH_ASKING // 2, 0), (pairhmm.WORTH_ASKING, 1)])
def test_much_to_compare_is_asked_for_and_little_is_not(monkeypatch: pytest.MonkeyPatch, cells: int, n_asked: int) -> None:
    given = compared(cells)
    wanted = own(monkeypatch, *given)
    found, asked = ask(_Asking(), monkeypatch, given)
    assert found.tolist() == wanted.tolist() and len(asked) == n_asked


def test_what_goes_wrong_with_an_answer_is_told_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose memory is full, in the words of `device`."""

    def full(*given: Any) -> None:
        raise MemoryError

    asking = _Asking()
    monkeypatch.setattr(sys.modules[__name__], "own", full)
    with pytest.raises(BadEnvironment, match="memory ran out while the GPU was at work"):
        ask(asking, monkeypatch, compared(pairhmm.WORTH_ASKING))

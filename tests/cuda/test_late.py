"""On a card that works late, early, and in any order that streams allow, results are the same; and such a card does find faults.

The stand-in is `late_cupy`, on which `device.Card` itself runs. What only the order can spoil is planted first: each fault gives a wrong
result with some of the seeds, what is right gives none with any; and where work of the card is not ordered, that is told with every
seed. All tests of this folder run so by GENOPIPE_TEST_LATE=SEED.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pysam", reason="the aligner's commands need the whole installation")

from genopipe.device import Gpu
from genopipe.kernels.packed_on_gpu import PACKED, batches
from tests.align.test_pipeline import Sample
from tests.cuda import late, test_align, test_choose, test_packed, test_pileup, test_regions, test_secondary
from tests.cuda.late_cupy import LateCard, written_by

SEEDS = range(8)
HERE = np.arange(4000)
NOTHING = np.zeros_like(HERE)

aligned_sample = test_align.sample
called_sample = test_secondary.sample
small = test_align.small


@pytest.fixture(params=[0, 1, 3], ids="seed {}".format)
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LateCard:
    """A card of a seed."""
    return LateCard.standing_in(monkeypatch, request.param)


def uploaded_too_early(card: Any, spoilt: bool) -> Any:
    """The memory may still be in use by what was given before."""
    cuda, there, source = card.xp.cuda, card.xp.empty(HERE.shape, HERE.dtype), card.locked(HERE)
    copies = cuda.Stream(non_blocking=True)
    if not spoilt:
        copies.wait_event(cuda.get_current_stream().record())
    there.set(source, stream=copies)
    copies.synchronize()
    return card.host(there)


def used_before_it_is_uploaded(card: Any, spoilt: bool) -> Any:
    cuda, there, source = card.xp.cuda, card.xp.empty(HERE.shape, HERE.dtype), card.locked(HERE)
    copies = cuda.Stream(non_blocking=True)
    copies.wait_event(cuda.get_current_stream().record())
    there.set(source, stream=copies)
    if not spoilt:
        cuda.get_current_stream().wait_event(copies.record())
    return card.host(there + 0)


def a_buffer_written_too_early(card: Any, spoilt: bool) -> Any:
    there, source = card.xp.empty(HERE.shape, HERE.dtype), card.locked(HERE)
    there.set(source)
    if not spoilt:
        card.xp.cuda.get_current_stream().synchronize()
    source[:] = 0
    return card.host(there)


def a_buffer_let_go_too_early(card: Any, spoilt: bool) -> Any:
    """What is page-locked next lies in its place."""
    there, held = card.xp.empty(HERE.shape, HERE.dtype), [card.locked(HERE)]
    there.set(held[0])
    if spoilt:
        held.clear()
    next_one = card.locked(NOTHING)
    found = card.host(there)
    assert not next_one.any()
    return found


def an_array_let_go_too_early(card: Any, spoilt: bool) -> Any:
    """Another stream still reads it."""
    cuda, held, here = card.xp.cuda, [card.xp.asarray(HERE)], card.xp.empty_pinned(HERE.shape, HERE.dtype)
    downloads = cuda.Stream(non_blocking=True)
    downloads.wait_event(cuda.get_current_stream().record())
    held[0].get(stream=downloads, out=here, blocking=False)
    if spoilt:
        held.clear()
    next_one = card.xp.asarray(NOTHING)
    downloads.synchronize()
    assert not card.host(next_one).any()
    return here


def read_before_it_has_come(card: Any, spoilt: bool) -> Any:
    there, here = card.xp.asarray(HERE), card.xp.empty_pinned(HERE.shape, HERE.dtype)
    there.get(out=here, blocking=False)
    if not spoilt:
        card.xp.cuda.get_current_stream().synchronize()
    return here.copy()


def made_by_a_stream_that_nobody_waits_for(card: Any, spoilt: bool) -> Any:
    with card.stream():
        there = card.xp.asarray(HERE) * 1
    if not spoilt:
        card.finish()
    return card.host(there)


def asked_of_a_mask(card: Any, spoilt: bool) -> Any:
    """Which rows it has is known when it is asked for, but by its own stream only."""
    with card.stream():
        mask = card.xp.asarray(HERE) >= 0
        if not spoilt:
            return card.host(card.xp.asarray(HERE)[mask])
    return card.host(card.xp.flatnonzero(mask))


def addressed_and_let_go_too_early(card: Any, spoilt: bool) -> Any:
    """A kernel knows where it lies."""
    word, start = card.xp.asarray(np.zeros(8, np.uint64)), card.xp.asarray(np.zeros(2, np.uint32))
    card.finish()
    with card.stream():
        batch = batches(card, [(word, start)], np.array([0, 1]))
        told = card.xp.asarray(np.array([[0, 1], [0, 0], [1, 0], [0, 0], [0, 0]]))
        row, duplicate, limit = (card.xp.asarray(np.zeros(n, kind)) for n, kind in ((1, np.int64), (1, np.uint8), (0, np.uint64)))
        which = (told, np.int64(1), np.int32(0), duplicate, limit, np.int64(0))
        found = [card.xp.zeros(n, kind) for n, kind in ((1, np.int64), (2, np.int64), (5, np.uint64), (0, np.uint64))]
        card.launch(PACKED, "look", (1, 128), *batch, row, np.int64(1), *which, *found)
        if not spoilt:
            assert card.host(found[2]).tolist() == [0] * 5
        del word
        return card.host(card.xp.asarray(HERE))


Fault = Callable[[Any, bool], Any]

OF_THE_HOST: list[Fault] = [a_buffer_written_too_early, read_before_it_has_come]
OF_THE_CARD: list[Fault] = [
    uploaded_too_early,
    used_before_it_is_uploaded,
    a_buffer_let_go_too_early,
    an_array_let_go_too_early,
    made_by_a_stream_that_nobody_waits_for,
    asked_of_a_mask,
]


@pytest.mark.parametrize("fault", [*OF_THE_HOST, *OF_THE_CARD], ids=lambda fault: fault.__name__)
def test_a_fault_spoils_the_result_of_some_seed(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late.Card, "_complain", lambda card: None)
    cards = [LateCard.standing_in(monkeypatch, seed) for seed in SEEDS]
    assert not all(np.array_equal(fault(card, True), HERE) for card in cards)


@pytest.mark.parametrize("fault", [*OF_THE_CARD, addressed_and_let_go_too_early], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_work_without_an_order_is_told(fault: Fault, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the result is right."""
    with pytest.raises(AssertionError, match=r"nothing orders|nobody has waited"):
        fault(LateCard.standing_in(monkeypatch, seed), True)


@pytest.mark.parametrize("right", [*OF_THE_HOST, *OF_THE_CARD, addressed_and_let_go_too_early], ids=lambda fault: fault.__name__)
def test_nothing_else_is_told(right: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [LateCard.standing_in(monkeypatch, seed) for seed in SEEDS]
    assert all(np.array_equal(right(card, False), HERE) for card in cards)


def test_parameters_of_kernels_are_read_or_written() -> None:
    """Those that a macro names, too."""
    written = written_by(PACKED.path, "look", PACKED.defines)
    assert (len(written), written[-4:], any(written[:-4])) == (16, [True] * 4, False)


def test_batches_arrive_whole_and_in_order(gpu: LateCard) -> None:
    """From buffers that are let go of as soon as the next one is asked for."""
    sizes = [5, 1, 3000, 7, 9, 3000]
    there = gpu.uploaded([gpu.locked(np.arange(n)), gpu.locked(np.full((n, 3), n))] for n in sizes)
    assert [(gpu.host(rows).tolist(), gpu.host(full + 1).tolist()) for rows, full in there] == [
        (list(range(n)), [[n + 1] * 3] * n) for n in sizes
    ]


def test_what_was_put_there_may_change_here(gpu: LateCard) -> None:
    source = HERE.copy()
    there = gpu.put(source)
    source[:] = 0
    assert gpu.host(there).tolist() == HERE.tolist()


def test_arrays_come_back_while_the_card_works(gpu: LateCard) -> None:
    """Also one that is not contiguous; they are changed, and let go of, while they come."""
    arrays = [gpu.put(HERE), gpu.put(HERE[:0]), gpu.put(HERE)[::2], gpu.put(HERE)]
    kept = gpu.kept(arrays[0])
    fetched = gpu.fetched(arrays)
    arrays.clear()
    other = [gpu.put(NOTHING) for _ in range(4)]
    assert [here.tolist() for here in fetched()] == [HERE.tolist(), [], HERE[::2].tolist(), HERE.tolist()]
    assert not any(gpu.host(each).any() for each in other) and gpu.host(kept).tolist() == HERE.tolist()


def test_what_a_thread_fetches_waits_for_no_other_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = LateCard.standing_in(monkeypatch, 0)

    def fetched() -> list[int]:
        with gpu.stream():
            here: list[int] = gpu.fetched([gpu.xp.asarray(HERE)])()[0].tolist()
        return here

    with gpu.stream() as stream, ThreadPoolExecutor(1) as pool:
        fetch = gpu.fetched([gpu.xp.asarray(HERE)])
        assert pool.submit(fetched).result() == HERE.tolist()
        assert stream.queue.left
        assert fetch()[0].tolist() == HERE.tolist()


def test_the_bam_has_the_bytes_of_the_cpu(small: Gpu, aligned_sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test_align.test_the_bam_has_the_bytes_of_the_cpu(small, aligned_sample, monkeypatch, tmp_path, "bgzip")


@pytest.mark.parametrize("gpu", [3], ids="seed {}".format, indirect=True)
def test_reads_stay(small: Gpu, aligned_sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test_align.test_reads_that_stay_are_called_from_as_those_of_the_cpu(small, aligned_sample, monkeypatch, tmp_path, "bgzip")


@pytest.mark.parametrize("gpu", [1], ids="seed {}".format, indirect=True)
def test_every_file_has_the_bytes_of_the_cpu(gpu: Gpu, called_sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    test_secondary.test_every_file_has_the_bytes_of_the_cpu(gpu, called_sample, monkeypatch, tmp_path)


def test_steps_equal_the_cpu(gpu: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Places of pairs, packed reads of all kinds of memory, pileups, stretches that are looked at together."""
    test_choose.test_pairs_are_chosen_as_on_the_cpu(gpu, 0)
    test_packed.test_stretches_are_the_same_wherever_reads_lie(gpu, monkeypatch, tmp_path, "both")
    test_packed.test_stretches_together_are_those_one_by_one(gpu, monkeypatch, tmp_path)
    test_pileup.test_the_pileup_of_many_reads_equals_the_cpu(gpu)
    test_regions.test_stretches_are_looked_at_together_as_one_by_one_on_the_cpu(gpu)

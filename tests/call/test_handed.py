"""What is handed to workers arrives whole, and belongs to them; the memory it lay in comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest

from genopipe.call.handed import _Shared
from genopipe.kernels.far import FarAlignments
from genopipe.model import Alignments
from tests.cuda.build import Shim
from tests.kernels.test_pileup import alignments


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


def test_memory_is_given_back_and_used_again(shared: _Shared) -> None:
    laid = shared.lay(np.arange(100_000))
    assert os.fstat(shared._file).st_blocks
    assert len(shared.take(laid)) == 100_000
    shared.clear()
    assert not os.fstat(shared._file).st_blocks
    assert shared.take(shared.lay(np.arange(3))).tolist() == [0, 1, 2]
    assert shared.take(shared.lay("no array")) == "no array"


def test_reads_of_a_device_come_as_those_of_the_host(shared: _Shared) -> None:
    reads, gpu = alignments([(95, False, 60, [(0, 3)], [0, 1, 2], [30] * 3)]), Shim()
    far = FarAlignments(gpu, Alignments(*(gpu.xp.asarray(getattr(reads, field.name)) for field in fields(reads))))
    gpu.finish()
    found = shared.take(shared.lay(far))
    assert type(found) is Alignments
    assert all(np.array_equal(getattr(found, field.name), getattr(reads, field.name)) for field in fields(reads))

"""Packed bases are those of the reads, one by one, and so are the windows taken out of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from genopipe.kernels.packed_reads import PackedBases, any_unknown, pack_bases, window
from genopipe.model import BASES, UNKNOWN_BASE


@njit(cache=True)
def looked_up(packed: PackedBases, at: int, n: int) -> tuple[int, bool]:
    return window(packed, at, min(n, 32)), any_unknown(packed, at, n)


@settings(max_examples=100)
@given(codes=st.lists(st.integers(0, len(BASES) - 1), max_size=300), data=st.data())
def test_windows_are_the_bases_one_by_one(codes: list[int], data: st.DataObject) -> None:
    packed = pack_bases(np.array(codes, np.uint8))
    at = data.draw(st.integers(0, len(codes)))
    n = data.draw(st.integers(1, 64))
    bases = codes[at : at + n]
    word = sum((code if code < UNKNOWN_BASE else 0) << 2 * i for i, code in enumerate(bases[:32]))
    assert looked_up(packed, at, n) == (word, any(code >= UNKNOWN_BASE for code in bases))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
def test_padding_is_zero(n: int) -> None:
    packed = pack_bases(np.full(n, 3, np.uint8))
    assert sum(int(word).bit_count() for word in packed.word) == 2 * n
    assert not packed.unknown.any()

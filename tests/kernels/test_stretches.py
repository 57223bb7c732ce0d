"""Stretches of bytes, gathered: compared with slices that numpy joins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genopipe.kernels.stretches import address, collected, gathered


@given(st.lists(st.binary(max_size=150), min_size=1, max_size=30), st.data())
def test_stretches_are_those_of_the_rows(texts, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=50))
    start = np.cumsum([0, *map(len, texts)])
    out, out_start = gathered(np.frombuffer(b"".join(texts), np.uint8), start, np.array(rows, np.int64))
    assert out.tobytes() == b"".join(texts[row] for row in rows)
    assert out_start.tolist() == np.cumsum([0, *(len(texts[row]) for row in rows)]).tolist()


@given(st.lists(st.binary(max_size=150), min_size=1, max_size=30), st.data())
def test_stretches_of_several_arrays_are_found_by_their_addresses(texts, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=50))
    arrays = [np.frombuffer(text + b"!", np.uint8) for text in texts]
    at, size = ([number(arrays[row]) for row in rows] for number in (address, lambda array: len(array) - 1))
    out, out_start = collected(np.array(at, np.int64), np.array(size, np.int64))
    assert out.tobytes() == b"".join(texts[row] for row in rows)
    assert out_start.tolist() == np.cumsum([0, *(len(texts[row]) for row in rows)]).tolist()

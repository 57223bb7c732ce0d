"""Stretches of bytes, gathered: compared with slices that numpy joins."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.kernels.stretches import gathered


@settings(deadline=None)
@given(st.lists(st.binary(max_size=150), min_size=1, max_size=30), st.data())
def test_stretches_are_those_of_the_rows(texts, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=50))
    start = np.cumsum([0, *map(len, texts)])
    out, out_start = gathered(np.frombuffer(b"".join(texts), np.uint8), start, np.array(rows, np.int64))
    assert out.tobytes() == b"".join(texts[row] for row in rows)
    assert out_start.tolist() == np.cumsum([0, *(len(texts[row]) for row in rows)]).tolist()

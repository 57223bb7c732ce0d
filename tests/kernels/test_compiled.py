"""How kernels are compiled: what borrows arrays counts no references, and cannot make arrays."""

import numpy as np
import pytest
from numba import TypingError, jit
from numba.core.caching import CacheImpl

from genopipe.errors import BadEnvironment
from genopipe.kernels.compiled import allocating, inner, kernel


@inner
def _first_or_last(array, row):
    line = array[row]
    if row:
        line = array[row - 1]
    return line[0]


def _total(array):
    total = 0
    for row in range(len(array)):
        total += _first_or_last(array[::-1], row)
    return total


@pytest.mark.parametrize(("compiled", "counts"), [(kernel, False), (allocating, True)])
def test_only_what_allocates_counts_references(compiled, counts):
    function = jit(**compiled(_total).targetoptions)(_total)
    array = np.arange(6).reshape(3, 2)
    assert function(array) == 4 + 4 + 2
    assembly = "".join(function.inspect_asm().values())
    assert ("NRT_incref" in assembly or "NRT_decref" in assembly) == counts


def test_a_kernel_that_makes_an_array_is_refused():
    @kernel
    def makes(n):
        return np.empty(n)[0]

    with pytest.raises(TypingError):
        makes(3)


def test_where_compiled_code_can_be_kept_nowhere_a_folder_is_asked_for(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with pytest.raises(BadEnvironment, match=r"kept nowhere; wanted a folder that may be written to\. Set NUMBA_CACHE_DIR"):
        kernel(_total)

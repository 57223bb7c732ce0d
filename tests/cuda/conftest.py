"""Where a kernel test runs: on the CPU under the shim, and on a GPU where there is one."""

from __future__ import annotations

import pytest

from genopipe.device import Card, Gpu, gpu_present
from tests.cuda.build import Shim


@pytest.fixture(params=["shim", pytest.param("device", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Gpu:
    """What a test launches on; its results are asked for with `gpu.host`."""
    if request.param == "shim":
        return Shim()
    if not gpu_present():
        pytest.skip("no GPU on this machine")
    card = Card()
    # without CuPy's pool every array is an allocation of its own, so that compute-sanitizer sees an access beyond its end
    card.xp.cuda.set_allocator(None)
    return card

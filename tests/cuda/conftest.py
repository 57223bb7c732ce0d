"""Where a kernel test runs: on the CPU under the shim, and on a GPU where there is one."""

from __future__ import annotations

import warnings

import pytest

from genopipe.device import Card, Gpu, gpu_present
from tests.cuda.build import Shim

with warnings.catch_warnings():
    # CuPy, imported here for the first time, warns of what it does not find
    warnings.simplefilter("ignore")
    gpu_present()

NO_GPU = "no GPU on this machine"
ON_A_CARD = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


@pytest.fixture(params=["shim", pytest.param("device", marks=ON_A_CARD)])
def gpu(request: pytest.FixtureRequest) -> Gpu:
    """What a test launches on; its results are asked for with `gpu.host`."""
    if request.param == "shim":
        return Shim()
    if not gpu_present():
        pytest.skip(NO_GPU)
    card = Card()
    # without CuPy's pool every array is an allocation of its own, so that compute-sanitizer sees an access beyond its end
    card.xp.cuda.set_allocator(None)
    return card


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests of a GPU there was none for."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_GPU in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests need a GPU and were skipped: {NO_GPU}")

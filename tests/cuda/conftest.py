"""Where a kernel test runs: on the CPU under the shim, and on a GPU where there is one.

Kernels are checked for races and stray accesses there; commands, which launch many, are not, unless GENOPIPE_TEST_SHIM=checked is set.
With GENOPIPE_TEST_LATE=SEED the shim does its work as late, or as early, as that seed says; see `late_cupy`.
"""

from __future__ import annotations

import os
import warnings

import pytest

from genopipe.device import Card, Gpu, gpu_present
from tests.cuda.build import FORCED, Shim
from tests.cuda.late_cupy import LateCard

with warnings.catch_warnings():
    # CuPy, imported here for the first time, warns of what it does not find
    warnings.simplefilter("ignore")
    gpu_present()

NO_GPU = "no GPU on this machine"
OF_COMMANDS = ("tests.cuda.test_align", "tests.cuda.test_secondary")
ON_A_CARD = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


@pytest.fixture(params=["shim", pytest.param("device", marks=ON_A_CARD)])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """What a test launches on; its results are asked for with `gpu.host`."""
    if request.param == "shim":
        seed = os.environ.get("GENOPIPE_TEST_LATE")
        usual = Shim(FORCED or "plain") if request.module.__name__ in OF_COMMANDS else Shim()
        return usual if seed is None else LateCard.standing_in(monkeypatch, int(seed))
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

"""What stands in for arrays of the device does not mix with those of the host, as CuPy's do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.cuda.build import Shim
from tests.cuda.device_arrays import DeviceArray, DeviceModule

HERE = np.arange(3)
MIXED: dict[str, Callable[[Any, Any], Any]] = {
    "a sum": lambda xp, there: there + HERE,
    "a sum the other way": lambda xp, there: HERE + there,
    "an index": lambda xp, there: there[HERE],
    "an index of the host": lambda xp, there: HERE[there],
    "an assignment": lambda xp, there: there.__setitem__(slice(None), HERE),
    "a function": lambda xp, there: xp.concatenate([there, HERE]),
    "a function of NumPy": lambda xp, there: np.concatenate([there, there]),
    "a copy without saying so": lambda xp, there: np.asarray(there),
}


@pytest.mark.parametrize("what", MIXED)
def test_host_and_device_do_not_mix(what: str) -> None:
    xp: Any = DeviceModule()
    with pytest.raises((TypeError, IndexError)):
        MIXED[what](xp, xp.asarray(HERE))


def test_what_is_among_the_device_stays_there() -> None:
    xp: Any = DeviceModule()
    there = xp.asarray(HERE)
    for result in (there + there, there * np.int64(2), 1 - there, there[there > 0], there.sum(), xp.cumsum(there), np.int64(1) + there):
        assert isinstance(result, DeviceArray)
    assert (int(there.sum()), there[1:].tolist(), Shim().host(there).tolist()) == (3, [1, 2], [0, 1, 2])

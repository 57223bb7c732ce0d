"""What stands in for CuPy takes what CuPy takes; compared with CuPy itself where that is installed, with a card or without."""

from __future__ import annotations

import inspect
import warnings
from functools import reduce
from typing import Any

import numpy as np
import pytest

from tests.cuda.cupy_names import FUNCTIONS, METHODS, OF_CUDA, signature
from tests.cuda.device_arrays import DeviceModule
from tests.cuda.late_cupy import LateArray, LateCuda, LateCupy, LateEvent, LatePool, LateStream

OURS: dict[str, Any] = {"Event": LateEvent, "MemoryPool": LatePool, "Stream": LateStream}


def taken(function: Any) -> list[str]:
    """The parameters of a function of a stand-in, the object itself apart."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def told(function: Any) -> list[tuple[str, Any]]:
    """The parameters of one of CuPy's functions with their kinds; those of what is compiled stand in the first line of its docstring."""
    try:
        found = inspect.signature(function)
    except ValueError:
        line = function.__doc__.split("\n")[0]
        found = signature(line[line.index("(") + 1 : line.rindex(")")].replace("self, ", "").replace("self", ""))
    return [(each.name, each.kind) for each in found.parameters.values() if each.name != "self"]


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS, *OF_CUDA])
def test_names_are_those_of_cupy(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if isinstance(cupy, LateCupy):
        pytest.skip("a stand-in is in the place of CuPy")
    place = cupy if name in FUNCTIONS else cupy.ndarray if name in METHODS else cupy.cuda
    function = reduce(getattr, name.split("."), place)
    wanted = signature((FUNCTIONS | METHODS | OF_CUDA)[name]).parameters.values()
    assert told(function) == [(each.name, each.kind) for each in wanted]


@pytest.mark.parametrize("name", OF_CUDA)
def test_the_stand_in_of_cuda_takes_nothing_else(name: str) -> None:
    """Of what CuPy takes some, by the same names in the same order."""
    class_, _, method = name.partition(".")
    ours = taken(getattr(OURS[class_], method) if method else getattr(LateCuda, name))
    theirs = list(signature(OF_CUDA[name]).parameters)
    assert ours == [each for each in theirs if each in ours]


@pytest.mark.parametrize("stand_in", [DeviceModule, LateCupy])
def test_functions_and_methods_take_nothing_else(stand_in: Any) -> None:
    for kind, names, of in ((stand_in, FUNCTIONS, vars(stand_in)), (LateArray, METHODS, vars(LateArray))):
        for name in names.keys() & of.keys():
            ours, theirs = taken(getattr(kind, name)), list(signature(names[name]).parameters)
            assert ours in (["given", "named"], [each for each in theirs if each in ours]), name


@pytest.mark.parametrize("xp", [DeviceModule(), LateCupy(0)], ids=["at once", "late"])
def test_what_cupy_does_not_take_is_refused(xp: Any) -> None:
    there = xp.asarray(np.arange(3))
    with pytest.raises(TypeError, match="stable"):
        xp.argsort(there, stable=True)
    with pytest.raises(TypeError, match="initial"):
        there.max(initial=0)
    with pytest.raises(AttributeError, match="bincount is no name of CuPy's that is used"):
        xp.bincount(there)

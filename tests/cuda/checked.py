"""What the checked build of the shim is told of arrays before a launch, and what it has found after it.

A kernel may touch the arrays that it is given, and those whose address was asked for. Arrays that `DeviceModule.empty` made are full of
UNWRITTEN; a kernel that reads a value of nothing else from one of them reads what nothing has written.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNWRITTEN = 0xA5

_unwritten: dict[int, tuple[int, int]] = {}
_addressed: dict[int, tuple[int, int]] = {}
"""Addresses and bytes of arrays that are there, by the number of the array."""


def born_unwritten(array: Array) -> None:
    """Keeps in mind that nothing has been written to an array yet."""
    _keep(_unwritten, array)


def address_of(array: Array) -> int:
    """Where an array begins; kernels may touch it from now on."""
    _keep(_addressed, array)
    return int(array.ctypes.data)


def _keep(places: dict[int, tuple[int, int]], array: Array) -> None:
    if id(array) not in places:
        weakref.finalize(array, places.pop, id(array), None)
    places[id(array)] = array.ctypes.data, array.nbytes


def give_arrays(library: ctypes.CDLL, arguments: Sequence[Array]) -> None:
    """Tells which arrays the next launch may touch."""
    places = [*((array.ctypes.data, array.nbytes) for array in arguments), *_addressed.values()]
    unwritten = list(_unwritten.values())
    rows = [(at, size, any(start <= at < start + n for start, n in unwritten)) for at, size in places]
    table = np.array(rows, np.uint64)
    library.checks_arrays(ctypes.c_void_p(table.ctypes.data), ctypes.c_uint64(len(rows)))


def findings(library: ctypes.CDLL) -> str:
    """What has been found since the last call, a line each, with the lines of code."""
    library.checks_findings.restype = ctypes.c_char_p
    found: str = library.checks_findings().decode()
    return re.sub(r"@(\d+)", lambda place: _line_of(library._name, int(place[1])), found)


def _line_of(library: str, place: int) -> str:
    """The lines of CUDA that a place in a library comes from, those that call the others last."""
    frames = subprocess.run(["addr2line", "-i", "-e", library, hex(place)], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"([^/\n]+\.cuh?:\d+)", frames)
    return " in ".join(lines) or frames.strip()

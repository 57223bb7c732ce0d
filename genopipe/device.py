"""CPU or GPU: which one a run uses, decided once. The only importer of CuPy.

`auto` takes the GPU when there is one. `gpu` without one is an error, never a silent fallback. The resolved device goes into the
log and the run record.
"""

from __future__ import annotations

import os
from typing import Literal

from genopipe.errors import BadEnvironment

Request = Literal["auto", "cpu", "gpu"]
Device = Literal["cpu", "gpu"]


def gpu_present() -> bool:
    """True when CuPy is installed and sees a device."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.is_available())


def resolve(request: Request) -> Device:
    """The device a run uses.

    No stage has a GPU path yet, so `auto` is the CPU. Raises BadEnvironment for `gpu`.
    """
    if request == "gpu":
        came = "a GPU is here, but no stage runs on it in this version" if gpu_present() else "no GPU was found"
        raise BadEnvironment(came, wanted="a stage that runs on a GPU, and a GPU", do="Use --device cpu, or auto.", key="--device")
    return "cpu"


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))

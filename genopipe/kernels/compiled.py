"""How kernels are compiled: cached on disk, without the interpreter lock, and without entry points that nobody uses.

`kernel` is called from Python, `inner` only from other kernels. Every entry point costs compile time at the first run.
"""

from __future__ import annotations

from typing import Any

from numba import njit

kernel: Any = njit(cache=True, nogil=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
inner: Any = njit(cache=True, nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)  # type: ignore[call-overload]

"""How kernels are compiled: cached on disk, without the interpreter lock, and without entry points that nobody uses.

`kernel` is called from Python, `inner` only from other kernels. Both borrow the arrays they are given, and make and give none: so Numba
counts no references there, which would cost two locked additions for every array that is sliced or passed on, as much as most loops do.
`allocating` is for what makes arrays of its own: it counts, also where a kernel calls it that does not, and leaves the loops to the others
where they matter. Every entry point costs compile time at the first run.
"""

from __future__ import annotations

from typing import Any

from numba import njit

allocating: Any = njit(cache=True, nogil=True, no_cfunc_wrapper=True, _nrt=True)  # type: ignore[call-overload]
kernel: Any = njit(cache=True, nogil=True, no_cfunc_wrapper=True, _nrt=False)  # type: ignore[call-overload]
inner: Any = njit(cache=True, nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, _nrt=False)  # type: ignore[call-overload]

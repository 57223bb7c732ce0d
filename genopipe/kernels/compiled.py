"""How kernels are compiled: cached on disk, without the interpreter lock, and without entry points that nobody uses.

`kernel` is called from Python, `inner` only from other kernels. Both borrow the arrays they are given, and make and give none: so Numba
counts no references there, which would cost two locked additions for every array that is sliced or passed on, as much as most loops do.
`allocating` is for what makes arrays of its own: it counts, also where a kernel calls it that does not, and leaves the loops to the others
where they matter. Every entry point costs compile time at the first run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from genopipe.errors import BadEnvironment


def _cached(**options: bool) -> Callable[[Any], Any]:
    compiled = njit(cache=True, nogil=True, no_cfunc_wrapper=True, **options)  # type: ignore[call-overload]

    def kept(function: Any) -> Any:
        try:
            return compiled(function)
        except RuntimeError as error:
            do = "Set NUMBA_CACHE_DIR to one, or HOME."
            raise BadEnvironment("compiled code can be kept nowhere", wanted="a folder that may be written to", do=do) from error

    return kept


allocating = _cached(_nrt=True)
kernel = _cached(_nrt=False)
inner = _cached(no_cpython_wrapper=True, _nrt=False)

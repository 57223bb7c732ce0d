"""What CuPy's functions and methods take, as far as the program uses them: nothing else is taken by what stands in for them.

A test compares this with CuPy where that is installed; it needs no card.
Source: CuPy 14.2, `inspect.signature` and the first lines of the docstrings of what is compiled.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

FUNCTIONS = {
    "arange": "start, stop=None, step=1, dtype=None",
    "argsort": "a, axis=-1, kind=None",
    "asarray": "a, dtype=None, order=None, *, copy=None, blocking=False",
    "ascontiguousarray": "a, dtype=None",
    "clip": "a, a_min, a_max, out=None",
    "concatenate": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "copyto": "dst, src, casting='same_kind', where=None",
    "cumsum": "a, axis=None, dtype=None, out=None",
    "diff": "a, n=1, axis=-1, prepend=None, append=None",
    "empty": "shape, dtype=float, order='C'",
    "flatnonzero": "a",
    "full": "shape, fill_value, dtype=None, order='C'",
    "get_default_memory_pool": "",
    "lexsort": "keys",
    "searchsorted": "a, v, side='left', sorter=None",
    "sort": "a, axis=-1, kind=None",
    "stack": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "where": "condition, x=None, y=None",
    "zeros": "shape, dtype=float, order='C'",
}
METHODS = {
    "all": "axis=None, out=None, keepdims=False",
    "any": "axis=None, out=None, keepdims=False",
    "astype": "dtype, order='K', casting=None, subok=None, copy=True",
    "copy": "order='C'",
    "get": "stream=None, order='C', out=None, blocking=True",
    "max": "axis=None, out=None, keepdims=False",
    "min": "axis=None, out=None, keepdims=False",
    "ravel": "order='C'",
    "reshape": "*shape, order='C', copy=None",
    "set": "arr, stream=None",
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
    "tolist": "",
    "view": "dtype=None, type=None",
}
OF_CUDA = {
    "Event": "block=False, disable_timing=False, interprocess=False",
    "Event.synchronize": "",
    "MemoryPool.free_all_blocks": "stream=None",
    "MemoryPool.free_bytes": "",
    "MemoryPool.malloc": "size_t size",
    "Stream": "null=False, non_blocking=False, ptds=False, priority=None",
    "Stream.record": "event=None",
    "Stream.synchronize": "",
    "Stream.wait_event": "event",
    "get_current_stream": "int device_id=-1",
}


def signature(text: str) -> Signature:
    """Of the text of parameters."""
    parameters: list[Parameter] = []
    kind = Parameter.POSITIONAL_OR_KEYWORD
    for part in filter(None, text.split(", ")):
        name, _, default = part.partition("=")
        if name.startswith("*"):
            parameters += [Parameter(name[1:], Parameter.VAR_POSITIONAL)] if name[1:] else []
            kind = Parameter.KEYWORD_ONLY
        else:
            parameters.append(Parameter(name.split()[-1], kind, default=default or Parameter.empty))
    return Signature(parameters)


_SIGNATURES = {name: signature(text) for name, text in (METHODS | FUNCTIONS).items()}


def check(name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raises TypeError for arguments that CuPy's function, or method, does not take."""
    if name not in _SIGNATURES:
        raise AttributeError(f"{name} is no name of CuPy's that is used; add it, with what CuPy's takes")
    _SIGNATURES[name].bind(*given, **named)

"""NumPy that behaves like CuPy where the two part: arrays of the device and of the host do not mix.

A `DeviceArray` takes part in operations with others of its kind and with scalars only, is not turned into a NumPy array by itself, and its
reductions are arrays without axes, not scalars. `DeviceModule` has NumPy's functions for them; `asarray` alone takes an array of the host.
What runs with these in the place of CuPy mixes nothing up. `empty` gives arrays full of nonsense.

Source: CuPy's documentation, Differences between CuPy and NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

_UNWRITTEN = 0xA5
_METHODS = ("astype", "ravel", "copy", "max", "min", "sum", "any", "all", "reshape", "view")


class DeviceArray:
    """An array of the device."""

    def __init__(self, held: np.ndarray[Any, Any]) -> None:
        self.held = held

    dtype = property(lambda self: self.held.dtype)
    shape = property(lambda self: self.held.shape)
    size = property(lambda self: self.held.size)
    ndim = property(lambda self: self.held.ndim)
    nbytes = property(lambda self: self.held.nbytes)
    T = property(lambda self: DeviceArray(self.held.T))

    def __len__(self) -> int:
        return len(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __array__(self, *given: Any, **named: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        return there(getattr(ufunc, method)(*map(unwrapped, given), **named))

    def __iter__(self) -> Any:
        return (DeviceArray(np.asarray(each)) for each in self.held)

    def __getitem__(self, key: Any) -> DeviceArray:
        return there(self.held[unwrapped(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.held[unwrapped(key)] = unwrapped(value)

    def tolist(self) -> Any:
        return self.held.tolist()


def unwrapped(value: Any) -> Any:
    """What a DeviceArray holds; in tuples and lists too. Fails for an array of the host."""
    if isinstance(value, DeviceArray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: an array of the host among those of the device")
    return type(value)(map(unwrapped, value)) if type(value) in (tuple, list) else value


def there(value: Any) -> Any:
    """Arrays and scalars that NumPy gives, as those of the device."""
    if isinstance(value, tuple):
        return tuple(map(there, value))
    return DeviceArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


def _applied(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*given: Any, **named: Any) -> Any:
        return there(function(*map(unwrapped, given), **{name: unwrapped(value) for name, value in named.items()}))

    return apply


def _method(name: str) -> Callable[..., Any]:
    def call(self: DeviceArray, *given: Any, **named: Any) -> Any:
        return there(getattr(self.held, name)(*map(unwrapped, given), **named))

    return call


for _name in _METHODS:
    setattr(DeviceArray, _name, _method(_name))
for _name in (
    "add",
    "sub",
    "mul",
    "floordiv",
    "truediv",
    "mod",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
):
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(DeviceArray, f"__{_name}__", _applied(_function))
    setattr(DeviceArray, f"__r{_name}__", _applied(lambda a, b, _function=_function: _function(b, a)))
for _name in ("neg", "invert", "abs"):
    setattr(DeviceArray, f"__{_name}__", _applied(getattr(operator, _name)))
for _name in ("iadd", "isub", "ior"):
    setattr(DeviceArray, f"__{_name}__", _applied(getattr(operator, _name)))


class DeviceModule:
    """NumPy's functions for arrays of the device."""

    @staticmethod
    def asarray(value: Any, dtype: Any = None) -> DeviceArray:
        """An array of the device; one of the host is copied."""
        return value if isinstance(value, DeviceArray) else DeviceArray(np.array(value, dtype, order="C"))

    @staticmethod
    def empty(shape: Any, dtype: Any) -> DeviceArray:
        """As the memory of a device may be: full of what nobody has written."""
        made = np.empty(shape, dtype)
        made.reshape(-1).view(np.uint8)[:] = _UNWRITTEN
        return DeviceArray(made)

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return _applied(found) if callable(found) and not isinstance(found, type) else found

"""NumPy that behaves like CuPy where the two part: arrays of the device and of the host do not mix.

A `DeviceArray` takes part in operations with others of its kind and with scalars only, is not turned into a NumPy array by itself, and its
reductions are arrays without axes, not scalars. `DeviceModule` has NumPy's functions for them, with the arguments that CuPy's take;
`asarray` alone takes an array of the host. What runs with these in the place of CuPy mixes nothing up. `empty` gives arrays full of
nonsense. Here everything is done at once; `late_cupy` does it later.

Source: CuPy's documentation, Differences between CuPy and NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cuda.checked import UNWRITTEN, born_unwritten
from tests.cuda.cupy_names import METHODS, check

_ARITHMETIC = ("add", "sub", "mul", "floordiv", "truediv", "mod", "lshift", "rshift", "and_", "or_", "xor")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_CHANGES = ("iadd", "isub", "ior")


class DeviceArray:
    """An array of the device."""

    def __init__(self, held: np.ndarray[Any, Any]) -> None:
        self.held = held

    dtype = property(lambda self: self.held.dtype)
    shape = property(lambda self: self.held.shape)
    size = property(lambda self: self.held.size)
    ndim = property(lambda self: self.held.ndim)
    nbytes = property(lambda self: self.held.nbytes)
    T = property(lambda self: self._run(np.transpose, self))

    def _run(self, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """What a function of NumPy gives, as an array of the device."""
        return there(function(*map(unwrapped, given), **{name: unwrapped(value) for name, value in named.items()}))

    def _change(self, function: Callable[..., Any], *given: Any) -> DeviceArray:
        """This, changed in its place."""
        function(self.held, *map(unwrapped, given))
        return self

    def _known(self) -> Any:
        """What the host gets when it asks for it."""
        return self.held

    def __len__(self) -> int:
        return len(self.held)

    def __int__(self) -> int:
        return int(self._known())

    def __float__(self) -> float:
        return float(self._known())

    def __bool__(self) -> bool:
        return bool(self._known())

    def __array__(self, *given: Any, **named: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        return self._run(getattr(ufunc, method), *given, **named)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return self._run(operator.getitem, self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._change(operator.setitem, key, value)

    def tolist(self) -> Any:
        return self._known().tolist()


def unwrapped(value: Any) -> Any:
    """What a DeviceArray holds; in tuples and lists too. Fails for an array of the host."""
    if isinstance(value, DeviceArray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: an array of the host among those of the device")
    return type(value)(map(unwrapped, value)) if type(value) in (tuple, list) else value


def there(value: Any) -> Any:
    """Arrays and scalars that NumPy gives, as those of the device."""
    return DeviceArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


def _operator(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: given[0]._run(function, *given)


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: self._run(function, other, self)


def _change(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: self._change(function, other)


def _method(name: str) -> Callable[..., Any]:
    def call(self: DeviceArray, *given: Any, **named: Any) -> Any:
        check(name, given, named)
        return self._run(getattr(np.ndarray, name), self, *given, **named)

    return call


for _name in METHODS.keys() - {"get", "set", "tolist"}:
    setattr(DeviceArray, _name, _method(_name))
for _name in (*_ARITHMETIC, *_COMPARISONS):
    setattr(DeviceArray, f"__{_name.strip('_')}__", _operator(getattr(operator, _name)))
    setattr(DeviceArray, f"__r{_name.strip('_')}__", _reflected(getattr(operator, _name)))
for _name in ("neg", "invert", "abs"):
    setattr(DeviceArray, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in _CHANGES:
    setattr(DeviceArray, f"__{_name}__", _change(getattr(operator, _name)))


class DeviceModule:
    """NumPy's functions for arrays of the device."""

    @staticmethod
    def asarray(a: Any, dtype: Any = None) -> DeviceArray:
        """An array of the device; one of the host is copied."""
        return a if isinstance(a, DeviceArray) else DeviceArray(np.array(a, dtype, order="C"))

    @staticmethod
    def empty(shape: Any, dtype: Any) -> DeviceArray:
        """As the memory of a device may be: full of what nobody has written."""
        made = np.empty(shape, dtype)
        made.reshape(-1).view(np.uint8)[:] = UNWRITTEN
        born_unwritten(made)
        return DeviceArray(made)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(np, name)

        def call(*given: Any, **named: Any) -> Any:
            check(name, given, named)
            return there(function(*map(unwrapped, given), **{key: unwrapped(value) for key, value in named.items()}))

        return call

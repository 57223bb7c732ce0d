"""CuPy and a card without either: every operation is queued on the current stream, and done when `late.Card` gets to it.

`LateCupy` stands in the place of the modules `cupy` and `cupyx`, so that `device.Card` itself runs, its streams, events, page-locked
buffers and pools of memory with it; kernels run on this CPU under the shim. What the shape of a result is, is known at once, as in CuPy;
where it hangs on what the arrays hold, or the host asks for that, the current stream is waited for.

Source: CuPy 14.2: cupy/_core/core.pyx (get, set, asarray), cupy/cuda/stream.pyx; CUDA Runtime API, API synchronization behavior.
"""

from __future__ import annotations

import functools
import operator
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest

from genopipe import device
from genopipe.device.sources import Source
from tests.cuda import late
from tests.cuda.build import ROOM, shim
from tests.cuda.cupy_names import check
from tests.cuda.device_arrays import DeviceArray, unwrapped

_VIEWS = ("ravel", "reshape", "view")


class LateArray(DeviceArray):
    """An array of the device, which holds what it is to hold when the streams have come that far."""

    def __init__(self, cupy: LateCupy, memory: late.Memory, held: Any) -> None:
        super().__init__(held)
        self._cupy, self._memory = cupy, memory

    T = property(lambda self: self._view(np.transpose))

    @property
    def data(self) -> Any:
        """Its address; whatever kernel is launched from now on may read there."""
        self._cupy.addressed.add(self._memory)
        return SimpleNamespace(ptr=self.held.ctypes.data)

    def _run(self, function: Callable[..., Any], *given: Any, **named: Any) -> LateArray:
        return self._cupy.run(function, *given, **named)

    def _change(self, function: Callable[..., Any], *given: Any) -> LateArray:
        if any(isinstance(key, LateArray) and key.dtype == bool for key in given[:1]) and isinstance(given[-1], LateArray):
            self._cupy.cuda.get_current_stream().synchronize()
        sources = [unwrapped(each) for each in given]
        self._cupy.give(partial(function, self.held, *sources), what=function.__name__, reads=_arrays(sources), writes=[self.held])
        return self

    def _view(self, function: Callable[..., Any], *given: Any, **named: Any) -> LateArray:
        """The same memory seen otherwise; where NumPy copies, so does CuPy, when its turn comes."""
        seen = function(self.held, *given, **named)
        if np.may_share_memory(seen, self.held) or not self.size:
            return LateArray(self._cupy, self._memory, seen)
        return self._run(function, self, *given, **named)

    def _known(self) -> Any:
        self._cupy.cuda.get_current_stream().synchronize()
        return self.held

    def __getitem__(self, key: Any) -> LateArray:
        keys = key if isinstance(key, tuple) else (key,)
        arrays = [each for each in keys if isinstance(each, DeviceArray)]
        if not arrays:
            return self._view(operator.getitem, (*keys, ...) if ... not in keys else keys)
        if any(each.dtype == bool for each in arrays):
            return self._cupy.run_known(operator.getitem, self, key)
        return self._run(operator.getitem, self, key)

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        """A copy of the host; only into page-locked memory, and not waited for, it goes on beside what the host does."""
        stream = stream or self._cupy.cuda.get_current_stream()
        with stream:
            source = self if self.held.flags.c_contiguous else self.copy()
        to = np.empty(self.shape, self.dtype, order) if out is None else out
        assert to.shape == self.shape and to.dtype == self.dtype and to.flags.c_contiguous
        work = partial(np.copyto, self._cupy.locked.as_copied(to), source.held)
        self._cupy.card.give(stream.queue, work, what="get", reads=[source.held], writes=[to])
        if blocking or not self._cupy.locked.has(to):
            stream.synchronize()
        return to

    def set(self, arr: Any, stream: Any = None) -> None:
        """Copied from when its turn comes: only of page-locked memory is it said so, but of other memory nothing else is sure."""
        stream = stream or self._cupy.cuda.get_current_stream()
        assert isinstance(arr, np.ndarray) and arr.shape == self.shape and arr.dtype == self.dtype
        assert arr.flags.c_contiguous and self.held.flags.c_contiguous, "CuPy would copy from an array that it lets go of"
        work = partial(np.copyto, self.held, self._cupy.locked.as_copied(arr))
        self._cupy.card.give(stream.queue, work, what="set", reads=[arr], writes=[self.held])


def _view_method(name: str) -> Callable[..., Any]:
    def call(self: LateArray, *given: Any, **named: Any) -> LateArray:
        check(name, given, named)
        return self._view(getattr(np.ndarray, name), *given, **named)

    return call


for _name in _VIEWS:
    setattr(LateArray, _name, _view_method(_name))


class LateEvent:
    """A mark in a stream, once it is recorded there."""

    mark: late.Mark

    def __init__(self, card: late.Card) -> None:
        self._card = card

    def synchronize(self) -> None:
        self._card.wait(self.mark)


class LateStream:
    """A stream that waits for no other one by itself."""

    def __init__(self, cuda: LateCuda) -> None:
        self._cuda, self.queue = cuda, cuda.card.queue()

    def record(self, event: LateEvent | None = None) -> LateEvent:
        with self._cuda.card.lock:
            event = event or LateEvent(self._cuda.card)
            event.mark = self.queue.mark()
            return event

    def wait_event(self, event: LateEvent) -> None:
        self._cuda.card.give(self.queue, event.mark)

    def synchronize(self) -> None:
        self.record().synchronize()

    def __enter__(self) -> LateStream:
        self._cuda.of_thread().append(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._cuda.of_thread().pop()


class LatePool:
    """CuPy's MemoryPool: of memory that was let go of, the current stream gets what it had."""

    def __init__(self, cuda: LateCuda) -> None:
        self._cuda, self._pool = cuda, late.Pool(cuda.card)

    def malloc(self, size: int) -> late.Memory:
        return self._pool.malloc(self._cuda.get_current_stream().queue, size)

    def free_all_blocks(self, stream: None = None) -> None: ...

    def free_bytes(self) -> int:
        return self._pool.free_bytes()


class LateCuda:
    """`cupy.cuda`."""

    def __init__(self, card: late.Card) -> None:
        self.card, self._of_thread = card, threading.local()
        self._default = LateStream(self)
        self.runtime = SimpleNamespace(memGetInfo=lambda: (1 << 36, 1 << 36))

    def is_available(self) -> bool:
        return True

    def of_thread(self) -> list[LateStream]:
        """The streams that this thread is within."""
        if not hasattr(self._of_thread, "streams"):
            self._of_thread.streams = [self._default]
        streams: list[LateStream] = self._of_thread.streams
        return streams

    def get_current_stream(self) -> LateStream:
        return self.of_thread()[-1]

    def Stream(self, *, non_blocking: bool) -> LateStream:  # noqa: N802
        assert non_blocking, "one that waits for the default stream is not made here"
        return LateStream(self)

    def Event(self, block: bool = False, disable_timing: bool = False) -> LateEvent:  # noqa: N802
        return LateEvent(self.card)

    def MemoryPool(self) -> LatePool:  # noqa: N802
        return LatePool(self)

    def Device(self) -> Any:  # noqa: N802
        return SimpleNamespace(attributes={"MultiProcessorCount": 1}, synchronize=self.card.wait_for_all)


class LateCupy:
    """`cupy`, and `cupyx`."""

    def __init__(self, seed: int) -> None:
        self.card = late.Card(seed)
        self.locked = late.Locked(self.card)
        self.addressed = WeakSet[late.Memory]()
        self.cuda = LateCuda(self.card)
        self._pool = self.cuda.MemoryPool()

    def give(self, work: late.Work, **touched: Any) -> None:
        """Queues work on the current stream; see `late.Card.give`."""
        self.card.give(self.cuda.get_current_stream().queue, work, **touched)

    def run(self, function: Callable[..., Any], *given: Any, **named: Any) -> LateArray:
        """What a function of NumPy gives; the shape of that is the same for zeros in the place of what is not known yet."""
        return self._queued(function, [_zeros(each) for each in given], given, named)

    def run_known(self, function: Callable[..., Any], *given: Any) -> LateArray:
        """The same of a function whose result has a shape that hangs on what is given."""
        self.cuda.get_current_stream().synchronize()
        return self._queued(function, [unwrapped(each) for each in given], given, {})

    def _queued(self, function: Callable[..., Any], like: list[Any], given: tuple[Any, ...], named: dict[str, Any]) -> LateArray:
        with np.errstate(all="ignore"):
            seen = np.asarray(function(*like, **named))
        made, sources = self.empty(seen.shape, seen.dtype), [unwrapped(each) for each in given]
        held = made.held
        name = getattr(function, "__name__", "a function")
        self.give(lambda: np.copyto(held, function(*sources, **named)), what=name, reads=_arrays(sources), writes=[held])
        return made

    def ndarray(self, shape: Any, dtype: Any, memptr: late.Memory) -> LateArray:
        return LateArray(self, memptr, memptr.bytes.view(dtype).reshape(shape))

    def empty(self, shape: Any, dtype: Any = float) -> LateArray:
        n = int(np.prod(shape, dtype=np.int64))
        return self.ndarray(shape, dtype, self._pool.malloc(n * np.dtype(dtype).itemsize))

    def asarray(self, a: Any, dtype: Any = None) -> LateArray:
        """Page-locked memory is read when its turn comes, and kept till then; other arrays are copied there first."""
        if isinstance(a, LateArray):
            return a
        source = np.asarray(a, dtype, order="C")
        source = source if self.locked.has(source) else source.copy()
        made = self.empty(source.shape, source.dtype)
        self.give(partial(np.copyto, made.held, source), what="asarray", writes=[made.held])
        return made

    def copyto(self, dst: LateArray, src: LateArray) -> None:
        dst[...] = src

    def flatnonzero(self, a: LateArray) -> LateArray:
        return self.run_known(np.flatnonzero, a)

    def get_default_memory_pool(self) -> LatePool:
        return self._pool

    def empty_pinned(self, shape: Any, dtype: Any = float) -> Any:
        return self.locked.empty(shape, dtype)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(np, name)

        def call(*given: Any, **named: Any) -> LateArray:
            check(name, given, named)
            return self.run(function, *given, **named)

        return call


@functools.cache
def written_by(path: Path, entry: str, defines: tuple[tuple[str, int | str], ...]) -> list[bool]:
    """Which parameters of a kernel are addresses of what is not constant."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ for the CUDA shim")
    command = ["g++", "-E", "-P", "-x", "c++", *(f"-D{name}={value}" for name, value in defines), str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(rf"__global__[^;{{]*?\b{entry}\((.*?)\)\s*{{", text, re.DOTALL)
    assert found is not None, f"{path.name} has no kernel {entry}"
    return ["*" in each and not each.strip().startswith("const") for each in found[1].split(",")]


def _arrays(given: Iterable[Any]) -> list[Any]:
    """The arrays of the device among what an operation is given, also in lists."""
    flat = chain.from_iterable(each if isinstance(each, list | tuple) else [each] for each in given)
    return [each for each in flat if isinstance(each, np.ndarray)]


def _zeros(value: Any) -> Any:
    """Arrays of zeros, which take no room, in the place of those of the device."""
    if isinstance(value, DeviceArray):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    return type(value)(map(_zeros, value)) if type(value) in (tuple, list) else unwrapped(value)


class LateCard(device.Card):
    """A `device.Card` whose CuPy is a `LateCupy`, in pieces as small as the shim's."""

    def __init__(self) -> None:
        super().__init__()
        self.warps = 8

    @classmethod
    def standing_in(cls, monkeypatch: pytest.MonkeyPatch, seed: int) -> LateCard:
        """A card that comes to its work as this seed says."""
        cupy = LateCupy(seed)
        for name in ("cupy", "cupyx"):
            monkeypatch.setitem(sys.modules, name, cupy)
        return cls()

    def _kernel(self, source: Source, entry: str) -> Any:
        def call(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
            cupy: LateCupy = self._cupy
            with cupy.card.lock:
                kernel = shim(source.path, entry, defines=dict(source.defines))
                given = tuple(each if isinstance(each, np.generic) else unwrapped(each) for each in arguments)
                is_written = written_by(source.path, entry, source.defines)
                touched = [[each for each, its in zip(given, is_written, strict=True) if its is is_one] for is_one in (False, True)]
                reads = [*_arrays(touched[0]), *(memory.bytes for memory in cupy.addressed)]
                cupy.give(partial(kernel, grid, block, given), what=entry, reads=reads, writes=_arrays(touched[1]))

        return call

    def room(self, row_bytes: int) -> int:
        return ROOM

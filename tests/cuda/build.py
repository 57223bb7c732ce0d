"""CUDA sources without a GPU: run on the CPU by the fiber shim, and compiled for a device by NVRTC.

`Shim` stands in for a `device.Card`: arrays are NumPy's under another name (`device_arrays`), and a launch runs the source on this CPU,
blocks and threads in an order that changes from launch to launch. `shim(source, entry)` gives one kernel that is called like a
`cupy.RawKernel`: `kernel((blocks,), (threads,), (argument, ...))`; NumPy arrays are pointers, NumPy scalars are values, and each must be of
the very type that the kernel takes. There are three builds of it: `plain`; `checked`, in which a launch fails for what `checks.cpp` finds;
and `address`, with AddressSanitizer, whose library must be in the process from the beginning. GENOPIPE_TEST_SHIM names one for all tests.
`nvrtc_compile(source, arch)` gives the cubin and what its kernels take, or fails with the compiler's log. Where g++ or NVRTC is missing,
the test is skipped.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import pytest

from genopipe.device.sources import Source
from tests.cuda.checked import address_of, findings, give_arrays
from tests.cuda.device_arrays import DeviceArray, DeviceModule, unwrapped

Kernel = Callable[[tuple[int], tuple[int], tuple[Any, ...]], None]

Build = Literal["plain", "checked", "address"]
FORCED = cast(Build | None, os.environ.get("GENOPIPE_TEST_SHIM"))

_ONE_AT_A_TIME = threading.RLock()
"""The fibers of a block are global."""

_HERE = Path(__file__).resolve().parent
_UNDEFINED = "shift,signed-integer-overflow,integer-divide-by-zero,bounds-strict"
_FLAGS = ("-std=c++17", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fno-threadsafe-statics", "-fno-gnu-unique", "-w")
_SLOW = ("-O1", "-g", "-gdwarf-4", "-ftrivial-auto-var-init=pattern")
_FLAGS_OF: dict[Build, tuple[str, ...]] = {
    "plain": ("-O2", "-march=native"),
    "checked": (*_SLOW, f"-fsanitize=thread,{_UNDEFINED}", "--param=tsan-distinguish-volatile=1", "-DCHECKED"),
    "address": (*_SLOW, "-fsanitize=address,undefined,bounds-strict", "-fno-sanitize-recover=all", "-fsanitize-sections=shim_shared"),
}
_LINK_FLAGS: dict[Build, tuple[str, ...]] = {"plain": (), "checked": (), "address": ("-fsanitize=address,undefined",)}
_MOST_BLOCKS, _MOST_THREADS = (1 << 31) - 1, 1024


class Plan(NamedTuple):
    """Which blocks of a grid run, and in which order: 0 as they are numbered, 1 backwards, else at random from that seed."""

    first: int = 0
    end: int = _MOST_BLOCKS
    order: int = 0


_ALL = Plan()


def shim(
    source: Path, entry: str, *, defines: Mapping[str, int | str] | None = None, plan: Plan = _ALL, build: Build = FORCED or "plain"
) -> Kernel:
    """The `extern "C" __global__` function `entry` of a .cu file, to be run on this CPU."""
    with _ONE_AT_A_TIME:
        library = _library(source.resolve(), tuple(sorted((defines or {}).items())), build)
    launch = getattr(library, f"shim_launch_{entry}")
    types = getattr(library, f"shim_types_{entry}")
    types.restype = ctypes.c_char_p
    wanted_types = types().decode().split()
    most_threads = _kernels(source)[entry]

    def kernel(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        given_types = [_type(argument) for argument in arguments]
        assert given_types == wanted_types, f"{entry} takes {wanted_types}, {given_types} were given"
        assert 0 < grid[0] <= _MOST_BLOCKS and 0 < block[0] <= most_threads, f"no card launches {grid[0]} blocks of {block[0]} threads"
        values = [_value(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        with _ONE_AT_A_TIME:
            library.shim_plan(*plan)
            if build == "checked":
                give_arrays(library, [argument for argument in arguments if isinstance(argument, np.ndarray)])
            wanted = launch(grid[0], block[0], pointers, len(values))
            library.shim_failure.restype = ctypes.c_char_p
            failure = library.shim_failure().decode()
            found = findings(library) if build == "checked" else ""
        assert not failure, f"{entry}: {failure}"
        assert wanted == -1, f"{entry} takes {wanted} arguments, {len(values)} were given"
        assert not found, f"{entry} is not clean:\n{found}"

    return kernel


ROOM = 50
"""So few rows at a time that tests need several pieces."""


class Shim:
    """A `device.Gpu` without a GPU."""

    xp: Any = DeviceModule()
    warps = 8

    def __init__(self, build: Build = FORCED or "checked") -> None:
        self.build: Build = build
        self._orders = itertools.count()

    def launch(self, source: Source, entry: str, grid: tuple[int, int], *arguments: Any) -> None:
        given = tuple(argument if isinstance(argument, np.generic) else unwrapped(argument) for argument in arguments)
        plan = Plan(order=next(self._orders))
        shim(source.path, entry, defines=dict(source.defines), plan=plan, build=self.build)((grid[0],), (grid[1],), given)

    def host(self, array: Any) -> Any:
        assert isinstance(array, DeviceArray), "only an array of the device is copied to the host"
        return array.held.copy()

    def put(self, array: Any) -> Any:
        return self.xp.asarray(array)

    def fetched(self, arrays: Sequence[Any]) -> Callable[[], list[Any]]:
        begun = [self.host(array) for array in arrays]
        return lambda: begun

    def locked(self, array: Any) -> Any:
        return array.copy()

    def empty_locked(self, n_bytes: int) -> Any:
        return np.empty(n_bytes, np.uint8)

    def room(self, row_bytes: int) -> int:
        return ROOM

    def need(self, n_bytes: int, what: str) -> None: ...

    def kept(self, array: Any) -> Any:
        return array.copy()

    def address(self, array: Any) -> int:
        return address_of(array.held)

    def finish(self) -> None: ...

    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def uploaded(self, batches: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
        for batch in batches:
            yield [self.xp.asarray(array) for array in batch]


@dataclass(frozen=True)
class Taken:
    """What a kernel takes: registers of a thread, bytes of local memory of a thread, bytes spilled, bytes of shared memory of a block."""

    registers: int
    local: int
    spilled: int
    shared: int


def nvrtc_compile(source: Source, arch: str) -> tuple[bytes, dict[str, Taken]]:
    """The cubin of a source for an architecture such as `sm_90`, and what each of its kernels takes."""
    nvrtc = _nvrtc()
    options = (f"--gpu-architecture={arch}", "--ptxas-options=-v", *source.options())
    program = ctypes.c_void_p()
    name, text = source.path.name, source.path.read_bytes()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, name.encode(), 0, None, None) == 0
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*(o.encode() for o in options)))
    log = _output(nvrtc, program, "ProgramLog").decode()
    if code != 0:
        pytest.fail(f"NVRTC refuses {name}:\n{log}")
    cubin = _output(nvrtc, program, "CUBIN")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return cubin, {part.split("'", 1)[0]: _taken(part) for part in log.split("entry function '")[1:]}


def _taken(text: str) -> Taken:
    def number(what: str) -> int:
        found = re.search(rf"(\d+) (?:bytes )?{what}", text)
        return int(found[1]) if found else 0

    return Taken(number("registers"), number("stack frame"), number("spill stores"), number("smem"))


def _type(argument: Any) -> str:
    """As the shim names what a kernel takes."""
    if not isinstance(argument, np.ndarray | np.generic):
        raise TypeError(f"{argument!r}: a kernel takes NumPy arrays and scalars, as CuPy's do")
    kind = "u" if argument.dtype.kind == "b" else argument.dtype.kind
    return ("*" if isinstance(argument, np.ndarray) else "") + f"{kind}{argument.dtype.itemsize}"


def _value(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous, "a kernel takes contiguous arrays only"
        return ctypes.c_void_p(argument.ctypes.data)
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())


@functools.cache
def _kernels(source: Path) -> dict[str, int]:
    """The kernels of a source, and how many threads their blocks have at most."""
    found = re.findall(r'extern "C" __global__ void (?:__launch_bounds__\((\d+)\)\s+)?(\w+)\(', source.read_text())
    return {entry: int(bound or _MOST_THREADS) for bound, entry in found}


@functools.cache
def _library(source: Path, defines: tuple[tuple[str, int | str], ...], build: Build) -> ctypes.CDLL:
    text = f'#include "{_HERE / "shim.hpp"}"\n#include "{source}"\n'
    for entry in _kernels(source):
        text += f'extern "C" int shim_launch_{entry}(unsigned blocks, unsigned threads, void **values, int n) '
        text += f"{{ return shim::launch({entry}, blocks, threads, values, n); }}\n"
        text += (
            f'extern "C" const char *shim_types_{entry}() {{ static const auto types = shim::types_of({entry}); return types.c_str(); }}\n'
        )
    name = hashlib.sha256((text + str(defines) + build).encode()).hexdigest()[:16]
    unit = _folder() / f"{name}.cpp"
    unit.write_text(text)
    objects = [_compiled(unit, (*_FLAGS_OF[build], *(f"-D{key}={value}" for key, value in defines)))]
    if build == "checked":
        objects.append(_compiled(_HERE / "checks.cpp", ("-O2",)))
    library = unit.with_suffix(".so")
    _run_compiler(source, ["-shared", *_LINK_FLAGS[build], *map(str, objects), "-o", str(library)])
    return ctypes.CDLL(str(library))


@functools.cache
def _compiled(source: Path, flags: tuple[str, ...]) -> Path:
    made = _folder() / f"{source.stem}.o"
    _run_compiler(source, [*_FLAGS, *flags, "-c", str(source), "-o", str(made)])
    return made


def _run_compiler(source: Path, arguments: list[str]) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ for the CUDA shim")
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"g++ refuses {source.name}:\n{done.stderr}")


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> Path:
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory(prefix="cuda-shim-", ignore_cleanup_errors=True))
    return Path(_FOLDERS[0].name)


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    """The NVRTC library of the `nvidia-cuda-nvrtc` wheel; its builtins must be loaded first, globally."""
    found = importlib.util.find_spec("nvidia")
    for root in found.submodule_search_locations or () if found else ():
        for builtins in sorted(Path(root).rglob("libnvrtc-builtins.so*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        for library in sorted(Path(root).rglob("libnvrtc.so*")):
            return ctypes.CDLL(str(library))
    pytest.skip("no NVRTC (package nvidia-cuda-nvrtc)")


def _output(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    assert getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert getattr(nvrtc, f"nvrtcGet{what}")(program, buffer) == 0
    return buffer.raw

"""CUDA sources without a GPU: run on the CPU by the fiber shim, and compiled for a device by NVRTC.

`shim(source, entry)` gives a kernel that is called like a `cupy.RawKernel`: `kernel((blocks,), (threads,), (argument, ...))`; NumPy arrays
are pointers, NumPy scalars are values of their own type. `nvrtc_compile(source, arch)` gives the cubin, or fails with the compiler's log.
Where g++ or NVRTC is missing, the test is skipped.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Kernel = Callable[[tuple[int], tuple[int], tuple[Any, ...]], None]

_HERE = Path(__file__).resolve().parent
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing", "-march=native", "-w")


def shim(source: Path, entry: str, *, defines: Mapping[str, int] | None = None) -> Kernel:
    """The `extern "C" __global__` function `entry` of a .cu file, to be run on this CPU."""
    library = _library(source.resolve(), entry, tuple(sorted((defines or {}).items())))

    def kernel(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        values = [_value(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        wanted = library.shim_launch(grid[0], block[0], pointers, len(values))
        assert wanted == -1, f"{entry} takes {wanted} arguments, {len(values)} were given"

    return kernel


def nvrtc_compile(source: Path, arch: str, *, defines: Mapping[str, int] | None = None) -> bytes:
    """The cubin of a .cu file for an architecture such as `sm_90`."""
    nvrtc = _nvrtc()
    options = [f"--gpu-architecture={arch}", "-std=c++17", "--fmad=false", f"--include-path={source.resolve().parent}"]
    options += [f"-D{name}={value}" for name, value in (defines or {}).items()]
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), source.name.encode(), 0, None, None) == 0
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*(o.encode() for o in options)))
    if code != 0:
        pytest.fail(f"NVRTC refuses {source.name}:\n{_output(nvrtc, program, 'ProgramLog').decode()}")
    cubin = _output(nvrtc, program, "CUBIN")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return cubin


def _value(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous, "a kernel takes contiguous arrays only"
        return ctypes.c_void_p(argument.ctypes.data)
    if not isinstance(argument, np.generic):
        raise TypeError(f"{argument!r}: a kernel takes NumPy arrays and scalars, as CuPy's do")
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())


@functools.cache
def _library(source: Path, entry: str, defines: tuple[tuple[str, int], ...]) -> ctypes.CDLL:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ for the CUDA shim")
    text = f'#include "{_HERE / "shim.hpp"}"\n#include "{source}"\n'
    text += f'extern "C" int shim_launch(unsigned b, unsigned t, void **a, int n) {{ return shim::launch({entry}, b, t, a, n); }}\n'
    name = hashlib.sha256((text + str(defines)).encode()).hexdigest()[:16]
    unit, library = _folder() / f"{name}.cpp", _folder() / f"{name}.so"
    unit.write_text(text)
    done = subprocess.run(
        [compiler, *_FLAGS, *(f"-D{key}={value}" for key, value in defines), str(unit), "-o", str(library)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.fail(f"g++ refuses {source.name}:\n{done.stderr}")
    return ctypes.CDLL(str(library))


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

"""CUDA sources, and the machine code that NVRTC makes of them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe.errors import BadEnvironment

NVRTC_OPTIONS = ("--std=c++17", "--fmad=false")
"""No product and sum is fused unless the source says so: results have the bits of the CPU."""


@dataclass(frozen=True, slots=True)
class Source:
    """A CUDA file and the constants it is compiled with."""

    path: Path
    defines: tuple[tuple[str, int | str], ...] = ()

    def options(self) -> tuple[str, ...]:
        """What NVRTC is given, the architecture apart."""
        return (*NVRTC_OPTIONS, f"--include-path={self.path.parent}", *(f"-D{name}={value}" for name, value in self.defines))

    def digest(self, *compiler: str) -> str:
        """SHA-256 of all that the machine code depends on: this file, the headers beside it, the constants, and `compiler`."""
        files = (self.path, *sorted(self.path.parent.glob("*.cuh")))
        text = repr((self.defines, NVRTC_OPTIONS, compiler)).encode()
        return hashlib.sha256(b"\0".join([text, *(path.read_bytes() for path in files)])).hexdigest()


def cubin_folder() -> Path:
    """Where machine code is kept: CUPY_CACHE_DIR, or `genopipe/cubin` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CUPY_CACHE_DIR") or Path(cache, "genopipe", "cubin"))


def compile_source(nvrtc: Any, source: Source, architecture: str) -> bytes:
    """Machine code of `source` for an architecture such as sm_90, by `cupy.cuda.nvrtc`."""
    program = nvrtc.createProgram(source.path.read_text(), source.path.name, (), ())
    try:
        nvrtc.compileProgram(program, (f"--gpu-architecture={architecture}", *source.options()))
        code: bytes = nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        log_text = nvrtc.getProgramLog(program)
        raise BadEnvironment(
            f"NVRTC cannot compile {source.path.name} for {architecture}: {error} {log_text}",
            wanted="an NVRTC of CUDA 12 or newer, and a GPU of compute capability 8.0 or newer",
            do="Update the driver and CuPy, or use --device cpu.",
        ) from error
    finally:
        nvrtc.destroyProgram(program)
    return code

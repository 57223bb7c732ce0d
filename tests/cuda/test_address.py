"""Kernels under AddressSanitizer and UndefinedBehaviorSanitizer: what the checked build does not see, as arrays of a thread and of a block.

AddressSanitizer must be in a process from the beginning, so these run in one of their own. docs/kernels.md has the command for all tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = "tests/cuda/test_place.py::test_wide_bands_and_tandem_repeats_equal_the_cpu"
BODIES = {
    "stack-buffer-overflow": "int kept[4] = {}; put(kept, value[0] + 4); out[0] = kept[0];",
    "global-buffer-overflow": "__shared__ int kept[4]; put(kept, value[0] + 4); out[0] = kept[0];",
    "heap-buffer-overflow": "put(out, 4);",
    "stack-use-after-scope": "int *at; { int kept = 1; at = &kept; put(at, value[0]); } out[0] = *at;",
    "shift exponent 40 is too large": "out[0] = 1 << (value[0] + 40);",
    "": "out[0] = value[0];",
}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """For a process with AddressSanitizer in it; Python's own leaks are no matter."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ for the CUDA shim")
    library = Path(subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip())
    if not library.is_absolute():
        pytest.skip("this g++ has no libasan")
    return {**os.environ, "LD_PRELOAD": str(library.resolve()), "ASAN_OPTIONS": "detect_leaks=0", "GENOPIPE_TEST_SHIM": "address"}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=root, capture_output=True, text=True, check=False)


PROGRAM = """
import os, sys
from pathlib import Path
import numpy as np
from tests.cuda.build import shim
kernels = [shim(Path(sys.argv[1]), f"sample{number}") for number in range(int(sys.argv[2]))]
for kernel in kernels:
    print("next", file=sys.stderr, flush=True)
    if not (child := os.fork()):
        kernel((1,), (1,), (np.zeros(4, np.int32), np.zeros(4, np.int32)))
        os._exit(0)
    print("ended with", os.waitpid(child, 0)[1], file=sys.stderr, flush=True)
"""


def test_a_fault_ends_the_process(environment: dict[str, str], tmp_path: Path) -> None:
    put = "__device__ __noinline__ void put(int *at, int i) { at[i] = 1; }\n"
    kernel = 'extern "C" __global__ void sample{}(const int *value, int *out) {{ {} }}\n'
    source = tmp_path / "sample.cu"
    source.write_text(put + "".join(kernel.format(number, body) for number, body in enumerate(BODIES.values())))
    done = run(environment, "-c", PROGRAM, str(source), str(len(BODIES)))
    for told, found in zip(BODIES, done.stderr.split("next\n")[1:], strict=True):
        assert told in found
        assert ("ended with 0\n" in found) == (told == ""), found


def test_kernels_are_clean(environment: dict[str, str]) -> None:
    done = run(environment, "-m", "pytest", "-q", "-m", "not gpu", KERNELS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout

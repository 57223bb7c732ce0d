"""The checked build of the shim finds races, stray accesses and undefined results, and tells their lines; sound kernels are clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genopipe.device.sources import Source
from genopipe.kernels import on_gpu
from tests.cuda import test_seed
from tests.cuda.build import Shim, shim
from tests.cuda.inputs import index_of, reads_of

FAULTS = {
    "a barrier is missing": (
        "__shared__ int kept[64]; kept[i] = value[i];\nout[i] = kept[63 - i];",
        (1, 64),
        "race of two threads: write and read of shared memory {0} and {1}",
    ),
    "a warp's barrier is not one of the block": (
        "__shared__ int kept[64]; kept[i] = value[i];\n__syncwarp();\nout[i] = kept[63 - i];",
        (1, 64),
        "race of two threads: read and write of shared memory {2} and {0}",
    ),
    "a warp's barrier is missing": (
        "__shared__ int kept[32]; kept[i] = value[i];\nout[i] = kept[31 - i];",
        (1, 32),
        "race of two threads: write and read of shared memory {0} and {1}",
    ),
    "a shuffle is no barrier": (
        "__shared__ int kept[32]; kept[i] = value[i];\nconst int next = __shfl_xor_sync(~0u, i, 1);\nout[i] = kept[next];",
        (1, 32),
        "race of two threads: read and write of shared memory {2} and {0}",
    ),
    "a barrier of half a warp": (
        "__shared__ int kept[32]; kept[i] = value[i];\n__syncwarp(0xffffu << (i & 16));\nout[i] = kept[31 - i];",
        (1, 32),
        "race of two threads: read and write of shared memory {2} and {0}",
    ),
    "a second barrier is missing": (
        "__shared__ int kept; if (i == 0) kept = 1;\n__syncthreads();\nout[i] = kept;\nif (i == 0) kept = 2;",
        (1, 64),
        "race of two threads: (write and read of shared memory {3} and {2}|read and write of shared memory {2} and {3})",
    ),
    "blocks add without atomics": ("if (i == 0) out[0] += 1;", (2, 32), "race of two blocks: write and write of argument 1 {0}"),
    "an atomic beside a read": ("atomicAdd(out, 1);\nif (out[0] < 0) return;", (1, 32), "read and atomic of argument 1 {1}"),
    "an atomic orders nothing": (
        "if (i == 0) out[1] = 1, atomicExch(out, 1);\nif (i == 1 && atomicAdd(out, 0)) out[1] = 2;",
        (1, 32),
        "race of two threads: write and write of argument 1 {1} and {0}",
    ),
    "behind the end": ("out[i] = value[i + 1];", (1, 64), "read outside of every array {0}"),
    "before the beginning": ("out[i - 1] = value[i];", (1, 64), "write outside of every array {0}"),
    "a word that is not aligned": ("*(long long *)(out + 1) = value[i];", (1, 1), "misaligned write of argument 1 {0}"),
    "shared memory is not zero": (
        "__shared__ int kept[2];\nout[i] = kept[i];",
        (1, 1),
        "read of what nothing has written in shared memory {1}",
    ),
    "a shift by a whole word": ("out[i] = 1 << (value[i] + 32);", (1, 1), "shift_out_of_bounds in .*{0}"),
    "a sum that is too large": ("out[i] = value[i] + 0x7fffffff + i;", (1, 2), "add_overflow in .*{0}"),
    "an array of a thread": ("int kept[4] = {};\nkept[value[i] + 4] = 1;\nout[i] = kept[i & 3];", (1, 1), "out_of_bounds in .*{1}"),
}
SOUND = {
    "barriers": (
        "__shared__ int kept[64]; kept[i] = value[i];\n__syncthreads();\nout[i] = kept[63 - i];\n__syncthreads();\nkept[i] = 0;",
        1,
    ),
    "a warp": ("__shared__ int kept[64]; kept[i] = value[i];\n__syncwarp();\nout[i] = kept[i ^ 31];", 1),
    "half a warp": ("__shared__ int kept[64]; kept[i] = value[i];\n__syncwarp(0xffffu << (i & 16));\nout[i] = kept[i ^ 15];", 1),
    "a barrier and an end": (
        "__shared__ int kept[64]; kept[i] = value[i];\n__syncthreads();\nif (i < 32) return;\nout[i] = kept[i - 32];",
        1,
    ),
    "atomics": ("atomicAdd(&out[0], 1);\natomicMax(&out[1], value[i]);", 2),
    "marks": ("volatile int *mark = out;\nif (!mark[0]) mark[0] = 1;", 2),
    "blocks have shared memory of their own": ("__shared__ int kept[64]; kept[i] = value[i];\nif (blockIdx.x) out[i] = kept[i];", 2),
}
BODIES = {what: body for what, (body, *_) in (FAULTS | SOUND).items()}
"""Of kernels `sample0`, `sample1` ..."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cuda") / "sample.cu"
    head = 'extern "C" __global__ void sample{}(const int *value, int *out) {{ const int i = threadIdx.x;\n{}\n}}\n'
    path.write_text("".join(head.format(number, body) for number, body in enumerate(BODIES.values())))
    return path


def launch(source: Path, what: str, grid: tuple[int, int]) -> None:
    kernel = shim(source, f"sample{[*BODIES].index(what)}", build="checked")
    kernel((grid[0],), (grid[1],), (np.zeros(64, np.int32), np.zeros(64, np.int32)))


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_found(source: Path, what: str) -> None:
    _, grid, told = FAULTS[what]
    head = f"sample{[*BODIES].index(what)}("
    first = next(number for number, line in enumerate(source.read_text().splitlines(), 2) if head in line)
    with pytest.raises(AssertionError, match="is not clean:\n(?s:.*)" + told.format(*(rf"sample\.cu:{first + n}\b" for n in range(5)))):
        launch(source, what, grid)


@pytest.mark.parametrize("what", SOUND)
def test_a_sound_kernel_is_clean(source: Path, what: str) -> None:
    launch(source, what, (SOUND[what][1], 64))


def test_reading_what_nothing_has_written_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sample.cu"
    path.write_text(
        'extern "C" __global__ void copy(const int *value, int *out) { out[threadIdx.x] = value[threadIdx.x]; }\n'
        'extern "C" __global__ void follow(const long long *where, int *out) { out[0] = *(const int *)where[0]; }\n'
    )
    there: Any = Shim("checked")
    value, out = there.xp.empty(4, np.int32), there.xp.zeros(4, np.int32)
    value[:3] = 7
    there.launch(Source(path), "copy", (1, 3), value, out)
    assert there.host(out).tolist() == [7, 7, 7, 0]
    with pytest.raises(AssertionError, match=r"read of what nothing has written in argument 0 sample\.cu:1"):
        there.launch(Source(path), "copy", (1, 3), value[1:], out)
    with pytest.raises(AssertionError, match="outside of every array"):
        there.launch(Source(path), "follow", (1, 1), there.xp.asarray(np.array([value.held.ctypes.data])), out)
    there.launch(Source(path), "follow", (1, 1), there.xp.asarray(np.array([there.address(value)])), out)


def test_a_barrier_left_out_of_a_kernel_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the network which sorts the hits of a read."""
    text, network = on_gpu.SEED.path.read_text(), "hit[a] = y, hit[b] = x;"
    before, after = text.split(network)
    path = tmp_path / "seed.cu"
    path.write_text(before + network + after.replace("__syncwarp();", "", 1))
    monkeypatch.setattr(on_gpu, "SEED", replace(on_gpu.SEED, path=path))
    rng = np.random.default_rng(1)
    genome = rng.integers(0, 4, 3_000).astype(np.uint8)
    base, base_start = reads_of(rng, genome, 10, length=(100, 150))
    with pytest.raises(AssertionError, match="candidates is not clean:\nrace of two threads: read and write of shared memory"):
        test_seed.compare(Shim("checked"), base, base_start, index_of(genome))

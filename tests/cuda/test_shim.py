"""The CUDA shim runs shuffles, votes, barriers and atomics as a GPU would, and tells of deadlocks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genopipe.device.sources import Source
from tests.cuda.build import nvrtc_compile, shim

SOURCE = r"""
extern "C" __global__ void warp_sum(const int *value, int n, unsigned long long *sum) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    int x = i < n ? value[i] : 0;
    for (int by = 16; by; by >>= 1) x += __shfl_xor_sync(~0u, x, by);
    const unsigned even = __ballot_sync(~0u, i < n && value[i] % 2 == 0);
    if ((threadIdx.x & 31) == 0) {
        atomicAdd(sum, (unsigned long long)x);
        atomicAdd(sum + 1, (unsigned long long)__popc(even));
    }
}
extern "C" __global__ void reverse(int *value) {
    __shared__ int kept[SIZE];
    kept[threadIdx.x] = value[blockIdx.x * SIZE + threadIdx.x];
    __syncthreads();
    value[blockIdx.x * SIZE + threadIdx.x] = kept[SIZE - 1 - threadIdx.x];
}
extern "C" __global__ void prefix(const float *value, float scale, float *out) {
    float x = __fmul_rn(value[threadIdx.x], scale);
    for (int by = 1; by < 32; by <<= 1) { const float y = __shfl_up_sync(~0u, x, by); if ((threadIdx.x & 31) >= by) x = __fadd_rn(x, y); }
    out[threadIdx.x] = x;
}
extern "C" __global__ void joined(const unsigned *value, unsigned long long *out) {
    const unsigned any = __reduce_or_sync(~0u, value[threadIdx.x]), most = __reduce_max_sync(~0u, value[threadIdx.x]);
    if (threadIdx.x == 7) out[0] = any, out[1] = most, out[2] = __brevll(any) >> 32, out[3] = __funnelshift_r(any, most, 4);
}
extern "C" __global__ void stuck(int *value) {
    if (threadIdx.x == 0) __syncwarp();
    else value[threadIdx.x] = 1;
}
"""
DEFINES = {"SIZE": 64}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cuda") / "sample.cu"
    path.write_text(SOURCE)
    return path


def test_shuffles_votes_and_atomics(source: Path) -> None:
    value = np.arange(100, dtype=np.int32)
    total = np.zeros(2, np.uint64)
    shim(source, "warp_sum", defines=DEFINES)((2,), (64,), (value, np.int32(100), total))
    assert total.tolist() == [4950, 50]


def test_joining_a_warp_and_turning_bits(source: Path) -> None:
    value = np.arange(32, dtype=np.uint32) * 3
    out = np.zeros(4, np.uint64)
    shim(source, "joined", defines=DEFINES)((1,), (32,), (value, out))
    assert out.tolist() == [127, 93, 0xFE000000, (93 << 32 | 127) >> 4 & 0xFFFFFFFF]


def test_a_barrier_orders_shared_memory(source: Path) -> None:
    value = np.arange(128, dtype=np.int32)
    shim(source, "reverse", defines=DEFINES)((2,), (64,), (value,))
    assert value.tolist() == [*range(63, -1, -1), *range(127, 63, -1)]


def test_scalars_are_passed_by_value(source: Path) -> None:
    out = np.zeros(64, np.float32)
    shim(source, "prefix", defines=DEFINES)((1,), (64,), (np.ones(64, np.float32), np.float32(0.5), out))
    assert out.tolist() == [0.5 * (i % 32 + 1) for i in range(64)]


def test_a_wrong_number_of_arguments_is_told(source: Path) -> None:
    with pytest.raises(AssertionError, match=r"takes \['\*f4', 'f4', '\*f4'\], \['i4'\] were given"):
        shim(source, "prefix", defines=DEFINES)((1,), (64,), (np.int32(1),))


def test_a_deadlock_is_told(source: Path) -> None:
    program = f"""
import numpy as np
from pathlib import Path
from genopipe.device.sources import Source
from tests.cuda.build import shim
shim(Path({str(source)!r}), "stuck", defines={{"SIZE": 64}})((1,), (32,), (np.zeros(32, np.int32),))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "a warp mask names a thread that has ended" in done.stderr


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_the_same_source_compiles_for_a_device(source: Path, arch: str) -> None:
    cubin, taken = nvrtc_compile(Source(source, tuple(DEFINES.items())), arch)
    assert cubin[:4] == b"\x7fELF"
    assert taken["reverse"].shared == 4 * DEFINES["SIZE"]


def test_a_compile_error_shows_its_line(source: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.cu"
    wrong.write_text('extern "C" __global__ void k(int *x) {\n    *x = nothing;\n}\n')
    with pytest.raises(pytest.fail.Exception, match=r"wrong\.cu\(2\)"):
        nvrtc_compile(Source(wrong), "sm_90")

"""The CUDA shim runs shuffles, votes, barriers and atomics as a GPU would, in any order, and tells of what it would not allow."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from genopipe.device.sources import Source
from tests.cuda.build import Plan, nvrtc_compile, shim

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
extern "C" __global__ void places(int *next, int *place) {
    place[atomicAdd(next, 1)] = blockIdx.x * blockDim.x + threadIdx.x;
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


MISTAKES = {
    "a barrier that some never reach": ("if (i == 1) __syncthreads(); else __syncwarp();", "wait for each other for ever"),
    "a thread that has ended": ("if (i == 0) __syncwarp();", "a warp mask names a thread that has ended (block 0, thread 0)"),
    "a mask without the caller": ("__syncwarp(2u);", "a thread calls a warp function whose mask leaves it out (block 0, thread 0)"),
    "functions that differ": ("if (i & 1) __syncwarp(); else __any_sync(~0u, i);", "threads of a warp meet in different functions"),
    "masks that differ": ("__syncwarp(i & 1 ? 3u : i ? ~0u : 3u);", "threads of a warp meet by different masks"),
    "a stranger's value": ("if (i < 16) __shfl_xor_sync(0xffffu, i, 16);", "a shuffle asks a thread that the mask leaves out"),
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cuda") / "mistakes.cu"
    kernel = 'extern "C" __global__ void mistake{}(int *value) {{ const int i = threadIdx.x; {} }}\n'
    path.write_text("".join(kernel.format(number, body) for number, (body, _) in enumerate(MISTAKES.values())))
    return path


@pytest.mark.parametrize("what", MISTAKES)
def test_meetings_that_a_card_does_not_allow_are_told(mistakes: Path, what: str) -> None:
    kernel = shim(mistakes, f"mistake{[*MISTAKES].index(what)}")
    with pytest.raises(AssertionError, match=re.escape(MISTAKES[what][1])):
        kernel((1,), (64,), (np.zeros(64, np.int32),))


@pytest.mark.parametrize(("grid", "block"), [(0, 64), (1, 0), (1, 65), (1 << 31, 1)])
def test_launches_that_no_card_takes_are_refused(tmp_path: Path, grid: int, block: int) -> None:
    path = tmp_path / "bound.cu"
    path.write_text('extern "C" __global__ void __launch_bounds__(64) bound(int *value) {}\n')
    with pytest.raises(AssertionError, match=f"no card launches {grid} blocks of {block} threads"):
        shim(path, "bound")((grid,), (block,), (np.zeros(1, np.int32),))


def test_blocks_and_threads_run_in_many_orders(source: Path) -> None:
    """Each once; the same in the same order."""
    seen = []
    for plan in (Plan(), Plan(order=1), Plan(order=2), Plan(order=2), Plan(order=3), Plan(first=1, end=2)):
        place = np.zeros(12, np.int32)
        shim(source, "places", defines=DEFINES, plan=plan)((3,), (4,), (np.zeros(1, np.int32), place))
        seen.append(place.tolist())
    assert seen[0] == [*range(12)]
    assert seen[1] == [*range(11, -1, -1)]
    assert seen[2] == seen[3] != seen[4]
    assert sorted(seen[2]) == sorted(seen[4]) == [*range(12)]
    assert seen[5] == [4, 5, 6, 7, *[0] * 8]


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

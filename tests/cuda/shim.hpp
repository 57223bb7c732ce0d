// CUDA on one CPU thread, for tests: a block's threads are fibers, and barriers, shuffles and votes are meeting points.
//
// Each thread counts the barriers it has reached (for the block and for its warp) and waits until the others of the block or of the mask
// have counted as many. A launch ends with a message where a round comes in which nobody can go on, which is a deadlock; where a mask names a
// thread that has ended or leaves out the one that calls; where threads meet in different functions or by different masks; and where a
// shuffle asks a thread that is not named. Blocks, and threads between barriers, run in an order that `shim_plan` sets; shared memory is full of nonsense at
// first. Races are found in the checked build (checks.cpp).
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "checks.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static __attribute__((section("shim_shared")))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __noinline__ __attribute__((noinline))

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
struct Index3 {
    unsigned x = 0, y = 0, z = 0;
};
static Index3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

// The linker's names for where shared memory begins and ends; none where no kernel has any.
extern "C" __attribute__((weak, visibility("hidden"))) char __start_shim_shared[], __stop_shim_shared[];

namespace shim {
constexpr int THREADS = 1024, STACK = 1 << 16;
struct Thread {
    ucontext_t context;
    char *stack = nullptr;
    bool ended = false;
    unsigned block_barriers = 0, warp_barriers = 0;
    uint64_t slot[2] = {0, 0};
    const char *function[2] = {};
    unsigned mask[2] = {};
};
static Thread thread[THREADS];
static ucontext_t scheduler;
static int current, n_threads;
static bool moved;
static void (*body)();

// Which blocks of the grid run, and the order of blocks and threads: 0 as they are numbered, 1 backwards, else at random from that seed.
struct Plan {
    unsigned first = 0, end = ~0u, order = 0;
};
static Plan plan;

inline std::vector<unsigned> in_order(unsigned first, unsigned end, unsigned seed) {
    std::vector<unsigned> numbers;
    for (unsigned i = first; i < end; i++) numbers.push_back(plan.order == 1 ? end - 1 - (i - first) : i);
    for (size_t left = numbers.size(); plan.order > 1 && left > 1; left--) {
        seed = seed * 1664525 + 1013904223;
        std::swap(numbers[left - 1], numbers[(seed >> 8) % left]);
    }
    return numbers;
}

static std::string failure;

inline void fail(const char *why) {
    failure = std::string(why) + " (block " + std::to_string(blockIdx.x) + ", thread " + std::to_string(current) + ")";
}

// Called by a thread, which does not go on.
[[noreturn]] inline void stop(const char *why) {
    checks::pause();
    fail(why);
    setcontext(&scheduler);
    __builtin_unreachable();
}

inline void yield() {
    const int me = current;
    checks::pause();
    swapcontext(&thread[me].context, &scheduler);
    current = me;
    threadIdx.x = me;
}

inline void run_body() {
    body();
    checks::pause();
    thread[current].ended = true;
    moved = true;
}

inline void block_barrier() {
    const unsigned reached = ++thread[current].block_barriers;
    checks::arrive(current, checks::BLOCK, reached);
    moved = true;
    for (bool all = false; !all;) {
        all = true;
        for (int i = 0; i < n_threads; i++) all &= thread[i].ended || thread[i].block_barriers >= reached;
        if (!all) yield();
    }
    for (int i = 0; i < n_threads; i++)
        if (thread[i].block_barriers >= reached) checks::leave(current, i, checks::BLOCK, reached);
}

inline void warp_barrier(unsigned mask, const char *function) {
    const unsigned reached = ++thread[current].warp_barriers;
    const int warp = current & ~31;
    thread[current].function[reached & 1] = function;
    thread[current].mask[reached & 1] = mask;
    if (!(mask >> (current & 31) & 1)) stop("a thread calls a warp function whose mask leaves it out");
    moved = true;
    for (;;) {
        bool all = true;
        for (int lane = 0; lane < 32 && warp + lane < n_threads; lane++) {
            if (!(mask >> lane & 1)) continue;
            if (thread[warp + lane].ended && thread[warp + lane].warp_barriers < reached) stop("a warp mask names a thread that has ended");
            all &= thread[warp + lane].warp_barriers >= reached;
            if (thread[warp + lane].warp_barriers < reached) continue;
            if (thread[warp + lane].function[reached & 1] != function) stop("threads of a warp meet in different functions");
            if (thread[warp + lane].mask[reached & 1] != mask) stop("threads of a warp meet by different masks");
        }
        if (all) return;
        yield();
    }
}

inline void ordered_warp_barrier(unsigned mask) {
    const unsigned reached = thread[current].warp_barriers + 1;
    checks::arrive(current, checks::WARP, reached);
    warp_barrier(mask, "__syncwarp");
    for (int lane = 0; lane < 32; lane++)
        if (mask >> lane & 1 && (current & ~31) + lane < n_threads) checks::leave(current, (current & ~31) + lane, checks::WARP, reached);
}

// The value each lane gave at this meeting point, by two slots in turn: nobody can be two meetings ahead.
template <class T>
T from_lane(unsigned mask, T value, int lane) {
    static_assert(sizeof(T) <= 8, "a shuffled value has at most 8 bytes");
    const int slot = thread[current].warp_barriers & 1, warp = current & ~31;
    std::memcpy(&thread[current].slot[slot], &value, sizeof(T));
    if (!(mask >> lane & 1)) stop("a shuffle asks a thread that the mask leaves out");
    warp_barrier(mask, "a shuffle");
    const int source = warp + lane < n_threads ? warp + lane : current;
    T got;
    std::memcpy(&got, &thread[source].slot[slot], sizeof(T));
    return got;
}

inline unsigned ballot(unsigned mask, bool vote) {
    const int slot = thread[current].warp_barriers & 1, warp = current & ~31;
    thread[current].slot[slot] = vote;
    warp_barrier(mask, "a vote");
    unsigned votes = 0;
    for (int lane = 0; lane < 32 && warp + lane < n_threads; lane++)
        if (mask >> lane & 1) votes |= unsigned(thread[warp + lane].slot[slot] & 1) << lane;
    return votes;
}

// What `join` makes of the values of the lanes of the mask, for each of them.
template <class F>
unsigned reduce(unsigned mask, unsigned value, F join) {
    const int slot = thread[current].warp_barriers & 1, warp = current & ~31;
    thread[current].slot[slot] = value;
    warp_barrier(mask, "a reduction");
    unsigned result = value;
    for (int lane = 0; lane < 32 && warp + lane < n_threads; lane++)
        if (mask >> lane & 1) result = join(result, unsigned(thread[warp + lane].slot[slot]));
    return result;
}

inline void run_block(unsigned threads) {
    n_threads = int(threads);
    const size_t shared_bytes = __stop_shim_shared - __start_shim_shared;
#ifndef __SANITIZE_ADDRESS__  // which keeps borders among the shared arrays
    if (shared_bytes) std::memset(__start_shim_shared, 0xA5, shared_bytes);
#endif
    checks::begin_block(blockIdx.x, n_threads, __start_shim_shared, shared_bytes);
    for (int i = 0; i < n_threads; i++) {
        Thread &t = thread[i];
        if (!t.stack) t.stack = static_cast<char *>(std::malloc(STACK));
        t.ended = false;
        t.block_barriers = t.warp_barriers = 0;
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = t.stack;
        t.context.uc_stack.ss_size = STACK;
        t.context.uc_link = &scheduler;
        makecontext(&t.context, run_body, 0);
    }
    const std::vector<unsigned> order = in_order(0, threads, plan.order + blockIdx.x);
    for (bool any = true; any;) {
        any = moved = false;
        for (const unsigned i : order) {
            if (thread[i].ended) continue;
            any = true;
            current = int(i);
            threadIdx.x = i;
            checks::run(current, thread[i].stack, STACK);
            swapcontext(&scheduler, &thread[i].context);
            if (!failure.empty()) return;
        }
        if (any && !moved) return fail("threads wait for each other for ever: a barrier or shuffle that not all of them reach");
    }
}

// Launches like cuLaunchKernel: one pointer to each argument's value.
template <class... A>
struct Launch {
    static void (*kernel)(A...);
    static std::tuple<A...> values;
    static void call() { std::apply(kernel, values); }
    template <size_t... I>
    static std::tuple<A...> unpack(void **pointer, std::index_sequence<I...>) {
        return std::tuple<A...>(*static_cast<std::decay_t<A> *>(pointer[I])...);
    }
};
template <class... A>
void (*Launch<A...>::kernel)(A...);
template <class... A>
std::tuple<A...> Launch<A...>::values;

// What a kernel takes: * for a pointer, the kind of number (i, u, f), its bytes.
template <class A>
std::string type_of() {
    using Value = std::remove_cv_t<std::remove_pointer_t<A>>;
    const char *kind = std::is_floating_point_v<Value> ? "f" : std::is_signed_v<Value> ? "i" : "u";
    return (std::is_pointer_v<A> ? "*" : "") + std::string(kind) + std::to_string(sizeof(Value)) + " ";
}
template <class... A>
std::string types_of(void (*)(A...)) { return (std::string() + ... + type_of<A>()); }

template <class... A>
int launch(void (*kernel)(A...), unsigned blocks, unsigned threads, void **pointer, int n) {
    if (n != int(sizeof...(A))) return int(sizeof...(A));
    Launch<A...>::kernel = kernel;
    Launch<A...>::values = Launch<A...>::unpack(pointer, std::index_sequence_for<A...>{});
    body = Launch<A...>::call;
    gridDim.x = blocks;
    blockDim.x = threads;
    checks::begin_launch();
    failure.clear();
    for (const unsigned block : in_order(plan.first, std::min(plan.end, blocks), plan.order)) {
        blockIdx.x = block;
        run_block(threads);
        if (!failure.empty()) break;
    }
    return -1;
}
}  // namespace shim

extern "C" inline __attribute__((used)) const char *shim_failure() { return shim::failure.c_str(); }
extern "C" inline __attribute__((used)) void shim_plan(unsigned first, unsigned end, unsigned order) { shim::plan = {first, end, order}; }

inline void __syncthreads() { shim::block_barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { shim::ordered_warp_barrier(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    const int mine = shim::current & 31;
    return shim::from_lane(mask, value, (mine & ~(width - 1)) | (lane & (width - 1)));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    const int mine = shim::current & 31;
    return shim::from_lane(mask, value, (mine & (width - 1)) >= int(by) ? mine - int(by) : mine);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    const int mine = shim::current & 31;
    return shim::from_lane(mask, value, (mine & (width - 1)) + int(by) < width ? mine + int(by) : mine);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int by, int = 32) {
    return shim::from_lane(mask, value, (shim::current & 31) ^ by);
}
inline unsigned __ballot_sync(unsigned mask, int vote) { return shim::ballot(mask, vote != 0); }
inline int __any_sync(unsigned mask, int vote) { return shim::ballot(mask, vote != 0) != 0; }
inline int __all_sync(unsigned mask, int vote) { return (shim::ballot(mask, vote != 0) & mask) == mask; }
inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
    return shim::reduce(mask, value, [](unsigned a, unsigned b) { return a | b; });
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value) {
    return shim::reduce(mask, value, [](unsigned a, unsigned b) { return a > b ? a : b; });
}

template <class T>
T atomicAdd(T *at, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; *at = T(old + value); return old; }
template <class T>
T atomicMax(T *at, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; *at = old > value ? old : value; return old; }
template <class T>
T atomicMin(T *at, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; *at = old < value ? old : value; return old; }
template <class T>
T atomicOr(T *at, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; *at = T(old | value); return old; }
template <class T>
T atomicExch(T *at, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; *at = value; return old; }
template <class T>
T atomicCAS(T *at, T expected, T value) { const checks::Atomic one(at, sizeof(T)); T old = *at; if (old == expected) *at = value; return old; }

template <class T>
T __ldg(const T *at) { return *at; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
    return unsigned((uint64_t(high) << 32 | low) >> (by & 31));
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
    const uint64_t bytes = uint64_t(high) << 32 | low;
    unsigned picked = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned which = selector >> 4 * i & 15, byte = unsigned(bytes >> 8 * (which & 7)) & 255;
        picked |= (which & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
    }
    return picked;
}
inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; i++) sum += int8_t(a >> 8 * i) * int8_t(b >> 8 * i);
    return sum;
}
inline int __viaddmax_s32(int a, int b, int c) { return a + b > c ? a + b : c; }
inline int __vimax3_s32(int a, int b, int c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }
inline unsigned long long __brevll(unsigned long long x) {
    unsigned long long turned = 0;
    for (int i = 0; i < 64; i++) turned |= (x >> i & 1) << (63 - i);
    return turned;
}
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline unsigned __float_as_uint(float x) { unsigned u; std::memcpy(&u, &x, 4); return u; }
inline float __uint_as_float(unsigned u) { float x; std::memcpy(&x, &u, 4); return x; }
inline int __float_as_int(float x) { int i; std::memcpy(&i, &x, 4); return i; }
inline float __int_as_float(int i) { float x; std::memcpy(&x, &i, 4); return x; }

// CUDA's overloads of min and max: the mixed ones go to the common type.
template <class A, class B>
constexpr auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }
template <class A, class B>
constexpr auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }

// The genome as kernels that place reads take it: align/placement.py's Target, and what is asked of it.
#pragma once

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

struct Target {
    const u64 *packed;
    i64 n_words;
    const i64 *unknown_start, *unknown_end;
    i64 n_unknown;
    const i64 *contig_start, *contig_end;
    i64 n_contigs;
};

#define TARGET                                                                                                                         \
    const u64 *packed, i64 n_words, const i64 *unknown_start, const i64 *unknown_end, i64 n_unknown, const i64 *contig_start,          \
        const i64 *contig_end, i64 n_contigs
#define OF_TARGET {packed, n_words, unknown_start, unknown_end, n_unknown, contig_start, contig_end, n_contigs}

__device__ __forceinline__ u32 base_at(const Target &target, i64 position) { return target.packed[position >> 5] >> 2 * (position & 31) & 3; }

__device__ i64 contig_of(const Target &target, i64 position) {
    i64 low = 0, high = target.n_contigs;
    while (high - low > 1) {
        const i64 middle = (low + high) / 2;
        if (target.contig_start[middle] <= position) low = middle;
        else high = middle;
    }
    return low;
}

// The first run of unknown bases that ends behind `start`.
__device__ i64 unknown_run(const Target &target, i64 start) {
    i64 low = 0, high = target.n_unknown;
    while (low < high) {
        const i64 middle = (low + high) / 2;
        if (target.unknown_end[middle] <= start) low = middle + 1;
        else high = middle;
    }
    return low;
}

__device__ bool touches_unknown(const Target &target, i64 start, i64 end) {
    const i64 contig = contig_of(target, max(start, 0ll));
    if (start < target.contig_start[contig] || end > target.contig_end[contig]) return true;
    const i64 run = unknown_run(target, start);
    return run < target.n_unknown && target.unknown_start[run] < end;
}

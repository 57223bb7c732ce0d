// The places of reads as kernels take them: align/placement.py's Placements, arrays (reads, slots), and what is asked of one.
#pragma once
#include "target.cuh"

struct Places {
    int slots;
    const int *n;
    const u8 *crowded, *reverse;
    const int *score;
    const i64 *start, *end;
    const int *clip_start, *clip_end;
};

#define PLACES                                                                                                                             \
    int slots, const int *n_place, const u8 *crowded, const u8 *reverse, const int *score, const i64 *start, const i64 *end,               \
        const int *clip_start, const int *clip_end
#define OF_PLACES {slots, n_place, crowded, reverse, score, start, end, clip_start, clip_end}

// Which bases of a read, as it was sequenced, a place holds: the first one, and the one behind the last.
__device__ __forceinline__ int first_base(const Places &p, i64 at) { return p.reverse[at] ? p.clip_end[at] : p.clip_start[at]; }

__device__ __forceinline__ int last_base(const Places &p, i64 at, int length) {
    return length - (p.reverse[at] ? p.clip_start[at] : p.clip_end[at]);
}

// True where two stretches of a read share at least half of the shorter one.
__device__ __forceinline__ bool same_part(int start, int end, int other_start, int other_end) {
    return 2 * (min(end, other_end) - max(start, other_start)) >= min(end - start, other_end - other_start);
}

// The score without end bonuses.
__device__ __forceinline__ int own_score(const Places &p, i64 at) {
    return p.score[at] - (p.clip_start[at] ? 0 : END_BONUS) - (p.clip_end[at] ? 0 : END_BONUS);
}

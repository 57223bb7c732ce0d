// Clipped ends that lie elsewhere, counted as align/split.py specifies them, one thread a clipped read: its rows are 2i, for its first bases,
// and 2i + 1, for its last ones; that of an end which is not looked up is empty.
#include "places.cuh"

#define CLIPPED                                                                                                                        \
    const i64 *read, i64 n_reads, const i64 *base_start, const u8 *of_reverse, const int *of_clip_start, const int *of_clip_end

struct Clipped {
    i64 begin;
    int length, first, last;
    __device__ bool has(int side) const { return (side ? length - last : first) >= LEAST_PART; }
    __device__ int start_of(int side) const { return side ? last : 0; }
    __device__ int end_of(int side) const { return side ? length : first; }
};

__device__ __forceinline__ Clipped clipped_read(i64 read, const i64 *base_start, const u8 *reverse, const int *clip_start,
                                                const int *clip_end) {
    const int length = int(base_start[read + 1] - base_start[read]);
    const int left = clip_start[read], right = clip_end[read];
    return {base_start[read], length, reverse[read] ? right : left, length - (reverse[read] ? left : right)};
}
#define CLIPPED_READ clipped_read(read[i], base_start, of_reverse, of_clip_start, of_clip_end)

// part, whole (rows): out, bases of the clipped end and of its read
extern "C" __global__ void __launch_bounds__(128)
measure_clipped(CLIPPED, i64 *part, i64 *whole) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_reads) return;
    const Clipped clipped = CLIPPED_READ;
    for (int side = 0; side < 2; side++) {
        const bool looked_up = clipped.has(side);
        part[2 * i + side] = looked_up ? clipped.end_of(side) - clipped.start_of(side) : 0;
        whole[2 * i + side] = looked_up ? clipped.length : 0;
    }
}

// part, whole: out, these bases; part_start, whole_start (rows + 1): where those of each row begin
extern "C" __global__ void __launch_bounds__(128)
take_clipped(CLIPPED, const u8 *base, const i64 *part_start, const i64 *whole_start, u8 *part, u8 *whole) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_reads) return;
    const Clipped clipped = CLIPPED_READ;
    for (int side = 0; side < 2; side++) {
        if (!clipped.has(side)) continue;
        const u8 *mine = base + clipped.begin;
        for (int k = 0; k < clipped.length; k++) whole[whole_start[2 * i + side] + k] = mine[k];
        for (int k = clipped.start_of(side); k < clipped.end_of(side); k++) part[part_start[2 * i + side] + k - clipped.start_of(side)] = mine[k];
    }
}

// Turns diagonals (rows, slots) of clipped ends into those of their reads.
extern "C" __global__ void __launch_bounds__(128)
shift_places(CLIPPED, int slots, const int *n_place, const u8 *reverse, i64 *diagonal, i64 *low, i64 *high) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_reads) return;
    const Clipped clipped = CLIPPED_READ;
    for (int side = 0; side < 2; side++)
        for (i64 at = (2 * i + side) * slots; at < (2 * i + side) * slots + n_place[2 * i + side]; at++) {
            const int before = reverse[at] ? clipped.length - clipped.end_of(side) : clipped.start_of(side);
            diagonal[at] -= before;
            low[at] -= before;
            high[at] -= before;
        }
}

// The best place of a row that holds none of the stretches (`taken`, start and end of each) of the read; -1 where there is none.
__device__ i64 best_part(const Places &p, i64 row, const int (*taken)[2], int n_taken, int length) {
    i64 best = -1;
    for (i64 at = row * p.slots; at < row * p.slots + p.n[row]; at++) {
        if (p.score[at] <= 0 || own_score(p, at) < LEAST_SCORE || (best >= 0 && p.score[at] <= p.score[best])) continue;
        bool other = true;
        for (int k = 0; k < n_taken; k++) other &= !same_part(first_base(p, at), last_base(p, at, length), taken[k][0], taken[k][1]);
        if (other) best = at;
    }
    return best;
}

// count (1): added to, ends that lie elsewhere
extern "C" __global__ void __launch_bounds__(128)
count_parts(CLIPPED, PLACES, int *count) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_reads) return;
    const Places p = OF_PLACES;
    const Clipped clipped = CLIPPED_READ;
    int taken[2][2] = {{clipped.first, clipped.last}, {0, 0}}, n = 0;
    for (int side = 0; side < 2; side++) {
        const i64 best = best_part(p, 2 * i + side, taken, 1 + n, clipped.length);
        if (best < 0) continue;
        taken[1][0] = first_base(p, best);
        taken[1][1] = last_base(p, best, clipped.length);
        n++;
    }
    if (n) atomicAdd(count, n);
}

// Several stretches of the genome are looked at together, their reads and their bases one after another. told (3, stretches + 1): the first
// read of each, its first base among those of all, and the position of that base on its contig.
#pragma once

#define STRETCHES const long long *told, long long n_stretches

// `first` of the bases of all, `n` of them, and the position of the first
struct Stretch {
    long long first, n, start;
};

// The last of n ascending bounds that does not lie behind a row; the first one is 0.
__device__ __forceinline__ long long part_of(const long long *bound, long long n, long long row) {
    long long low = 0, high = n;
    while (high - low > 1) {
        const long long middle = (low + high) / 2;
        if (bound[middle] <= row) low = middle;
        else high = middle;
    }
    return low;
}

__device__ __forceinline__ Stretch stretch_of(STRETCHES, long long read) {
    const long long *first = told + n_stretches + 1, *start = first + n_stretches + 1, i = part_of(told, n_stretches, read);
    return {first[i], first[i + 1] - first[i], start[i]};
}

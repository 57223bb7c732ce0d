// Seeds of reads, their look-up and the votes for diagonals, one warp a read; and the seeds of a genome, one base a thread. The specification
// is seed.py; results are equal bit for bit.
//
// The lanes of a warp stand on neighbouring k-mers, then on neighbouring seeds, so that the loads of all look-ups of a read are under way at
// once. A packed read has its first base in the lowest bits: a k-mer read off it, complemented, is the reverse complement; the k-mer itself
// is that with its pairs of bits in reverse order. Hits are sorted by a bitonic network; since no two are equal any sort gives the same
// order. The few decisions that depend on one another are made by lane 0. Hits and groups of a usual read lie in shared memory, those of a
// repetitive one in `scratch`.

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr int WARPS = 4, SMALL = 128, SEEDS = MAX_READ / 3 < MAX_SEEDS ? MAX_READ / 3 : MAX_SEEDS;
constexpr u32 ALL = ~0u;
constexpr u64 K_MASK = (1ull << 2 * K) - 1, S_MASK = (1ull << 2 * S) - 1;
static_assert(K - S == 4 && S == 16, "a k-mer has five s-mers, the third is the middle one");
static_assert(MAX_HITS % 32 == 0 && (MAX_HITS & MAX_HITS - 1) == 0, "the sorting network wants a power of two");

// Room for the hits of a read and their groups.
struct Votes {
    u64 *hit, *seeds;
    i64 *diagonal;
    int *vote;
};

struct Work {
    u64 word[MAX_READ / 32 + 2];
    u32 unknown[MAX_READ / 32 + 2];
    u64 seed[SEEDS];
    u32 first[SEEDS];
    int count[SEEDS], offset[SEEDS];
    short where[SEEDS];
    u64 hit[SMALL], seeds[SMALL];
    i64 diagonal[SMALL];
    int vote[SMALL];
};

__device__ __forceinline__ u64 mix(u64 x) {
    x ^= x >> 32;
    x *= MULTIPLIER;
    x ^= x >> 29;
    x *= MULTIPLIER;
    return x ^ x >> 32;
}

__device__ void pack(const u8 *base, int length, Work &work, int lane) {
    for (int w = 0; w <= length / 32 + 1; w++) {
        const int i = 32 * w + lane;
        const u32 code = i < length ? base[i] : 4;
        const u32 bits = (code & 3) << (2 * lane & 31);
        const u32 low = __reduce_or_sync(ALL, lane < 16 ? bits : 0), high = __reduce_or_sync(ALL, lane < 16 ? 0 : bits);
        const u32 unknown = __ballot_sync(ALL, code > 3);
        if (lane == 0) work.word[w] = (u64)high << 32 | low, work.unknown[w] = unknown;
    }
    __syncwarp();
}

// 32 bases of a packed sequence from base p on, first base in the lowest bits; needs one word more than it has bases in.
__device__ __forceinline__ u64 bases_at(const u64 *word, i64 p) {
    const int by = int(2 * (p & 31));
    return by ? word[p >> 5] >> by | word[(p >> 5) + 1] << (64 - by) : word[p >> 5];
}

// The seed of a k-mer with its first base in the lowest bits: true where it is one.
__device__ __forceinline__ bool syncmer(u64 bases, u64 &seed) {
    const u64 reverse = ~bases & K_MASK, turned = __brevll(bases & K_MASK) >> (64 - 2 * K);
    const u64 forward = (turned & 0x5555555555555555ull) << 1 | (turned >> 1 & 0x5555555555555555ull);
    if (forward == reverse) return false;
    u64 order[5];
#pragma unroll
    for (int j = 0; j < 5; j++) {
        const u64 there = forward >> 2 * (4 - j) & S_MASK, back = reverse >> 2 * j & S_MASK;
        order[j] = (there < back ? there : back) * ORDER;
    }
    if (order[2] >= order[0] || order[2] >= order[1] || order[2] >= order[3] || order[2] >= order[4]) return false;
    seed = mix(forward < reverse ? forward : reverse) >> (64 - HASH_BITS) << 1 | u64(reverse < forward);
    return true;
}

__device__ __forceinline__ bool has_unknown(const Work &work, int p) {
    return __funnelshift_r(work.unknown[p >> 5], work.unknown[(p >> 5) + 1], p & 31) & ((1u << K) - 1);
}

__device__ int syncmers(int length, Work &work, int lane) {
    int n = 0;
    for (int p = lane; p - lane <= length - K; p += 32) {
        u64 seed;
        const bool is_seed = p <= length - K && !has_unknown(work, p) && syncmer(bases_at(work.word, p), seed);
        const u32 found = __ballot_sync(ALL, is_seed);
        const int at = n + __popc(found & (1u << lane) - 1);
        if (is_seed && at < SEEDS) work.seed[at] = seed, work.where[at] = (short)p;
        n = min(n + __popc(found), SEEDS);
    }
    __syncwarp();
    return n;
}

// First of the entries from low to high whose key is not below `wanted`.
__device__ __forceinline__ u32 not_below(const u64 *entry, u32 low, u32 high, u64 wanted) {
    while (high - low > 8) {
        const u32 middle = low + (high - low) / 2;
        if (entry[middle] >> 33 < wanted) low = middle + 1;
        else high = middle;
    }
    while (low < high && entry[low] >> 33 < wanted) low++;
    return low;
}

__device__ void look_up(const u64 *entry, const u32 *bucket, int bucket_bits, int n, Work &work, int lane) {
    for (int i = lane; i < n; i += 32) {
        const u64 seed = work.seed[i], b = seed >> (HASH_BITS + 1 - bucket_bits), wanted = (seed & 0xffffffffull) >> 1;
        const u32 end = bucket[b + 1], first = not_below(entry, bucket[b], end, wanted);
        const u32 most = end - first > REPEAT_OCCURRENCES + 1 ? first + REPEAT_OCCURRENCES + 1 : end;
        u32 last = first;
        while (last < most && last < first + 4 && entry[last] >> 33 == wanted) last++;
        if (last == first + 4) last = not_below(entry, last, most, wanted + 1);
        work.first[i] = first;
        work.count[i] = int(last - first);
    }
    __syncwarp();
}

// Gives the seeds whose count is from least to most room among the hits, in order, as long as they fit.
__device__ int give_room(int n, int least, int most, int n_hits, Work &work) {
    for (int i = 0; i < n; i++) {
        const int count = work.count[i];
        if (count < least || count > most || n_hits + count > MAX_HITS) continue;
        work.offset[i] = n_hits;
        n_hits += count;
    }
    return n_hits;
}

__device__ void add_hits(const u64 *entry, int n, int length, const Work &work, u64 *hit, int lane) {
    for (int i = lane; i < n; i += 32) {
        if (work.offset[i] < 0) continue;
        const u64 strand = work.seed[i] & 1;
        for (int e = 0; e < work.count[i]; e++) {
            const u64 found = entry[work.first[i] + e], reverse = (found >> 32 & 1) ^ strand;
            const i64 offset = reverse ? length - K - work.where[i] : work.where[i];
            hit[work.offset[i] + e] = reverse << REVERSE_BIT | u64((i64)(found & 0xffffffffull) - offset + DIAGONAL_OFFSET) << 8 | u64(i);
        }
    }
    __syncwarp();
}

__device__ void sort(u64 *hit, int n, int lane) {
    int size = 2;
    while (size < n) size *= 2;
    for (int i = n + lane; i < size; i += 32) hit[i] = ~0ull;
    __syncwarp();
    for (int run = 2; run <= size; run *= 2)
        for (int apart = run / 2; apart > 0; apart /= 2) {
            for (int t = lane; t < size / 2; t += 32) {
                const int a = (t & ~(apart - 1)) * 2 | (t & apart - 1), b = a | apart;
                const u64 x = hit[a], y = hit[b];
                if (x > y == ((a & run) == 0)) hit[a] = y, hit[b] = x;
            }
            __syncwarp();
        }
}

// Seeds that agree on a diagonal are a group; gives how many groups there are.
__device__ int group(Votes v, int n_hits, int lane) {
    int n_groups = 0;
    for (int h = lane; h - lane < n_hits; h += 32) {
        const bool inside = h < n_hits, head = inside && (h == 0 || v.hit[h] >> 8 != v.hit[h - 1] >> 8);
        const u32 heads = __ballot_sync(ALL, head);
        const int g = n_groups + __popc(heads & (2u << lane) - 1) - 1;
        if (head) v.diagonal[g] = (i64)(v.hit[h] >> 8), v.seeds[g] = 0;
        __syncwarp();
        // shared memory has atomics of 32 bits; those of 64 are loops
        if (inside) atomicOr((u32 *)&v.seeds[g] + (v.hit[h] >> 5 & 1), 1u << (v.hit[h] & 31));
        n_groups += __popc(heads);
        __syncwarp();
    }
    for (int g = lane; g < n_groups; g += 32) v.vote[g] = __popcll(v.seeds[g]);
    __syncwarp();
    return n_groups;
}

struct Candidate {
    i64 middle, low, high;
    int votes;
};

// The candidate that the group `best` is the middle of: neighbours with other seeds widen its band, mostly new ones are part of it.
__device__ Candidate widened(Votes v, int n_groups, int best) {
    const i64 middle = v.diagonal[best];
    Candidate c = {middle, middle, middle, v.vote[best]};
    u64 seeds = v.seeds[best];
    v.vote[best] = 0;
    for (int step = -1; step <= 1; step += 2)
        for (int g = best + step; 0 <= g && g < n_groups; g += step) {
            const i64 at = v.diagonal[g], low = min(c.low, at), high = max(c.high, at);
            if ((at > middle ? at - middle : middle - at) > LARGEST_GAP) break;
            const u64 fresh = v.seeds[g] & ~seeds;
            if (high - low > LARGEST_GAP || !fresh) continue;
            c.low = low, c.high = high;
            if (__popcll(v.seeds[g] & seeds) * 2 >= __popcll(v.seeds[g])) continue;
            c.votes += __popcll(fresh);
            seeds |= v.seeds[g];
            v.vote[g] = 0;
        }
    return c;
}

__device__ __forceinline__ u32 best_group(Votes v, int n_groups, int lane) {
    u32 best = 0;
    for (int g = lane; g < n_groups; g += 32) best = max(best, u32(v.vote[g]) << 10 | u32(MAX_HITS - 1 - g));
    return __reduce_max_sync(ALL, best);
}

static_assert(MAX_HITS == 1 << 10, "a group's number has ten bits in the key of best_group");

// Arguments as in seed.py. slots: columns of diagonal, low, high, reverse and vote; scratch: (warps, 28 * MAX_HITS) bytes.
extern "C" __global__ void __launch_bounds__(128)
candidates(const u8 *base, const i64 *base_start, i64 n_reads, const u64 *entry, const u32 *bucket, int bucket_bits, int slots, u64 *scratch,
           i64 *diagonal, i64 *low, i64 *high, u8 *reverse, int *vote, int *n_candidate, u8 *crowded) {
    __shared__ Work works[WARPS];
    const int lane = threadIdx.x & 31;
    const i64 warp = (i64)blockIdx.x * WARPS + threadIdx.x / 32;
    Work &work = works[threadIdx.x / 32];
    u64 *mine = scratch + warp * (MAX_HITS * 7 / 2);
    for (i64 read = warp; read < n_reads; read += (i64)gridDim.x * WARPS) {
        const i64 begin = base_start[read];
        const int length = int(base_start[read + 1] - begin);
        pack(base + begin, length, work, lane);
        const int n = syncmers(length, work, lane);
        look_up(entry, bucket, bucket_bits, n, work, lane);
        int usual = 0, frequent = 0;
        for (int i = lane; i - lane < n; i += 32) {
            const int count = i < n ? work.count[i] : 0;
            if (i < n) work.offset[i] = -1;
            usual += __popc(__ballot_sync(ALL, count > 0 && count <= USUAL_OCCURRENCES));
            frequent += __popc(__ballot_sync(ALL, count > USUAL_OCCURRENCES));
        }
        const bool few = usual < FEW_SEEDS && frequent > 0;
        int n_hits = 0;
        __syncwarp();
        if (lane == 0) {
            n_hits = give_room(n, 1, USUAL_OCCURRENCES, 0, work);
            if (few) n_hits = give_room(n, USUAL_OCCURRENCES + 1, REPEAT_OCCURRENCES, n_hits, work);
        }
        __syncwarp();
        n_hits = __shfl_sync(ALL, n_hits, 0);
        Votes v = {work.hit, work.seeds, work.diagonal, work.vote};
        if (n_hits > SMALL) v = {mine, mine + MAX_HITS, (i64 *)mine + 2 * MAX_HITS, (int *)(mine + 3 * MAX_HITS)};
        add_hits(entry, n, length, work, v.hit, lane);
        sort(v.hit, n_hits, lane);
        const int n_groups = group(v, n_hits, lane);
        int kept = 0, most = 0, first_votes = 0;
        while (kept < MAX_CANDIDATES && kept < n_groups) {
            const u32 best = best_group(v, n_groups, lane);
            const int votes = int(best >> 10);
            if (votes * 4 < most || votes <= 0) break;
            int widened_votes = 0;
            __syncwarp();
            if (lane == 0) {
                const Candidate c = widened(v, n_groups, MAX_HITS - 1 - int(best & (MAX_HITS - 1)));
                const i64 strand = c.middle >> (REVERSE_BIT - 8), bias = (strand << (REVERSE_BIT - 8)) + DIAGONAL_OFFSET, at = read * slots + kept;
                reverse[at] = (u8)strand;
                diagonal[at] = c.middle - bias;
                low[at] = c.low - bias;
                high[at] = c.high - bias;
                vote[at] = widened_votes = c.votes;
            }
            __syncwarp();
            widened_votes = __shfl_sync(ALL, widened_votes, 0);
            if (kept == 0) first_votes = widened_votes;
            most = max(most, widened_votes);
            kept++;
        }
        bool more = few && n_hits == 0;
        for (int g = lane; g < n_groups; g += 32) more |= kept == MAX_CANDIDATES && v.vote[g] * 4 >= first_votes * 3;
        more = __any_sync(ALL, more);
        if (lane == 0) n_candidate[read] = kept, crowded[read] = more;
        __syncwarp();
    }
}

// The seeds of each read and their entries. seed (reads, SEEDS) u64, where (reads, SEEDS) short, first (reads, SEEDS) u32, count
// (reads, SEEDS) int, n_seeds (reads) int: out
extern "C" __global__ void __launch_bounds__(128)
seeds(const u8 *base, const i64 *base_start, i64 n_reads, const u64 *entry, const u32 *bucket, int bucket_bits, u64 *seed, short *where,
      u32 *first, int *count, int *n_seeds) {
    __shared__ Work works[WARPS];
    const int lane = threadIdx.x & 31;
    Work &work = works[threadIdx.x / 32];
    for (i64 read = (i64)blockIdx.x * WARPS + threadIdx.x / 32; read < n_reads; read += (i64)gridDim.x * WARPS) {
        const int length = int(base_start[read + 1] - base_start[read]);
        pack(base + base_start[read], length, work, lane);
        const int n = syncmers(length, work, lane);
        look_up(entry, bucket, bucket_bits, n, work, lane);
        for (int i = lane; i < n; i += 32) {
            const i64 at = read * SEEDS + i;
            seed[at] = work.seed[i];
            where[at] = work.where[i];
            first[at] = work.first[i];
            count[at] = work.count[i];
        }
        if (lane == 0) n_seeds[read] = n;
        __syncwarp();
    }
}

// Counts the seeds that begin on the bases from start to end, by partition: partition_count (partitions), added to.
extern "C" __global__ void __launch_bounds__(128)
count_seeds(const u64 *packed, i64 start, i64 end, u64 *partition_count) {
    const i64 p = start + (i64)blockIdx.x * blockDim.x + threadIdx.x;
    u64 seed;
    if (p < end && syncmer(bases_at(packed, p), seed)) atomicAdd(&partition_count[seed >> 32], 1ull);
}

// Puts the same seeds into their partitions of `entry`, in any order: partition_next (partitions), where the next one goes.
extern "C" __global__ void __launch_bounds__(128)
scatter_seeds(const u64 *packed, i64 start, i64 end, u64 *partition_next, u64 *entry) {
    const i64 p = start + (i64)blockIdx.x * blockDim.x + threadIdx.x;
    u64 seed;
    if (p < end && syncmer(bases_at(packed, p), seed)) entry[atomicAdd(&partition_next[seed >> 32], 1ull)] = seed << 32 | u64(p);
}

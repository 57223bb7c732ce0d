// The ends of fragments, as align/read_ends.py and align/fragment_ends.py specify them, one thread a template. Results are equal bit for bit.
#include "target.cuh"

// Tile, x and y of a read name, packed; see `_spot`.
__device__ i64 spot_of(const u8 *name, int length) {
    int n_fields = 1;
    for (int i = 0; i < length; i++) n_fields += name[i] == ':';
    if (n_fields != 5 && n_fields < 7) return NO_SPOT;
    const int first = n_fields == 5 ? 2 : 4;
    int field = 0;
    i64 packed = 0, value = -1;
    for (int i = 0; i <= length; i++) {
        if (i == length || name[i] == ':') {
            if (first <= field && field < first + 3) {
                if (value < 0 || value >= 1ll << (field == first ? 18 : 22)) return NO_SPOT;
                packed = packed << 22 | value;
            }
            field++;
            value = -1;
        } else if (value > -2) {
            const int digit = int(name[i]) - '0';
            if (0 <= digit && digit <= 9) value = min(max(value, 0ll) * 10 + digit, 1ll << 40);
            else if (field != first + 2 || value < 0) value = -2;
            else return value < 1ll << 22 ? packed << 22 | value : NO_SPOT;
        }
    }
    return packed;
}

__device__ int quality_sum(const u8 *quality, int length) {
    int total = 0;
    for (int i = 0; i < length; i++) total += quality[i] >= LEAST_QUALITY && quality[i] < 255 ? quality[i] : 0;
    return min(total, MOST_QUALITY);
}

__device__ __forceinline__ unsigned short partition_of(i64 end) { return u8(u64(end) * SPREAD_BY >> SPREAD_SHIFT); }

// signature (templates, 6): SIGNATURE, low and far end by themselves (templates), and the partitions of these (templates), PARTITIONS where
// there is none: out. count (4): added to, as fragment_ends.py names its columns
extern "C" __global__ void __launch_bounds__(128)
fragment_ends(const u8 *header, const i64 *header_start, const int *name_length, const u8 *quality, const i64 *base_start, i64 n_templates,
              int paired, TARGET, const int *slot, const u8 *reverse, const i64 *start, const i64 *end, const int *clip_start,
              const int *clip_end, i64 library, int group, i64 first_read, i64 *signature, i64 *far_end, unsigned short *low_part,
              unsigned short *far_part, int *count) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n_templates) return;
    const Target target = OF_TARGET;
    const int mates = paired ? 2 : 1;
    i64 its_end[2], its_read[2];
    int n = 0, sum = 0;
    for (i64 read = mates * row; read < mates * (row + 1); read++) {
        if (slot[read] < 0) continue;
        const bool back = reverse[read];
        const i64 contig = contig_of(target, start[read]);
        const i64 five_prime = back ? end[read] + clip_end[read] - 1 : start[read] - clip_start[read];
        its_end[n] = library << LIBRARY_SHIFT | contig << CONTIG_SHIFT | (five_prime - target.contig_start[contig] + OFFSET) << 1 | back;
        its_read[n++] = read;
        sum += quality_sum(quality + base_start[read], int(base_start[read + 1] - base_start[read]));
    }
    if (n < mates) atomicAdd(count + UNMAPPED_READS, mates - n);
    if (n) atomicAdd(count + (n == 2 ? PAIRED_READS : SINGLE_READS), n);
    low_part[row] = far_part[row] = PARTITIONS;
    if (!n) return;
    const i64 low = n == 2 ? min(its_end[0], its_end[1]) : its_end[0], high = n == 2 ? max(its_end[0], its_end[1]) : LONE;
    low_part[row] = partition_of(low);
    if (n == 2) far_part[row] = partition_of(high);
    far_end[row] = high;
    i64 *out = signature + 6 * row;
    out[0] = low;
    out[1] = high;
    out[2] = spot_of(header + header_start[its_read[0]], name_length[its_read[0]]);
    out[3] = first_read + its_read[0];
    out[4] = first_read + its_read[n - 1];
    out[5] = i64(group << 1 | int(its_end[0] & 1)) << 32 | sum;
}

// Evidence for every reference base of a stretch, one read a thread. The specification is pileup.py; results are equal bit for bit: all sums
// are of integers, so the order in which reads add to them does not matter. Indels are written in the order of the reads: they are counted
// first.
//
// Arrays are those of model.Alignments and pileup.Pileup.

#include "stretch.cuh"

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

__device__ __forceinline__ bool aligns(u32 operation) { return operation == 0 || operation == 7 || operation == 8; }
__device__ __forceinline__ bool is_gap(u32 operation) { return operation == 2 || operation == 3; }
__device__ __forceinline__ bool inserts(u32 operation) { return operation == 1 || operation == 4; }

// Walks along the CIGAR of a read from reference base to reference base.
struct Cursor {
    const u32 *operation, *last;
    i64 at, offset;

    // The read offset that stands on a reference base, which is never one before that of the last call; -1 where none does.
    __device__ i64 offset_at(i64 position) {
        for (; operation < last; operation++) {
            const u32 kind = *operation & 15;
            const i64 length = *operation >> 4;
            if ((aligns(kind) || is_gap(kind)) && position < at + length) return aligns(kind) ? offset + position - at : -1;
            if (aligns(kind) || is_gap(kind)) at += length;
            if (aligns(kind) || inserts(kind)) offset += length;
        }
        return -1;
    }
};

// order (reads): rows by name_hash, equal ones by row. Of a run of equal names in a stretch each row meets the next; one thread takes a run.
extern "C" __global__ void __launch_bounds__(128)
settle_mates(const i64 *order, i64 n_reads, STRETCHES, const u64 *name_hash, const i64 *position, const i64 *end, const u32 *cigar,
             const i64 *cigar_start, const u8 *base, const i64 *base_start, u8 *quality, i64 *mate) {
    i64 n = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    const auto together = [&](i64 a, i64 b) {
        return name_hash[a] == name_hash[b] && part_of(told, n_stretches, a) == part_of(told, n_stretches, b);
    };
    if (n >= n_reads || (n > 0 && together(order[n], order[n - 1]))) return;
    for (; n + 1 < n_reads && together(order[n], order[n + 1]); n++) {
        const i64 a = order[n], b = order[n + 1];
        const i64 low = max(position[a], position[b]), high = min(min(end[a], end[b]), low + MOST_SHARED);
        if (high <= low || mate[a] >= 0) continue;
        mate[a] = b;
        mate[b] = a;
        Cursor one = {cigar + cigar_start[a], cigar + cigar_start[a + 1], position[a], 0};
        Cursor two = {cigar + cigar_start[b], cigar + cigar_start[b + 1], position[b], 0};
        for (i64 site = low; site < high; site++) {
            const i64 x = one.offset_at(site), y = two.offset_at(site);
            if (x < 0 || y < 0) continue;
            const i64 i = base_start[a] + x, j = base_start[b] + y;
            const i64 better = quality[i] >= quality[j] ? i : j, worse = better == i ? j : i;
            if (base[i] != base[j]) quality[better] -= quality[worse];
            quality[worse] = 0;
        }
    }
}

// n_indels (reads): out, insertions and deletions of each read that begin in its stretch
extern "C" __global__ void __launch_bounds__(128)
count_indels(i64 n_reads, STRETCHES, const i64 *position, const u32 *cigar, const i64 *cigar_start, int *n_indels) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n_reads) return;
    const Stretch here = stretch_of(told, n_stretches, row);
    i64 at = position[row] - here.start;
    int found = 0;
    for (i64 k = cigar_start[row]; k < cigar_start[row + 1]; k++) {
        const u32 kind = cigar[k] & 15;
        found += (kind == 1 || kind == 2) && 0 <= at && at < here.n;
        if (aligns(kind) || is_gap(kind)) at += cigar[k] >> 4;
    }
    n_indels[row] = found;
}

// tables (3, 256): costs of a base that fits, is mixed, is misfit, by quality; indel_end, n_indels (reads): the rows of each read in `indel`
extern "C" __global__ void __launch_bounds__(128)
walk(i64 n_reads, STRETCHES, const i64 *position, const unsigned short *flag, const u8 *mapping_quality, const u32 *cigar,
     const i64 *cigar_start, const u8 *base, const i64 *base_start, const u8 *quality, const i64 *mate, const i64 *end, const u8 *reference,
     const u64 *tables, const i64 *indel_end, const int *n_indels, int *count, int *depth, int *deleted, int *clipped, i64 *fit, i64 *indel) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n_reads) return;
    const Stretch here = stretch_of(told, n_stretches, row);
    // bases are counted through all stretches, of which nobody looks at 2^31 together
    const int low = int(here.first), high = low + int(here.n);
    const i64 start = here.start - low;
    int at = int(position[row] - start);
    i64 offset = base_start[row], *next_indel = indel + 4 * (indel_end[row] - n_indels[row]);
    const int strand = flag[row] >> 4 & 1;
    const u8 cap = mapping_quality[row];
    // the later mate adds to the depth only behind the earlier one
    const int alone_from = mate[row] >= 0 && mate[row] < row ? int(end[mate[row]] - start) : low;
    const auto add_fit = [&](int site, int first, int last, int q) {
        u64 *costs = (u64 *)fit + 3ll * site;
        atomicAdd(costs, tables[256 * first + q]);
        atomicAdd(costs + 1, tables[256 + q]);
        atomicAdd(costs + 2, tables[256 * last + q]);
    };
    for (i64 k = cigar_start[row]; k < cigar_start[row + 1]; k++) {
        const u32 kind = cigar[k] & 15;
        const int length = int(cigar[k] >> 4);
        if (aligns(kind)) {
            for (int i = max(0, low - at); i < min(length, high - at); i++) {
                const int site = at + i;
                if (site >= alone_from) atomicAdd(&depth[site], 1);
                const int q = min(quality[offset + i], cap), code = base[offset + i];
                if (q < MIN_BASE_QUALITY || code > 3) continue;
                atomicAdd(&count[8ll * site + 2 * code + strand], 1);
                const bool same = code == reference[site];
                add_fit(site, same ? 0 : 2, same ? 2 : 0, q);
            }
        } else if ((kind == 1 || kind == 2) && low <= at && at < high) {
            next_indel[0] = row;
            next_indel[1] = at + start;
            next_indel[2] = offset - base_start[row];
            next_indel[3] = kind == 1 ? length : -length;
            next_indel += 4;
        } else if (kind == 4 && length >= MIN_CLIP && low <= at && at < high) {
            atomicAdd(&clipped[at], 1);
        }
        if (kind == 2)
            for (int site = max(low, at); site < min(at + length, high); site++) {
                if (site < alone_from) continue;
                atomicAdd(&depth[site], 1);
                atomicAdd(&deleted[site], 1);
                add_fit(site, 2, 0, min(int(DELETION_QUALITY), int(cap)));
            }
        if (aligns(kind) || is_gap(kind)) at += length;
        if (aligns(kind) || inserts(kind)) offset += length;
    }
}

// Marks where something differs from the reference: mark (n) out, bit c where enough bases are of code c, bit 4 where enough reads are clipped.
extern "C" __global__ void __launch_bounds__(128)
mark_sites(const int *count, const int *depth, const int *clipped, const u8 *reference, i64 n, int min_support, double min_snv_share,
           double min_clip_share, u8 *mark) {
    const i64 site = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (site >= n) return;
    int of_code[4], total = 0, marked = 0;
    for (int code = 0; code < 4; code++) total += of_code[code] = count[8 * site + 2 * code] + count[8 * site + 2 * code + 1];
    const int here = reference[site];
    if (here < 4 && total - of_code[here] >= min_support)
        for (int code = 0; code < 4; code++)
            if (code != here && of_code[code] >= min_support && of_code[code] >= min_snv_share * total) marked |= 1 << code;
    if (clipped[site] > min_support && clipped[site] >= min_clip_share * depth[site]) marked |= 1 << 4;
    mark[site] = (u8)marked;
}

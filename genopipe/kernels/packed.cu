// Aligned reads in 64-bit words, one thread a read. The specification is packed_alignments.py, which says what the words hold; results are
// equal bit for bit.

#include "stretch.cuh"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

__device__ __forceinline__ int n_words(int length, bool unknown, int width, int operations) {
    return HEAD_WORDS + (length + 31) / 32 + (unknown ? (length + 63) / 64 : 0) + (length * width + 63) / 64 + (operations + 1) / 2;
}

__device__ __forceinline__ i64 bits(u64 word, int low, int n) { return i64(word >> low & ((1ull << n) - 1)); }

__device__ __forceinline__ bool spans(u32 operation) {
    return operation == 0 || operation == 2 || operation == 3 || operation == 7 || operation == 8;
}

// seen (256): out, 1 where a base has the quality; threads write the same there, and volatile keeps that from being a race
extern "C" __global__ void __launch_bounds__(128)
see_qualities(const u8 *quality, i64 n, volatile u8 *seen) {
    const i64 stride = (i64)gridDim.x * blockDim.x;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
        if (!seen[quality[i]]) seen[quality[i]] = 1;
}

#define READS const u8 *base, const u8 *quality, const i64 *base_start, const u64 *chance
#define PLACED                                                                                                                         \
    const int *slot, const u8 *mapping_quality, const u8 *proper, const u8 *reverse, const i64 *place_start, const i64 *place_end,     \
        const int *clip_start, const int *clip_end, const int *operations, const i64 *offset, const u32 *cigar

// row (rows): the reads to pack; size (rows): out, words of each
extern "C" __global__ void __launch_bounds__(128)
measure(const i64 *row, i64 n_rows, const u8 *base, const i64 *base_start, const int *clip_start, const int *clip_end, const int *operations,
        int width, i64 *size) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_rows) return;
    const i64 read = row[i];
    bool unknown = false;
    for (i64 at = base_start[read]; at < base_start[read + 1]; at++) unknown |= base[at] > 3;
    const int n_operations = operations[read] > 0 ? operations[read] : 1 + (clip_start[read] > 0) + (clip_end[read] > 0);
    size[i] = n_words(int(base_start[read + 1] - base_start[read]), unknown, width, n_operations);
}

// word: out, the records of the rows, which begin at start (rows + 1)
extern "C" __global__ void __launch_bounds__(128)
fill(const i64 *row, i64 n_rows, READS, PLACED, int paired, i64 first_ordinal, int width, const u8 *code, const u32 *start, u64 *word) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_rows) return;
    const i64 read = row[i], first = base_start[read];
    const int length = int(base_start[read + 1] - first);
    const bool back = reverse[read], gapped = operations[read] > 0;
    const int n_operations = gapped ? operations[read] : 1 + (clip_start[read] > 0) + (clip_end[read] > 0);
    const bool unknown = int(start[i + 1] - start[i]) != n_words(length, false, width, n_operations);
    const auto source = [&](int k) { return first + (back ? length - 1 - k : k); };
    const auto operation = [&](int k) -> u64 {
        if (gapped) return cigar[offset[read] + k];
        k += clip_start[read] == 0;
        return k == 0 ? u64(clip_start[read]) << 4 | 4 : k == 1 ? u64(place_end[read] - place_start[read]) << 4 : u64(clip_end[read]) << 4 | 4;
    };
    int flag = back ? 0x10 : 0;
    if (paired) {
        const i64 mate = read ^ 1;
        flag |= 0x1 | (read & 1 ? 0x80 : 0x40) | (proper[read] ? 0x2 : 0);
        flag |= slot[mate] < 0 ? 0x8 : reverse[mate] ? 0x20 : 0;
    }
    const u64 h = chance[read];
    u64 *out = word + start[i];
    *out++ = u64(place_start[read]) | u64(length) << LENGTH_AT | u64(n_operations) << OPERATIONS_AT | u64(mapping_quality[read]) << QUALITY_AT |
             u64(unknown) << UNKNOWN_AT;
    *out++ = h ^ h >> 29 ^ h >> 58;
    *out++ = u64(first_ordinal + read) | u64(flag) << FLAG_AT | u64(width >> 2) << WIDTH_AT;
    for (int block = 0; block < length; block += 32) {
        u64 packed = 0;
        for (int k = 0; k < 32 && block + k < length; k++) {
            const u64 letter = base[source(block + k)];
            if (letter < 4) packed |= (back ? 3 - letter : letter) << 2 * k;
        }
        *out++ = packed;
    }
    for (int block = 0; unknown && block < length; block += 64) {
        u64 packed = 0;
        for (int k = 0; k < 64 && block + k < length; k++) packed |= u64(base[source(block + k)] > 3) << k;
        *out++ = packed;
    }
    const int per_word = 64 / width;
    for (int block = 0; block < length; block += per_word) {
        u64 packed = 0;
        for (int k = 0; k < per_word && block + k < length; k++) packed |= u64(code[quality[source(block + k)]]) << width * k;
        *out++ = packed;
    }
    for (int k = 0; k < n_operations; k += 2) *out++ = operation(k) | (k + 1 < n_operations ? operation(k + 1) << 32 : 0);
}

// Where the records of several batches stand: word_of, start_of (batches): the addresses of their arrays; border (batches + 1): the first
// row of each.
#define BATCHES const u64 *word_of, const u64 *start_of, const i64 *border, i64 n_batches

struct Record {
    const u64 *word, *cigar;
    int length, operations;
};

__device__ __forceinline__ Record record_of(BATCHES, i64 row) {
    i64 low = 0, high = n_batches;
    while (high - low > 1) {
        const i64 middle = (low + high) / 2;
        if (border[middle] <= row) low = middle;
        else high = middle;
    }
    const u64 *word = (const u64 *)word_of[low];
    const u32 *start = (const u32 *)start_of[low] + (row - border[low]);
    const u64 head = word[start[0]];
    const int operations = int(bits(head, OPERATIONS_AT, OPERATIONS_BITS));
    return {word + start[0], word + start[1] - (operations + 1) / 2, int(bits(head, LENGTH_AT, LENGTH_BITS)), operations};
}

// Reads that are wanted over several stretches. asked (5, stretches + 1), positions of the concatenated genome: the first of the rows of
// each, its first base and the one behind its last, where its contig begins, and the block that the first of its blocks is on the contig.
// limit (stretches, blocks): the highest mixed name hash of a read that stays, by the block that it begins in. out: key (rows), by which
// wanted reads are in order, and others last; size (2, rows), operations and bases, 0 of others; seen (5, stretches): wanted reads, their
// operations, bases, insertions and deletions, and inserted bases; of_block (stretches, blocks): bases of reads, those above the limit too.
extern "C" __global__ void __launch_bounds__(128)
look(BATCHES, const i64 *row, i64 n_rows, const i64 *asked, i64 n_stretches, int min_quality, const u8 *duplicate, const u64 *limit,
     i64 n_blocks, i64 *key, i64 *size, u64 *seen, u64 *of_block) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n_rows) return;
    const i64 stretch = part_of(asked, n_stretches, k);
    const auto told = [&](int column) { return asked[column * (n_stretches + 1) + stretch]; };
    const Record record = record_of(word_of, start_of, border, n_batches, row[k]);
    const i64 ordinal = bits(record.word[2], 0, ORDINAL_BITS), place = bits(record.word[0], 0, POSITION_BITS);
    key[k] = NOT_WANTED;
    size[k] = size[n_rows + k] = 0;
    if (place >= told(2) || bits(record.word[0], QUALITY_AT, 8) < min_quality || duplicate[ordinal >> 3] >> (ordinal & 7) & 1) return;
    i64 reach = place;
    int n_indels = 0, n_inserted = 0;
    for (int i = 0; i < record.operations; i++) {
        const u32 operation = u32(record.cigar[i >> 1] >> 32 * (i & 1));
        const u32 kind = operation & 15;
        if (spans(kind)) reach += operation >> 4;
        n_indels += kind == 1 || kind == 2;
        if (kind == 1) n_inserted += operation >> 4;
    }
    if (reach <= told(1)) return;
    if (n_blocks) {
        const i64 block = stretch * n_blocks + (place - told(3)) / BLOCK_BASES - told(4);
        atomicAdd(of_block + block, (u64)record.length);
        if (record.word[1] * MIXING > limit[block]) return;
    }
    key[k] = stretch << POSITION_BITS | place;
    size[k] = record.operations;
    size[n_rows + k] = record.length;
    seen += stretch;
    atomicAdd(seen, 1ull);
    atomicAdd(seen + n_stretches, (u64)record.operations);
    atomicAdd(seen + 2 * n_stretches, (u64)record.length);
    if (n_indels) atomicAdd(seen + 3 * n_stretches, (u64)n_indels);
    if (n_inserted) atomicAdd(seen + 4 * n_stretches, (u64)n_inserted);
}

// Fills row k of the columns of model.Alignments with record row[k]; cigar_start, base_start (rows + 1) are given. read_start (stretches + 1):
// the first row of each stretch; contig_start (stretches)
extern "C" __global__ void __launch_bounds__(128)
unpack(BATCHES, const i64 *row, i64 n_rows, const i64 *read_start, const i64 *contig_start, i64 n_stretches, const u8 *level, i64 *position,
       i64 *end, u16 *flag, u8 *mapping_quality, u64 *name_hash, u32 *cigar, const i64 *cigar_start, u8 *base, u8 *quality,
       const i64 *base_start) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n_rows) return;
    const Record record = record_of(word_of, start_of, border, n_batches, row[k]);
    const u64 head = record.word[0], traits = record.word[2];
    i64 reach = position[k] = bits(head, 0, POSITION_BITS) - contig_start[part_of(read_start, n_stretches, k)];
    flag[k] = u16(bits(traits, FLAG_AT, 16));
    mapping_quality[k] = u8(bits(head, QUALITY_AT, 8));
    name_hash[k] = record.word[1];
    for (int i = 0; i < record.operations; i++) {
        const u32 operation = u32(record.cigar[i >> 1] >> 32 * (i & 1));
        cigar[cigar_start[k] + i] = operation;
        if (spans(operation & 15)) reach += operation >> 4;
    }
    end[k] = reach;
    const bool any_unknown = bits(head, UNKNOWN_AT, 1);
    const int width = 2 << bits(traits, WIDTH_AT, 2);
    const u64 *bases = record.word + HEAD_WORDS, *unknown = bases + (record.length + 31) / 32;
    const u64 *qualities = unknown + (any_unknown ? (record.length + 63) / 64 : 0);
    for (int i = 0; i < record.length; i++) {
        const bool is_unknown = any_unknown && bits(unknown[i >> 6], i & 63, 1);
        const int code = int(bits(qualities[i * width / 64], i * width & 63, width));
        base[base_start[k] + i] = is_unknown ? 4 : u8(bits(bases[i >> 5], 2 * (i & 31), 2));
        quality[base_start[k] + i] = width == 8 ? u8(code) : level[code];
    }
}

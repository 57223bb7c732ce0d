// Active regions of stretches, and the reads over them. The specification is regions.py; results are equal bit for bit. One thread takes an
// indel of a read, or a read. What little is left of a stretch then, the host makes regions of.
//
// Arrays are those of model.Alignments, pileup.Pileup and regions.Active, of all stretches together. An indel without bases is none.

#include "stretch.cuh"

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

#define READS const u8 *base, const i64 *base_start
#define THREAD ((i64)blockIdx.x * blockDim.x + threadIdx.x)

__device__ __forceinline__ u8 turned(const u8 *inserted, i64 length, i64 turn, i64 j) {
    const i64 at = j - (u32)turn % (u32)length;
    return inserted[at < 0 ? at + length : at];
}

// key (4, indels), turn (indels): out; the place of an indel is counted through all stretches
extern "C" __global__ void __launch_bounds__(128)
left_align(const i64 *indel, i64 n_indels, STRETCHES, const u64 *name_hash, READS, const u8 *reference, u64 *key, i64 *turn) {
    const i64 i = THREAD;
    if (i >= n_indels) return;
    const i64 read = indel[4 * i], length = indel[4 * i + 3];
    const Stretch here = stretch_of(told, n_stretches, read);
    const u8 *inserted = base + base_start[read] + indel[4 * i + 2];
    i64 at = indel[4 * i + 1] - here.start, turns = 0;
    u64 digits = 0;
    reference += here.first;
    if (length < 0) {
        while (at > 0 && at - length <= here.n && reference[at - 1] == reference[at - 1 - length]) at--;
    } else if (length > 0) {
        for (; at > 0 && reference[at - 1] == turned(inserted, length, turns, length - 1); at--) turns++;
        for (i64 j = 0; j < length; j++) digits = 5 * digits + turned(inserted, length, turns, j);
    }
    key[i] = name_hash[read];
    key[n_indels + i] = digits;
    key[2 * n_indels + i] = (u64)length;
    key[3 * n_indels + i] = length == 0 || at - length > here.n ? ~0ull : (u64)(here.first + at);
    turn[i] = turns;
}

// support (2, indels): out, fragments and inserted bases, for the rows of `order`, by which the columns of `key` are sorted
extern "C" __global__ void __launch_bounds__(128)
count_fragments(const i64 *order, i64 n_indels, STRETCHES, const i64 *indel, const u64 *key, READS, const u8 *reference, i64 min_support,
                i64 *support) {
    const i64 i = THREAD;
    if (i >= n_indels) return;
    support[i] = support[n_indels + i] = 0;
    const u64 *digits = key + n_indels, *lengths = digits + n_indels, *places = lengths + n_indels;
    const auto same = [&](i64 a, i64 b) { return digits[a] == digits[b] && lengths[a] == lengths[b] && places[a] == places[b]; };
    const i64 row = order[i];
    if (places[row] == ~0ull || (i > 0 && same(order[i - 1], row))) return;
    i64 fragments = 1;
    for (i64 k = i + 1; k < n_indels && same(order[k], row); k++) fragments += key[order[k]] != key[order[k - 1]];
    const Stretch here = stretch_of(told, n_stretches, indel[4 * row]);
    const i64 at = (i64)places[row] - here.first, length = indel[4 * row + 3];
    if (fragments < min_support && max(length, -length) < LONG) return;
    const u8 *inserted = base + base_start[indel[4 * row]] + indel[4 * row + 2];
    for (i64 j = 0; j < length; j++)
        if (inserted[j] > 3) return;
    for (i64 j = max(at - 1, 0ll); j < min(at + max(-length, 0ll) + 1, here.n); j++)
        if (reference[here.first + j] > 3) return;
    support[i] = fragments;
    support[n_indels + i] = max(length, 0ll);
}

// inserted_end (indels): where the inserted bases end that are told of the rows until there; event (indels, 4), counted through all stretches,
// inserted, span (indels, 2), counted through its own: out, of the rows of `order` that have support
extern "C" __global__ void __launch_bounds__(128)
describe(const i64 *order, i64 n_indels, STRETCHES, const i64 *support, const i64 *inserted_end, const i64 *indel, const u64 *key,
         const i64 *turn, READS, const u8 *reference, const int *depth, i64 min_support, double min_share, i64 *event, u8 *inserted,
         i64 *span) {
    const i64 i = THREAD;
    if (i >= n_indels || !support[i]) return;
    const i64 row = order[i], fragments = support[i];
    const Stretch here = stretch_of(told, n_stretches, indel[4 * row]);
    reference += here.first;
    const i64 at = (i64)key[3 * n_indels + row] - here.first, length = indel[4 * row + 3], end = at + max(-length, 0ll);
    const u8 *source = base + base_start[indel[4 * row]] + indel[4 * row + 2];
    u8 *unit = inserted + inserted_end[i] - max(length, 0ll);
    for (i64 j = 0; j < length; j++) unit[j] = turned(source, length, turn[row], j);
    event[4 * i] = here.first + at;
    event[4 * i + 1] = end - at;
    event[4 * i + 2] = max(length, 0ll);
    event[4 * i + 3] = fragments;
    span[2 * i] = span[2 * i + 1] = NOWHERE;
    if (fragments < min_support || fragments < min_share * depth[here.first + max(at - 1, 0ll)]) return;
    const u32 period = (u32)max(length, -length);
    const u8 *repeated = length > 0 ? unit : reference + at;
    u32 shift = 0;
    while (end + shift < here.n && reference[end + shift] == repeated[shift % period]) shift++;
    span[2 * i] = at - 3;
    span[2 * i + 1] = end + shift + 3;
}

// size (3, reads): out, of reads over a span of their stretch 1, operations and bases, of others 0. span_start (stretches + 1); told_spans
// (2, spans): where each begins, in order, and how far those of its stretch until it reach
extern "C" __global__ void __launch_bounds__(128)
reads_over(i64 n_reads, STRETCHES, const i64 *position, const i64 *end, const i64 *cigar_start, const i64 *base_start, const i64 *span_start,
           const i64 *told_spans, i64 n_spans, i64 *size) {
    const i64 read = THREAD;
    if (read >= n_reads) return;
    const i64 stretch = part_of(told, n_stretches, read);
    const Stretch here = stretch_of(told, n_stretches, read);
    const i64 first = max(position[read], here.start), last = min(end[read], here.start + here.n), begin = span_start[stretch];
    i64 low = begin, high = span_start[stretch + 1];
    while (low < high) {
        const i64 middle = (low + high) / 2;
        if (told_spans[middle] < last) low = middle + 1;
        else high = middle;
    }
    const bool wanted = first < last && low > begin && told_spans[n_spans + low - 1] > first;
    size[read] = wanted;
    size[n_reads + read] = wanted ? cigar_start[read + 1] - cigar_start[read] : 0;
    size[2 * n_reads + read] = wanted ? base_start[read + 1] - base_start[read] : 0;
}

// Fills the columns of the wanted reads, of which there are so many, with so many operations and bases, until each: until (3, reads + 1).
// once: the qualities that count once. The first of to_cigar_start and to_base_start are 0.
extern "C" __global__ void __launch_bounds__(128)
take(const i64 *until, i64 n_reads, const i64 *position, const i64 *end, const unsigned short *flag, const u8 *mapping_quality,
     const u64 *name_hash, const u32 *cigar, const i64 *cigar_start, const u8 *base, const u8 *quality, const i64 *base_start, const u8 *once,
     i64 *to_position, i64 *to_end, unsigned short *to_flag, u8 *to_mapping_quality, u64 *to_name_hash, u32 *to_cigar, i64 *to_cigar_start,
     u8 *to_base, u8 *to_quality, i64 *to_base_start, u8 *to_once) {
    const i64 read = THREAD;
    if (read >= n_reads) return;
    const i64 *operations = until + n_reads + 1, *bases = operations + n_reads + 1, i = until[read];
    if (until[read + 1] == i) return;
    to_position[i] = position[read];
    to_end[i] = end[read];
    to_flag[i] = flag[read];
    to_mapping_quality[i] = mapping_quality[read];
    to_name_hash[i] = name_hash[read];
    to_cigar_start[i + 1] = operations[read + 1];
    to_base_start[i + 1] = bases[read + 1];
    for (i64 k = 0; k < operations[read + 1] - operations[read]; k++) to_cigar[operations[read] + k] = cigar[cigar_start[read] + k];
    for (i64 k = 0; k < bases[read + 1] - bases[read]; k++) {
        const i64 from = base_start[read] + k, to = bases[read] + k;
        to_base[to] = base[from];
        to_quality[to] = quality[from];
        to_once[to] = once[from];
    }
}

// Active regions of a stretch, and the reads over them. The specification is regions.py; results are equal bit for bit. One thread takes an
// indel of a read, or a read. What little is left of a stretch then, the host makes regions of.
//
// Arrays are those of model.Alignments, pileup.Pileup and regions.Active; the reference is the `n` bases from `start`.

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

#define READS const u8 *base, const i64 *base_start
#define STRETCH const u8 *reference, i64 n
#define THREAD ((i64)blockIdx.x * blockDim.x + threadIdx.x)

__device__ __forceinline__ u8 turned(const u8 *inserted, i64 length, i64 turn, i64 j) {
    const i64 at = j - (u32)turn % (u32)length;
    return inserted[at < 0 ? at + length : at];
}

// key (4, indels), turn (indels): out
extern "C" __global__ void __launch_bounds__(128)
left_align(const i64 *indel, i64 n_indels, const u64 *name_hash, READS, STRETCH, i64 start, u64 *key, i64 *turn) {
    const i64 i = THREAD;
    if (i >= n_indels) return;
    const i64 read = indel[4 * i], length = indel[4 * i + 3];
    const u8 *inserted = base + base_start[read] + indel[4 * i + 2];
    i64 at = indel[4 * i + 1] - start, turns = 0;
    u64 digits = 0;
    if (length <= 0) {
        while (at > 0 && at - length <= n && reference[at - 1] == reference[at - 1 - length]) at--;
    } else {
        for (; at > 0 && reference[at - 1] == turned(inserted, length, turns, length - 1); at--) turns++;
        for (i64 j = 0; j < length; j++) digits = 5 * digits + turned(inserted, length, turns, j);
    }
    key[i] = name_hash[read];
    key[n_indels + i] = digits;
    key[2 * n_indels + i] = (u64)length;
    key[3 * n_indels + i] = length == 0 || at - length > n ? ~0ull : (u64)at;
    turn[i] = turns;
}

// support (2, indels): out, fragments and inserted bases, for the rows of `order`, by which the columns of `key` are sorted
extern "C" __global__ void __launch_bounds__(128)
count_fragments(const i64 *order, i64 n_indels, const i64 *indel, const u64 *key, READS, STRETCH, i64 min_support, i64 *support) {
    const i64 i = THREAD;
    if (i >= n_indels) return;
    support[i] = support[n_indels + i] = 0;
    const u64 *digits = key + n_indels, *lengths = digits + n_indels, *places = lengths + n_indels;
    const auto same = [&](i64 a, i64 b) { return digits[a] == digits[b] && lengths[a] == lengths[b] && places[a] == places[b]; };
    const i64 row = order[i];
    if (places[row] == ~0ull || (i > 0 && same(order[i - 1], row))) return;
    i64 fragments = 1;
    for (i64 k = i + 1; k < n_indels && same(order[k], row); k++) fragments += key[order[k]] != key[order[k - 1]];
    const i64 at = (i64)places[row], length = indel[4 * row + 3];
    if (fragments < min_support && max(length, -length) < LONG) return;
    const u8 *inserted = base + base_start[indel[4 * row]] + indel[4 * row + 2];
    for (i64 j = 0; j < length; j++)
        if (inserted[j] > 3) return;
    for (i64 j = max(at - 1, 0ll); j < min(at + max(-length, 0ll) + 1, n); j++)
        if (reference[j] > 3) return;
    support[i] = fragments;
    support[n_indels + i] = max(length, 0ll);
}

// told (2, rows): rows of `order` and `support`, and where the inserted bases of each begin; event (rows, 4), inserted, span (rows, 2): out
extern "C" __global__ void __launch_bounds__(128)
describe(const i64 *told, i64 n_rows, const i64 *order, const i64 *support, const i64 *indel, i64 n_indels, const u64 *key, const i64 *turn,
         READS, STRETCH, const int *depth, i64 min_support, double min_share, i64 *event, u8 *inserted, i64 *span) {
    const i64 i = THREAD;
    if (i >= n_rows) return;
    const i64 row = order[told[i]], fragments = support[told[i]];
    const i64 at = (i64)key[3 * n_indels + row], length = indel[4 * row + 3], end = at + max(-length, 0ll);
    const u8 *source = base + base_start[indel[4 * row]] + indel[4 * row + 2];
    u8 *unit = inserted + told[n_rows + i];
    for (i64 j = 0; j < length; j++) unit[j] = turned(source, length, turn[row], j);
    event[4 * i] = at;
    event[4 * i + 1] = end - at;
    event[4 * i + 2] = max(length, 0ll);
    event[4 * i + 3] = fragments;
    span[2 * i] = span[2 * i + 1] = NOWHERE;
    if (fragments < min_support || fragments < min_share * depth[max(at - 1, 0ll)]) return;
    const u32 period = (u32)max(length, -length);
    const u8 *repeated = length > 0 ? unit : reference + at;
    u32 shift = 0;
    while (end + shift < n && reference[end + shift] == repeated[shift % period]) shift++;
    span[2 * i] = at - 3;
    span[2 * i + 1] = end + shift + 3;
}

// wanted (reads): out, whether a read lies over a span; told (2, spans): where each begins, in order, and how far those until it reach
extern "C" __global__ void __launch_bounds__(128)
reads_over(i64 n_reads, const i64 *position, const i64 *end, const i64 *told, i64 n_spans, i64 start, i64 n, u8 *wanted) {
    const i64 read = THREAD;
    if (read >= n_reads) return;
    const i64 first = max(position[read], start), last = min(end[read], start + n);
    i64 low = 0, high = n_spans;
    while (low < high) {
        const i64 middle = (low + high) / 2;
        if (told[middle] < last) low = middle + 1;
        else high = middle;
    }
    wanted[read] = first < last && low > 0 && told[n_spans + low - 1] > first;
}

// Fills the columns of some reads; cigar_start, base_start (rows + 1) are given. settled: out, the qualities that count once.
extern "C" __global__ void __launch_bounds__(128)
take(const i64 *row, i64 n_rows, const i64 *position, const i64 *end, const unsigned short *flag, const u8 *mapping_quality,
     const u64 *name_hash, const u32 *cigar, const i64 *cigar_start, const u8 *base, const u8 *quality, const i64 *base_start, const u8 *once, i64 *to_position, i64 *to_end,
     unsigned short *to_flag, u8 *to_mapping_quality, u64 *to_name_hash, u32 *to_cigar, const i64 *to_cigar_start, u8 *to_base,
     u8 *to_quality, const i64 *to_base_start, u8 *to_once) {
    const i64 i = THREAD;
    if (i >= n_rows) return;
    const i64 read = row[i];
    to_position[i] = position[read];
    to_end[i] = end[read];
    to_flag[i] = flag[read];
    to_mapping_quality[i] = mapping_quality[read];
    to_name_hash[i] = name_hash[read];
    for (i64 k = to_cigar_start[i]; k < to_cigar_start[i + 1]; k++) to_cigar[k] = cigar[cigar_start[read] + k - to_cigar_start[i]];
    for (i64 k = to_base_start[i]; k < to_base_start[i + 1]; k++) {
        const i64 from = base_start[read] + k - to_base_start[i];
        to_base[k] = base[from];
        to_quality[k] = quality[from];
        to_once[k] = once[from];
    }
}

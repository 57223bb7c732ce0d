// FASTQ text to reads: formats/fastq_lines.py and formats/fastq.py say what a record is; results are equal byte for byte.
//
// Here a record is four lines, which is the same wherever nothing is wrong. Where something is, `fault` becomes 1 and nothing else of what
// is written counts: the parser of the CPU says what it is.

typedef unsigned char u8;
typedef unsigned long long u64;
typedef long long i64;

constexpr u8 LINE_FEED = 10, CARRIAGE_RETURN = 13, AT = '@', PLUS = '+', BLANK = ' ', TAB = 9, SLASH = '/';

__device__ __forceinline__ i64 without_return(const u8 *text, i64 start, i64 end) {
    return end > start && text[end - 1] == CARRIAGE_RETURN ? end - 1 : end;
}

// The line feeds of eight bytes: the highest bit of each that is one.
__device__ __forceinline__ u64 line_feeds(u64 bytes) {
    const u64 low = 0x7f7f7f7f7f7f7f7full, x = bytes ^ 0x0a0a0a0a0a0a0a0aull;
    return ~((x & low) + low | x | low);
}

// Calls found(position) for each line feed of a stretch of SEARCHED bytes, which begins at a multiple of eight.
template <class Found>
__device__ __forceinline__ void each_line_feed(const u8 *text, i64 n, i64 stretch, const Found &found) {
    const i64 first = stretch * SEARCHED, last = min(first + SEARCHED, n), whole = first + (last - first) / 8 * 8;
    for (i64 at = first; at < whole; at += 8)
        for (u64 feeds = line_feeds(*(const u64 *)(text + at)); feeds; feeds &= feeds - 1) found(at + (63 - __clzll((long long)(feeds & -feeds))) / 8);
    for (i64 at = whole; at < last; at++)
        if (text[at] == LINE_FEED) found(at);
}

// count (stretches): out, line feeds of each
extern "C" __global__ void __launch_bounds__(128)
count_line_feeds(const u8 *text, i64 n, i64 n_stretches, int *count) {
    const i64 stretch = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (stretch >= n_stretches) return;
    int feeds = 0;
    each_line_feed(text, n, stretch, [&](i64) { feeds++; });
    count[stretch] = feeds;
}

// line_end: out, where the line feeds stand; end (stretches): how many there are up to the end of each
extern "C" __global__ void __launch_bounds__(128)
find_line_feeds(const u8 *text, i64 n, i64 n_stretches, const int *count, const i64 *end, i64 *line_end) {
    const i64 stretch = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (stretch >= n_stretches) return;
    i64 *out = line_end + end[stretch] - count[stretch];
    each_line_feed(text, n, stretch, [&](i64 at) { *out++ = at; });
}

// line_end (4 * records): where the line feeds stand. header, sequence, quality (records): where each begins; header_length, length,
// name_length (records): out
extern "C" __global__ void __launch_bounds__(128)
fastq_records(const u8 *text, const i64 *line_end, i64 n_records, i64 *header, i64 *sequence, i64 *quality, int *header_length, int *length,
              int *name_length, int *fault) {
    const i64 record = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (record >= n_records) return;
    const i64 *line = line_end + 4 * record;
    const i64 begin = record ? line[-1] + 1 : 0;
    const i64 header_end = without_return(text, begin + 1, line[0]), n_header = header_end - begin - 1;
    const i64 n = without_return(text, line[0] + 1, line[1]) - line[0] - 1, plus = line[1] + 1;
    const i64 repeated = without_return(text, plus + 1, line[2]) - plus - 1;
    bool sound = text[begin] == AT && n_header > 0 && text[plus] == PLUS && (repeated <= 0 || repeated == n_header);
    sound &= without_return(text, line[2] + 1, line[3]) - line[2] - 1 == n;
    for (i64 i = 0; sound && i < repeated; i++) sound = text[begin + 1 + i] == text[plus + 1 + i];
    const u8 *name = text + begin + 1;
    i64 n_name = 0;
    while (sound && n_name < n_header && name[n_name] != BLANK && name[n_name] != TAB) n_name++;
    if (n_name > 2 && name[n_name - 2] == SLASH && (name[n_name - 1] == '1' || name[n_name - 1] == '2')) n_name -= 2;
    if (!sound || n_name == 0) atomicExch(fault, 1);
    header[record] = begin + 1;
    sequence[record] = line[0] + 1;
    quality[record] = line[2] + 1;
    header_length[record] = int(max(n_header, 0ll));
    length[record] = int(n);
    name_length[record] = int(n_name);
}

// Copies the records of one file into every `stride`-th row from `row` on, a warp for each: base codes, phred values and headers. code
// (256): the code of each letter, NO_BASE where it is none
extern "C" __global__ void __launch_bounds__(128)
fastq_reads(const u8 *text, i64 n_records, const i64 *header, const i64 *sequence, const i64 *quality, i64 row, i64 stride, const u8 *code,
            u8 *read_header, const i64 *header_start, u8 *base, u8 *read_quality, const i64 *base_start, int *fault) {
    const int lane = threadIdx.x % 32;
    const i64 warps = (i64)gridDim.x * blockDim.x / 32;
    for (i64 record = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32; record < n_records; record += warps) {
        const i64 read = row + stride * record, at = base_start[read], first = header_start[read];
        bool sound = true;
        const u8 *letters = text + sequence[record], *marks = text + quality[record], *line = text + header[record];
        const int n = int(base_start[read + 1] - at), n_header = int(header_start[read + 1] - first);
        for (int i = lane; i < n; i += 32) {
            const u8 letter = code[letters[i]], phred = marks[i] - 33;
            sound &= letter != NO_BASE && phred <= LARGEST_QUALITY;
            base[at + i] = letter;
            read_quality[at + i] = phred;
        }
        for (int i = lane; i < n_header; i += 32) read_header[first + i] = line[i];
        if (!sound) atomicExch(fault, 1);
    }
}

// Banded affine extension with traceback, one alignment a thread. The recurrence, the trace bits and the order of ties are those of
// extend.py, whose docstring is the specification; results are equal bit for bit. The constants come from there as -D options.
//
// Arrays are [row][alignment], so that neighbouring threads touch neighbouring words. A row of the band is kept in two arrays, H and E by
// band coordinate: the cell above b is b + 1 of the row before, the one on the diagonal is b, so each can be written where it was read. For
// the narrow band the loop over it is unrolled and both arrays are registers; the wide one is rare and keeps them in local memory. The codes
// of the window under the band are nibbles that move by one a row, and are compared with the base of the read eight at a time. The trace is
// four bits a cell, eight cells a word, in (rows, WORDS, n): a fifth of what writing bytes would move.

typedef unsigned char u8;
typedef short i16;
typedef unsigned u32;
typedef long long i64;

constexpr u32 NIBBLES = 0x11111111u;
static_assert(BEYOND == 6, "a nibble is beyond the contig where its bits 1 and 2 are set");

template <int WIDTH>
struct Codes {
    static constexpr int WORDS = (WIDTH + 7) / 8;
    u32 word[WORDS];

    __device__ __forceinline__ void shift_in(u32 code) {
#pragma unroll
        for (int w = 0; w < WORDS - 1; w++) word[w] = __funnelshift_r(word[w], word[w + 1], 4);
        word[WORDS - 1] = word[WORDS - 1] >> 4 | code << 4 * ((WIDTH - 1) & 7);
    }
};

template <int WIDTH>
__device__ __forceinline__ void banded(const u8 *query, const u8 *window, const i16 *length, i64 n, i16 *score, i16 *best_row,
                                       i16 *best_band, u32 *trace) {
    constexpr int WORDS = (WIDTH + 7) / 8, UNROLL = WIDTH <= 33 ? 8 : 1, KEY = WIDTH < 64 ? 64 : 256;
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    int H[WIDTH + 1], E[WIDTH + 1];
#pragma unroll
    for (int b = 0; b <= WIDTH; b++) H[b] = END_BONUS, E[b] = FAR;
    Codes<WIDTH> codes = {};
    for (int j = 0; j < WIDTH - 1; j++) codes.shift_in(window[j * n + k]);
    const int rows = length[k];
    int best = 0, row = 0, band = 0;
    for (int i = 0; i < rows; i++) {
        codes.shift_in(window[(i + WIDTH - 1) * n + k]);
        if (i > 0) H[WIDTH] = 0, E[WIDTH] = FAR;
        const u32 read = query[i * n + k];
        const int wrong = read > 3 ? -UNKNOWN : -MISMATCH;
        int f = FAR, left = 0, row_best = 0;
#pragma unroll(UNROLL == 8 ? WORDS : 1)
        for (int w = 0; w < WORDS; w++) {
            const u32 code = codes.word[w], differs = code ^ read * NIBBLES;
            const u32 same = ~(differs | differs >> 1 | differs >> 2), beyond = code >> 1 & code >> 2;
            u32 cells = 0;
#pragma unroll(UNROLL)
            for (int c = 0; c < 8; c++) {
                const int b = 8 * w + c;
                if (b >= WIDTH) break;
                const int e_extend = E[b + 1] - EXTEND, e_open = H[b + 1] - OPEN - EXTEND, e = max(e_extend, e_open);
                const int f_extend = f - EXTEND, f_open = left - OPEN - EXTEND, g = max(f_extend, f_open);
                const int unequal = beyond >> 4 * c & 1 ? FAR : wrong;
                const int d = H[b] + (same >> 4 * c & 1 ? MATCH : unequal);
                const int h = max(max(d, 0), max(e, g));
                const u32 source = h <= 0 ? 0 : h == d ? 1 : h == e ? 2 : 3;
                cells |= (source | (e_extend >= e_open ? 4u : 0u) | (f_extend >= f_open ? 8u : 0u)) << 4 * c;
                // the largest h of a row, the first of equals
                row_best = max(row_best, h * KEY + (WIDTH - 1 - b));
                H[b] = left = h;
                E[b] = e;
                f = g;
            }
            trace[((i64)i * WORDS + w) * n + k] = cells;
        }
        const int ending = row_best / KEY + (i == rows - 1 ? END_BONUS : 0);
        if (ending > best) best = ending, row = i, band = WIDTH - 1 - row_best % KEY;
    }
    score[k] = best;
    best_row[k] = row;
    best_band[k] = band;
}

// query (rows, n), window (rows + width, n) u8; length (n) i16; score, best_row, best_band (n) i16 out; trace (rows, WORDS, n) u32 out
extern "C" __global__ void __launch_bounds__(128)
extend_narrow(const u8 *query, const u8 *window, const i16 *length, i64 n, i16 *score, i16 *best_row, i16 *best_band, u32 *trace) {
    banded<NARROW>(query, window, length, n, score, best_row, best_band, trace);
}

extern "C" __global__ void __launch_bounds__(128)
extend_wide(const u8 *query, const u8 *window, const i16 *length, i64 n, i16 *score, i16 *best_row, i16 *best_band, u32 *trace) {
    banded<WIDE>(query, window, length, n, score, best_row, best_band, trace);
}

// Walks the trace of each alignment with a positive score. cigar (n, MAX_OPERATIONS) u32, operations (n) int, column (n) int: out
extern "C" __global__ void __launch_bounds__(128)
trace_back(const u32 *trace, const i16 *length, const i16 *score, const i16 *best_row, const i16 *best_band, i64 n, int width, u32 *cigar,
           int *operations, int *column) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    operations[k] = column[k] = 0;
    if (score[k] <= 0) return;
    const int words = (width + 7) / 8;
    u32 *out = cigar + k * MAX_OPERATIONS;
    int count = 0, state = 0, i = best_row[k], b = best_band[k], at = i + b;
    if (i < length[k] - 1) out[count++] = u32(length[k] - 1 - i) << 4 | CIGAR_CLIP;
    for (;;) {
        const u32 cell = trace[((i64)i * words + b / 8) * n + k] >> 4 * (b & 7) & 15;
        if (state == 0) {
            state = cell & 3;
            if (state == 0) {
                i++;
                break;
            }
        }
        const u32 operation = state == 1 ? CIGAR_MATCH : state == 2 ? CIGAR_INSERTION : CIGAR_DELETION;
        if (state == 1) at = i + b;
        state = state == 2 && cell & 4 ? 2 : state == 3 && cell & 8 ? 3 : 0;
        if (count > 0 && (out[count - 1] & 15) == operation) out[count - 1] += 16;
        else out[count++] = 16 | operation;
        if (operation == CIGAR_DELETION) {
            b--;
            continue;
        }
        if (operation == CIGAR_MATCH && i == 0) break;
        i--;
        if (operation == CIGAR_INSERTION) b++;
    }
    if (i > 0) out[count++] = u32(i) << 4 | CIGAR_CLIP;
    for (int from = 0; from < count / 2; from++) {
        const u32 swapped = out[from];
        out[from] = out[count - 1 - from];
        out[count - 1 - from] = swapped;
    }
    operations[k] = count;
    column[k] = at;
}

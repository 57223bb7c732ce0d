// Banded affine extension with traceback, one alignment a thread. The recurrence, its ties and what is traced are those of extend.py, whose
// docstring is the specification; results are equal bit for bit. The constants come from there as -D options.
//
// Arrays are [row][alignment], so that neighbouring threads touch neighbouring words. A row of the band is kept in two arrays, H and E by
// band coordinate: the cell above b is b + 1 of the row before, the one on the diagonal is b, so each can be written where it was read. For
// the narrow band the loop over it is unrolled and both arrays are registers; the wide one is rare and keeps them in local memory.
//
// A score stands in a number from bit 6 up, so that the bits below can say where it comes from and decide ties in one maximum: bits 1 and 2
// are the source (3 none, 2 D, 1 E, 0 F: of equal scores the larger wins), bit 0 is 1 for a gap that extends, in E and F. H is kept without
// these bits, which makes room for the column in the largest of a row. Codes of the window are nibbles that move by one a row; four of them
// at once select scores from a table of eight bytes, and a dot product with one byte adds one of them to the diagonal. Such a byte cannot
// hold what a base beyond the contig costs, so rows that have one are a case apart.
//
// The trace has five bits a cell: the low three of the cell before H is cleaned, and the lowest of E and F; six cells a word from bit 2 up,
// (rows, WORDS, n).

typedef unsigned char u8;
typedef short i16;
typedef unsigned u32;
typedef long long i64;

constexpr int SCALE = 64, TRACE_BITS = 5, CELLS = 6;
constexpr int FROM_NOWHERE = 3 << 1, FROM_DIAGONAL = 2 << 1, FROM_E = 1 << 1, FROM_F = 0, EXTENDS = 1;
constexpr int OPENING = (OPEN + EXTEND) * SCALE, EXTENDING = EXTEND * SCALE;
static_assert(BEYOND == 6, "a nibble is beyond the contig where its bits 1 and 2 are set");
static_assert(MATCH * SCALE < 128 * 128 && MISMATCH < 128, "scores are bytes, and so is their scale");

template <int WIDTH>
struct Band {
    static constexpr int CODE_WORDS = (WIDTH + 7) / 8, TRACE_WORDS = (WIDTH + CELLS - 1) / CELLS, UNROLL = WIDTH <= 33 ? WIDTH : 1;
    static constexpr int COLUMN_BITS = WIDTH <= SCALE ? 0 : 2;
    static_assert(WIDTH <= SCALE << COLUMN_BITS, "a column must fit below the score");
    int H[WIDTH + 1], E[WIDTH + 1];
    u32 code[CODE_WORDS];

    __device__ __forceinline__ void shift_in(u32 next) {
#pragma unroll
        for (int w = 0; w < CODE_WORDS - 1; w++) code[w] = __funnelshift_r(code[w], code[w + 1], 4);
        code[CODE_WORDS - 1] = code[CODE_WORDS - 1] >> 4 | next << 4 * ((WIDTH - 1) & 7);
    }

    __device__ __forceinline__ bool reaches_beyond() const {
        u32 any = 0;
#pragma unroll
        for (int w = 0; w < CODE_WORDS; w++) any |= code[w] >> 1 & code[w] >> 2;
        return any & 0x11111111u;
    }

    // One row for a base of the read: gives its largest H with the column, the first of equals being the largest; trace: that row's, of n.
    template <bool EDGE>
    __device__ __forceinline__ int row(u32 read, u32 *trace, i64 n) {
        const u32 wrong = 0x01010101u * u8(read > 3 ? -UNKNOWN : -MISMATCH), at = 8 * (read & 3), right = wrong & ~(0xffu << at) | MATCH << at;
        const u32 low = read < 4 ? right : wrong, high = read < 4 ? wrong : right;
        int f = FAR * SCALE + FROM_F, left = 0, largest = 0;
        u32 scores = 0, cells = 0;
#pragma unroll(UNROLL)
        for (int b = 0; b < WIDTH; b++) {
            if (b % 4 == 0) scores = __byte_perm(low, high, code[b / 8] >> 4 * (b & 4));
            int d = __dp4a(int(scores), SCALE << 8 * (b & 3), H[b]);
            if (EDGE && (code[b / 8] >> 4 * (b & 7) & 7) >= BEYOND) d = FAR * SCALE;
            const int e = __viaddmax_s32(E[b + 1] | EXTENDS, -EXTENDING, H[b + 1] - OPENING + FROM_E);
            f = __viaddmax_s32(f | EXTENDS, -EXTENDING, left - OPENING + FROM_F);
            const int h = __vimax3_s32(__viaddmax_s32(d, FROM_DIAGONAL, FROM_NOWHERE), e, f);
            cells = __funnelshift_r(__funnelshift_r(__funnelshift_r(cells, h, 3), e, 1), f, 1);
            H[b] = left = h & -SCALE;
            E[b] = e;
            largest = max(largest, (left << COLUMN_BITS) + (WIDTH - 1 - b));
            if (b % CELLS == CELLS - 1) trace[b / CELLS * n] = cells;
        }
        if (WIDTH % CELLS) trace[(TRACE_WORDS - 1) * n] = cells >> TRACE_BITS * (CELLS - WIDTH % CELLS);
        return largest;
    }
};

template <int WIDTH>
__device__ __forceinline__ void banded(const u8 *query, const u8 *window, const i16 *length, i64 n, i16 *score, i16 *best_row,
                                       i16 *best_band, u32 *trace) {
    constexpr int KEY = SCALE << Band<WIDTH>::COLUMN_BITS;
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    Band<WIDTH> band;
#pragma unroll
    for (int b = 0; b <= WIDTH; b++) band.H[b] = END_BONUS * SCALE, band.E[b] = FAR * SCALE + FROM_E;
#pragma unroll
    for (int w = 0; w < band.CODE_WORDS; w++) band.code[w] = 0;
    for (int j = 0; j < WIDTH - 1; j++) band.shift_in(window[j * n + k]);
    const int rows = length[k];
    int best = 0, row = 0, column = 0;
    for (int i = 0; i < rows; i++) {
        band.shift_in(window[(i + WIDTH - 1) * n + k]);
        if (i > 0) band.H[WIDTH] = 0, band.E[WIDTH] = FAR * SCALE + FROM_E;
        u32 *const traced = trace + (i64)i * band.TRACE_WORDS * n + k;
        const u32 read = query[i * n + k];
        const int largest = band.reaches_beyond() ? band.template row<true>(read, traced, n) : band.template row<false>(read, traced, n);
        const int ending = largest / KEY + (i == rows - 1 ? END_BONUS : 0);
        if (ending > best) best = ending, row = i, column = WIDTH - 1 - largest % KEY;
    }
    score[k] = best;
    best_row[k] = row;
    best_band[k] = column;
}

// query (rows, n), window (rows + width, n) u8; length (n) i16; score, best_row, best_band (n) i16 out; trace (rows, TRACE_WORDS, n) u32 out
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
    const int words = (width + CELLS - 1) / CELLS;
    u32 *out = cigar + k * MAX_OPERATIONS;
    int count = 0, state = 0, i = best_row[k], b = best_band[k], at = i + b;
    if (i < length[k] - 1) out[count++] = u32(length[k] - 1 - i) << 4 | CIGAR_CLIP;
    for (;;) {
        const u32 cell = trace[((i64)i * words + b / CELLS) * n + k] >> (2 + TRACE_BITS * (b % CELLS));
        if (state == 0) {
            state = 3 - int(cell >> 1 & 3);
            if (state == 0) {
                i++;
                break;
            }
        }
        const u32 operation = state == 1 ? CIGAR_MATCH : state == 2 ? CIGAR_INSERTION : CIGAR_DELETION;
        if (state == 1) at = i + b;
        state = state == 2 && cell & 8 ? 2 : state == 3 && cell & 16 ? 3 : 0;
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

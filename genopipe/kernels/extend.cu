// Banded affine extension with traceback, one alignment a thread. The recurrence, the trace bytes and the order of ties are those of
// extend.py, whose docstring is the specification; results are equal bit for bit. The constants come from there as -D options.
//
// Arrays are [row][alignment], so that neighbouring threads read neighbouring bytes; the columns of the band live in local memory, as a
// ring of RING columns.

typedef unsigned char u8;
typedef short i16;

struct Cell {
    i16 h, e;
};

__device__ __forceinline__ i16 larger(i16 a, i16 b) { return a > b ? a : b; }

// query (rows, n), window (rows + width, n) u8; length (n) i16; score, best_row, best_band (n) i16 out; trace (rows, width, n) u8 out
extern "C" __global__ void extend(const u8 *query, const u8 *window, const i16 *length, int n, int rows, int width, i16 *score,
                                  i16 *best_row, i16 *best_band, u8 *trace) {
    const long long k = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    Cell column[RING];
    for (int j = 0; j < RING; j++) column[j] = {END_BONUS, FAR};
    i16 best = 0, row = 0, band = 0;
    const int last = length[k] - 1;
    for (int i = 0; i < rows; i++) {
        i16 f = FAR, left = 0, diagonal = i > 0 ? column[(i - 1) & (RING - 1)].h : i16(END_BONUS);
        if (i > 0) column[(i + width - 1) & (RING - 1)] = {0, FAR};
        const u8 read = query[(long long)i * n + k];
        const i16 wrong = read > 3 ? -UNKNOWN : -MISMATCH, bonus = i == last ? END_BONUS : i < last ? 0 : FAR;
        for (int b = 0; b < width; b++) {
            Cell &above = column[(i + b) & (RING - 1)];
            const i16 e_extend = above.e - EXTEND, e_open = above.h - OPEN - EXTEND, e = larger(e_extend, e_open);
            const i16 f_extend = f - EXTEND, f_open = left - OPEN - EXTEND, g = larger(f_extend, f_open);
            const u8 genome = window[(long long)(i + b) * n + k];
            const i16 d = diagonal + (read == genome ? i16(MATCH) : genome < BEYOND ? wrong : i16(FAR));
            const i16 h = larger(larger(d, 0), larger(e, g));
            const u8 source = h <= 0 ? 0 : h == d ? 1 : h == e ? 2 : 3;
            trace[((long long)i * width + b) * n + k] = source | (e_extend >= e_open ? 4 : 0) | (f_extend >= f_open ? 8 : 0);
            const i16 ending = h + bonus;
            if (ending > best) best = ending, row = i, band = b;
            diagonal = above.h;
            above.h = h;
            above.e = e;
            f = g;
            left = h;
        }
    }
    score[k] = best;
    best_row[k] = row;
    best_band[k] = band;
}

// Walks the trace of each alignment with a positive score. cigar (n, MAX_OPERATIONS) u32, operations (n) int, column (n) int: out
extern "C" __global__ void trace_back(const u8 *trace, const i16 *length, const i16 *score, const i16 *best_row, const i16 *best_band, int n,
                                      int width, unsigned *cigar, int *operations, int *column) {
    const long long k = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    operations[k] = column[k] = 0;
    if (score[k] <= 0) return;
    unsigned *out = cigar + k * MAX_OPERATIONS;
    int count = 0, state = 0, i = best_row[k], b = best_band[k], at = i + b;
    if (i < length[k] - 1) out[count++] = unsigned(length[k] - 1 - i) << 4 | CIGAR_CLIP;
    for (;;) {
        const u8 cell = trace[((long long)i * width + b) * n + k];
        if (state == 0) {
            state = cell & 3;
            if (state == 0) {
                i++;
                break;
            }
        }
        const unsigned operation = state == 1 ? CIGAR_MATCH : state == 2 ? CIGAR_INSERTION : CIGAR_DELETION;
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
    if (i > 0) out[count++] = unsigned(i) << 4 | CIGAR_CLIP;
    for (int from = 0; from < count / 2; from++) {
        const unsigned swapped = out[from];
        out[from] = out[count - 1 - from];
        out[count - 1 - from] = swapped;
    }
    operations[k] = count;
    column[k] = at;
}

// Base qualities put right, one read a thread. The specification is recalibration.put_right; results are equal bit for bit.

typedef unsigned char u8;
typedef long long i64;

// row_of (256): row of `table` by reported quality, negative for those that stay; table (rows, N_CYCLES, N_CONTEXTS + 1); out (bases)
extern "C" __global__ void __launch_bounds__(128)
put_right(i64 n_reads, const unsigned short *flag, const u8 *base, const u8 *quality, const i64 *base_start, const i64 *row_of,
          const u8 *table, u8 *out) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    const bool reverse = flag[read] & 0x10;
    const int mate = flag[read] & 0x80 ? MOST_CYCLES : 0;
    const i64 first = base_start[read], last = base_start[read + 1];
    int before = 4;
    for (i64 i = 0; i < last - first; i++) {
        const i64 at = reverse ? last - 1 - i : first + i;
        const int code = base[at], here = reverse && code < 4 ? 3 - code : code;
        const i64 row = row_of[quality[at]];
        const int context = before < 4 && here < 4 ? 4 * before + here : N_CONTEXTS;
        const i64 cycle = min(i, i64(MOST_CYCLES - 1)) + mate;
        out[at] = row < 0 ? quality[at] : table[(row * 2 * MOST_CYCLES + cycle) * (N_CONTEXTS + 1) + context];
        before = here;
    }
}

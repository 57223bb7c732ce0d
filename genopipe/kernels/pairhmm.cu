// The pair-HMM forward algorithm of pairhmm.py on a GPU: half a warp for each pair of read and haplotype.
//
// A lane owns ROWS rows of a tile of LANES * ROWS read bases and keeps them in registers; the half warp moves along the haplotype as a
// wavefront, lane l standing on column s - l at step s, and hands the bottom row of each lane to the next one by a shuffle. The bottom row of
// a tile goes through `edge` to the tile below. The two pairs of a warp take as many steps as the longer one needs. Many rows and few lanes
// share what a step costs among many cells, and lose few steps at the ends. Compile with --fmad=false: every rounding is written out, so the
// bits equal those of the lanes of the CPU.

constexpr int LANES = 16;
constexpr unsigned ALL = ~0u;

__device__ __forceinline__ float flushed(float x, float tiny) { return x > tiny ? x : 0.0f; }

__device__ __forceinline__ int larger_of_warp(int x) { return max(x, __shfl_xor_sync(ALL, x, LANES)); }

// edge: (pairs, 2 * longest haplotype) float32 scratch. start is START, leave is 1 - gap extension, both rounded as on the host.
extern "C" __global__ void __launch_bounds__(128)
pairhmm_forward(const unsigned char *read_base, const unsigned char *read_quality, const long long *read_start,
                const unsigned char *haplotype_base, const float *haplotype_gap, const long long *haplotype_start,
                const long long *pair_read, const long long *pair_haplotype, const float *match, const float *mismatch,
                long long n_pairs, long long edge_stride, float start, float leave, float go_on, float tiny, float *edge, float *out) {
    const long long wanted = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / LANES, pair = min(wanted, n_pairs - 1);
    const int lane = threadIdx.x % LANES;
    const long long read = pair_read[pair], haplotype = pair_haplotype[pair];
    const unsigned char *base = read_base + read_start[read], *quality = read_quality + read_start[read];
    const unsigned char *other = haplotype_base + haplotype_start[haplotype];
    const float *gap = haplotype_gap + haplotype_start[haplotype];
    const int m = wanted < n_pairs ? int(read_start[read + 1] - read_start[read]) : 0;
    const int h = int(haplotype_start[haplotype + 1] - haplotype_start[haplotype]);
    const int rows = larger_of_warp(m), steps = larger_of_warp(h) + LANES - 1;
    float *edge_g = edge + pair * edge_stride, *edge_x = edge_g + edge_stride / 2;
    const float entry = __fmul_rn(start, leave);
    float total = 0.0f;
    bool ends_here = false;
    for (int tile = 0; tile < rows; tile += LANES * ROWS) {
        float agree[ROWS], differ[ROWS], G[ROWS], Y[ROWS];
        int letter[ROWS];
        const int top = tile + lane * ROWS, last = m - 1 - top;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const bool inside = top + r < m;
            letter[r] = inside ? base[top + r] : 4;
            agree[r] = inside ? match[quality[top + r]] : 0.0f;
            differ[r] = !inside ? 0.0f : letter[r] < 4 ? mismatch[quality[top + r]] : match[quality[top + r]];
            G[r] = Y[r] = 0.0f;
            ends_here |= r == last;
        }
        float bottom_x = 0.0f, corner = tile == 0 && lane == 0 ? entry : 0.0f;
        for (int step = 0; step < steps; step++) {
            // what the first lane reads of the tile above the last one overwrites, and shuffles order no memory
            if (tile > 0) __syncwarp();
            const int j = step - lane;
            float above_g = __shfl_up_sync(ALL, G[ROWS - 1], 1, LANES), above_x = __shfl_up_sync(ALL, bottom_x, 1, LANES);
            if (j < 0 || j >= h || tile >= m) continue;
            if (lane == 0) {
                above_g = tile == 0 ? entry : edge_g[j];
                above_x = tile == 0 ? 0.0f : edge_x[j];
            }
            const int column = other[j];
            const float open = gap[j], stay = __fmaf_rn(-2.0f, open, 1.0f);
            float diagonal = corner, x = above_x;
            corner = above_g;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float M = __fmul_rn(letter[r] == column ? agree[r] : differ[r], diagonal), y = Y[r];
                if (r == last) total = __fadd_rn(total, __fadd_rn(M, x));
                diagonal = G[r];
                G[r] = flushed(__fmaf_rn(M, stay, __fmul_rn(__fadd_rn(x, y), leave)), tiny);
                Y[r] = flushed(__fmaf_rn(M, open, __fmul_rn(y, go_on)), tiny);
                x = flushed(__fmaf_rn(M, open, __fmul_rn(x, go_on)), tiny);
            }
            bottom_x = x;
            if (lane == LANES - 1 && m > tile + LANES * ROWS) {
                edge_g[j] = G[ROWS - 1];
                edge_x[j] = bottom_x;
            }
        }
        __syncwarp();
    }
    if (ends_here) out[pair] = total;
}

// Candidates laid on the genome without gaps, one a thread.
#include "ungapped.cuh"

// read, reverse, diagonal (n): the candidates; packed (n_words): the genome. n_mismatches, score, start, end (n): out
extern "C" __global__ void __launch_bounds__(128)
lay(const u8 *base, const i64 *base_start, const int *read, const u8 *reverse, const i64 *diagonal, i64 n, const u64 *packed, i64 n_words,
    int *n_mismatches, int *score, int *start, int *end) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n) return;
    const i64 begin = base_start[read[k]];
    const int length = int(base_start[read[k] + 1] - begin);
    Packed strand;
    u64 mismatch[READ_WORDS];
    pack_read(base + begin, length, reverse[k], strand);
    n_mismatches[k] = mismatches(strand, length, packed, n_words, diagonal[k], mismatch);
    const Stretch best = best_stretch(mismatch, strand.unknown, length);
    score[k] = best.score;
    start[k] = best.start;
    end[k] = best.end;
}

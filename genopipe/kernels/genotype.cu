// Costs of pairs of haplotypes, one pair a thread. The specification is genotype.py; sums of integers, so results are equal bit for bit.

typedef long long i64;

// cost (haplotypes, fragments), together (n_together); out (haplotypes, haplotypes)
extern "C" __global__ void __launch_bounds__(128)
pair_costs(const i64 *cost, i64 n_haplotypes, i64 n_fragments, const i64 *together, i64 n_together, i64 *out) {
    const i64 pair = (i64)blockIdx.x * blockDim.x + threadIdx.x, a = pair / n_haplotypes, b = pair % n_haplotypes;
    if (a >= n_haplotypes || b < a) return;
    i64 total = 0;
    for (i64 fragment = 0; fragment < n_fragments; fragment++) {
        const i64 x = cost[a * n_fragments + fragment], y = cost[b * n_fragments + fragment], difference = x > y ? x - y : y - x;
        total += min(x, y) + HALF - (difference < n_together ? together[difference] : 0);
    }
    out[a * n_haplotypes + b] = out[b * n_haplotypes + a] = total;
}

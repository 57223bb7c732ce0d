// What a card can do at most: independent chains of integer and of fp32 operations, eight a thread, nothing read.

// Two integer operations (an addition, an exclusive or) a chain and step.
extern "C" __global__ void integers(int steps, int seed, int *out) {
    int x[8];
#pragma unroll
    for (int c = 0; c < 8; c++) x[c] = threadIdx.x + c;
    for (int i = 0; i < steps; i++)
#pragma unroll
        for (int c = 0; c < 8; c++) x[c] = (x[c] + seed) ^ i;
    int sum = 0;
#pragma unroll
    for (int c = 0; c < 8; c++) sum += x[c];
    if (sum == 12345) out[0] = sum;
}

// One fused multiplication and addition a chain and step.
extern "C" __global__ void floats(int steps, float seed, float *out) {
    float x[8];
#pragma unroll
    for (int c = 0; c < 8; c++) x[c] = threadIdx.x + c;
    for (int i = 0; i < steps; i++)
#pragma unroll
        for (int c = 0; c < 8; c++) x[c] = __fmaf_rn(x[c], seed, 1.0f);
    float sum = 0;
#pragma unroll
    for (int c = 0; c < 8; c++) sum += x[c];
    if (sum == 12345.0f) out[0] = sum;
}

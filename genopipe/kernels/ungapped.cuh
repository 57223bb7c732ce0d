// A read laid on the genome without gaps, by one thread. The specification is ungapped.py; results are equal bit for bit.
#pragma once

typedef unsigned char u8;
typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr int READ_WORDS = (MAX_READ + 31) / 32;

// A read or its reverse complement, two bits a base, first base in the lowest bits; the low bit of each unknown base is set in `unknown`.
struct Packed {
    u64 word[READ_WORDS], unknown[READ_WORDS];
};

struct Stretch {
    int score, start, end;
};

__device__ __forceinline__ void pack_read(const u8 *base, int length, bool reverse, Packed &read) {
    for (int w = 0; w < (length + 31) / 32; w++) {
        u64 bits = 0, unknown = 0;
        for (int i = 0; i < 32 && 32 * w + i < length; i++) {
            const u64 code = base[reverse ? length - 1 - 32 * w - i : 32 * w + i];
            if (code > 3) unknown |= 1ull << 2 * i;
            else bits |= (reverse ? 3 - code : code) << 2 * i;
        }
        read.word[w] = bits;
        read.unknown[w] = unknown;
    }
}

// Sets in `mismatch` the low bit of each base that differs from the genome at `start`, or is unknown; gives how many.
__device__ __forceinline__ int mismatches(const Packed &read, int length, const u64 *packed, i64 n_words, i64 start, u64 *mismatch) {
    const int by = int(2 * (start & 31));
    const i64 first = start >> 5;
    int n = 0;
    for (int w = 0; w < (length + 31) / 32; w++) {
        u64 genome = packed[first + w] >> by;
        if (by > 0 && first + w + 1 < n_words) genome |= packed[first + w + 1] << (64 - by);
        u64 differs = genome ^ read.word[w];
        differs = (differs | differs >> 1) & 0x5555555555555555ull | read.unknown[w];
        if (32 * w + 32 > length) differs &= (1ull << 2 * (length - 32 * w)) - 1;
        mismatch[w] = differs;
        n += __popcll(differs);
    }
    return n;
}

__device__ __forceinline__ Stretch best_stretch(const u64 *mismatch, const u64 *unknown, int length) {
    Stretch best = {-1, 0, 0};
    int score = END_BONUS, start = 0, after = 0;
    for (int w = 0; w < (length + 31) / 32; w++)
        for (u64 rest = mismatch[w]; rest; rest &= rest - 1) {
            const int bit = __ffsll((i64)rest) - 1, at = bit / 2 + 32 * w;
            score += MATCH * (at - after);
            if (at > start && score > best.score) best = {score, start, at};
            score -= unknown[w] >> bit & 1 ? UNKNOWN : MISMATCH;
            after = at + 1;
            if (score <= 0) score = 0, start = after;
        }
    score += MATCH * (length - after) + END_BONUS;
    if (start < length && score > best.score) best = {score, start, length};
    return best;
}

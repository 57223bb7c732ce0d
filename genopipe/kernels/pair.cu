// From placed reads to one place each: rescue near the mate, and the choice, as align/rescue.py and align/pairing.py specify them. Results
// are equal bit for bit.
//
// A read and its mate are neighbours: 2i and 2i + 1.
#include "places.cuh"

constexpr int BINS = 1024, WORD_MASK = (1 << 2 * WORD) - 1;

__device__ __forceinline__ i64 five_prime(const Places &p, i64 at) {
    return p.reverse[at] ? p.end[at] + p.clip_end[at] : p.start[at] - p.clip_start[at];
}

// Insert size of a place of a first read and one of its second read that lie as wanted on one contig; -1 for any other two.
__device__ i64 insert_of(const Places &p, const Target &target, i64 a, i64 b, int orientation) {
    i64 ahead = five_prime(p, b) - five_prime(p, a);
    if (p.reverse[a]) ahead = -ahead;
    const int found = p.reverse[a] == p.reverse[b] ? (ahead > 0 ? FF : RR) : (ahead > 0 ? FR : RF);
    if (found != orientation || contig_of(target, p.start[a]) != contig_of(target, p.start[b])) return -1;
    return ahead < 0 ? -ahead : ahead;
}

// Where the mate of each read (the anchor) is to be looked for. task_reverse, task_first, task_last (reads, ANCHORS), n_tasks (reads): out
extern "C" __global__ void __launch_bounds__(128)
rescue_tasks(const i64 *base_start, i64 n_reads, TARGET, PLACES, i64 insert_low, i64 insert_high, int orientation, u8 *task_reverse,
             i64 *task_first, i64 *task_last, int *n_tasks) {
    const i64 anchor = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (anchor >= n_reads) return;
    const Target target = OF_TARGET;
    const Places p = OF_PLACES;
    const i64 read = anchor ^ 1, row = anchor * slots, mate = read * slots, length = base_start[read + 1] - base_start[read];
    int best = 0, anchors = 0, tasks = 0;
    for (int slot = 0; slot < p.n[anchor]; slot++) best = max(best, p.score[row + slot]);
    for (int slot = 0; slot < p.n[anchor] && anchors < ANCHORS; slot++) {
        const i64 at = row + slot;
        if (p.score[at] < max(best - ANCHOR_MARGIN, 1)) continue;
        anchors++;
        bool facing = false;
        for (i64 other = mate; other < mate + p.n[read] && !facing; other++) {
            if (p.score[other] <= 0) continue;
            const i64 size = anchor & 1 ? insert_of(p, target, other, at, orientation) : insert_of(p, target, at, other, orientation);
            facing = insert_low <= size && size <= insert_high;
        }
        if (facing) continue;
        const int strand = p.reverse[at];
        const bool wanted = orientation == FR || orientation == RF ? !strand : strand;
        const bool second = anchor & 1, ahead = orientation == FR || (orientation == FF && !second) || (orientation == RR && second);
        const i64 begin = five_prime(p, at), contig = contig_of(target, p.start[at]);
        i64 first = ahead == (strand == 0) ? begin + insert_low : begin - insert_high;
        i64 last = ahead == (strand == 0) ? begin + insert_high : begin - insert_low;
        if (wanted) first -= length;
        else last += length;
        first = max(first, target.contig_start[contig]);
        last = min(min(last, target.contig_end[contig]), first + LONGEST_STRETCH);
        if (last - first < WORD) continue;
        const i64 task = anchor * ANCHORS + tasks++;
        task_reverse[task] = wanted;
        task_first[task] = first;
        task_last[task] = last;
    }
    n_tasks[anchor] = tasks;
}

// Looks for reads by their words of WORD bases: votes, lowest and highest diagonal (tasks): out. Each task has `stride` words of scratch:
// codes and chains of the read's words, and the votes of the diagonals.
extern "C" __global__ void __launch_bounds__(128)
rescue_scan(const u8 *base, const i64 *base_start, TARGET, const int *task_read, const u8 *task_reverse, const i64 *task_first,
            const i64 *task_last, i64 n_tasks, i64 stride, u32 *scratch, int *votes, i64 *lowest, i64 *highest) {
    const i64 task = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (task >= n_tasks) return;
    const Target target = OF_TARGET;
    const i64 read = task_read[task], first = task_first[task], last = task_last[task];
    const u8 *mine = base + base_start[read];
    const int length = int(base_start[read + 1] - base_start[read]);
    const bool reverse = task_reverse[task];
    u32 *word = scratch + task * stride;
    short *head = (short *)(word + MAX_READ), *following = head + BINS;
    unsigned short *vote = (unsigned short *)(following + MAX_READ);
    const int diagonals = int(last - first) + length + 1;
    for (int i = 0; i < BINS; i++) head[i] = -1;
    for (int i = 0; i < diagonals; i++) vote[i] = 0;
    u32 code = 0;
    int known = 0;
    for (int i = 0; i < length; i++) {
        const u32 c = mine[reverse ? length - 1 - i : i];
        known = c > 3 ? 0 : known + 1;
        code = (code << 2 | ((reverse ? 3 - c : c) & 3)) & WORD_MASK;
        word[i] = code;
        if (known < WORD) continue;
        const u32 bin = (code ^ code >> 10) & (BINS - 1);
        following[i] = head[bin];
        head[bin] = short(i);
    }
    code = 0;
    int best = 0, best_at = 0;
    for (i64 position = first; position < last; position++) {
        code = (code << 2 | base_at(target, position)) & WORD_MASK;
        if (position - first < WORD - 1) continue;
        for (int i = head[(code ^ code >> 10) & (BINS - 1)]; i >= 0; i = following[i]) {
            if (word[i] != code) continue;
            const int at = int(position - first) - i + length;
            if (++vote[at] > best) best = vote[at], best_at = at;
        }
    }
    int low = best_at, high = best_at;
    for (int at = max(best_at - WIDE / 2, 0); at <= min(best_at + WIDE / 2, diagonals - 1); at++)
        if (vote[at] >= FEWEST_VOTES) low = min(low, at), high = max(high, at);
    votes[task] = best;
    lowest[task] = low + first - length;
    highest[task] = high + first - length;
}

// Gives each found mate a new place, to be extended. task_at (reads): the first task of each anchor; job_slot, job_width (reads, ANCHORS),
// n_jobs (reads): out, by anchor
extern "C" __global__ void __launch_bounds__(128)
rescue_add(i64 n_reads, TARGET, int slots, const i64 *task_at, const int *n_tasks, const u8 *task_reverse, const i64 *task_first,
           const int *votes, const i64 *lowest, const i64 *highest, int *n_place, i64 *diagonal, i64 *low, i64 *high, u8 *reverse, int *vote,
           int *score, i64 *start, i64 *end, int *clip_start, int *clip_end, i64 *cigar_at, int *cigar_n, int *job_slot, int *job_width,
           int *n_jobs) {
    const i64 anchor = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (anchor >= n_reads) return;
    const Target target = OF_TARGET;
    const i64 read = anchor ^ 1;
    int jobs = 0;
    for (i64 task = task_at[anchor]; task < task_at[anchor] + n_tasks[anchor]; task++) {
        if (votes[task] < FEWEST_VOTES) continue;
        const int slot = n_place[read]++;
        const i64 at = read * slots + slot;
        diagonal[at] = low[at] = lowest[task];
        high[at] = highest[task];
        reverse[at] = task_reverse[task];
        vote[at] = votes[task];
        score[at] = 0;
        start[at] = end[at] = max(lowest[task], target.contig_start[contig_of(target, task_first[task])]);
        clip_start[at] = clip_end[at] = cigar_n[at] = 0;
        cigar_at[at] = -1;
        job_slot[anchor * ANCHORS + jobs] = slot;
        job_width[anchor * ANCHORS + jobs] = highest[task] - lowest[task] <= NARROW / 2 ? NARROW : WIDE;
        jobs++;
    }
    n_jobs[anchor] = jobs;
}

__device__ __forceinline__ int least_of(int length) { return min(LEAST_SCORE, length * 4 / 5); }

__device__ __forceinline__ bool fits(const Places &p, i64 at, int length) { return p.score[at] > 0 && own_score(p, at) >= least_of(length); }

// Drops the places on alternative contigs of reads that fit elsewhere.
extern "C" __global__ void __launch_bounds__(128)
leave_out(const i64 *base_start, i64 n_reads, TARGET, const u8 *alternative, int slots, const int *n_place, const i64 *start,
          const int *clip_start, const int *clip_end, int *score) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    const Target target = OF_TARGET;
    const Places p = {slots, n_place, nullptr, nullptr, score, start, nullptr, clip_start, clip_end};
    const int length = int(base_start[read + 1] - base_start[read]);
    const i64 row = read * slots;
    bool elsewhere = false;
    for (i64 at = row; at < row + n_place[read]; at++) elsewhere |= fits(p, at, length) && !alternative[contig_of(target, start[at])];
    if (!elsewhere) return;
    for (i64 at = row; at < row + n_place[read]; at++)
        if (score[at] > 0 && alternative[contig_of(target, start[at])]) score[at] = -1;
}

// True where `other` is an alternative to the place `at`, and not the place of another part of the read.
__device__ __forceinline__ bool is_rival(const Places &p, i64 at, i64 other, int length) {
    const int start = first_base(p, at), end = last_base(p, at, length);
    const int other_start = first_base(p, other), other_end = last_base(p, other, length);
    return other != at && same_part(start, end, other_start, other_end);
}

__device__ __forceinline__ int least_rival(const Places &p, i64 at, int length) {
    return max((last_base(p, at, length) - first_base(p, at)) / 5 * 2, LEAST_RIVAL);
}

__device__ __forceinline__ int quality_of(int margin, int rivals, bool crowded) {
    if (margin <= 0 || crowded) return 0;
    int quality = margin * (margin >= MATCH + MISMATCH ? PHRED_OF_POINT : PHRED_OF_GAP_BASE);
    for (; rivals > 1; rivals >>= 1) quality -= PHRED_OF_DOUBLING;
    return max(0, min(quality, HIGHEST_QUALITY));
}

struct Choice {
    int *slot;
    u8 *quality;
    int *second;
};

__device__ __forceinline__ void set_place(const Places &p, i64 read, int slot, int length, int margin, int rivals, const Choice &choice) {
    const i64 row = read * p.slots;
    int second = 0;
    for (i64 other = row; other < row + p.n[read]; other++)
        if (p.score[other] > 0 && is_rival(p, row + slot, other, length)) second = max(second, own_score(p, other));
    choice.slot[read] = slot;
    choice.quality[read] = u8(quality_of(margin, rivals, p.crowded[read]));
    choice.second[read] = second;
}

// The best place of a read for itself.
__device__ __noinline__ void choose_one(const Places &p, i64 read, int length, u64 chance, const Choice &choice) {
    const i64 row = read * p.slots;
    int best = -1;
    for (int turn = 0; turn < p.n[read]; turn++) {
        const int slot = int((u64(turn) + chance) % u64(p.n[read]));
        if (fits(p, row + slot, length) && (best < 0 || p.score[row + slot] > p.score[row + best])) best = slot;
    }
    if (best < 0) return;
    int rival_score = least_rival(p, row + best, length), rivals = 0;
    for (int slot = 0; slot < p.n[read]; slot++) {
        const int its = p.score[row + slot];
        if (its < rival_score || !is_rival(p, row + best, row + slot, length)) continue;
        rivals = its == rival_score ? rivals + 1 : 1;
        rival_score = its;
    }
    set_place(p, read, best, length, p.score[row + best] - rival_score, rivals, choice);
}

// The place of each read: slot (-1 for none) and second (reads) int, quality and proper (reads) u8: out. `paired` 0 chooses for each read
// for itself; else a thread chooses for both mates. penalty (insert_high + 1) int: what each insert size costs
extern "C" __global__ void __launch_bounds__(128)
choose(const i64 *base_start, i64 n_reads, TARGET, PLACES, const u64 *chance, int paired, const int *penalty, i64 insert_low,
       i64 insert_high, int orientation, int *slot_of, u8 *quality, int *second, u8 *proper) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x, a = paired ? 2 * row : row, b = a + 1;
    if (a >= n_reads) return;
    const Target target = OF_TARGET;
    const Places p = OF_PLACES;
    const Choice choice = {slot_of, quality, second};
    int length[2], alone[2] = {-1, -1}, best_with[2][SLOTS];
    for (int mate = 0; mate <= (paired ? 1 : 0); mate++) {
        const i64 read = a + mate;
        length[mate] = int(base_start[read + 1] - base_start[read]);
        slot_of[read] = -1;
        second[read] = 0;
        quality[read] = proper[read] = 0;
        for (int slot = 0; slot < p.n[read]; slot++)
            if (fits(p, read * slots + slot, length[mate])) alone[mate] = max(alone[mate], p.score[read * slots + slot]);
    }
    if (!paired) {
        choose_one(p, a, length[0], chance[a], choice);
        return;
    }
    i64 best = PARTS_OF_POINT * i64(alone[0] + alone[1] - UNPAIRED_PENALTY);
    int best_a = -1, best_b = -1;
    if (alone[0] >= 0 && alone[1] >= 0) {
        u64 best_chance = 0;
        for (int mate = 0; mate < 2; mate++)
            for (int slot = 0; slot < p.n[a + mate]; slot++) {
                const i64 at = (a + mate) * slots + slot;
                best_with[mate][slot] = fits(p, at, length[mate]) ? p.score[at] + alone[1 - mate] - UNPAIRED_PENALTY : FAR_BELOW;
            }
        for (int slot_a = 0; slot_a < p.n[a]; slot_a++) {
            if (best_with[0][slot_a] == FAR_BELOW) continue;
            for (int slot_b = 0; slot_b < p.n[b]; slot_b++) {
                if (best_with[1][slot_b] == FAR_BELOW) continue;
                const i64 size = insert_of(p, target, a * slots + slot_a, b * slots + slot_b, orientation);
                if (size < insert_low || size > insert_high) continue;
                const int together = p.score[a * slots + slot_a] + p.score[b * slots + slot_b];
                best_with[0][slot_a] = max(best_with[0][slot_a], together);
                best_with[1][slot_b] = max(best_with[1][slot_b], together);
                const i64 worth = PARTS_OF_POINT * i64(together) - penalty[size];
                const u64 luck = (chance[a] + u64(slot_a * SLOTS + slot_b)) * 0x9E3779B97F4A7C15ull;
                if (worth > best || (worth == best && (best_a < 0 || luck > best_chance)))
                    best = worth, best_a = slot_a, best_b = slot_b, best_chance = luck;
            }
        }
    }
    if (best_a < 0) {
        choose_one(p, a, length[0], chance[a], choice);
        choose_one(p, b, length[1], chance[b], choice);
        return;
    }
    const int top = p.score[a * slots + best_a] + p.score[b * slots + best_b];
    for (int mate = 0; mate < 2; mate++) {
        const i64 read = a + mate, at = read * slots + (mate ? best_b : best_a);
        int rival_score = top - max(p.score[at] - least_rival(p, at, length[mate]), 0), rivals = 0;
        for (int slot = 0; slot < p.n[read]; slot++) {
            const int its = best_with[mate][slot];
            if (its < rival_score || !is_rival(p, at, read * slots + slot, length[mate])) continue;
            rivals = its == rival_score ? rivals + 1 : 1;
            rival_score = its;
        }
        set_place(p, read, mate ? best_b : best_a, length[mate], top - rival_score, rivals, choice);
        proper[read] = 1;
    }
}

// FNV-1a of the read names.
extern "C" __global__ void __launch_bounds__(128)
hash_names(const u8 *header, const i64 *header_start, const int *name_length, i64 n_reads, u64 *chance) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    u64 h = 14695981039346656037ull;
    for (i64 i = header_start[read]; i < header_start[read] + name_length[read]; i++) h = (h ^ header[i]) * 1099511628211ull;
    chance[read] = h ^ h >> 29;
}

// Operations that the chosen place of each read has among all CIGARs: operations (reads): out
extern "C" __global__ void __launch_bounds__(128)
count_chosen(i64 n_reads, int slots, const int *slot_of, const i64 *cigar_at, const int *cigar_n, int *operations) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    const i64 at = read * slots + max(slot_of[read], 0);
    operations[read] = slot_of[read] >= 0 && cigar_at[at] >= 0 ? cigar_n[at] : 0;
}

// The chosen places alone: columns (reads) and their operations, which begin at offset (reads): out
extern "C" __global__ void __launch_bounds__(128)
take_chosen(i64 n_reads, int slots, const int *slot_of, const u8 *reverse, const int *score, const i64 *start, const i64 *end,
            const int *clip_start, const int *clip_end, const i64 *cigar_at, const u32 *cigar, const int *operations, const i64 *offset,
            u8 *kept_reverse, int *kept_score, i64 *kept_start, i64 *kept_end, int *kept_clip_start, int *kept_clip_end, u32 *kept_cigar) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads || slot_of[read] < 0) return;
    const i64 at = read * slots + slot_of[read];
    kept_reverse[read] = reverse[at];
    kept_score[read] = score[at];
    kept_start[read] = start[at];
    kept_end[read] = end[at];
    kept_clip_start[read] = clip_start[at];
    kept_clip_end[read] = clip_end[at];
    for (int k = 0; k < operations[read]; k++) kept_cigar[offset[read] + k] = cigar[cigar_at[at] + k];
}

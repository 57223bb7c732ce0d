// From candidates to placed reads: what align/placement.py does between the kernels, one thread a read or an extension. The specification
// stands there; results are equal bit for bit.
//
// The jobs of a read are written in the order in which they are found. A job's arrays are [row][job], as the extension wants them.
#include "target.cuh"
#include "ungapped.cuh"

// The contig that a read which begins at `first` belongs to: of those it reaches over, the one with the best stretch without gaps.
__device__ i64 home_of(const u8 *base, int length, bool reverse, const Target &target, i64 first) {
    i64 home = contig_of(target, max(first, 0ll));
    int best = 0;
    for (i64 contig = home; contig < target.n_contigs && target.contig_start[contig] < first + length; contig++) {
        const i64 low = max(first, target.contig_start[contig]), high = min(first + length, target.contig_end[contig]);
        if (contig == home && high - low == length) break;
        int score = 0;
        for (i64 position = low; position < high; position++) {
            const int i = int(position - first);
            const u32 code = base[reverse ? length - 1 - i : i];
            const bool same = code < 4 && (reverse ? 3 - code : code) == base_at(target, position);
            score = same ? score + MATCH : max(score - MISMATCH, 0);
            if (score > best) best = score, home = contig;
        }
    }
    return home;
}

// n_candidate (reads); diagonal .. cigar_n (reads, slots): align/placement.py's Placements. job_slot, job_width (reads, slots), n_jobs
// (reads): out
extern "C" __global__ void __launch_bounds__(128)
score_ungapped(const u8 *base, const i64 *base_start, i64 n_reads, TARGET, int slots, const int *n_candidate, const i64 *diagonal,
               const i64 *low, const i64 *high, const u8 *reverse, const int *vote, int *score, i64 *start, i64 *end, int *clip_start,
               int *clip_end, i64 *cigar_at, int *cigar_n, int *job_slot, int *job_width, int *n_jobs) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    const Target target = OF_TARGET;
    const u8 *mine = base + base_start[read];
    const int length = int(base_start[read + 1] - base_start[read]);
    const i64 row = read * slots;
    Packed strands[2];
    u64 mismatch[READ_WORDS];
    bool packed_strand[2] = {false, false}, best_exact = false;
    int best = -1, jobs = 0;
    const auto add_job = [&](int slot) {
        job_slot[row + jobs] = slot;
        job_width[row + jobs] = high[row + slot] - low[row + slot] <= NARROW / 2 ? NARROW : WIDE;
        jobs++;
    };
    for (int slot = 0; slot < n_candidate[read]; slot++) {
        const i64 at = row + slot, first = diagonal[at];
        const int strand = reverse[at];
        if (!packed_strand[strand]) pack_read(mine, length, strand, strands[strand]);
        packed_strand[strand] = true;
        int its_score = 0;
        bool exact = false, settled = false;
        cigar_at[at] = -1;
        cigar_n[at] = clip_start[at] = clip_end[at] = 0;
        if (!touches_unknown(target, first, first + length)) {
            const int n = mismatches(strands[strand], length, target.packed, target.n_words, first, mismatch);
            const Stretch kept = best_stretch(mismatch, strands[strand].unknown, length);
            its_score = kept.score;
            start[at] = first + kept.start;
            end[at] = first + kept.end;
            clip_start[at] = kept.start;
            clip_end[at] = length - kept.end;
            settled = kept.start == 0 && kept.end == length && n <= FULL_LENGTH_MISMATCHES;
            exact = settled && n <= 1;
        } else {
            start[at] = end[at] = max(first, target.contig_start[home_of(mine, length, strand, target, first)]);
        }
        score[at] = its_score;
        if (!settled && vote[at] * 2 >= vote[row]) add_job(slot);
        else if (best < 0 || its_score > score[row + best]) best = slot, best_exact = exact;
    }
    if (best >= 0 && !best_exact) add_job(best);
    n_jobs[read] = jobs;
}

// What the extension takes of each job: query (rows, jobs), window (rows + width, jobs) u8, length (jobs) short, window_start (jobs): out
extern "C" __global__ void __launch_bounds__(128)
fill_jobs(const u8 *base, const i64 *base_start, TARGET, int slots, const i64 *low, const i64 *high, const u8 *reverse, const i64 *start,
          const int *job_read, const int *job_slot, i64 n_jobs, int width, u8 *query, u8 *window, short *length, i64 *window_start) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n_jobs) return;
    const Target target = OF_TARGET;
    const i64 read = job_read[k], at = read * slots + job_slot[k];
    const u8 *mine = base + base_start[read];
    const int bases = int(base_start[read + 1] - base_start[read]), columns = bases + width;
    const i64 contig = contig_of(target, start[at]), from = ((low[at] + high[at]) >> 1) - width / 2;
    const i64 first = target.contig_start[contig], last = target.contig_end[contig];
    for (int i = 0; i < bases; i++) {
        const u8 code = mine[reverse[at] ? bases - 1 - i : i];
        query[i * n_jobs + k] = code > 3 ? 4 : reverse[at] ? 3 - code : code;
    }
    i64 run = unknown_run(target, max(from, first));
    for (int j = 0; j < columns; j++) {
        const i64 position = from + j;
        u8 code = BEYOND;
        if (position >= first && position < last) {
            while (run < target.n_unknown && target.unknown_end[run] <= position) run++;
            const bool unknown = run < target.n_unknown && target.unknown_start[run] <= position;
            code = unknown ? UNKNOWN_GENOME : (u8)base_at(target, position);
        }
        window[j * n_jobs + k] = code;
    }
    length[k] = (short)bases;
    window_start[k] = from;
}

// Puts what the extension gave where it is no worse: job_cigar (jobs, MAX_OPERATIONS) and operations (jobs), 0 for those refused; offset
// (jobs): where the operations of each go in `cigar`, which is the part from `used` of all CIGARs of the batch
extern "C" __global__ void __launch_bounds__(128)
write_back(const int *job_read, const int *job_slot, i64 n_jobs, int slots, const short *job_score, const u32 *job_cigar,
           const int *operations, const int *column, const i64 *window_start, const i64 *offset, i64 used, int *score, i64 *start, i64 *end,
           int *clip_start, int *clip_end, i64 *cigar_at, int *cigar_n, u32 *cigar) {
    const i64 k = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= n_jobs || operations[k] == 0) return;
    const i64 at = (i64)job_read[k] * slots + job_slot[k];
    const u32 *mine = job_cigar + k * MAX_OPERATIONS;
    const int n = operations[k];
    i64 bases = 0;
    for (int i = 0; i < n; i++) {
        const u32 operation = mine[i] & 15;
        if (operation == CIGAR_MATCH || operation == CIGAR_DELETION) bases += mine[i] >> 4;
        cigar[offset[k] + i] = mine[i];
    }
    score[at] = job_score[k];
    start[at] = window_start[k] + column[k];
    end[at] = start[at] + bases;
    clip_start[at] = (mine[0] & 15) == CIGAR_CLIP ? int(mine[0] >> 4) : 0;
    clip_end[at] = (mine[n - 1] & 15) == CIGAR_CLIP ? int(mine[n - 1] >> 4) : 0;
    cigar_at[at] = used + offset[k];
    cigar_n[at] = n;
}

// Drops, of the places of a read that share strand and start or end, all but the best.
extern "C" __global__ void __launch_bounds__(128)
drop_repeated(i64 n_reads, int slots, const int *n_candidate, const u8 *reverse, const i64 *start, const i64 *end, int *score) {
    const i64 read = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (read >= n_reads) return;
    const i64 row = read * slots;
    for (i64 a = row; a < row + n_candidate[read]; a++)
        for (i64 b = a + 1; b < row + n_candidate[read]; b++) {
            const bool same = start[a] == start[b] || end[a] == end[b];
            if (same && reverse[a] == reverse[b] && score[a] >= 0 && score[b] >= 0) score[score[b] > score[a] ? a : b] = -1;
        }
}

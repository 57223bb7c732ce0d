// Races, accesses outside of arrays, misaligned ones and reads of what nothing has written, for kernels under the shim.
//
// A .cu file compiled with -fsanitize=thread and some more calls the functions at the end of this file at each access, and where C++ leaves a
// result open. An access is checked against the arrays of the launch and against the earlier accesses to the same eight bytes. Two of
// them race where both are not reads, both are not atomic, and nothing orders them. As CUDA has it, threads of different blocks are never
// ordered within a launch; those of a block are by __syncthreads; those named in a mask are by __syncwarp; shuffles, votes and atomics
// order nothing. Each thread has a vector clock of the threads of its block; what it did is before another thread's access where that
// thread's clock has come to know of it at a meeting.
//
// Sources: CUDA C++ Programming Guide, Warp Vote, Warp Shuffle and Synchronization Functions; Flanagan and Freund, FastTrack (2009).
#define CHECKED
#include "checks.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

extern "C" __attribute__((visibility("hidden"))) char __ehdr_start[], _end[];

namespace {
constexpr unsigned char UNWRITTEN = 0xA5;
constexpr std::size_t WORDS = 64, MOST_FINDINGS = 20;
constexpr int SHARED = -1;
enum Kind { READ, WRITE, ATOMIC, KINDS };
using Code = const char *;

// As build.py gives it: `unwritten` where the array was full of UNWRITTEN at first.
struct Array {
    const char *begin;
    std::uint64_t bytes, unwritten;
};

struct Access {
    std::uint32_t clock;
    std::uint16_t thread;
    std::uint8_t bytes, kind;
    Code code;
};

// The accesses to eight bytes: those of the block that came last, and which bytes blocks before it have touched, by kind.
struct Word {
    unsigned block = 0;
    std::uint8_t elsewhere[KINDS] = {};
    Code code[KINDS] = {};
    std::vector<Access> here;
};

std::vector<Array> arrays;
std::unordered_map<std::uintptr_t, std::unique_ptr<std::array<Word, WORDS>>> pages;
std::set<std::string> findings;
std::string told;

unsigned block;
int thread = -1, n_threads;
bool within_atomic;
const char *stack, *shared;
std::size_t stack_bytes, shared_bytes;
std::vector<std::uint32_t> clocks, arrived[2][2];

bool within(const char *at, std::size_t bytes, const char *begin, std::uint64_t size) {
    return at >= begin && std::uint64_t(at - begin) + bytes <= size;
}

std::uint32_t *clock_of(int of) { return &clocks[std::size_t(of) * n_threads]; }

std::string place(Code code) { return "@" + std::to_string(code - __ehdr_start - 1) + " "; }

void tell(const std::string &what, Code code, Code other = nullptr) {
    if (findings.size() < MOST_FINDINGS) findings.insert(what + " " + place(code) + (other ? "and " + place(other) : ""));
}

const char *name(int kind) { return kind == READ ? "read" : kind == WRITE ? "write" : "atomic"; }

// READ against READ and ATOMIC against ATOMIC get along.
bool conflict(int a, int b) { return a != b || a == WRITE; }

Word &word_at(std::uintptr_t number) {
    auto &page = pages[number / WORDS];
    if (!page) page = std::make_unique<std::array<Word, WORDS>>();
    return (*page)[number % WORDS];
}

void leave_block(Word &word) {
    for (const Access &access : word.here) word.elsewhere[access.kind] |= access.bytes, word.code[access.kind] = access.code;
    word.here.clear();
    word.block = block;
}

// `where` is the number of an array, or SHARED.
std::string description(int where) { return where == SHARED ? "shared memory" : "argument " + std::to_string(where); }

void check_order(Word &word, std::uint8_t bytes, int kind, Code code, int where) {
    const auto race = [&](const char *of, int other, Code its_code) {
        tell(std::string("race of two ") + of + ": " + name(kind) + " and " + name(other) + " of " + description(where), code, its_code);
    };
    if (word.block != block) leave_block(word);
    for (int other = READ; other < KINDS; other++)
        if (word.elsewhere[other] & bytes && conflict(kind, other)) race("blocks", other, word.code[other]);
    const std::uint32_t *mine = clock_of(thread);
    const auto before = [&](const Access &access) { return access.thread == thread || access.clock <= mine[access.thread]; };
    for (const Access &access : word.here)
        if (access.bytes & bytes && conflict(kind, access.kind) && !before(access)) race("threads", access.kind, access.code);
    const auto replaced = [&](const Access &access) {
        return !(access.bytes & ~bytes) && before(access) && (access.kind == kind || kind == WRITE);
    };
    word.here.erase(std::remove_if(word.here.begin(), word.here.end(), replaced), word.here.end());
    word.here.push_back({mine[thread], std::uint16_t(thread), bytes, std::uint8_t(kind), code});
}

bool nothing_written(const char *at, std::size_t bytes) {
    return std::all_of(at, at + bytes, [](char c) { return static_cast<unsigned char>(c) == UNWRITTEN; });
}

void check(const volatile void *address, std::size_t bytes, int kind, Code code) {
    if (thread < 0 || within_atomic) return;
    const char *at = static_cast<const char *>(const_cast<const void *>(address));
    if (within(at, bytes, stack, stack_bytes)) return;
    int where = SHARED;
    bool unwritten = true;
    if (!within(at, bytes, shared, shared_bytes)) {
        if (within(at, bytes, __ehdr_start, std::uint64_t(_end - __ehdr_start))) return;
        where = 0;
        while (where < int(arrays.size()) && !within(at, bytes, arrays[where].begin, arrays[where].bytes)) where++;
        if (where == int(arrays.size())) return tell(std::string(name(kind)) + " outside of every array", code);
        unwritten = arrays[where].unwritten;
    }
    if (reinterpret_cast<std::uintptr_t>(at) % bytes) tell(std::string("misaligned ") + name(kind) + " of " + description(where), code);
    if (kind != WRITE && unwritten && nothing_written(at, bytes)) tell("read of what nothing has written in " + description(where), code);
    for (std::size_t done = 0; done < bytes;) {
        const auto from = reinterpret_cast<std::uintptr_t>(at) + done;
        const std::size_t n = std::min<std::size_t>(8 - from % 8, bytes - done);
        check_order(word_at(from / 8), std::uint8_t(((1u << n) - 1) << from % 8), kind, code, where);
        done += n;
    }
}
}  // namespace

namespace checks {
void begin_launch() {
    pages.clear();
    thread = -1;
}

void begin_block(unsigned number, int threads, char *of_block, std::size_t bytes) {
    block = number;
    n_threads = threads;
    shared = of_block;
    shared_bytes = bytes;
    const auto first = reinterpret_cast<std::uintptr_t>(shared) / 8;
    for (auto page = first / WORDS; bytes && page <= (first + bytes / 8) / WORDS; page++) pages.erase(page);
    clocks.assign(std::size_t(threads) * threads, 0);
    for (int i = 0; i < threads; i++) clock_of(i)[i] = 1;
    for (auto &of_meeting : arrived)
        for (auto &slot : of_meeting) slot.assign(clocks.size(), 0);
}

void run(int which, const char *its_stack, std::size_t bytes) {
    thread = which;
    stack = its_stack;
    stack_bytes = bytes;
}

void pause() { thread = -1; }

void arrive(int which, Meeting meeting, unsigned number) {
    std::copy_n(clock_of(which), n_threads, &arrived[meeting][number & 1][std::size_t(which) * n_threads]);
}

// `which` goes on from a meeting at which `other` was, too.
void leave(int which, int other, Meeting meeting, unsigned number) {
    const std::uint32_t *theirs = &arrived[meeting][number & 1][std::size_t(other) * n_threads];
    std::uint32_t *mine = clock_of(which);
    for (int i = 0; i < n_threads; i++) mine[i] = std::max(mine[i], theirs[i]);
    if (which == other) mine[which]++;
}

void begin_atomic(const volatile void *at, std::size_t bytes) {
    check(at, bytes, ATOMIC, static_cast<Code>(__builtin_return_address(0)));
    within_atomic = true;
}

void end_atomic() { within_atomic = false; }
}  // namespace checks

// Which arrays the kernel may touch, and what was found since; each finding is a line, code stands in it as @ and its place in the library.
extern "C" void checks_arrays(const Array *first, std::uint64_t n) { arrays.assign(first, first + n); }

extern "C" const char *checks_findings() {
    told.clear();
    for (const std::string &finding : findings) told += finding + "\n";
    findings.clear();
    return told.c_str();
}

// What the compiler calls at each access, in place of its own library.
#define HERE static_cast<Code>(__builtin_return_address(0))
#define ACCESSES(n)                                                                                  \
    extern "C" void __tsan_read##n(void *at) { check(at, n, READ, HERE); }                           \
    extern "C" void __tsan_write##n(void *at) { check(at, n, WRITE, HERE); }                         \
    extern "C" void __tsan_unaligned_read##n(void *at) { check(at, n, READ, HERE); }                 \
    extern "C" void __tsan_unaligned_write##n(void *at) { check(at, n, WRITE, HERE); }               \
    extern "C" void __tsan_volatile_read##n(void *at) { check(at, n, ATOMIC, HERE); }                \
    extern "C" void __tsan_volatile_write##n(void *at) { check(at, n, ATOMIC, HERE); }
extern "C" void __tsan_read_range(void *at, std::size_t n) { check(at, n, READ, HERE); }
extern "C" void __tsan_write_range(void *at, std::size_t n) { check(at, n, WRITE, HERE); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}

// What the compiler calls where a result is undefined.
struct Source {
    const char *file;
    std::uint32_t line, column;
};
#define UNDEFINED(kind)                                                                              \
    extern "C" void __ubsan_handle_##kind(const Source *source, ...) {                               \
        findings.insert(#kind " in " + std::string(source->file) + ":" + std::to_string(source->line)); \
    }
UNDEFINED(add_overflow)
UNDEFINED(sub_overflow)
UNDEFINED(mul_overflow)
UNDEFINED(negate_overflow)
UNDEFINED(divrem_overflow)
UNDEFINED(shift_out_of_bounds)
UNDEFINED(out_of_bounds)

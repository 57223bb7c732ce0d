// What the shim tells checks.cpp of in its checked build: which thread runs, and what orders its accesses to memory.
//
// The compiler adds a call to every access (-fsanitize=thread); checks.cpp answers these calls itself. In other builds all of this is
// nothing.
#pragma once
#include <cstddef>

namespace checks {
#ifdef CHECKED
enum Meeting { BLOCK, WARP };
void begin_launch();
void begin_block(unsigned block, int threads, char *shared, std::size_t shared_bytes);
void run(int thread, const char *stack, std::size_t stack_bytes);
void pause();
void arrive(int thread, Meeting meeting, unsigned number);
void leave(int thread, int other, Meeting meeting, unsigned number);
void begin_atomic(const volatile void *at, std::size_t bytes);
void end_atomic();
#else
enum Meeting { BLOCK, WARP };
inline void begin_launch() {}
inline void begin_block(unsigned, int, char *, std::size_t) {}
inline void run(int, const char *, std::size_t) {}
inline void pause() {}
inline void arrive(int, Meeting, unsigned) {}
inline void leave(int, int, Meeting, unsigned) {}
inline void begin_atomic(const volatile void *, std::size_t) {}
inline void end_atomic() {}
#endif

// The accesses of an atomic function are one access, which races with no other of its kind.
struct Atomic {
    Atomic(const volatile void *at, std::size_t bytes) { begin_atomic(at, bytes); }
    ~Atomic() { end_atomic(); }
};
}  // namespace checks

// Memory patterns: each word of 8 bytes can be told from its place, so that a cell that holds another's content shows.
// `base` is a multiple of 16. A pattern's number with its lowest bit set is the complement of the one before.
#include "errors.cuh"
#include "sums.cuh"

namespace memory {

constexpr u32 AT_ONCE = 4;  // loads of 16 bytes in flight for each thread

enum Family : u32 { CONSTANT = 0, RANDOM = 1, ADDRESS = 2, WALKING_BIT = 3 };

// A hash of the place alone: every word can be computed anywhere, in any order.
__device__ __forceinline__ u64 hash(u64 seed, u64 index) {
    u64 x = index * 0x9e3779b97f4a7c15 + seed;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
    return x ^ x >> 32;
}

struct Pattern {
    u32 family;
    u64 seed, mask;

    __device__ __forceinline__ Pattern(u32 number, u64 seed) : family(number / 2), seed(seed), mask(0ull - number % 2) {}

    __device__ __forceinline__ u64 word(u64 index, const void* at) const {
        u64 plain = family == CONSTANT  ? seed
                    : family == RANDOM  ? hash(seed, index)
                    : family == ADDRESS ? reinterpret_cast<u64>(at)
                                        : 1ull << (index + seed) % 64;
        return plain ^ mask;
    }
};

__device__ __forceinline__ uint4 pair_of(const Pattern& pattern, u64 index, const u64* at) {
    u64 first = pattern.word(index, at), second = pattern.word(index + 1, at + 1);
    return make_uint4(static_cast<u32>(first), static_cast<u32>(first >> 32), static_cast<u32>(second),
                      static_cast<u32>(second >> 32));
}

__device__ __forceinline__ void compare(ErrorBuffer* errors, u64 index, u64 expected, u64 got) {
    if (expected == got) return;
    atomic_add(&errors->wrong, 1);
    report(errors, WRONG_MEMORY, index, expected, got);
}

__device__ __forceinline__ void compare_pair(ErrorBuffer* errors, u64 index, const uint4& expected, const uint4& got) {
    compare(errors, index, joined(expected.x, expected.y), joined(got.x, got.y));
    compare(errors, index + 1, joined(expected.z, expected.w), joined(got.z, got.w));
}

// Every pair of words once; the threads of a block lie side by side. `visit(index)` is given the first of AT_ONCE pairs
// that are `apart` words apart, and how many of them there are.
template <class Visit>
__device__ __forceinline__ void walk(u64 words, Visit visit) {
    constexpr u64 apart = BLOCK_THREADS * 2;
    const u64 pairs_end = words / 2 * 2;
    for (u64 block = blockIdx.x; block * apart * AT_ONCE < pairs_end; block += gridDim.x) {
        const u64 first = block * apart * AT_ONCE + threadIdx.x * 2;
        if (first >= pairs_end) continue;
        const u64 left = (pairs_end - first + apart - 1) / apart;
        visit(first, left < AT_ONCE ? static_cast<u32>(left) : AT_ONCE);
    }
}

// The last word, if their number is odd, is the first thread's.
__device__ __forceinline__ bool has_last(u64 words) { return words % 2 == 1 && blockIdx.x == 0 && threadIdx.x == 0; }

template <bool Refill>
__device__ __forceinline__ void check(u64* base, u64 words, Pattern old, Pattern fresh, ErrorBuffer* errors) {
    constexpr u64 apart = BLOCK_THREADS * 2;
    u64 compared = 0;
    walk(words, [&](u64 first, u32 pairs) {
        uint4 got[AT_ONCE];
#pragma unroll
        for (u32 i = 0; i < AT_ONCE; i++)
            if (i < pairs) got[i] = load_streaming_16(base + first + i * apart);
#pragma unroll
        for (u32 i = 0; i < AT_ONCE; i++) {
            if (i >= pairs) break;
            const u64 index = first + i * apart;
            const uint4 expected = pair_of(old, index, base + index);
            if (((got[i].x ^ expected.x) | (got[i].y ^ expected.y) | (got[i].z ^ expected.z) | (got[i].w ^ expected.w)) != 0)
                compare_pair(errors, index, expected, got[i]);
            if (Refill) store_streaming_16(base + index, pair_of(fresh, index, base + index));
            compared += 2;
        }
    });
    if (has_last(words)) {
        u64* last = base + words - 1;
        compare(errors, words - 1, old.word(words - 1, last), *last);
        if (Refill) *last = fresh.word(words - 1, last);
        compared++;
    }
    add_block_sum(&errors->compared, compared);
}

}  // namespace memory

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    memory_fill(u64* base, u64 words, u32 pattern_number, u64 seed) {
    const memory::Pattern pattern(pattern_number, seed);
    memory::walk(words, [&](u64 first, u32 pairs) {
#pragma unroll
        for (u32 i = 0; i < memory::AT_ONCE; i++) {
            if (i >= pairs) break;
            const u64 index = first + i * BLOCK_THREADS * 2;
            store_streaming_16(base + index, memory::pair_of(pattern, index, base + index));
        }
    });
    if (memory::has_last(words)) base[words - 1] = pattern.word(words - 1, base + words - 1);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    memory_check(u64* base, u64 words, u32 pattern, u64 seed, ErrorBuffer* errors) {
    const memory::Pattern old(pattern, seed);
    memory::check<false>(base, words, old, old, errors);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    memory_check_fill(u64* base, u64 words, u32 old_pattern, u64 old_seed, u32 new_pattern, u64 new_seed, ErrorBuffer* errors) {
    memory::check<true>(base, words, memory::Pattern(old_pattern, old_seed), memory::Pattern(new_pattern, new_seed), errors);
}

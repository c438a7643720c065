/* The instructions of kernels/ptx.cuh for a CPU: the same functions, written from the text of the PTX ISA (9.7.9 data
 * movement, 9.7.14 warp-level matrix instructions), not from the device's form. */
#ifndef FAKE_CUDA_PTX_CUH
#define FAKE_CUDA_PTX_CUH

#include "numbers.h"
#include "shim.cuh"

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;
using f32 = float;
using f64 = double;

#define SHARED_MEMORY(name) unsigned char* name = fake::self().block->shared + fake::SHARED_BASE

inline u32 shared_address(const void* pointer) { return fake::shared_number(pointer); }

/* Copies. */

inline const void* fake_global(const void* at, unsigned bytes, const char* what) {
    if (reinterpret_cast<uintptr_t>(at) % bytes != 0) fake::fault(716, "%s: %p is not a multiple of %u", what, at, bytes);
    return at;
}

#if __CUDA_ARCH__ >= 800
inline void cp_async_16(u32 shared, const void* global) {
    unsigned char* to = fake::shared_at(shared, 16, 16, "cp.async");
    fake_global(global, 16, "cp.async");
    fake::self().copies.add([to, global] { memcpy(to, global, 16); }, fake::launch().early);
}
inline void cp_async_commit() { fake::self().copies.commit(); }
template <int Newest>
inline void cp_async_wait() {
    fake::self().copies.wait(Newest);
}
#endif

#if __CUDA_ARCH__ >= 750
/* Lanes 8j to 8j+7 name the rows of matrix j; lane l gets the elements 2(l%4), +1 of row l/4 of each. */
inline void ldmatrix_x4(u32 (&r)[4], u32 shared) {
    struct Mine { const unsigned char* row; u32* r; } mine{fake::shared_at(shared, 16, 16, "ldmatrix"), r};
    fake::together(fake::warp(), "ldmatrix", mine, [](Mine* const* all) {
        for (unsigned lane = 0; lane < 32; lane++)
            for (unsigned j = 0; j < 4; j++) memcpy(&all[lane]->r[j], all[8 * j + lane / 4]->row + 4 * (lane % 4), 4);
    });
}
#endif

inline uint4 load_streaming_16(const void* global) {
    uint4 value;
    memcpy(&value, fake_global(global, 16, "ld.global.v4"), 16);
    return value;
}
inline void store_streaming_16(void* global, uint4 value) {
    fake_global(global, 16, "st.global.v4");
    memcpy(global, &value, 16);
}
inline u32 load_relaxed(const u32* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

/* Matrix products: every lane's fragments are put into whole matrices by the ISA's tables, multiplied, and given back. */

struct FakeFragments {
    void* d;
    const void *a, *b;
};

/* M×8×K of a type with P elements in a register; A's and B's place of element i of a lane by the functions. */
template <typename Type, unsigned M, unsigned K, typename PlaceA, typename PlaceB>
inline void fake_mma(const char* what, f32* d, const u32* a, const u32* b, int bits, PlaceA place_a, PlaceB place_b) {
    FakeFragments mine{d, a, b};
    fake::together(fake::warp(), what, mine, [=](FakeFragments* const* all) {
        using Bits = typename Type::Bits;
        float left[M][K], right[8][K];
        for (unsigned lane = 0; lane < 32; lane++) {
            for (unsigned i = 0; i < M * K / 32; i++) {
                auto [row, k] = place_a(lane / 4, lane % 4, i);
                Bits element;
                memcpy(&element, static_cast<const char*>(all[lane]->a) + i * sizeof(Bits), sizeof(Bits));
                left[row][k] = Type::value(element);
            }
            for (unsigned i = 0; i < 8 * K / 32; i++) {
                auto [k, column] = place_b(lane / 4, lane % 4, i);
                Bits element;
                memcpy(&element, static_cast<const char*>(all[lane]->b) + i * sizeof(Bits), sizeof(Bits));
                right[column][k] = Type::value(element);
            }
        }
        for (unsigned lane = 0; lane < 32; lane++)
            for (unsigned i = 0; i < M * 8 / 32; i++) {
                const unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
                f32& result = static_cast<f32*>(all[lane]->d)[i];
                result = fake::tensor_sum(result, left[row], right[column], K, bits);
            }
    });
}

struct FakePlace {
    unsigned first, second;
};
constexpr int FAKE_FULL_BITS = 23;

inline FakePlace fake_a_16x16(unsigned group, unsigned in_group, unsigned i) {
    return {i < 2 || (i >= 4 && i < 6) ? group : group + 8, in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
inline FakePlace fake_b_16x8(unsigned group, unsigned in_group, unsigned i) {
    return {in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0), group};
}

#if __CUDA_ARCH__ >= 800
inline void mma_m16n8k16_bf16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    fake_mma<fake::Bf16, 16, 16>("mma.m16n8k16.bf16", d, a, b, FAKE_FULL_BITS, fake_a_16x16, fake_b_16x8);
}
inline void mma_m16n8k16_fp16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    fake_mma<fake::Fp16, 16, 16>("mma.m16n8k16.f16", d, a, b, FAKE_FULL_BITS, fake_a_16x16, fake_b_16x8);
}
inline void mma_m16n8k8_tf32(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    fake_mma<fake::Tf32, 16, 8>(
        "mma.m16n8k8.tf32", d, a, b, FAKE_FULL_BITS,
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace {
            return {i == 0 || i == 2 ? group : group + 8, i < 2 ? in_group : in_group + 4};
        },
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace { return {in_group + 4 * i, group}; });
}
#endif

#if __CUDA_ARCH__ >= 890
inline void mma_m16n8k32_e4m3(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    const int bits = fake::launch().fp8_bits ? fake::launch().fp8_bits : FAKE_FULL_BITS;
    fake_mma<fake::E4m3, 16, 32>(
        "mma.m16n8k32.e4m3", d, a, b, bits,
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace {
            return {i < 4 || (i >= 8 && i < 12) ? group : group + 8, in_group * 4 + (i & 3) + (i >= 8 ? 16 : 0)};
        },
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace {
            return {in_group * 4 + (i & 3) + (i >= 4 ? 16 : 0), group};
        });
}
#endif

#if __CUDA_ARCH__ >= 750
inline void mma_m16n8k8_fp16(f32 (&d)[4], u32 a0, u32 a1, u32 b0) {
    const u32 a[2] = {a0, a1}, b[1] = {b0};
    fake_mma<fake::Fp16, 16, 8>(
        "mma.m16n8k8.f16", d, a, b, FAKE_FULL_BITS,
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace {
            return {i < 2 ? group : group + 8, in_group * 2 + (i & 1)};
        },
        [](unsigned group, unsigned in_group, unsigned i) -> FakePlace { return {in_group * 2 + i, group}; });
}
#endif

/* Volta: four products at once, each by eight lanes: 4q to 4q+3 and 16+4q to 16+4q+3. */
inline void mma_m8n8k4_fp16(f32 (&d)[8], u32 a0, u32 a1, u32 b0, u32 b1) {
    const u32 a[2] = {a0, a1}, b[2] = {b0, b1};
    FakeFragments mine{d, a, b};
    fake::together(fake::warp(), "mma.m8n8k4.f16", mine, [](FakeFragments* const* all) {
        for (unsigned quad = 0; quad < 4; quad++) {
            float left[8][4], right[8][4];
            for (unsigned t = 0; t < 8; t++) {
                const FakeFragments& lane = *all[t < 4 ? 4 * quad + t : 16 + 4 * quad + t - 4];
                u16 in_a[4], in_b[4];
                memcpy(in_a, lane.a, 8);
                memcpy(in_b, lane.b, 8);
                for (unsigned i = 0; i < 4; i++) {
                    left[t][i] = fake::from_fp16(in_a[i]);
                    right[t][i] = fake::from_fp16(in_b[i]);
                }
            }
            for (unsigned t = 0; t < 8; t++) {
                const unsigned lane = t < 4 ? 4 * quad + t : 16 + 4 * quad + t - 4;
                for (unsigned i = 0; i < 8; i++) {
                    const unsigned row = (lane & 1) + (i & 2) + (lane < 16 ? 0 : 4), column = (i & 4) + (lane & 2) + (i & 1);
                    f32& result = static_cast<f32*>(all[lane]->d)[i];
                    result = fake::tensor_sum(result, left[row], right[column], 4, FAKE_FULL_BITS);
                }
            }
        }
    });
}

#if __CUDA_ARCH__ >= 800
inline void mma_m8n8k4_fp64(f64 (&d)[2], f64 a, f64 b) {
    FakeFragments mine{d, &a, &b};
    fake::together(fake::warp(), "mma.m8n8k4.f64", mine, [](FakeFragments* const* all) {
        for (unsigned lane = 0; lane < 32; lane++)
            for (unsigned i = 0; i < 2; i++) {
                f64& result = static_cast<f64*>(all[lane]->d)[i];
                for (unsigned k = 0; k < 4; k++)
                    result = fma(*static_cast<const f64*>(all[4 * (lane / 4) + k]->a),
                                 *static_cast<const f64*>(all[4 * (lane % 4 * 2 + i) + k]->b), result);
            }
    });
}
#endif

#if __CUDA_ARCH__ >= 900
inline void mma_m16n8k8_fp64(f64 (&d)[4], const f64 (&a)[4], const f64 (&b)[2]) {
    FakeFragments mine{d, a, b};
    fake::together(fake::warp(), "mma.m16n8k8.f64", mine, [](FakeFragments* const* all) {
        f64 left[16][8], right[8][8];
        for (unsigned lane = 0; lane < 32; lane++) {
            for (unsigned i = 0; i < 4; i++)
                left[lane / 4 + (i == 0 || i == 2 ? 0 : 8)][lane % 4 + (i < 2 ? 0 : 4)] = static_cast<const f64*>(all[lane]->a)[i];
            for (unsigned i = 0; i < 2; i++) right[lane / 4][lane % 4 + 4 * i] = static_cast<const f64*>(all[lane]->b)[i];
        }
        for (unsigned lane = 0; lane < 32; lane++)
            for (unsigned i = 0; i < 4; i++) {
                f64& result = static_cast<f64*>(all[lane]->d)[i];
                for (unsigned k = 0; k < 8; k++)
                    result = fma(left[lane / 4 + 8 * (i / 2)][k], right[lane % 4 * 2 + i % 2][k], result);
            }
    });
}
#endif

/* The rest. */

inline u64 atomic_add(u64* p, u64 value) { return atomicAdd(p, value); }
inline u64 global_timer() { return fake::timer(); }
inline u32 multiprocessor() { return fake::multiprocessor(); }
inline void sleep_nanoseconds(u32 nanoseconds) { fake::sleep(nanoseconds); }

#endif

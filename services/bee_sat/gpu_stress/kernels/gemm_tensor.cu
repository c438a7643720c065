// Products on tensor cores through mma.sync, sm_75 and later: bf16, fp16, tf32, fp8 (e4m3).
//
// To ldmatrix and mma.sync all these types look the same when counted in bytes: one step multiplies 32 bytes of 16 rows of
// A with 32 bytes of 8 rows of B; a lane holds four words of A and two of B. So there is one kernel, counted in bytes.
#include "tile.cuh"

#if __CUDA_ARCH__ >= 750

namespace generic::tensor {

#if __CUDA_ARCH__ >= 800
struct Bf16 {
    static constexpr u32 BYTES = 2;
    __device__ __forceinline__ static void multiply(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        mma_m16n8k16_bf16(d, a, b);
    }
};

struct Tf32 {
    static constexpr u32 BYTES = 4;
    __device__ __forceinline__ static void multiply(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        mma_m16n8k8_tf32(d, a, b);
    }
};
#endif

struct Fp16 {
    static constexpr u32 BYTES = 2;
    __device__ __forceinline__ static void multiply(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
        mma_m16n8k16_fp16(d, a, b);
#else
        mma_m16n8k8_fp16(d, a[0], a[1], b[0]);  // Turing's is half as deep
        mma_m16n8k8_fp16(d, a[2], a[3], b[1]);
#endif
    }
};

#if __CUDA_ARCH__ >= 890
struct Fp8 {
    static constexpr u32 BYTES = 1;
    __device__ __forceinline__ static void multiply(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        mma_m16n8k32_e4m3(d, a, b);
    }
};
#endif

// A warp's operands for one step of 32 bytes along K. Of 16 columns of C two instructions compute 8 each. Which
// columns is free to choose, for it depends only on which rows of B are loaded: the first takes 0,1, 4,5, 8,9, 12,13,
// the second the others, so that a lane's four results of a row are neighbours and are stored as 16 bytes.
template <class S>
struct Fragments {
    u32 a[S::WARP_M / 16][4];
    u32 b[S::WARP_N / 8][2];

    __device__ __forceinline__ void load(u32 a_address, u32 b_address, int step) {
#pragma unroll
        for (int i = 0; i < S::WARP_M / 16; i++) ldmatrix_x4(a[i], (a_address ^ step * 32) + i * 16 * S::K_BYTES);
#pragma unroll
        for (int j = 0; j < S::WARP_N / 16; j++) {
            u32 both[4];
            ldmatrix_x4(both, (b_address ^ step * 32) + j * 16 * S::K_BYTES);
            b[2 * j][0] = both[0], b[2 * j][1] = both[1];
            b[2 * j + 1][0] = both[2], b[2 * j + 1][1] = both[3];
        }
    }
};

template <class Type, class S>
__device__ __forceinline__ void product(const void* a, const void* b, f32* c, u32 m, u32 n, u32 k, u32* makers) {
    constexpr int STEPS = S::K_BYTES / 32;
    constexpr Reads A_READS = Reads::EIGHT_ROWS, B_READS = Reads::PAIRED_COLUMNS;
    SHARED_MEMORY(shared);
    const Work<S> work(a, b, m, n, k, Type::BYTES, makers);
    const u32 tiles = k * Type::BYTES / S::K_BYTES, lane = work.lane;
    Ring<S, A_READS, B_READS> ring(shared, work.a, work.b, work.pitch, tiles);

    // Each lane gives ldmatrix one row's address: of A rows 0 … 15 and their two chunks, of B two times 8 rows.
    const u32 a_lane = swizzled<S::K_BYTES, A_READS>(work.warp_m * S::WARP_M + lane % 16, lane / 16);
    const u32 b_row = (lane & 6) * 2 + (lane & 1) + lane / 16 * 2;
    const u32 b_lane = swizzled<S::K_BYTES, B_READS>(work.warp_n * S::WARP_N + b_row, lane / 8 % 2);

    f32 sums[S::WARP_M / 16][S::WARP_N / 8][4] = {};
    Fragments<S> fragments[2];
    ring.begin();
    fragments[0].load(shared_address(ring.a()) + a_lane, shared_address(ring.b()) + b_lane, 0);
    for (u32 tile = 0; tile < tiles; tile++) {
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            if (step < STEPS - 1)
                ring.fetch(step, STEPS - 1);
            else
                ring.finish();
            // The next step's operands come while this one's are multiplied.
            fragments[(step + 1) % 2].load(
                shared_address(ring.a()) + a_lane, shared_address(ring.b()) + b_lane, (step + 1) % STEPS);
            const Fragments<S>& now = fragments[step % 2];
#pragma unroll
            for (int i = 0; i < S::WARP_M / 16; i++)
#pragma unroll
                for (int j = 0; j < S::WARP_N / 8; j++) Type::multiply(sums[i][j], now.a[i], now.b[j]);
        }
    }

    const u64 row = work.tile.row * S::M + work.warp_m * S::WARP_M + lane / 4;
    const u32 column = work.tile.column * S::N + work.warp_n * S::WARP_N + lane % 4 * 4;
#pragma unroll
    for (int i = 0; i < S::WARP_M / 16; i++)
#pragma unroll
        for (int j = 0; j < S::WARP_N / 16; j++) {
            const f32(&left)[4] = sums[i][2 * j];
            const f32(&right)[4] = sums[i][2 * j + 1];
            f32* to = c + (row + i * 16) * n + column + j * 16;
            *reinterpret_cast<float4*>(to) = make_float4(left[0], left[1], right[0], right[1]);
            *reinterpret_cast<float4*>(to + 8ull * n) = make_float4(left[2], left[3], right[2], right[3]);
        }
}

}  // namespace generic::tensor

#define TENSOR_PRODUCT(name, Type, ...)                                                                          \
    extern "C" __global__ void __launch_bounds__(generic::Shape<__VA_ARGS__>::THREADS, 1)                                 \
        name(const void* a, const void* b, f32* c, u32 m, u32 n, u32 k, u32* makers) {                           \
        generic::tensor::product<generic::tensor::Type, generic::Shape<__VA_ARGS__>>(a, b, c, m, n, k, makers);                             \
    }

#ifdef SHAPE_BF16
TENSOR_PRODUCT(gemm_bf16, Bf16, SHAPE_BF16)
#endif
#ifdef SHAPE_FP16
TENSOR_PRODUCT(gemm_fp16, Fp16, SHAPE_FP16)
#endif
#ifdef SHAPE_TF32
TENSOR_PRODUCT(gemm_tf32, Tf32, SHAPE_TF32)
#endif
#ifdef SHAPE_FP8
TENSOR_PRODUCT(gemm_fp8, Fp8, SHAPE_FP8)
#endif

#endif

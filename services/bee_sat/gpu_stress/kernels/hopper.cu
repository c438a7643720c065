// The products of sm_90a with tensor maps. hopper.py chooses each one's shape and hands it in as a macro.
//
// gemm_bf16_tma gemm_fp16_tma gemm_fp8_tma (map of A, map of B, map of C, u32 M, u32 N, u32 K, u32* makers)
#include "hopper_gemm.cuh"

namespace hopper {

// What differs between the types: how many elements of K a slot holds, and the product of 64 rows over 32 bytes of K.
struct Bf16 {
    static constexpr u32 K = ROW_BYTES / 2;
    template <u32 REGISTERS>
    static __device__ __forceinline__ void multiply(f32 (&d)[REGISTERS], u64 a, u64 b, bool accumulate) {
        wgmma_bf16(d, a, b, accumulate);
    }
};

struct Fp16 {
    static constexpr u32 K = ROW_BYTES / 2;
    template <u32 REGISTERS>
    static __device__ __forceinline__ void multiply(f32 (&d)[REGISTERS], u64 a, u64 b, bool accumulate) {
        wgmma_fp16(d, a, b, accumulate);
    }
};

// Hopper's accumulator for fp8 keeps 13 bits behind the point of its largest addend, not 23. Nothing is promoted to
// real fp32 on the way, which would cost rate: the operands must be such that no sum on the way leaves ±2^13.
struct Fp8 {
    static constexpr u32 K = ROW_BYTES;
    template <u32 REGISTERS>
    static __device__ __forceinline__ void multiply(f32 (&d)[REGISTERS], u64 a, u64 b, bool accumulate) {
        wgmma_e4m3(d, a, b, accumulate);
    }
};

}  // namespace hopper

#define PRODUCT(NAME, INPUT, SHAPE, SHARED)                                                                        \
    static_assert(SHAPE::SHARED_BYTES == SHARED, "hopper.py counts the shared memory otherwise");                  \
    extern "C" __global__ void __cluster_dims__(SHAPE::CLUSTER, 1, 1) __launch_bounds__(SHAPE::THREADS, 1)         \
        NAME(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,                             \
             const __grid_constant__ TensorMap c, u32 m, u32 n, u32 k, u32* makers) {                              \
        hopper::product<hopper::INPUT, SHAPE>(a, b, c, m, n, k, makers);                                           \
    }

using HopperBf16 = hopper::Shape<HOPPER_BF16_SHAPE>;
using HopperFp16 = hopper::Shape<HOPPER_FP16_SHAPE>;
using HopperFp8 = hopper::Shape<HOPPER_FP8_SHAPE>;

PRODUCT(gemm_bf16_tma, Bf16, HopperBf16, HOPPER_BF16_SHARED)
PRODUCT(gemm_fp16_tma, Fp16, HopperFp16, HOPPER_FP16_SHARED)
PRODUCT(gemm_fp8_tma, Fp8, HopperFp8, HOPPER_FP8_SHARED)

#undef PRODUCT

// Products on the ordinary units, one fused multiply-add for each: fp32 everywhere, fp64 where no tensor core has it.
//
// A warp's lanes lie 4 × 8 over its results; a lane computes every fourth row and every eighth column of them. Eight
// lanes in order then read eight neighbouring rows of B, or all the same row of A.
#include "tile.cuh"

namespace generic::fma_units {

// Sixteen bytes along K of one row, and the sum of its products with another's, in order of K.
struct Fp32 {
    using Element = f32;
    using Piece = float4;
    __device__ __forceinline__ static f32 multiply(const float4& a, const float4& b, f32 sum) {
        return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
    }
};

struct Fp64 {
    using Element = f64;
    using Piece = double2;
    __device__ __forceinline__ static f64 multiply(const double2& a, const double2& b, f64 sum) {
        return fma(a.y, b.y, fma(a.x, b.x, sum));
    }
};

template <class Type, class S>
__device__ __forceinline__ typename Type::Piece piece(const u8* tile, u32 row, u32 chunk) {
    return *reinterpret_cast<const typename Type::Piece*>(tile + swizzled<S::K_BYTES, Reads::EIGHT_ROWS>(row, chunk));
}

template <class Type, class S>
__device__ __forceinline__ void product(
    const void* a, const void* b, typename Type::Element* c, u32 m, u32 n, u32 k, u32* makers) {
    using Element = typename Type::Element;
    constexpr int STEPS = S::K_BYTES / 16, ROWS = S::WARP_M / 4, COLUMNS = S::WARP_N / 8;
    SHARED_MEMORY(shared);
    const Work<S> work(a, b, m, n, k, sizeof(Element), makers);
    const u32 tiles = k * sizeof(Element) / S::K_BYTES;
    Ring<S, Reads::EIGHT_ROWS, Reads::EIGHT_ROWS> ring(shared, work.a, work.b, work.pitch, tiles);
    const u32 a_row = work.warp_m * S::WARP_M + work.lane / 8, b_row = work.warp_n * S::WARP_N + work.lane % 8;

    Element sums[ROWS][COLUMNS] = {};
    ring.begin();
    for (u32 tile = 0; tile < tiles; tile++) {
        ring.fetch(0, 1);
#pragma unroll 1  // a step is long enough; unrolled, its loads are hoisted until registers spill
        for (int step = 0; step < STEPS; step++) {
            typename Type::Piece columns[COLUMNS];
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) columns[j] = piece<Type, S>(ring.b(), b_row + j * 8, step);
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                const typename Type::Piece row = piece<Type, S>(ring.a(), a_row + i * 4, step);
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) sums[i][j] = Type::multiply(row, columns[j], sums[i][j]);
            }
        }
        ring.finish();
    }

    const u64 row = work.tile.row * S::M + a_row;
    const u32 column = work.tile.column * S::N + b_row;
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) c[(row + i * 4) * n + column + j * 8] = sums[i][j];
}

}  // namespace generic::fma_units

#ifdef SHAPE_FP32
extern "C" __global__ void __launch_bounds__(generic::Shape<SHAPE_FP32>::THREADS, 1)
    gemm_fp32(const void* a, const void* b, f32* c, u32 m, u32 n, u32 k, u32* makers) {
    generic::fma_units::product<generic::fma_units::Fp32, generic::Shape<SHAPE_FP32>>(a, b, c, m, n, k, makers);
}
#endif

#ifdef SHAPE_FP64_FMA
extern "C" __global__ void __launch_bounds__(generic::Shape<SHAPE_FP64_FMA>::THREADS, 1)
    gemm_fp64(const void* a, const void* b, f64* c, u32 m, u32 n, u32 k, u32* makers) {
    generic::fma_units::product<generic::fma_units::Fp64, generic::Shape<SHAPE_FP64_FMA>>(a, b, c, m, n, k, makers);
}
#endif

// Products on Volta's tensor cores (sm_70): fp16 through mma.m8n8k4, which later chips have only in name.
//
// The instruction computes four products of 8×8 at once, one in each quad pair (lanes 4q … 4q+3 and 16+4q … 16+4q+3).
// Here the four make 16×16: pair q takes half q%2 of the rows and half q/2 of the columns.
#include "tile.cuh"

#if __CUDA_ARCH__ == 700

namespace generic::volta {

// Eight neighbours along K of one row: two instructions' worth.
template <class S>
__device__ __forceinline__ uint4 piece(const u8* tile, u32 row, u32 chunk) {
    return *reinterpret_cast<const uint4*>(tile + swizzled<S::K_BYTES, Reads::EIGHT_ROWS>(row, chunk));
}

template <class S>
__device__ __forceinline__ void product(const void* a, const void* b, f32* c, u32 m, u32 n, u32 k, u32* makers) {
    constexpr int STEPS = S::K_BYTES / 16, ROWS = S::WARP_M / 16, COLUMNS = S::WARP_N / 16;
    SHARED_MEMORY(shared);
    const Work<S> work(a, b, m, n, k, 2, makers);
    const u32 tiles = k * 2 / S::K_BYTES, lane = work.lane;
    Ring<S, Reads::EIGHT_ROWS, Reads::EIGHT_ROWS> ring(shared, work.a, work.b, work.pitch, tiles);

    // The instruction's rows 0-3 and 4-7 of a pair lie eight apart, so that eight lanes in order read eight rows in order.
    const u32 half = lane / 16, pair_row = lane / 4 % 2, pair_column = lane / 8 % 2;
    const u32 a_row = work.warp_m * S::WARP_M + half * 8 + pair_row * 4 + lane % 4;
    const u32 b_row = work.warp_n * S::WARP_N + half * 8 + pair_column * 4 + lane % 4;

    f32 sums[ROWS][COLUMNS][8] = {};
    ring.begin();
    for (u32 tile = 0; tile < tiles; tile++) {
        ring.fetch(0, 1);
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            uint4 rows[ROWS], columns[COLUMNS];
#pragma unroll
            for (int i = 0; i < ROWS; i++) rows[i] = piece<S>(ring.a(), a_row + i * 16, step);
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) columns[j] = piece<S>(ring.b(), b_row + j * 16, step);
#pragma unroll
            for (int i = 0; i < ROWS; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    mma_m8n8k4_fp16(sums[i][j], rows[i].x, rows[i].y, columns[j].x, columns[j].y);
                    mma_m8n8k4_fp16(sums[i][j], rows[i].z, rows[i].w, columns[j].z, columns[j].w);
                }
        }
        ring.finish();
    }

    // Result e of a lane is row lane%2 + (e & 2), in the upper half of the rows for lanes from 16, and column
    // (lane & 2) + e%2, in the upper half of the columns for e from 4.
    const u64 row = work.tile.row * S::M + work.warp_m * S::WARP_M + half * 8 + pair_row * 4 + lane % 2;
    const u32 column = work.tile.column * S::N + work.warp_n * S::WARP_N + pair_column * 4 + (lane & 2);
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++)
#pragma unroll
            for (int e = 0; e < 8; e += 2) {
                f32* to = c + (row + i * 16 + (e & 2)) * n + column + j * 16 + (e & 4) * 2;
                *reinterpret_cast<float2*>(to) = make_float2(sums[i][j][e], sums[i][j][e + 1]);
            }
}

}  // namespace generic::volta

extern "C" __global__ void __launch_bounds__(generic::Shape<SHAPE_FP16>::THREADS, 1)
    gemm_fp16(const void* a, const void* b, f32* c, u32 m, u32 n, u32 k, u32* makers) {
    generic::volta::product<generic::Shape<SHAPE_FP16>>(a, b, c, m, n, k, makers);
}

#endif

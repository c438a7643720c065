// Products in double precision on tensor cores: sm_80, and twice as deep an instruction from sm_90.
#include "tile.cuh"

#if __CUDA_ARCH__ >= 800 && defined(SHAPE_FP64)

namespace generic::fp64 {

// One element of a row. Eight bytes at a time, for the instruction wants a lane's four elements of A in neighbouring
// registers in an order in which no longer load brings them.
template <class S>
__device__ __forceinline__ f64 element(const u8* tile, u32 row, u32 k) {
    return *reinterpret_cast<const f64*>(tile + swizzled<S::K_BYTES, Reads::FOUR_ROWS>(row, k / 2) + k % 2 * 8);
}

// 16×8 results, eight deep. Of A a lane has rows g and g+8 at k, then both at k+4; of B its column at k and k+4.
__device__ __forceinline__ void multiply(f64 (&d)[4], const f64 (&a)[4], const f64 (&b)[2]) {
#if __CUDA_ARCH__ >= 900
    mma_m16n8k8_fp64(d, a, b);
#else
    f64(&top)[2] = reinterpret_cast<f64(&)[2]>(d[0]);
    f64(&bottom)[2] = reinterpret_cast<f64(&)[2]>(d[2]);
    mma_m8n8k4_fp64(top, a[0], b[0]);
    mma_m8n8k4_fp64(bottom, a[1], b[0]);
    mma_m8n8k4_fp64(top, a[2], b[1]);
    mma_m8n8k4_fp64(bottom, a[3], b[1]);
#endif
}

template <class S>
__device__ __forceinline__ void product(const void* a, const void* b, f64* c, u32 m, u32 n, u32 k, u32* makers) {
    constexpr int STEPS = S::K_BYTES / 64, ROWS = S::WARP_M / 16, COLUMNS = S::WARP_N / 8;
    SHARED_MEMORY(shared);
    const Work<S> work(a, b, m, n, k, 8, makers);
    const u32 tiles = k * 8 / S::K_BYTES, lane = work.lane;
    Ring<S, Reads::FOUR_ROWS, Reads::FOUR_ROWS> ring(shared, work.a, work.b, work.pitch, tiles);
    const u32 a_row = work.warp_m * S::WARP_M + lane / 4, b_row = work.warp_n * S::WARP_N + lane / 4;

    f64 sums[ROWS][COLUMNS][4] = {};
    ring.begin();
    for (u32 tile = 0; tile < tiles; tile++) {
        ring.fetch(0, 1);
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            const u32 low = step * 8 + lane % 4, high = low + 4;
            f64 rows[ROWS][4], columns[COLUMNS][2];
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                rows[i][0] = element<S>(ring.a(), a_row + i * 16, low);
                rows[i][1] = element<S>(ring.a(), a_row + i * 16 + 8, low);
                rows[i][2] = element<S>(ring.a(), a_row + i * 16, high);
                rows[i][3] = element<S>(ring.a(), a_row + i * 16 + 8, high);
            }
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) {
                columns[j][0] = element<S>(ring.b(), b_row + j * 8, low);
                columns[j][1] = element<S>(ring.b(), b_row + j * 8, high);
            }
#pragma unroll
            for (int i = 0; i < ROWS; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) multiply(sums[i][j], rows[i], columns[j]);
        }
        ring.finish();
    }

    const u64 row = work.tile.row * S::M + work.warp_m * S::WARP_M + lane / 4;
    const u32 column = work.tile.column * S::N + work.warp_n * S::WARP_N + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
            f64* to = c + (row + i * 16) * n + column + j * 8;
            *reinterpret_cast<double2*>(to) = make_double2(sums[i][j][0], sums[i][j][1]);
            *reinterpret_cast<double2*>(to + 8ull * n) = make_double2(sums[i][j][2], sums[i][j][3]);
        }
}

}  // namespace generic::fp64

extern "C" __global__ void __launch_bounds__(generic::Shape<SHAPE_FP64>::THREADS, 1)
    gemm_fp64(const void* a, const void* b, f64* c, u32 m, u32 n, u32 k, u32* makers) {
    generic::fp64::product<generic::Shape<SHAPE_FP64>>(a, b, c, m, n, k, makers);
}

#endif

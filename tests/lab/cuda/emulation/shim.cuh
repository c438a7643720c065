/* What nvcc gives a kernel without being asked, for a host compiler. Included before every kernel source. */
#ifndef FAKE_CUDA_SHIM_CUH
#define FAKE_CUDA_SHIM_CUH

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "grid.h"
#include "registry.h"

#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)
#ifndef FAKE_CUDA_FIND_KERNELS /* they are looked for in preprocessed text */
#define __global__
#endif

#define threadIdx (fake::self().index)
#define blockIdx (fake::self().block->index)
#define blockDim (fake::launch().block)
#define gridDim (fake::launch().grid)

#define FAKE_VECTOR_2(type, name)                                                                                 \
    struct alignas(2 * sizeof(type)) name { type x, y; };                                                         \
    inline name make_##name(type x, type y) { return {x, y}; }
#define FAKE_VECTOR_4(type, name)                                                                                 \
    struct alignas(4 * sizeof(type)) name { type x, y, z, w; };                                                   \
    inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }
FAKE_VECTOR_2(float, float2)
FAKE_VECTOR_2(double, double2)
FAKE_VECTOR_4(unsigned, uint4)
FAKE_VECTOR_4(float, float4)
#undef FAKE_VECTOR_2
#undef FAKE_VECTOR_4

using std::fma;
using std::max;
using std::min;

inline void __syncthreads() { fake::block_barrier(); }

inline void fake_whole_warp(unsigned mask, const char* what) {
    if (mask != 0xffffffffu) fake::fault(719, "%s for part of a warp (mask 0x%x) is not emulated", what, mask);
}

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    fake_whole_warp(mask, "__syncwarp");
    int nothing = 0;
    fake::together(fake::warp(), "__syncwarp", nothing, [](int* const*) {});
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
    fake_whole_warp(mask, "__shfl_sync");
    struct Mine { T in; int from; T out; } mine{value, lane & 31, value};
    fake::together(fake::warp(), "__shfl_sync", mine, [](Mine* const* all) {
        for (int i = 0; i < 32; i++) all[i]->out = all[all[i]->from]->in;
    });
    return mine.out;
}

/* The host may look at the same memory at the same time, so this is atomic on the CPU too. */
template <typename T>
T atomicAdd(T* at, T value) {
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}

#endif

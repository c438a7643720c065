// How a block of a streaming kernel adds up what its threads counted.
#pragma once

#include "ptx.cuh"

constexpr u32 BLOCK_THREADS = 256;  // of all streaming kernels
constexpr u32 BLOCK_SUM_BYTES = BLOCK_THREADS * 8;  // the dynamic shared memory that a sum needs

__device__ __forceinline__ u64 joined(u32 low, u32 high) { return static_cast<u64>(high) << 32 | low; }

// *total += every thread's value. All threads of the block call it.
__device__ __forceinline__ void add_block_sum(u64* total, u64 value) {
    SHARED_MEMORY(shared);
    u64* sums = reinterpret_cast<u64*>(shared);
    __syncthreads();
    sums[threadIdx.x] = value;
    for (u32 half = BLOCK_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) atomic_add(total, sums[0]);
}

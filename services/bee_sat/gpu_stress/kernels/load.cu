// Load without products: memory bandwidth, time spent, and the faults that `--inject` makes.
#include "sums.cuh"

namespace load {

constexpr u32 AT_ONCE = 8;  // accesses of 16 bytes in flight for each thread

// Every 16 bytes once; `visit(first, count)`: `count` of AT_ONCE pieces, THREADS apart.
template <class Visit>
__device__ __forceinline__ void walk(u64 bytes, Visit visit) {
    const u64 pieces = bytes / 16;
    for (u64 block = blockIdx.x; block * BLOCK_THREADS * AT_ONCE < pieces; block += gridDim.x) {
        const u64 first = block * BLOCK_THREADS * AT_ONCE + threadIdx.x;
        if (first >= pieces) continue;
        const u64 left = (pieces - first + BLOCK_THREADS - 1) / BLOCK_THREADS;
        visit(first, left < AT_ONCE ? static_cast<u32>(left) : AT_ONCE);
    }
}

__device__ __forceinline__ void read_pieces(uint4 (&got)[AT_ONCE], const uint4* from, u64 first, u32 count) {
#pragma unroll
    for (u32 i = 0; i < AT_ONCE; i++)
        if (i < count) got[i] = load_streaming_16(from + first + i * BLOCK_THREADS);
}

}  // namespace load

// sink[0] += bytes read, sink[1] += the sum of their words of 8 bytes, so that neither no work nor wrong data passes.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) bandwidth_read(const uint4* base, u64 bytes, u64* sink) {
    u64 read = 0, sum = 0;
    load::walk(bytes, [&](u64 first, u32 count) {
        uint4 got[load::AT_ONCE];
        load::read_pieces(got, base, first, count);
#pragma unroll
        for (u32 i = 0; i < load::AT_ONCE; i++) {
            if (i >= count) break;
            sum += joined(got[i].x, got[i].y) + joined(got[i].z, got[i].w);
            read += 16;
        }
    });
    add_block_sum(&sink[0], read);
    add_block_sum(&sink[1], sum);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) bandwidth_write(uint4* base, u64 bytes, u64 value) {
    const u32 low = static_cast<u32>(value), high = static_cast<u32>(value >> 32);
    const uint4 both = make_uint4(low, high, low, high);
    load::walk(bytes, [&](u64 first, u32 count) {
#pragma unroll
        for (u32 i = 0; i < load::AT_ONCE; i++)
            if (i < count) store_streaming_16(base + first + i * BLOCK_THREADS, both);
    });
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) bandwidth_copy(uint4* to, const uint4* from, u64 bytes) {
    load::walk(bytes, [&](u64 first, u32 count) {
        uint4 got[load::AT_ONCE];
        load::read_pieces(got, from, first, count);
#pragma unroll
        for (u32 i = 0; i < load::AT_ONCE; i++)
            if (i < count) store_streaming_16(to + first + i * BLOCK_THREADS, got[i]);
    });
}

// Each block waits for so long, or until *stop is not 0. `stop` may be null.
extern "C" __global__ void spin(u64 nanoseconds, const u32* stop) {
    const u64 start = global_timer();
    while (global_timer() - start < nanoseconds) {
        if (stop != nullptr && load_relaxed(stop) != 0) break;
        sleep_nanoseconds(1000);
    }
}

// Changes one cell behind everybody's back: width_bytes is 1, 2, 4 or 8.
extern "C" __global__ void flip(void* address, u64 mask, u32 width_bytes) {
    if (blockIdx.x != 0 || threadIdx.x != 0) return;
    if (width_bytes == 1) *static_cast<u8*>(address) ^= static_cast<u8>(mask);
    if (width_bytes == 2) *static_cast<unsigned short*>(address) ^= static_cast<unsigned short>(mask);
    if (width_bytes == 4) *static_cast<u32*>(address) ^= static_cast<u32>(mask);
    if (width_bytes == 8) *static_cast<u64*>(address) ^= mask;
}

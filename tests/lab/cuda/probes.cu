// One instruction each, laid bare: what goes into the lanes' registers or shared memory, and what comes out.
#include "ptx.cuh"
#include "ptx_hopper.cuh"

// in and out: 32 words for each lane. a from word 0, b from word 8, d from word 16 (out: from word 0).
extern "C" __global__ void probe_mma(const u32* in, u32* out, u32 which) {
    const u32* mine = in + threadIdx.x * 32;
    u32* result = out + threadIdx.x * 32;
    const u32 a[4] = {mine[0], mine[1], mine[2], mine[3]}, b[2] = {mine[8], mine[9]};
    const f32* d_in = reinterpret_cast<const f32*>(mine + 16);
    const f64 *a64 = reinterpret_cast<const f64*>(mine), *b64 = reinterpret_cast<const f64*>(mine + 8);
    const f64* d64_in = reinterpret_cast<const f64*>(mine + 16);
    f32 d[4] = {d_in[0], d_in[1], d_in[2], d_in[3]};
    f32 wide[8] = {d_in[0], d_in[1], d_in[2], d_in[3], d_in[4], d_in[5], d_in[6], d_in[7]};
    f64 d64[4] = {d64_in[0], d64_in[1], d64_in[2], d64_in[3]};
    if (which == 0) mma_m16n8k16_bf16(d, a, b);
    if (which == 1) mma_m16n8k16_fp16(d, a, b);
    if (which == 2) mma_m16n8k8_tf32(d, a, b);
    if (which == 3) mma_m16n8k32_e4m3(d, a, b);
    if (which == 4) mma_m16n8k8_fp16(d, a[0], a[1], b[0]);
    if (which == 5) mma_m8n8k4_fp16(wide, a[0], a[1], b[0], b[1]);
    if (which == 6) {
        f64 two[2] = {d64[0], d64[1]};
        mma_m8n8k4_fp64(two, a64[0], b64[0]);
        d64[0] = two[0], d64[1] = two[1];
    }
    if (which == 7) {
        const f64 left[4] = {a64[0], a64[1], a64[2], a64[3]}, right[2] = {b64[0], b64[1]};
        mma_m16n8k8_fp64(d64, left, right);
    }
    for (int i = 0; i < 8; i++) {
        const f32 value = which == 5 ? wide[i] : d[i % 4];
        result[i] = __float_as_uint(value);
    }
    if (which >= 6)
        for (int i = 0; i < 4; i++) reinterpret_cast<f64*>(result)[i] = d64[i];
}

// Which thread came when, where nobody waits for anybody.
extern "C" __global__ void probe_order(u32* count, u32* out) { out[atomicAdd(count, 1u)] = threadIdx.x; }

// 512 bytes into shared memory; lane l names the 16 bytes at offsets[l]; out: four words for each lane.
extern "C" __global__ void probe_ldmatrix(const u32* in, const u32* offsets, u32* out) {
    SHARED_MEMORY(shared);
    for (u32 i = threadIdx.x; i < 128; i += 32) reinterpret_cast<u32*>(shared)[i] = in[i];
    __syncthreads();
    u32 r[4];
    ldmatrix_x4(r, shared_address(shared) + offsets[threadIdx.x]);
    for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = r[i];
}

// Two groups of copies, and a look before, between and after the waits: three times 4 words for each lane.
extern "C" __global__ void probe_cp_async(const u32* in, u32* out) {
    SHARED_MEMORY(shared);
    u32* mine = reinterpret_cast<u32*>(shared) + threadIdx.x * 8;
    u32 first = shared_address(mine);
    for (int i = 0; i < 8; i++) mine[i] = 0;
    cp_async_16(first, in + threadIdx.x * 8);
    cp_async_commit();
    cp_async_16(first + 16, in + threadIdx.x * 8 + 4);
    cp_async_commit();
    out[threadIdx.x * 6] = mine[0], out[threadIdx.x * 6 + 1] = mine[4];
    cp_async_wait<1>();
    out[threadIdx.x * 6 + 2] = mine[0], out[threadIdx.x * 6 + 3] = mine[4];
    cp_async_wait<0>();
    out[threadIdx.x * 6 + 4] = mine[0], out[threadIdx.x * 6 + 5] = mine[4];
}

// One box into each block's shared memory at `shift`, which the block of rank 0 sends to all; out: `bytes` for each block.
__device__ __forceinline__ void fetch(const TensorMap* map, u32 x, u32 y, u32 bytes, u32 shift, u32* out) {
    SHARED_MEMORY(shared);
    const u32 barrier = shared_address(shared), at = barrier + 1024 + shift;
    if (threadIdx.x == 0) {
        mbarrier_init(barrier, 1);
        mbarrier_init_fence();
    }
    cluster_sync();
    if (threadIdx.x == 0) {
        mbarrier_arrive_expect(barrier, bytes);
        if (cluster_rank() == 0) {
            if (cluster_count() == gridDim.x)
                tma_load(at, map, barrier, x, y);
            else
                tma_load_multicast(at, map, barrier, x, y, 3);
        }
    }
    mbarrier_wait(barrier, 0);
    for (u32 i = threadIdx.x; i < bytes / 4; i += blockDim.x)
        out[cluster_rank() * (bytes / 4) + i] = reinterpret_cast<u32*>(shared + 1024 + shift)[i];
    cluster_sync();
}
extern "C" __global__ void probe_tma_load(const __grid_constant__ TensorMap map, u32 x, u32 y, u32 bytes, u32 shift, u32* out) {
    fetch(&map, x, y, bytes, shift, out);
}
extern "C" __global__ void __cluster_dims__(2, 1, 1)
    probe_tma_multicast(const __grid_constant__ TensorMap map, u32 x, u32 y, u32 bytes, u32 shift, u32* out) {
    fetch(&map, x, y, bytes, shift, out);
}

extern "C" __global__ void probe_tma_store(const __grid_constant__ TensorMap map, u32 x, u32 y, u32 bytes, const u32* in) {
    SHARED_MEMORY(shared);
    for (u32 i = threadIdx.x; i < bytes / 4; i += blockDim.x) reinterpret_cast<u32*>(shared)[i] = in[i];
    async_fence();
    __syncthreads();
    if (threadIdx.x == 0) {
        tma_store(&map, shared_address(shared), x, y);
        tma_store_commit();
        tma_store_wait_read<0>();
    }
}

// What happens in which order at an mbarrier for two arrivals: warp 0 arrives (1, 2, then 3, 4), warp 1 waits (10, 11, 12).
extern "C" __global__ void probe_mbarrier(u32* out) {
    SHARED_MEMORY(shared);
    const u32 barrier = shared_address(shared);
    u32* count = reinterpret_cast<u32*>(shared + 8);
    auto note = [&](u32 what) { out[atomicAdd(count, 1u)] = what; };
    if (threadIdx.x == 0) {
        *count = 0;
        mbarrier_init(barrier, 2);
    }
    __syncthreads();
    if (threadIdx.x == 32) {
        mbarrier_wait(barrier, 1);  // the phase before the first counts as over
        note(10);
        mbarrier_wait(barrier, 0);
        note(11);
        mbarrier_wait(barrier, 1);
        note(12);
    }
    if (threadIdx.x == 0) {
        for (u32 i = 1; i <= 4; i++) {
            sleep_nanoseconds(1000);
            note(i);
            mbarrier_arrive_expect(barrier, 0);
            if (i == 2) mbarrier_wait(barrier, 0);
        }
    }
}

// 64 × 128 results of `steps` instructions; in: 8 KiB of A, then 16 KiB of B, as they shall lie in shared memory.
// a and b are descriptors without their addresses, `along` is what to add to both for the next step.
extern "C" __global__ void probe_wgmma(const u32* in, f32* out, u64 a, u64 b, u32 steps, u32 along, u32 fp8) {
    SHARED_MEMORY(shared);
    for (u32 i = threadIdx.x; i < 6144; i += 128) reinterpret_cast<u32*>(shared)[i] = in[i];
    async_fence();
    __syncthreads();
    const u32 at = shared_address(shared);
    a |= (at & 0x3ffff) >> 4, b |= (at + 8192 & 0x3ffff) >> 4;
    f32 d[64];
    wgmma_fence();
    for (u32 step = 0; step < steps; step++) {
        if (fp8)
            wgmma_e4m3(d, a + step * along, b + step * along, step > 0);
        else
            wgmma_bf16(d, a + step * along, b + step * along, step > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
    for (u32 i = 0; i < 64; i++) out[threadIdx.x * 64 + i] = d[i];
}

// The ways of a program that a GPU kills.
extern "C" __global__ void probe_fault(u32 which, u32* address) {
    SHARED_MEMORY(shared);
    if (which == 0) *address = 1;
    if (which == 1) load_streaming_16(reinterpret_cast<const char*>(address) + 4);
    if (which == 2) {  // half a warp does one thing, the other half another
        u32 r[4];
        f32 d[4] = {};
        const u32 none[4] = {}, nothing[2] = {};
        if (threadIdx.x < 16)
            ldmatrix_x4(r, shared_address(shared));
        else
            mma_m16n8k16_bf16(d, none, nothing);
    }
    if (which == 3) {  // nobody arrives
        if (threadIdx.x == 0) mbarrier_init(shared_address(shared), 2);
        __syncthreads();
        mbarrier_wait(shared_address(shared), 0);
    }
    if (which == 4) shared[1024] = 1;  // of 1024 bytes
    if (which == 5) cp_async_16(shared_address(shared), address);  // and never waits
    if (which == 6 && threadIdx.x == 0) mbarrier_wait(shared_address(shared), 0);  // which was never made
}

// Every instruction that C++ has no word for. No other file holds assembly.
//
// The kernels are written against this list, and tests/lab/cuda/ptx.cuh implements the same list for a CPU from the
// PTX ISA's text. Names, arguments and the instruction each one stands for are the contract:
//
//   SHARED_MEMORY(name)                              declares `unsigned char* name`: the block's dynamic shared memory, 1024-aligned
//   shared_address(pointer) -> u32                   cvta.to.shared: a shared pointer as the number that the instructions below take
//
//   copies                                                                                                          from
//   cp_async_16(u32 shared, const void* global)      cp.async.cg.shared.global.L2::128B [shared], [global], 16      sm_80
//   cp_async_commit()                                cp.async.commit_group                                          sm_80
//   cp_async_wait<N>()                               cp.async.wait_group N: all but the newest N groups are there   sm_80
//   ldmatrix_x4(u32 (&r)[4], u32 shared)             ldmatrix.sync.aligned.m8n8.x4.shared.b16                       sm_75
//   load_streaming_16(const void* global) -> uint4   ld.global.cs.v4.u32: read once, kept by no cache
//   store_streaming_16(void* global, uint4)          st.global.cs.v4.u32
//   load_relaxed(const u32* p) -> u32                ld.relaxed.sys.global.u32: what another wrote, the host too
//
//   matrix products, d += a·b, fragments as the PTX ISA lays them out over the warp's lanes
//   mma_m16n8k16_bf16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
//                                                    mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32            sm_80
//   mma_m16n8k16_fp16(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
//                                                    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32              sm_80
//   mma_m16n8k8_tf32(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
//                                                    mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32             sm_80
//   mma_m16n8k32_e4m3(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2])
//                                                    mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32            sm_89
//   mma_m16n8k8_fp16(f32 (&d)[4], u32 a0, u32 a1, u32 b0)
//                                                    mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32               sm_75
//   mma_m8n8k4_fp16(f32 (&d)[8], u32 a0, u32 a1, u32 b0, u32 b1)
//                                                    mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32                sm_70
//   mma_m8n8k4_fp64(f64 (&d)[2], f64 a, f64 b)       mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64                sm_80
//   mma_m16n8k8_fp64(f64 (&d)[4], const f64 (&a)[4], const f64 (&b)[2])
//                                                    mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64               sm_90
//
//   the rest
//   atomic_add(u64* p, u64 value) -> u64             atom.global.add.u64: what was there before
//   global_timer() -> u64                            %globaltimer, nanoseconds
//   multiprocessor() -> u32                          %smid
//   sleep_nanoseconds(u32)                           nanosleep.u32                                                  sm_70
//
// From CUDA C++ itself the kernels use: __global__ __device__ __forceinline__ __launch_bounds__(threads, blocks),
// threadIdx.x blockIdx.x blockDim.x gridDim.x, __syncthreads(), float2 float4 double2 uint4 with their make_ functions,
// fma(), #pragma unroll. Types: u32 u64 f32 f64 below.
#pragma once

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long long;
using f32 = float;
using f64 = double;

#define SHARED_MEMORY(name) extern __shared__ __align__(1024) unsigned char name[]

__device__ __forceinline__ u32 shared_address(const void* pointer) {
    return static_cast<u32>(__cvta_generic_to_shared(pointer));
}

#if __CUDA_ARCH__ >= 800
__device__ __forceinline__ void cp_async_16(u32 shared, const void* global) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}

__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int Newest>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}
#endif

#if __CUDA_ARCH__ >= 750
__device__ __forceinline__ void ldmatrix_x4(u32 (&r)[4], u32 shared) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
}
#endif

__device__ __forceinline__ uint4 load_streaming_16(const void* global) {
    uint4 v;
    asm volatile("ld.global.cs.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(global)
                 : "memory");
    return v;
}

__device__ __forceinline__ void store_streaming_16(void* global, uint4 v) {
    asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(global), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
                 : "memory");
}

__device__ __forceinline__ u32 load_relaxed(const u32* p) {
    u32 value;
    asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
    return value;
}

// d += a·b of one instruction with four f32 results, four registers of a and two of b in each lane.
#define MMA_4_4_2(name, instruction)                                                                           \
    __device__ __forceinline__ void name(f32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {                  \
        asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"            \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                          \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                      \
    }

#if __CUDA_ARCH__ >= 800
MMA_4_4_2(mma_m16n8k16_bf16, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")
MMA_4_4_2(mma_m16n8k16_fp16, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32")
MMA_4_4_2(mma_m16n8k8_tf32, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32")

__device__ __forceinline__ void mma_m8n8k4_fp64(f64 (&d)[2], f64 a, f64 b) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+d"(d[0]), "+d"(d[1])
                 : "d"(a), "d"(b));
}
#endif

#if __CUDA_ARCH__ >= 890
MMA_4_4_2(mma_m16n8k32_e4m3, "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32")
#endif

#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void mma_m16n8k8_fp64(f64 (&d)[4], const f64 (&a)[4], const f64 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+d"(d[0]), "+d"(d[1]), "+d"(d[2]), "+d"(d[3])
                 : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
}
#endif

#if __CUDA_ARCH__ >= 750
__device__ __forceinline__ void mma_m16n8k8_fp16(f32 (&d)[4], u32 a0, u32 a1, u32 b0) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a0), "r"(a1), "r"(b0));
}
#endif

__device__ __forceinline__ void mma_m8n8k4_fp16(f32 (&d)[8], u32 a0, u32 a1, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9}, {%10, %11}, {%0, %1, %2, %3, %4, %5, %6, %7};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
                 : "r"(a0), "r"(a1), "r"(b0), "r"(b1));
}

#undef MMA_4_4_2

__device__ __forceinline__ u64 atomic_add(u64* p, u64 value) { return atomicAdd(p, value); }

__device__ __forceinline__ u64 global_timer() {
    u64 nanoseconds;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(nanoseconds)::"memory");
    return nanoseconds;
}

__device__ __forceinline__ u32 multiprocessor() {
    u32 id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}

__device__ __forceinline__ void sleep_nanoseconds(u32 nanoseconds) {
    asm volatile("nanosleep.u32 %0;" ::"r"(nanoseconds));
}

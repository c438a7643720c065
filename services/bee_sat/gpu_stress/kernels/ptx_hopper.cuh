// Hopper's own instructions (sm_90a): clusters, mbarriers, tensor maps (TMA) and wgmma, beside what ptx.cuh has.
//
// As there: names, arguments and the instruction each function stands for are the contract, and tests/lab/cuda has the
// same list for a CPU. `barrier`, `to` and `from` are addresses as shared_address() gives them.
//
//   the cluster, and a warpgroup's registers
//   cluster_rank() -> u32                    %cluster_ctarank: this block's rank in its cluster
//   cluster_index() -> u32                   %clusterid.x
//   cluster_count() -> u32                   %nclusterid.x
//   cluster_sync()                           barrier.cluster.arrive.release; barrier.cluster.wait.acquire
//                                            all threads of all the cluster's blocks
//   registers_release<n>()                   setmaxnreg.dec.sync.aligned.u32 n: by a whole warpgroup
//   registers_claim<n>()                     setmaxnreg.inc.sync.aligned.u32 n
//
//   mbarriers, 8 bytes each
//   mbarrier_init(u32 barrier, u32 count)    mbarrier.init.shared::cta.b64 [barrier], count
//   mbarrier_init_fence()                    fence.mbarrier_init.release.cluster
//   mbarrier_arrive_expect(u32 barrier, u32 bytes)
//                                           mbarrier.arrive.expect_tx.shared::cta.b64 _, [barrier], bytes
//   mbarrier_arrive_at(u32 barrier, u32 rank)
//                                           mapa.shared::cluster.u32; mbarrier.arrive.shared::cluster.b64 _
//                                            the barrier at the same place in the block of that rank, or in this one
//   mbarrier_wait(u32 barrier, u32 parity)   mbarrier.try_wait.parity.shared::cta.b64, again until it is true
//
//   TMA with two-dimensional maps; x counts elements along a row, y rows
//   tma_prefetch(const TensorMap* map)       prefetch.tensormap [map]
//   tma_load(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y)
//                                            cp.async.bulk.tensor.2d.shared::cluster.global.tile
//                                            .mbarrier::complete_tx::bytes [to], [map, {x, y}], [barrier]
//   tma_load_multicast(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y, u16 ranks)
//                                            the same with .multicast::cluster: to the same places, of data and of
//                                            barrier, in each block whose rank is in the mask
//   tma_store(const TensorMap* map, u32 from, u32 x, u32 y)
//                                            cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group
//                                            [map, {x, y}], [from]
//   tma_store_commit()                       cp.async.bulk.commit_group
//   tma_store_wait_read<n>()                 cp.async.bulk.wait_group.read n: all but the newest n groups of this
//                                            thread have read their shared memory
//   async_fence()                            fence.proxy.async.shared::cta: TMA sees what this thread stored
//
//   wgmma: d (64 × N, f32) = a (64 × K) · b (N × K)ᵀ + (accumulate ? d : 0); N = 2 · Registers is 128, 192 or 256; a
//   and b are descriptors of shared memory (hopper_layout.cuh). By a whole warpgroup; d's registers as in the ISA
//   wgmma_fence()                            wgmma.fence.sync.aligned
//   wgmma_commit()                           wgmma.commit_group.sync.aligned
//   wgmma_wait<n>()                          wgmma.wait_group.sync.aligned n
//   wgmma_bf16(f32 (&d)[Registers], u64 a, u64 b, bool accumulate)
//                                            wgmma.mma_async.sync.aligned.m64nNk16.f32.bf16.bf16 …, 1, 1, 0, 0
//   wgmma_fp16(…)                            wgmma.mma_async.sync.aligned.m64nNk16.f32.f16.f16 …, 1, 1, 0, 0
//   wgmma_e4m3(…)                            wgmma.mma_async.sync.aligned.m64nNk32.f32.e4m3.e4m3 …, 1, 1
#pragma once

#include "ptx.cuh"

using u16 = unsigned short;

// cuda.h's CUtensorMap: 128 opaque bytes, aligned to 64.
struct alignas(64) TensorMap {
    u64 opaque[16];
};

__device__ __forceinline__ u32 cluster_rank() {
    u32 rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

__device__ __forceinline__ u32 cluster_index() {
    u32 index;
    asm volatile("mov.u32 %0, %%clusterid.x;" : "=r"(index));
    return index;
}

__device__ __forceinline__ u32 cluster_count() {
    u32 count;
    asm volatile("mov.u32 %0, %%nclusterid.x;" : "=r"(count));
    return count;
}

__device__ __forceinline__ void cluster_sync() {
    asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
}

template <u32 count>
__device__ __forceinline__ void registers_release() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

template <u32 count>
__device__ __forceinline__ void registers_claim() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

__device__ __forceinline__ void mbarrier_init(u32 barrier, u32 count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

__device__ __forceinline__ void mbarrier_init_fence() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void mbarrier_arrive_expect(u32 barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}

// Without .release.cluster, which would cost a fence of the whole GPU each time. It has no ordinary stores to order: it
// says that this warp's wgmma have read the slot, and those are known to be complete (wgmma_wait).
__device__ __forceinline__ void mbarrier_arrive_at(u32 barrier, u32 rank) {
    asm volatile(
        "{\n\t"
        ".reg .b32 remote;\n\t"
        "mapa.shared::cluster.u32 remote, %0, %1;\n\t"
        "mbarrier.arrive.shared::cluster.b64 _, [remote];\n\t"
        "}" ::"r"(barrier),
        "r"(rank)
        : "memory");
}

__device__ __forceinline__ void mbarrier_wait(u32 barrier, u32 parity) {
    asm volatile(
        "{\n\t"
        ".reg .pred done;\n\t"
        "again:\n\t"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
        "@!done bra again;\n\t"
        "}" ::"r"(barrier),
        "r"(parity)
        : "memory");
}

__device__ __forceinline__ void tma_prefetch(const TensorMap* map) {
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

__device__ __forceinline__ void tma_load(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%3, %4}], [%2];" ::"r"(to),
        "l"(map), "r"(barrier), "r"(x), "r"(y)
        : "memory");
}

__device__ __forceinline__ void tma_load_multicast(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y,
                                                   u16 ranks) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
        " [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(to),
        "l"(map), "r"(barrier), "r"(x), "r"(y), "h"(ranks)
        : "memory");
}

__device__ __forceinline__ void tma_store(const TensorMap* map, u32 from, u32 x, u32 y) {
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
                 "r"(from), "r"(x), "r"(y)
                 : "memory");
}

__device__ __forceinline__ void tma_store_commit() {
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

template <u32 pending>
__device__ __forceinline__ void tma_store_wait_read() {
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
}

__device__ __forceinline__ void async_fence() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void wgmma_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <u32 pending>
__device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

#define ACCUMULATORS_0_63 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define ACCUMULATORS_64_95 \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define ACCUMULATORS_96_127 \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

#define IN_OUT_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define IN_OUT_16(d, i) IN_OUT_4(d, i), IN_OUT_4(d, i + 4), IN_OUT_4(d, i + 8), IN_OUT_4(d, i + 12)
#define IN_OUT_32(d, i) IN_OUT_16(d, i), IN_OUT_16(d, i + 16)
#define IN_OUT_64(d) IN_OUT_32(d, 0), IN_OUT_32(d, 32)
#define IN_OUT_96(d) IN_OUT_64(d), IN_OUT_32(d, 64)
#define IN_OUT_128(d) IN_OUT_96(d), IN_OUT_32(d, 96)
#define NAMES_64 ACCUMULATORS_0_63
#define NAMES_96 NAMES_64 ", " ACCUMULATORS_64_95
#define NAMES_128 NAMES_96 ", " ACCUMULATORS_96_127

// One overload for each number of accumulator registers. FLAGS are the immediates after the accumulate predicate: the
// scales of A and B, and for the 16-bit types whether each is transposed. A, B and P are the operands' numbers.
#define WGMMA(FUNCTION, INSTRUCTION, FLAGS, REGISTERS, A, B, P)                                                    \
    __device__ __forceinline__ void FUNCTION(f32 (&d)[REGISTERS], u64 a, u64 b, bool accumulate) {               \
        asm volatile("{\n\t.reg .pred accumulate;\n\tsetp.ne.b32 accumulate, %" #P ", 0;\n\t" INSTRUCTION          \
                     " {" NAMES_##REGISTERS "}, %" #A ", %" #B ", accumulate, " FLAGS ";\n\t}"                     \
                     : IN_OUT_##REGISTERS(d)                                                                       \
                     : "l"(a), "l"(b), "r"(static_cast<u32>(accumulate)));                                         \
    }

#define WGMMA_SIZES(FUNCTION, K, TYPES, FLAGS)                                                              \
    WGMMA(FUNCTION, "wgmma.mma_async.sync.aligned.m64n128" K ".f32." TYPES, FLAGS, 64, 64, 65, 66)          \
    WGMMA(FUNCTION, "wgmma.mma_async.sync.aligned.m64n192" K ".f32." TYPES, FLAGS, 96, 96, 97, 98)          \
    WGMMA(FUNCTION, "wgmma.mma_async.sync.aligned.m64n256" K ".f32." TYPES, FLAGS, 128, 128, 129, 130)

WGMMA_SIZES(wgmma_bf16, "k16", "bf16.bf16", "1, 1, 0, 0")
WGMMA_SIZES(wgmma_fp16, "k16", "f16.f16", "1, 1, 0, 0")
WGMMA_SIZES(wgmma_e4m3, "k32", "e4m3.e4m3", "1, 1")

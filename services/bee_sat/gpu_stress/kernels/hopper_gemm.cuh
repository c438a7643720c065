// C = A·Bᵀ on Hopper: TMA brings the operands, wgmma multiplies, TMA takes the results away.
//
// A block is one producer warpgroup, of which one thread starts the copies, and some consumer warpgroups, each with 64
// rows of the block's tile of C in its registers. Operands come through a ring of slots in shared memory, 128 bytes of
// K deep. Each slot has two mbarriers: `full` (the copies have arrived) and `empty` (all its readers are done).
// The blocks of a cluster take tiles of C below each other: they need the same rows of B, so each fetches its share of
// them and sends it to all. A slot is empty when the readers of all blocks in the cluster are done with it.
// Blocks stay for the whole product and take one tile after another: while the consumers store one, the producer is
// already fetching for the next. Results leave through small buffers, some for each warp, so that no warp waits for
// another; the copy engine empties the last of them while the next tile's products run.
//
// M, N and K need not be whole tiles: TMA reads zeros beyond the edges and writes nothing there.
#pragma once

#include "hopper_layout.cuh"
#include "ptx_hopper.cuh"

namespace hopper {

// CONSUMERS: warpgroups, 64 rows each. COLUMNS: of a block's tile of C: 128, 192 or 256. SLOTS: of the ring.
// OUTPUTS: buffers of each warp for results. CLUSTER: blocks that share B. BAND: see tile_at. PRODUCER_REGISTERS and
// CONSUMER_REGISTERS: what a thread keeps or takes of a multiprocessor's 64 Ki; multiples of 8.
template <u32 CONSUMERS_, u32 COLUMNS_, u32 SLOTS_, u32 OUTPUTS_, u32 CLUSTER_, u32 BAND_, u32 PRODUCER_REGISTERS_,
          u32 CONSUMER_REGISTERS_>
struct Shape {
    static constexpr u32 CONSUMERS = CONSUMERS_;
    static constexpr u32 ROWS = 64 * CONSUMERS;
    static constexpr u32 COLUMNS = COLUMNS_;
    static constexpr u32 SLOTS = SLOTS_;
    static constexpr u32 OUTPUTS = OUTPUTS_;
    static constexpr u32 CLUSTER = CLUSTER_;
    static constexpr u32 BAND = BAND_;
    static constexpr u32 PRODUCER_REGISTERS = PRODUCER_REGISTERS_;
    static constexpr u32 CONSUMER_REGISTERS = CONSUMER_REGISTERS_;
    static constexpr u32 THREADS = 128 * (1 + CONSUMERS);

    static constexpr u32 A_BYTES = ROWS * ROW_BYTES;
    static constexpr u32 B_SHARE_ROWS = COLUMNS / CLUSTER;
    static constexpr u32 B_SHARE_BYTES = B_SHARE_ROWS * ROW_BYTES;
    static constexpr u32 SLOT_BYTES = A_BYTES + COLUMNS * ROW_BYTES;

    // A warp's 16 rows of C leave in pieces that are 128 bytes wide.
    static constexpr u32 PIECE_ROWS = 16;
    static constexpr u32 PIECE_COLUMNS = ROW_BYTES / sizeof(f32);
    static constexpr u32 PIECE_BYTES = PIECE_ROWS * ROW_BYTES;
    static constexpr u32 PIECES = COLUMNS / PIECE_COLUMNS;

    static constexpr u32 OUTPUTS_AT = SLOTS * SLOT_BYTES;
    static constexpr u32 BARRIERS_AT = OUTPUTS_AT + CONSUMERS * 4 * OUTPUTS * PIECE_BYTES;
    static constexpr u32 SHARED_BYTES = BARRIERS_AT + SLOTS * 2 * 8;

    static_assert(SLOTS >= 2, "a slot is released one step after it was read");
    static_assert(ROWS <= 256, "a block's rows of A are one box");
    static_assert(B_SHARE_BYTES % ATOM_BYTES == 0 && B_SHARE_ROWS <= 256, "each block's share of B is one box");
    static_assert(PIECES % OUTPUTS == 0, "each tile begins with the same buffer");
    static_assert(PRODUCER_REGISTERS + CONSUMERS * CONSUMER_REGISTERS <= 512, "there are 64 Ki registers");
    static_assert(SHARED_BYTES <= 227 * 1024, "more shared memory than a block can have");
};

// Where the ring stands: the slot, and the parity of the phase that its barriers complete next.
template <u32 SLOTS>
struct Ring {
    u32 slot = 0;
    u32 parity = 0;

    __device__ __forceinline__ void advance() {
        if (++slot == SLOTS) {
            slot = 0;
            parity ^= 1;
        }
    }
};

template <class Shape>
struct Barriers {
    u32 base;

    __device__ __forceinline__ u32 full(u32 slot) const { return base + slot * 8; }
    __device__ __forceinline__ u32 empty(u32 slot) const { return base + (Shape::SLOTS + slot) * 8; }
};

// C in tiles, `rows` counting those of a whole cluster, and the steps along K to each. `makers`, which may be null:
// for each block's tile that has rows below `m`, row by row, the multiprocessor that computes it.
struct Work {
    u32 rows;
    u32 columns;
    u32 k_steps;
    u32 m;
    u32* makers;

    __device__ __forceinline__ u32 tiles() const { return rows * columns; }
};

template <class Input, class Shape>
__device__ __forceinline__ void produce(const TensorMap& a, const TensorMap& b, u32 ring_at, Barriers<Shape> barriers,
                                        Work work) {
    u32 rank = cluster_rank();
    Ring<Shape::SLOTS> ring;
    for (u32 tile = cluster_index(); tile < work.tiles(); tile += cluster_count()) {
        TileAt at = tile_at(tile, work.rows, work.columns, Shape::BAND);
        u32 a_row = (at.row * Shape::CLUSTER + rank) * Shape::ROWS;
        u32 b_row = at.column * Shape::COLUMNS + rank * Shape::B_SHARE_ROWS;
        if (work.makers != nullptr && a_row < work.m) {
            work.makers[(at.row * Shape::CLUSTER + rank) * work.columns + at.column] = multiprocessor();
        }
        for (u32 step = 0; step < work.k_steps; ++step) {
            u32 slot = ring_at + ring.slot * Shape::SLOT_BYTES;
            u32 b_slot = slot + Shape::A_BYTES + rank * Shape::B_SHARE_BYTES;
            u32 full = barriers.full(ring.slot);
            mbarrier_wait(barriers.empty(ring.slot), ring.parity ^ 1);
            // All that arrives here: this block's A, and B from every block of the cluster.
            mbarrier_arrive_expect(full, Shape::SLOT_BYTES);
            tma_load(slot, &a, full, step * Input::K, a_row);
            if constexpr (Shape::CLUSTER == 1) {
                tma_load(b_slot, &b, full, step * Input::K, b_row);
            } else {
                tma_load_multicast(b_slot, &b, full, step * Input::K, b_row, (1 << Shape::CLUSTER) - 1);
            }
            ring.advance();
        }
    }
}

// 16 rows × all columns of C, from a warp's accumulators: register 4j + i of lane l is the element at row
// l / 4 + 8 · (i / 2), column 8j + 2 · (l % 4) + i % 2 (PTX ISA, "Register Fragments for wgmma.mma_async", D).
template <class Shape>
__device__ __forceinline__ void store(const f32 (&d)[Shape::COLUMNS / 2], const TensorMap& c, unsigned char* outputs,
                                      u32 x, u32 y) {
    u32 lane = threadIdx.x % 32;
#pragma unroll
    for (u32 piece = 0; piece < Shape::PIECES; ++piece) {
        unsigned char* output = outputs + piece % Shape::OUTPUTS * Shape::PIECE_BYTES;
        // The copy that last used this buffer must have read it.
        if (lane == 0) tma_store_wait_read<Shape::OUTPUTS - 1>();
        __syncwarp();
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            u32 byte = j * 32 + lane % 4 * 8;
            const f32* v = d + piece * 16 + j * 4;
            *reinterpret_cast<float2*>(output + swizzled(lane / 4, byte)) = make_float2(v[0], v[1]);
            *reinterpret_cast<float2*>(output + swizzled(lane / 4 + 8, byte)) = make_float2(v[2], v[3]);
        }
        async_fence();
        __syncwarp();
        if (lane == 0) {
            tma_store(&c, shared_address(output), x + piece * Shape::PIECE_COLUMNS, y);
            tma_store_commit();
        }
    }
}

template <class Input, class Shape>
__device__ __forceinline__ void consume(const TensorMap& c, u32 ring_at, unsigned char* outputs,
                                        Barriers<Shape> barriers, Work work) {
    u32 rank = cluster_rank();
    // From one lane: what follows from it is then known to be the same for the warp, and computed once for it.
    u32 warpgroup = __shfl_sync(0xffffffff, threadIdx.x / 128, 0) - 1;
    u32 warp = threadIdx.x / 32 - 4;
    u32 lane = threadIdx.x % 32;
    outputs += warp * Shape::OUTPUTS * Shape::PIECE_BYTES;
    f32 d[Shape::COLUMNS / 2];
    Ring<Shape::SLOTS> ring;

    // A warp knows of its own part of the products only: each warp releases the slot, in all blocks that fill it.
    auto release = [&](u32 slot) {
        if (lane < Shape::CLUSTER) mbarrier_arrive_at(barriers.empty(slot), lane);
    };

    for (u32 tile = cluster_index(); tile < work.tiles(); tile += cluster_count()) {
        u32 previous = 0;
        for (u32 step = 0; step < work.k_steps; ++step) {
            u32 slot = ring_at + ring.slot * Shape::SLOT_BYTES;
            u64 a = operand_descriptor(slot + warpgroup * 64 * ROW_BYTES);
            u64 b = operand_descriptor(slot + Shape::A_BYTES);
            mbarrier_wait(barriers.full(ring.slot), ring.parity);
            wgmma_fence();
#pragma unroll
            for (u32 k = 0; k < ROW_BYTES; k += 32) {
                Input::multiply(d, along_k(a, k), along_k(b, k), step > 0 || k > 0);
            }
            wgmma_commit();
            // The slot before is done once only this step's products are still under way.
            wgmma_wait<1>();
            if (step > 0) release(previous);
            previous = ring.slot;
            ring.advance();
        }
        wgmma_wait<0>();
        release(previous);
        TileAt at = tile_at(tile, work.rows, work.columns, Shape::BAND);
        u32 row = (at.row * Shape::CLUSTER + rank) * Shape::ROWS + warp * Shape::PIECE_ROWS;
        store<Shape>(d, c, outputs, at.column * Shape::COLUMNS, row);
    }
    if (lane == 0) tma_store_wait_read<0>();
}

template <class Input, class Shape>
__device__ __forceinline__ void product(const TensorMap& a, const TensorMap& b, const TensorMap& c, u32 m, u32 n,
                                        u32 k, u32* makers) {
    SHARED_MEMORY(shared);
    Barriers<Shape> barriers{shared_address(shared) + Shape::BARRIERS_AT};
    u32 ring_at = shared_address(shared);
    constexpr u32 cluster_rows = Shape::ROWS * Shape::CLUSTER;
    Work work{(m + cluster_rows - 1) / cluster_rows, (n + Shape::COLUMNS - 1) / Shape::COLUMNS,
              (k + Input::K - 1) / Input::K, m, makers};

    if (threadIdx.x == 0) {
        tma_prefetch(&a);
        tma_prefetch(&b);
        tma_prefetch(&c);
        for (u32 slot = 0; slot < Shape::SLOTS; ++slot) {
            mbarrier_init(barriers.full(slot), 1);
            mbarrier_init(barriers.empty(slot), Shape::CLUSTER * Shape::CONSUMERS * 4);
        }
        mbarrier_init_fence();
    }
    // No block may send to another, or release its slots, before that one's barriers are there.
    cluster_sync();
    if (threadIdx.x < 128) {
        registers_release<Shape::PRODUCER_REGISTERS>();
        if (threadIdx.x == 0) produce<Input, Shape>(a, b, ring_at, barriers, work);
    } else {
        registers_claim<Shape::CONSUMER_REGISTERS>();
        consume<Input, Shape>(c, ring_at, shared + Shape::OUTPUTS_AT, barriers, work);
    }
    // Nor may one end while another may still write to it.
    cluster_sync();
}

}  // namespace hopper

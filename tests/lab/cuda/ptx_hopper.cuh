/* The instructions of kernels/ptx_hopper.cuh for a CPU: the same functions, written from the text of the PTX ISA (9.7.13
 * mbarrier, 9.7.9.25 and .27 bulk and tensor copies, 9.7.15 asynchronous warpgroup matrix instructions), not from the
 * device's form. */
#ifndef FAKE_CUDA_PTX_HOPPER_CUH
#define FAKE_CUDA_PTX_HOPPER_CUH

#include "ptx.cuh"
#include "tensor_map.h"

struct alignas(64) TensorMap {
    u64 opaque[16];
};

inline u32 cluster_rank() { return fake::self().block->rank; }
inline u32 cluster_index() { return fake::cluster_number(); }
inline u32 cluster_count() {
    const dim3 &grid = fake::launch().grid, &cluster = fake::launch().cluster;
    return grid.x / cluster.x; /* %nclusterid.x */
}
inline void cluster_sync() { fake::cluster_barrier(); }

/* A register budget changes nothing here; the instruction has rules all the same. */
template <u32 count>
inline void fake_registers(const char* what) {
    static_assert(count >= 24 && count <= 256 && count % 8 == 0, "setmaxnreg takes 24 to 256, in steps of 8");
    int nothing = 0;
    fake::together(fake::warp(), what, nothing, [](int* const*) {});
}
template <u32 count>
inline void registers_release() {
    fake_registers<count>("setmaxnreg.dec");
}
template <u32 count>
inline void registers_claim() {
    fake_registers<count>("setmaxnreg.inc");
}

/* mbarriers. */

inline void mbarrier_init(u32 barrier, u32 count) { fake::mbarrier_init(barrier, count); }
inline void mbarrier_init_fence() {}
inline void mbarrier_arrive_expect(u32 barrier, u32 bytes) { fake::mbarrier_arrive(barrier, bytes); }
inline u32 fake_at_rank(u32 address, u32 rank) { return (address & ((1u << fake::RANK_SHIFT) - 1)) | rank << fake::RANK_SHIFT; }
inline void mbarrier_arrive_at(u32 barrier, u32 cta_rank) { fake::mbarrier_arrive(fake_at_rank(barrier, cta_rank), 0); }
inline void mbarrier_wait(u32 barrier, u32 parity) {
    if (barrier >> fake::RANK_SHIFT != cluster_rank()) fake::fault(717, "mbarrier.try_wait on another block's mbarrier");
    fake::mbarrier_wait(barrier, parity);
}

/* TMA. */

inline fake::Matrix fake_matrix(const TensorMap* map) {
    fake::Matrix matrix;
    memcpy(&matrix, map, sizeof matrix);
    if (matrix.magic != fake::TENSOR_MAP) fake::fault(719, "a tensor map that cuTensorMapEncodeTiled did not make");
    if (reinterpret_cast<uintptr_t>(map) % 64 != 0) fake::fault(716, "a tensor map that is not a multiple of 64");
    return matrix;
}

inline u32 fake_box_bytes(const fake::Matrix& m) { return m.box_rows * m.box_columns * m.element_bytes; }

/* Moves the box at column x, row y between the matrix and shared memory; what lies outside reads as 0, and is not
 * written. In shared memory rows follow each other without gaps, then the swizzle mixes address bits. */
inline void fake_move_box(const fake::Matrix& m, u32 shared, i64 x, i64 y, bool load) {
    const u32 row_bytes = m.box_columns * m.element_bytes;
    unsigned char piece[16];
    for (u32 row = 0; row < m.box_rows; row++)
        for (u32 at = 0; at < row_bytes; at += 16) {
            unsigned char* near = fake::shared_at(fake::swizzled(shared + row * row_bytes + at, m.swizzle), 16, 16, "TMA");
            if (load) memset(piece, 0, 16);
            for (u32 byte = 0; byte < 16; byte += m.element_bytes) {
                const i64 column = x + (at + byte) / m.element_bytes, line = y + row;
                if (column < 0 || line < 0 || column >= i64(m.columns) || line >= i64(m.rows)) continue;
                auto* far = reinterpret_cast<unsigned char*>(m.address + u64(line) * m.row_bytes + u64(column) * m.element_bytes);
                memcpy(load ? piece + byte : far, load ? far : near + byte, m.element_bytes);
            }
            if (load) memcpy(near, piece, 16);
        }
}

/* The shared address: 128-byte aligned (PTX ISA 9.7.9.27.1.2, cp.async.bulk.tensor), and with a swizzle on the start of
 * its pattern, without which this form would not be sure to do as the hardware does. */
inline void fake_check_box(const fake::Matrix& m, u32 shared, const char* what) {
    const u32 alignment = m.swizzle ? 128u << m.swizzle : 128;
    fake::shared_at(shared, fake_box_bytes(m), alignment, what);
    if (m.swizzle && m.box_columns * m.element_bytes != 16u << m.swizzle)
        fake::fault(719, "%s: a box whose rows are shorter than the swizzle is not emulated", what);
}

inline void tma_prefetch(const TensorMap* map) { fake_matrix(map); }

inline void tma_load_multicast(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y, u16 mask) {
    const fake::Matrix m = fake_matrix(map);
    fake_check_box(m, to, "cp.async.bulk.tensor");
    fake::shared_at(barrier, 8, 8, "cp.async.bulk.tensor's mbarrier");
    if (mask == 0) fake::fault(719, "a multicast to nobody");
    fake::in_own_time([=] {
        for (u32 rank = 0; rank < 16; rank++) {
            if (!(mask >> rank & 1)) continue;
            fake_move_box(m, fake_at_rank(to, rank), i32(x), i32(y), true);
            fake::mbarrier_complete(fake_at_rank(barrier, rank), fake_box_bytes(m));
        }
    });
}
inline void tma_load(u32 to, const TensorMap* map, u32 barrier, u32 x, u32 y) {
    tma_load_multicast(to, map, barrier, x, y, u16(1u << cluster_rank()));
}

inline void tma_store(const TensorMap* map, u32 from, u32 x, u32 y) {
    const fake::Matrix m = fake_matrix(map);
    fake_check_box(m, from, "cp.async.bulk.tensor to global");
    fake::self().stores.add([=] { fake_move_box(m, from, i32(x), i32(y), false); }, fake::launch().early);
}
inline void tma_store_commit() { fake::self().stores.commit(); }
template <u32 pending>
inline void tma_store_wait_read() {
    fake::self().stores.wait(pending);
}
inline void async_fence() {}

/* wgmma. Each warp has its own 16 rows of the 64, and its own idea of when they are done. */

/* Row `row`, byte `k` along K of a K-major operand (PTX ISA 9.7.15.5.1, shared-memory matrix layout): groups of 8 rows
 * are `stride` apart. Without a swizzle a group is 8 × 16 bytes, and the next 16 bytes along K are `leading` further;
 * with one its rows are as long as the swizzle's span, and the address is mixed. */
struct FakeOperand {
    u32 start, leading, stride, swizzle;

    explicit FakeOperand(u64 descriptor)
        : start(u32(descriptor & 0x3fff) << 4), leading(u32(descriptor >> 16 & 0x3fff) << 4),
          stride(u32(descriptor >> 32 & 0x3fff) << 4), swizzle(0) {
        static constexpr u32 MODES[4] = {0, 3, 2, 1}; /* 128, 64, 32 bytes, as CUtensorMapSwizzle counts them */
        swizzle = MODES[descriptor >> 62];
        if (descriptor >> 49 & 7) fake::fault(719, "wgmma: a base offset in a descriptor is not emulated");
        if (descriptor & 0x3ff1c000c000c000ull) fake::fault(719, "wgmma: bits of a descriptor that must be 0 are not");
    }

    const unsigned char* at(u32 row, u32 k, u32 rank) const {
        const u32 group = start + row / 8 * stride;
        const u32 linear = swizzle ? group + row % 8 * (16u << swizzle) + k : group + row % 8 * 16 + k / 16 * leading + k % 16;
        const u32 address = fake::swizzled(linear & ~15u, swizzle);
        return fake::shared_at(fake_at_rank(address, rank), 16, 16, "wgmma") + linear % 16;
    }
};

inline fake::Groups& fake_products() { return fake::self().block->products[fake::self().number / 32]; }

inline void wgmma_fence() {
    int nothing = 0;
    fake::together(fake::warp(), "wgmma.fence", nothing, [](int* const*) { fake::self().block->fenced[fake::self().number / 32] = true; });
}
inline void wgmma_commit() {
    int nothing = 0;
    fake::together(fake::warp(), "wgmma.commit_group", nothing, [](int* const*) { fake_products().commit(); });
}
template <u32 pending>
inline void wgmma_wait() {
    int nothing = 0;
    fake::together(fake::warp(), "wgmma.wait_group", nothing, [](int* const*) { fake_products().wait(pending); });
}

/* d of lane l, register i: row l/4 + 8·(i/2 % 2) of the warp's 16, column 8·(i/4) + 2·(l % 4) + i % 2. */
template <typename Type, u32 Registers>
inline void fake_wgmma(const char* what, float (&d)[Registers], u64 a, u64 b, bool accumulate, int bits) {
    constexpr u32 N = 2 * Registers, K = 32 / sizeof(typename Type::Bits);
    struct Mine {
        float* d;
        u64 a, b;
        bool accumulate;
    } mine{d, a, b, accumulate};
    fake::together(fake::warp(), what, mine, [=](Mine* const* all) {
        fake::Block& block = *fake::self().block;
        const u32 warp = fake::self().number / 32, rank = block.rank;
        if (!block.fenced[warp]) fake::fault(719, "%s before the first wgmma.fence", what);
        std::vector<float*> lanes;
        for (u32 lane = 0; lane < 32; lane++) {
            if (all[lane]->a != a || all[lane]->b != b || all[lane]->accumulate != accumulate)
                fake::fault(719, "%s: the lanes of a warp have different operands", what);
            lanes.push_back(all[lane]->d);
        }
        block.product_count[warp]++;
        auto multiply = [=] {
            const FakeOperand left_of(a), right_of(b);
            static thread_local float left[16][K], right[N][K];
            auto read = [=](const FakeOperand& operand, u32 row, float* into) {
                for (u32 k = 0; k < K; k++) {
                    typename Type::Bits element;
                    memcpy(&element, operand.at(row, k * sizeof element, rank), sizeof element);
                    into[k] = Type::value(element);
                }
            };
            for (u32 row = 0; row < 16; row++) read(left_of, warp % 4 * 16 + row, left[row]);
            for (u32 column = 0; column < N; column++) read(right_of, column, right[column]);
            for (u32 lane = 0; lane < 32; lane++)
                for (u32 i = 0; i < Registers; i++) {
                    const u32 row = lane / 4 + 8 * (i / 2 % 2), column = 8 * (i / 4) + 2 * (lane % 4) + i % 2;
                    float& result = lanes[lane][i];
                    result = fake::tensor_sum(accumulate ? result : 0.0f, left[row], right[column], K, bits);
                }
        };
        fake_products().add(multiply, !fake::launch().early);
    });
}

template <u32 Registers>
inline void wgmma_bf16(float (&d)[Registers], u64 a, u64 b, bool accumulate) {
    fake_wgmma<fake::Bf16>("wgmma.bf16", d, a, b, accumulate, FAKE_FULL_BITS);
}
template <u32 Registers>
inline void wgmma_fp16(float (&d)[Registers], u64 a, u64 b, bool accumulate) {
    fake_wgmma<fake::Fp16>("wgmma.f16", d, a, b, accumulate, FAKE_FULL_BITS);
}
template <u32 Registers>
inline void wgmma_e4m3(float (&d)[Registers], u64 a, u64 b, bool accumulate) {
    fake_wgmma<fake::E4m3>("wgmma.e4m3", d, a, b, accumulate, fake::launch().fp8_bits ? fake::launch().fp8_bits : FAKE_FULL_BITS);
}

#endif

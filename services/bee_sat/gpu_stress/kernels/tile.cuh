// What all products share: which tile of C a block computes, where a row's bytes lie in shared memory, and how
// tiles of A and B get there.
//
// C = A·Bᵀ. A is M×K, B is N×K, both row-major, so that K runs along memory in both; C is M×N, row-major. Sizes are
// whole tiles; the host refuses others (Kernel.check_shape).
#pragma once

#include "ptx.cuh"

namespace generic {

// Blocks in order walk down bands of this many tile rows, so that those running at once share rows of A and of B in
// the L2 cache.
constexpr u32 BAND_ROWS = 8;

struct TilePlace {
    u32 row, column, index;  // in tiles; index: row-major
};

__device__ __forceinline__ TilePlace tile_of(u32 block, u32 rows, u32 columns) {
    u32 band_tiles = BAND_ROWS * columns;
    u32 first_row = block / band_tiles * BAND_ROWS;
    u32 height = rows - first_row < BAND_ROWS ? rows - first_row : BAND_ROWS;
    u32 within = block % band_tiles;
    u32 row = first_row + within % height, column = within / height;
    return {row, column, row * columns + column};
}

// Shared memory has 32 banks of 4 bytes. 16-byte pieces are moved eight lanes at a time, and go at full speed if the
// eight lie in eight different columns of 16 bytes (address / 16 % 8). A row of a tile is 64 or 128 bytes here, so
// pieces are exchanged within their row by a key that depends on the row: `chunk ^ key(row)`. Each access pattern
// below names the rows that it reads at once; tests/unit/test_gpu_kernels_swizzle.py tries them all.
enum class Reads {
    EIGHT_ROWS,     // rows r … r+7, one chunk: A through ldmatrix, rows of the FMA kernels, Volta's both operands
    PAIRED_COLUMNS, // rows r + {0,1,4,5,8,9,12,13}, one chunk (r % 16 is 0 or 2): B through ldmatrix
    FOUR_ROWS,      // rows r … r+3, two neighbouring chunks of each, in halves: fp64 fragments, 16 lanes at once
};

template <int RowBytes, Reads How>
__device__ __forceinline__ constexpr u32 swizzle_key(u32 row) {
    static_assert(RowBytes == 64 || RowBytes == 128, "a row is half or all of the 32 banks");
    if constexpr (How == Reads::FOUR_ROWS) {
        static_assert(RowBytes == 128, "two chunks are a quarter of a row");
        return (row & 3) << 1;
    } else if constexpr (How == Reads::PAIRED_COLUMNS) {
        return RowBytes == 128 ? (row & 1) | (row >> 1 & 6) : row >> 2 & 3;
    } else {
        return RowBytes == 128 ? row & 7 : row >> 1 & 3;
    }
}

template <int RowBytes, Reads How>
__device__ __forceinline__ constexpr u32 swizzled(u32 row, u32 chunk) {
    return row * RowBytes + (chunk ^ swizzle_key<RowBytes, How>(row)) * 16;
}

// The shape of a block's work. Warps lie over the tile in rows of warps, WarpM × WarpN results each.
template <int TileM, int TileN, int TileKBytes, int WarpRows, int WarpColumns, int StageCount>
struct Shape {
    static constexpr int M = TileM, N = TileN, K_BYTES = TileKBytes, STAGES = StageCount;
    static constexpr int WARPS_M = TileM / WarpRows, WARPS_N = TileN / WarpColumns;
    static constexpr int WARP_M = WarpRows, WARP_N = WarpColumns;
    static constexpr int THREADS = WARPS_M * WARPS_N * 32;
    static constexpr int STAGE_BYTES = (TileM + TileN) * TileKBytes;
    static_assert(TileM % WarpRows == 0 && TileN % WarpColumns == 0, "whole warps");
};

// Brings one operand's tiles, Rows × RowBytes, from global to shared memory, 16 bytes for each thread at a time. With
// cp.async (sm_80) they fly on their own, several stages ahead; before that they wait in registers for one tile's time.
template <int Rows, int RowBytes, int Threads, Reads How>
class Courier {
public:
    static constexpr int CHUNKS = RowBytes / 16;
    static constexpr int ROWS_AT_ONCE = Threads / CHUNKS;
    static constexpr int COUNT = Rows / ROWS_AT_ONCE;
    static_assert(Rows % ROWS_AT_ONCE == 0, "every thread brings as much");
    static_assert(ROWS_AT_ONCE % 16 == 0, "the swizzle's key is the same for all rows of a thread");

    // `from`: the first byte of the tile; `pitch`: bytes from row to row in global memory.
    __device__ __forceinline__ Courier(const u8* from, u64 pitch)
        : from_(from + threadIdx.x / CHUNKS * pitch + threadIdx.x % CHUNKS * 16),
          step_(ROWS_AT_ONCE * pitch),
          to_(swizzled<RowBytes, How>(threadIdx.x / CHUNKS, threadIdx.x % CHUNKS)) {}

    // After the last piece of a tile: on to the next along K.
    __device__ __forceinline__ void advance() { from_ += RowBytes; }

#if __CUDA_ARCH__ >= 800
    // Starts pieces first … last-1 of COUNT for a tile that lies at `tile` in shared memory.
    __device__ __forceinline__ void start(u8* tile, int first, int last) {
        u32 base = shared_address(tile) + to_;
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            if (i >= first && i < last) cp_async_16(base + i * ROWS_AT_ONCE * RowBytes, from_ + i * step_);
    }
#else
    __device__ __forceinline__ void start(u8*, int first, int last) {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            if (i >= first && i < last) held_[i] = *reinterpret_cast<const uint4*>(from_ + i * step_);
    }

    __device__ __forceinline__ void put(u8* tile) {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            *reinterpret_cast<uint4*>(tile + to_ + i * ROWS_AT_ONCE * RowBytes) = held_[i];
    }
#endif

private:
    const u8* from_;
    u64 step_;
    u32 to_;
#if __CUDA_ARCH__ < 800
    uint4 held_[COUNT];
#endif
};

// Both operands' tiles through a ring of stages. A kernel calls, in this order:
//
//   begin()                       the first tiles are on their way, and the first has arrived
//   for each of the K tiles:
//     fetch(piece, pieces)        for every piece but the last: parts of the tile that is STAGES - 1 ahead
//     finish()                    after the last piece: the next tile has arrived, and the one just read is free
//
// with a() and b() the current tile's bytes between begin() or finish() and the next finish().
template <class S, Reads HowA, Reads HowB>
class Ring {
public:
    __device__ __forceinline__ Ring(u8* shared, const u8* a, const u8* b, u64 pitch, u32 tiles)
        : shared_(shared), a_(a, pitch), b_(b, pitch), left_(tiles) {}

    __device__ __forceinline__ u8* a() const { return shared_ + reading_; }
    __device__ __forceinline__ u8* b() const { return a() + S::M * S::K_BYTES; }

#if __CUDA_ARCH__ >= 800
    __device__ __forceinline__ void begin() {
#pragma unroll
        for (int stage = 0; stage < S::STAGES - 1; stage++) {
            fetch(0, 1);
            cp_async_commit();
        }
        arrive();
    }

    __device__ __forceinline__ void finish() {
        cp_async_commit();  // an empty group counts too, so that the wait means the same to the end
        arrive();
        reading_ = next(reading_);
    }
#else
    static_assert(S::STAGES == 2, "registers hold one tile");

    __device__ __forceinline__ void begin() {
        fetch(0, 1);
        put();
        __syncthreads();
    }

    __device__ __forceinline__ void finish() {
        put();
        __syncthreads();
        reading_ = next(reading_);
    }
#endif

    __device__ __forceinline__ void fetch(int piece, int pieces) {
        if (left_ == 0) return;
        u8* stage = shared_ + writing_;
        a_.start(stage, A::COUNT * piece / pieces, A::COUNT * (piece + 1) / pieces);
        b_.start(stage + S::M * S::K_BYTES, B::COUNT * piece / pieces, B::COUNT * (piece + 1) / pieces);
        if (piece == pieces - 1) {
            a_.advance();
            b_.advance();
            left_--;
#if __CUDA_ARCH__ >= 800
            writing_ = next(writing_);
#else
            holding_ = true;
#endif
        }
    }

private:
    using A = Courier<S::M, S::K_BYTES, S::THREADS, HowA>;
    using B = Courier<S::N, S::K_BYTES, S::THREADS, HowB>;

    __device__ __forceinline__ static u32 next(u32 stage) {
        return stage == (S::STAGES - 1) * S::STAGE_BYTES ? 0 : stage + S::STAGE_BYTES;
    }

#if __CUDA_ARCH__ >= 800
    __device__ __forceinline__ void arrive() {
        cp_async_wait<S::STAGES - 2>();
        __syncthreads();
    }
#else
    __device__ __forceinline__ void put() {
        if (!holding_) return;
        u8* stage = shared_ + writing_;
        a_.put(stage);
        b_.put(stage + S::M * S::K_BYTES);
        writing_ = next(writing_);
        holding_ = false;
    }

    bool holding_ = false;
#endif

    u8* shared_;
    A a_;
    B b_;
    u32 left_;
    u32 reading_ = 0, writing_ = 0;  // stages, as bytes from the first
};

// Which of this block's pieces of A, B and C, and who computes it: common to all products. `makers` may be null.
template <class S>
struct Work {
    TilePlace tile;
    u32 warp_m, warp_n, lane;
    u64 pitch;
    const u8 *a, *b;

    __device__ __forceinline__ Work(const void* a_all, const void* b_all, u32 m, u32 n, u32 k, u32 element_bytes, u32* makers)
        : tile(tile_of(blockIdx.x, m / S::M, n / S::N)),
          warp_m(threadIdx.x / 32 / S::WARPS_N),
          warp_n(threadIdx.x / 32 % S::WARPS_N),
          lane(threadIdx.x % 32),
          pitch(static_cast<u64>(k) * element_bytes),
          a(static_cast<const u8*>(a_all) + tile.row * S::M * pitch),
          b(static_cast<const u8*>(b_all) + tile.column * S::N * pitch) {
        if (makers != nullptr && threadIdx.x == 0) makers[tile.index] = multiprocessor();
    }
};

}  // namespace generic

// Where things lie: in shared memory as TMA writes it and wgmma reads it, and which tile of C comes when.
// Plain arithmetic, no instructions.
#pragma once

namespace hopper {

using u32 = unsigned int;
using u64 = unsigned long long;

// Operands lie K-contiguous in rows of 128 bytes (the most that a 128-byte swizzle allows), 8 rows to a swizzle atom.
constexpr u32 ROW_BYTES = 128;
constexpr u32 ATOM_ROWS = 8;
constexpr u32 ATOM_BYTES = ROW_BYTES * ATOM_ROWS;

// 128-byte swizzle: within an atom, the 16-byte piece at column c of row r lies at column c ^ r. Bytes from the start
// of a tile that starts on an atom; `byte` is the place in the row.
__device__ __forceinline__ constexpr u32 swizzled(u32 row, u32 byte) {
    return row * ROW_BYTES + (byte ^ (row % ATOM_ROWS * 16));
}

// A wgmma shared-memory matrix descriptor (PTX ISA, "Matrix Descriptor Format") for a K-major tile, 128-byte swizzle:
// start address, leading byte offset (not used by this layout; 1 as the ISA says), stride byte offset from one atom to
// the next 8 rows, base offset 0 because tiles start on atoms, swizzle mode 1. All in units of 16 bytes.
__device__ __forceinline__ constexpr u64 operand_descriptor(u32 address) {
    return (address & 0x3ffff) >> 4 | u64{1} << 16 | u64{ATOM_BYTES >> 4} << 32 | u64{1} << 62;
}

// The descriptor of what is `bytes` further along K in the same rows: the swizzle works on address bits, so only the
// start moves.
__device__ __forceinline__ constexpr u64 along_k(u64 descriptor, u32 bytes) { return descriptor + (bytes >> 4); }

struct TileAt {
    u32 row;
    u32 column;
};

// The order of the tiles: bands of `band` rows, each column by column, every other band backwards. What runs at one
// time is then nearly square, and finds most of its operands in the L2 cache, where its neighbours brought them.
__device__ __forceinline__ constexpr TileAt tile_at(u32 index, u32 rows, u32 columns, u32 band) {
    u32 number = index / (band * columns);
    u32 height = rows - number * band < band ? rows - number * band : band;
    u32 within = index - number * band * columns;
    u32 column = within / height;
    return {number * band + within % height, number % 2 ? columns - 1 - column : column};
}

}  // namespace hopper

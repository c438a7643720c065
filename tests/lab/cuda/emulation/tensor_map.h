/* What the fake driver writes into the 128 opaque bytes of a CUtensorMap, and the copy engine reads from them. */
#ifndef FAKE_CUDA_TENSOR_MAP_H
#define FAKE_CUDA_TENSOR_MAP_H

#include <cstdint>

namespace fake {

constexpr uint64_t TENSOR_MAP = 0x70616d726f736e74;

/* A matrix of `rows` × `columns` elements and the box of it that one copy moves; swizzle is CUtensorMapSwizzle, 0 to 3. */
struct Matrix {
    uint64_t magic, address, columns, rows, row_bytes;
    uint32_t box_columns, box_rows, element_bytes, swizzle;
    uint64_t rest[9];
};
static_assert(sizeof(Matrix) == 128, "CUtensorMap");

/* Where 16-byte pieces lie in shared memory: within a span of 32, 64 or 128 bytes the piece's number is mixed with
 * bits 7 and up of the address (PTX ISA 5.5.7, swizzling modes: the pattern repeats every 256, 512 or 1024 bytes). */
inline uint32_t swizzled(uint32_t address, uint32_t mode) {
    const uint32_t pieces = mode == 0 ? 0 : (2u << (mode - 1)) - 1;
    return address ^ ((address >> 7 & pieces) << 4);
}

}  // namespace fake

#endif

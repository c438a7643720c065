/* cuTensorMapEncodeTiled, with the rules of cuda.h for tensors that are not interleaved. */
#include <cstdio>
#include <cstring>
#include <iterator>

#include "../emulation/tensor_map.h"
#include "driver.h"

EXPORT cuTensorMapEncodeTiled(CUtensorMap* map, int type, unsigned rank, void* address, const uint64_t* dimensions, const uint64_t* strides,
                              const uint32_t* box, const uint32_t* steps, int interleave, int swizzle, int promotion, int fill) {
    if (CUresult code = begin_here("cuTensorMapEncodeTiled")) return code;
    static const uint32_t BYTES[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    const auto at = reinterpret_cast<uint64_t>(address);
    if (current->device->sm() < 90) return NOT_SUPPORTED;
    if (map == nullptr || reinterpret_cast<uint64_t>(map) % 64 != 0 || dimensions == nullptr || strides == nullptr || box == nullptr || steps == nullptr)
        return INVALID_VALUE;
    if (type < 0 || size_t(type) >= std::size(BYTES) || interleave != 0 || swizzle < 0 || swizzle > 3 || promotion < 0 || promotion > 3) return INVALID_VALUE;
    if (rank != 2 || fill != 0) {
        fprintf(stderr, "fake CUDA: only two-dimensional tensor maps, filled with 0, are emulated\n");
        return INVALID_VALUE;
    }
    const uint32_t bytes = BYTES[type];
    const uint64_t row = box[0] * uint64_t(bytes);
    if (at == 0 || at % 16 != 0) return INVALID_VALUE;
    for (unsigned i = 0; i < 2; i++) {
        if (dimensions[i] == 0 || dimensions[i] > uint64_t(1) << 32) return INVALID_VALUE;
        if (box[i] == 0 || box[i] > 256 || steps[i] == 0 || steps[i] > 8) return INVALID_VALUE;
    }
    if (strides[0] % 16 != 0 || strides[0] >= uint64_t(1) << 40 || strides[0] < dimensions[0] * bytes) return INVALID_VALUE;
    if (row % 16 != 0 || (swizzle != 0 && row > 16u << swizzle)) return INVALID_VALUE;
    if (steps[0] != 1 || steps[1] != 1) {
        fprintf(stderr, "fake CUDA: tensor maps with element strides are not emulated\n");
        return INVALID_VALUE;
    }
    fake::Matrix matrix{fake::TENSOR_MAP, at, dimensions[0], dimensions[1], strides[0], box[0], box[1], bytes, uint32_t(swizzle), {}};
    memcpy(map, &matrix, sizeof matrix);
    return SUCCESS;
}

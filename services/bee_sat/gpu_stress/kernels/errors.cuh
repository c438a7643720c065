// What the checking kernels tell the host. Little endian, no padding: the host reads it as bytes.
#pragma once

#include "ptx.cuh"

enum ErrorKind : u32 {
    WRONG_RESULT = 1,  // an element of C; index: row·N + column
    WRONG_MEMORY = 2,  // a word of 8 bytes; index: of the word
};

struct ErrorRecord {
    u64 index;
    u64 expected;  // bits
    u64 got;       // bits
    u32 multiprocessor;
    u32 kind;
};

constexpr u32 ERROR_RECORDS = 64;

struct ErrorBuffer {
    u64 compared;
    u64 wrong;
    u64 not_finite;    // of the wrong ones: NaN or infinite
    u64 records_used;  // may exceed ERROR_RECORDS: how many wanted one
    ErrorRecord records[ERROR_RECORDS];
};

static_assert(sizeof(ErrorRecord) == 32, "the host reads 32 bytes");
static_assert(sizeof(ErrorBuffer) == 32 + 64 * 32, "the host reads this layout");

__device__ __forceinline__ void report(ErrorBuffer* errors, u32 kind, u64 index, u64 expected, u64 got) {
    u64 slot = atomic_add(&errors->records_used, 1);
    if (slot < ERROR_RECORDS) errors->records[slot] = {index, expected, got, multiprocessor(), kind};
}

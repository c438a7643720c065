// Fills an operand from its small table: out[row][column] = table[(row + row_shift) % table_rows][column % table_cols].
#include "ptx.cuh"

template <class Element>
__device__ __forceinline__ void fill_operand(
    Element* out, u64 rows, u64 columns, const Element* table, u64 table_rows, u64 table_columns, u64 row_shift) {
    const u64 step = blockDim.x % table_columns;
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const Element* from = table + (row + row_shift) % table_rows * table_columns;
        Element* to = out + row * columns;
        u64 at = threadIdx.x % table_columns;
        for (u64 column = threadIdx.x; column < columns; column += blockDim.x) {
            to[column] = from[at];
            at += step;
            if (at >= table_columns) at -= table_columns;
        }
    }
}

#define OPERAND_FILL(name, Element)                                                                        \
    extern "C" __global__ void __launch_bounds__(256) name(                                                \
        Element* out, u64 rows, u64 columns, const Element* table, u64 table_rows, u64 table_columns,      \
        u64 row_shift) {                                                                                   \
        fill_operand(out, rows, columns, table, table_rows, table_columns, row_shift);                     \
    }

OPERAND_FILL(operand_fill_1, u8)
OPERAND_FILL(operand_fill_2, unsigned short)
OPERAND_FILL(operand_fill_4, u32)
OPERAND_FILL(operand_fill_8, u64)

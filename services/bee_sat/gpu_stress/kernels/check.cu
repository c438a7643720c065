// Compares every element of C, bit for bit, with what it must be:
// expected[(row + shift_m) % period_m][(column + shift_n) % period_n].
//
// C is read once, at the memory's speed: a thread walks down the rows whose expected values are the same, so these stay
// in registers. Zero is zero with either sign: no instruction set promises the sign of an exact sum of nothing.
#include "errors.cuh"
#include "sums.cuh"

namespace check {

constexpr u32 ROWS_AT_ONCE = 8;   // loads in flight for each thread
constexpr u32 ROWS_OF_ITEM = 32;  // of one walk: enough to pay for finding the expected values

template <class Bits>
struct Format;

template <>
struct Format<u32> {
    static constexpr u32 EXPONENT = 0x7f800000, SIGN = 0x80000000;
};

template <>
struct Format<u64> {
    static constexpr u64 EXPONENT = 0x7ff0000000000000, SIGN = 0x8000000000000000;
};

template <class Bits, u32 Width>
struct alignas(sizeof(Bits) * Width) Group {
    Bits values[Width];
};

template <class Bits>
__device__ __forceinline__ void wrong(ErrorBuffer* errors, u64 index, Bits expected, Bits got) {
    using F = Format<Bits>;
    if (((expected | got) & ~F::SIGN) == 0) return;
    atomic_add(&errors->wrong, 1);
    if ((got & F::EXPONENT) == F::EXPONENT) atomic_add(&errors->not_finite, 1);
    report(errors, WRONG_RESULT, index, expected, got);
}

// What C is compared with, in numbers that fit a register: no GPU's memory holds a side of 2^32.
struct Expected {
    u32 rows, columns, period_m, period_n, shift_m, shift_n;
};

// Work items: strips of BLOCK_THREADS · Width columns, times residues of rows, times ROWS_OF_ITEM rows of a residue.
template <class Bits, u32 Width>
__device__ __forceinline__ u64 compare(const Bits* c, const Bits* expected, Expected e, ErrorBuffer* errors) {
    using Elements = Group<Bits, Width>;
    const u32 strips = (e.columns + BLOCK_THREADS * Width - 1) / (BLOCK_THREADS * Width);
    const u32 rows_of_items = e.period_m * ROWS_OF_ITEM;
    const u32 items = strips * e.period_m * ((e.rows + rows_of_items - 1) / rows_of_items);
    const u64 stride = static_cast<u64>(e.period_m) * e.columns;
    u64 compared = 0;
    for (u32 item = blockIdx.x; item < items; item += gridDim.x) {
        const u32 column = (item % strips * BLOCK_THREADS + threadIdx.x) * Width;
        const u32 residue = item / strips % e.period_m;
        const u32 first = item / strips / e.period_m * rows_of_items + residue;
        if (column >= e.columns || first >= e.rows) continue;
        u32 rows = (e.rows - first + e.period_m - 1) / e.period_m;
        if (rows > ROWS_OF_ITEM) rows = ROWS_OF_ITEM;

        Elements right;
        const Bits* line = expected + (residue + e.shift_m) % e.period_m * e.period_n;
#pragma unroll
        for (u32 i = 0; i < Width; i++) right.values[i] = line[(column + i + e.shift_n) % e.period_n];

        const u64 start = static_cast<u64>(first) * e.columns + column;
        for (u32 row = 0; row < rows; row += ROWS_AT_ONCE) {
            Elements got[ROWS_AT_ONCE];
#pragma unroll
            for (u32 r = 0; r < ROWS_AT_ONCE; r++)
                if (row + r < rows) got[r] = *reinterpret_cast<const Elements*>(c + start + (row + r) * stride);
#pragma unroll
            for (u32 r = 0; r < ROWS_AT_ONCE; r++) {
                if (row + r >= rows) break;
#pragma unroll
                for (u32 i = 0; i < Width; i++)
                    if (got[r].values[i] != right.values[i])
                        wrong(errors, start + (row + r) * stride + i, right.values[i], got[r].values[i]);
                compared += Width;
            }
        }
    }
    return compared;
}

// Rows of C start at a multiple of 16 bytes if N allows; then 16 bytes are read at a time.
template <class Bits>
__device__ __forceinline__ void check_result(
    const Bits* c, u64 m, u64 n, const Bits* expected, u64 period_m, u64 period_n, u64 shift_m, u64 shift_n,
    ErrorBuffer* errors) {
    constexpr u32 WIDTH = 16 / sizeof(Bits);
    const Expected e = {static_cast<u32>(m),        static_cast<u32>(n),       static_cast<u32>(period_m),
                        static_cast<u32>(period_n), static_cast<u32>(shift_m), static_cast<u32>(shift_n)};
    u64 compared = n % WIDTH == 0 ? compare<Bits, WIDTH>(c, expected, e, errors) : compare<Bits, 1>(c, expected, e, errors);
    add_block_sum(&errors->compared, compared);
}

}  // namespace check

#define CHECK_RESULT(name, Bits)                                                                            \
    extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, 2) name(                                   \
        const Bits* c, u64 m, u64 n, const Bits* expected, u64 period_m, u64 period_n, u64 shift_m,         \
        u64 shift_n, ErrorBuffer* errors) {                                                                 \
        check::check_result(c, m, n, expected, period_m, period_n, shift_m, shift_n, errors);               \
    }

CHECK_RESULT(check_result_4, u32)
CHECK_RESULT(check_result_8, u64)

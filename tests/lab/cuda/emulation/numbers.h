/* Number formats of the tensor cores, and how they add. */
#ifndef FAKE_CUDA_NUMBERS_H
#define FAKE_CUDA_NUMBERS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace fake {

inline float as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

inline float from_bf16(uint16_t bits) { return as_float(uint32_t(bits) << 16); }

/* The tensor cores read 19 bits of a tf32 operand, and ignore the rest. */
inline float from_tf32(uint32_t bits) { return as_float(bits & 0xffffe000u); }

inline float from_fp16(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size;
    if (exponent == 31)
        size = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        size = std::ldexp(float(fraction), -24);
    else
        size = std::ldexp(float(1024 + fraction), exponent - 25);
    return bits & 0x8000 ? -size : size;
}

/* 1 sign, 4 exponent (bias 7), 3 fraction; no infinities, one NaN (PTX ISA, .e4m3). */
inline float from_e4m3(uint8_t bits) {
    const int exponent = bits >> 3 & 15, fraction = bits & 7;
    float size;
    if (exponent == 15 && fraction == 7)
        size = NAN;
    else if (exponent == 0)
        size = std::ldexp(float(fraction), -9);
    else
        size = std::ldexp(float(8 + fraction), exponent - 10);
    return bits & 0x80 ? -size : size;
}

struct Bf16 {
    using Bits = uint16_t;
    static float value(Bits bits) { return from_bf16(bits); }
};
struct Fp16 {
    using Bits = uint16_t;
    static float value(Bits bits) { return from_fp16(bits); }
};
struct Tf32 {
    using Bits = uint32_t;
    static float value(Bits bits) { return from_tf32(bits); }
};
struct E4m3 {
    using Bits = uint8_t;
    static float value(Bits bits) { return from_e4m3(bits); }
};

/* c + Σ a·b as a tensor core adds: every addend is cut off below the largest one's exponent less `bits`, the sum is
 * exact, and is cut off to float. Measured behaviour: Fasi et al., "Numerical behavior of NVIDIA tensor cores" (2021);
 * for fp8 on Hopper 13 bits: DeepSeek-V3 technical report, section 3.3.2. */
inline float tensor_sum(float c, const float* a, const float* b, unsigned count, int bits) {
    double products[32], largest = std::fabs(double(c));
    for (unsigned i = 0; i < count; i++) {
        products[i] = double(a[i]) * double(b[i]);
        largest = std::fmax(largest, std::fabs(products[i]));
    }
    double sum = c;
    for (unsigned i = 0; i < count; i++) sum += products[i];
    if (!std::isfinite(sum) || largest == 0) return float(sum);
    const double grain = std::ldexp(1.0, std::ilogb(largest) - bits);
    sum = std::trunc(double(c) / grain);
    for (unsigned i = 0; i < count; i++) sum += std::trunc(products[i] / grain);
    sum *= grain;
    float result = float(sum);
    if (std::fabs(double(result)) > std::fabs(sum)) result = std::nextafter(result, 0.0f);
    return result;
}

}  // namespace fake

#endif

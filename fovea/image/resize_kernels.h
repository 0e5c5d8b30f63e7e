// The inner loops of resizing 8-bit pictures, for every instruction set. Internal to fovea/image/resize.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea {

// Bits after the point of a coefficient: 8 for the sample, 2 for overshoot and sign, the rest of 32 (PIL's choice).
inline constexpr int kResizeBits = 32 - 8 - 2;

// One row: out pixel x becomes clamp(sum_i in[first[x] + i] * coefficients[x * taps + i], rounded and shifted), i <
// count[x]. `in` must be readable for 3 bytes beyond its last pixel. in [in_width][channels], out [width][channels],
// channels 1, 3, 4.
void resize_row(const uint8_t* in, uint8_t* out, int width, int channels, const int32_t* first, const int32_t* count,
                const int32_t* coefficients, int taps);

// One row of the result from `count` rows of the input, `stride` bytes apart; all have `size` samples.
void resize_column(const uint8_t* in, size_t stride, uint8_t* out, size_t size, int count, const int32_t* coefficients);

}  // namespace fovea

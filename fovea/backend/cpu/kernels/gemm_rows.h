// A few rows times a large matrix: fully connected layers at small batch. Bound by reading w, so w is read at the speed
// of memory.
#pragma once

#include <cstdint>

namespace fovea::kernels {

constexpr int64_t kGemmRowsMost = 4;

// y[r,o] = Σ_i x[r,i] · w[o,i] + bias[o], then max(0, ·) if rectify. x [rows,inputs], w [outputs,inputs], y
// [rows,outputs], bias [outputs] or null; 1 ≤ rows ≤ kGemmRowsMost. The sum's order is fixed: results depend neither on
// the number of threads nor on the other rows. `streams`: rows of w that a thread reads at once where rows = 1; 4 or 6,
// whichever the machine's memory likes better. Threaded.
void gemm_rows(const float* x, const float* w, const float* bias, float* y, int64_t rows, int64_t inputs,
               int64_t outputs, bool rectify, int streams = 6);

// The same with w in bf16 (the upper half of a float's bits): half the memory to read. Products and sums are f32.
void gemm_rows_bf16(const float* x, const uint16_t* w, const float* bias, float* y, int64_t rows, int64_t inputs,
                    int64_t outputs, bool rectify, int streams = 6);

// Rounds to nearest even. NaN stays NaN. Threaded.
void round_to_bf16(const float* from, uint16_t* to, int64_t count);

}  // namespace fovea::kernels

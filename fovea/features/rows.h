// A matrix that is read a few rows at a time, so that it need not be in memory, nor in f32.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

struct RowSource {
  int64_t count = 0, dimensions = 0;
  // Writes rows [first, first + number) to [number, dimensions]. May be called from several threads at once.
  std::function<void(int64_t first, int64_t number, float* to)> read;
};

// The rows of a matrix f32 [N,D].
RowSource rows_of(const Tensor& matrix);
// Pictures u8 [N,H,W,C] as rows of H·W·C values 0..1.
RowSource pixel_rows(const Tensor& pictures);
// Each row divided by its length, so that ‖a − b‖² = 2 (1 − cos). Reading throws Error{usage} naming a row of zeros,
// which has no direction.
RowSource directions(RowSource rows);

// The mean of all rows, [D]: sums in double in the rows' order.
std::vector<double> mean_of(const RowSource& rows);

}  // namespace fovea

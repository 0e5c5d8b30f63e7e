// The k nearest rows of a matrix, exactly: blocked matrix products find the candidates, distances in double decide.
//
// ‖q − x‖² = ‖q‖² + ‖x‖² − 2 q·x. All q·x of a block of queries and a block of rows are one matrix product. In f32 the
// sum above is off by at most E(q), which is derived from the lengths of the rows; every row whose f32 distance is
// within 2 E(q) of the k-th smallest stays a candidate, and candidates are compared by Σ (qᵢ − xᵢ)² in double. So the
// result is that of comparing all pairs in double, whatever the blocks and the number of threads.
// Source: the formulation is that of H. Jégou, J. Johnson, M. Douze, "Billion-scale similarity search with GPUs"
// (2017), section 4; the bound is N. Higham, "Accuracy and stability of numerical algorithms", section 3.1.
#pragma once

#include <vector>

#include "fovea/base/context.h"
#include "fovea/features/rows.h"

namespace fovea {

struct Neighbours {
  int64_t k = 0;
  std::vector<int32_t> index;   // [Q,k], nearest first; of equal distances the smaller index first
  std::vector<float> distance;  // [Q,k], Euclidean

  int64_t count() const { return k > 0 ? static_cast<int64_t>(index.size()) / k : 0; }
};

// The k nearest rows of `set` to each of `queries`. Throws Error{usage} unless the rows are equally long and
// 1 ≤ k ≤ their number, and for 2^31 rows and more.
Neighbours nearest_rows(const Context& context, const RowSource& set, const RowSource& queries, int64_t k);
// The k nearest other rows of the same set to each of its rows.
Neighbours nearest_rows(const Context& context, const RowSource& set, int64_t k);
// The same for some of its rows.
Neighbours nearest_rows(const Context& context, const RowSource& set, const std::vector<int64_t>& of, int64_t k);

// How far the neighbours of labelled rows have the label of the row. RowSource without a label do not count, neither as
// queries nor as agreeing neighbours.
struct Agreement {
  int64_t rows = 0;
  double share = 0;     // of the k neighbours, the mean over rows
  double majority = 0;  // of rows whose label most neighbours have; of equally many, the label that occurs nearest
};
Agreement class_agreement(const Neighbours& neighbours, const std::vector<int64_t>& labels);

}  // namespace fovea

// A small network with batch norms whose gradients one rank, or each rank of a group, computes.
#pragma once

#include <string>
#include <vector>

#include "fovea/base/group.h"
#include "fovea/tensor/tensor.h"

namespace fovea::testing {

struct SmallRun {
  bool norm = true;  // with (synchronised) batch norms
  DType dtype = DType::f64;
  int64_t batch = 8;
  int64_t bucket_bytes = 700;  // several buckets
};

struct SmallResult {
  std::vector<std::string> names;
  std::vector<Tensor> gradients, statistics;
  double loss = 0, errors = 0;
  std::vector<std::string> steps;  // names of the program's steps, in order
};

// The gradient of the mean loss of a batch, computed on this rank's share of it with the group's sums. f64: reference
// backend; f32: CPU.
SmallResult small_gradients(const SmallRun& run, Group& group);

// Empty, or how the group's result differs from that of one rank with the whole batch, beyond rounding.
std::string difference_to_one_rank(const SmallRun& run, Group& group);

// How training_step's carried weights, after `steps` steps on the group with the CPU backend, differ from those of one
// rank. Empty: they do not, beyond rounding.
std::string trained_difference_to_one_rank(int steps, Group& group);

}  // namespace fovea::testing

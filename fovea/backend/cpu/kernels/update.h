// Steps of optimisers over many weights at once, in f32 and in place.
#pragma once

#include <cstdint>
#include <span>

namespace fovea::kernels {

enum class UpdateKind { sgd, momentum, nesterov, adam, rmsprop, rmsprop_momentum, adagrad, average, set, lookahead };

// The numbers of ops/update.cpp's formulas. adamw is adam with a shrink and no decay.
struct UpdateNumbers {
  UpdateKind kind = UpdateKind::sgd;
  float momentum = 0, beta1 = 0, beta2 = 0, smoothing = 0, epsilon = 0, decay = 0;
  float rest1 = 0, rest2 = 0, rest = 0;  // 1 − β₁, 1 − β₂, 1 − α, rounded once
  float rate = 1, spread = 1, shrink = 1, factor = 1;
};

// One weight: what is read, and where the next values go (the same memory or another). Unused states are null.
struct UpdatePart {
  const float *weight, *gradient, *state[2];
  float *next_weight, *next_state[2];
  int64_t count;
};

// One parallel region for all parts; elements are divided evenly among the threads, and each is computed alike wherever
// it falls.
void update(const UpdateNumbers& numbers, std::span<const UpdatePart> parts);

// Σ over all pieces of x². Sums in f32 over pieces of a fixed length whose sums are added in double, in order, so that
// the result depends neither on the number of threads nor on the instruction set. `sums` holds
// sum_of_squares_pieces(counts) doubles.
int64_t sum_of_squares_pieces(std::span<const int64_t> counts);
double sum_of_squares(std::span<const float* const> tensors, std::span<const int64_t> counts, double* sums);

}  // namespace fovea::kernels

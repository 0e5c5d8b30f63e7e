// Random weights for a network that has none.
#pragma once

#include <string>
#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/tensor/weights.h"

namespace fovea {

// How the weights of convolutions and matrix products are drawn. With d = gain · √(v / fan):
//   he_normal, he_uniform          v = 2, for ReLU: He et al., "Delving deep into rectifiers", ICCV 2015, equation 10
//   xavier_normal, xavier_uniform  v = 1, fan the mean of both: Glorot & Bengio, AISTATS 2010, equations 12 and 16
//   lecun_normal, lecun_uniform    v = 1: LeCun et al., "Efficient backprop", 1998, section 4.6
// normal draws N(0, d²), uniform from (−√3 d, √3 d), which has the same variance.
//   orthogonal   gain · a random matrix with orthonormal rows, or columns where these are fewer: Saxe, McClelland &
//                Ganguli, ICLR 2014. A convolution's matrix has a row for each output channel; each group has its own.
//                Time grows with rows² · columns: seconds for most layers, minutes for a 4096x25088 one.
struct Initialisation {
  std::string kind = "he_normal";  // one of initialisation_kinds()
  std::string fan = "in";          // he, lecun: "in", what an output sums over; "out", what an input reaches; "mean"
  double gain = 1;                 // above 0; factor of the deviation; √2 suits orthogonal with ReLU
  // What the last scale of each residual branch starts at (the last batch norm's weight; the last convolution's or
  // matrix product's factor where no batch norm follows it), L being the number of residual blocks:
  //   one    1, as any other
  //   zero   0: the network begins as its shortcuts alone. Goyal et al., "Accurate, large minibatch SGD", 2017, 5.1
  //   depth  1/√L: a sum of L branches adds as much variance as one. With shortcuts that double it each block (running
  //          statistics 0 and 1, as before any training) (1 + 1)^L becomes (1 + 1/L)^L < e. Zhang, Dauphin & Ma,
  //          "Fixup initialization", ICLR 2019; De & Smith, "Batch normalization biases residual blocks towards the
  //          identity function in deep networks", NeurIPS 2020: a network normalised in training does the same itself
  //   auto   depth above 60 blocks, which otherwise leave f32 when run untrained; else one, as published
  std::string residual_scale = "auto";
  // Patterns (* and ?) of names of convolutions' weights whose first outputs begin as their inputs: output o < I is
  // map o of the input (of its group), taken at the window's middle; further outputs are drawn as any other. Source:
  // Zagoruyko & Komodakis, "DiracNets", 2017; Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024, 3.3.
  std::vector<std::string> identity;
  // Patterns of names of the weights of convolutions that see the pictures: they begin as filters that whiten the
  // training set's patches. Only training knows that set: initial_weights() draws them as any other, see
  // train/whitening.h.
  std::vector<std::string> whiten;
};

// he_normal, he_uniform, xavier_normal, xavier_uniform, lecun_normal, lecun_uniform, orthogonal.
const std::vector<std::string>& initialisation_kinds();

// A value for every parameter of the graph, told by how it is used: weights of convolutions and matrix products as
// above, biases 0, scales of normalisations 1, their shifts and running means 0, their running variances 1; slopes of
// PReLU 0.25; biases of a highway layer's transform gate −2 (Srivastava et al., "Training very deep networks", NIPS
// 2015, section 2.2). Each depends on the seed, its own name and how the graph uses it, not on the number of threads.
// Throws Error{usage} with the nearest name for an unknown kind, for a gain out of range, and for a pattern of
// `identity` that fits no convolution's weight.
Weights initial_weights(const Graph& graph, uint64_t seed, const Initialisation& how = {});

}  // namespace fovea

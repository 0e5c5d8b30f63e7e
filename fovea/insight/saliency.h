// Which pixels a class's score depends on.
#pragma once

#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

struct SaliencyOptions {
  int64_t samples = 1;  // above 1: the mean over noisy copies of the input
  double noise = 0.15;  // standard deviation of the noise, as a share of the input's range
};

// The gradient of one class's score (before a final softmax) with respect to the input, as a map [H][W]: the greatest
// |gradient| over the channels. Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014,
// section 3.1; with samples > 1 Smilkov et al., "SmoothGrad", 2017. Compiles once; every call of operator() is a run.
// Throws Error{unsupported} when an operator on the way has no gradient.
class Saliency {
 public:
  Saliency(const Model& model, Backend& backend, const CompileOptions& options = {});
  // input [1,C,H,W] as preprocess() gives it.
  std::vector<float> operator()(const Tensor& input, int64_t label, const Context& context,
                                const SaliencyOptions& options = {});

 private:
  Program program_;
  std::string input_name_;
  Type scores_;
};

}  // namespace fovea

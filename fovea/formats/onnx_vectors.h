// ONNX-style test vectors: folders that hold model.onnx and test_data_set_K/{input_I.pb, output_I.pb}.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct VectorResult {
  std::filesystem::path path;  // the folder of the case
  std::string status;          // passed, failed, unsupported
  std::string detail;          // why not; empty when passed
};

// Runs a model: the values of its outputs, in order. Inputs by name; a bound input may be left out of the map.
using VectorRunner = std::function<std::vector<Tensor>(const Model&, const std::map<std::string, Tensor>& inputs)>;

// The interpreter: plain loops, the definition of each operator.
std::vector<Tensor> run_reference(const Model& model, const std::map<std::string, Tensor>& inputs);

// Folders below (and including) `root` that hold a model.onnx and at least one test_data_set_*, sorted. A path to a
// model.onnx stands for its folder. Throws Error{io} when root does not exist.
std::vector<std::filesystem::path> find_vectors(const std::filesystem::path& root);

// Runs all data sets of one case. Inputs that are integers or 1-D (they may determine shapes) are bound by value.
// Never throws: an Error{unsupported} gives "unsupported", any other "failed".
VectorResult run_vector(const std::filesystem::path& folder, const VectorRunner& run = run_reference);

// Empty when `got` equals `want`: same type and shape, integers exact, |got − want| ≤ 1e-3·|want| + 1e-6·max|want|, NaN
// where and only where wanted, infinities equal. Else the first difference in words.
std::string compare_tensors(const Tensor& got, const Tensor& want);

}  // namespace fovea

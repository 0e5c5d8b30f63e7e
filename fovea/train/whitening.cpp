// C = Σ p pᵀ / n = V Λ Vᵀ;  w_e = v_e / √(λ_e + ε),  w_{E+e} = −w_e. See the header for sources.
#include "fovea/train/whitening.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/base/wildcard.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr int64_t kPictures = 5000, kTasks = 50;
constexpr double kEpsilon = 5e-4;

// The weights of convolutions that read the picture itself.
std::vector<Value> first_weights(const Model& model) {
  const Value picture = picture_input(model);
  std::vector<Value> weights;
  for (const Node& node : model.graph.nodes())
    if (node.op == &ops::conv && node.inputs[0] == picture && model.graph.node(node.inputs[1]).op == &ops::parameter)
      weights.push_back(node.inputs[1]);
  return weights;
}

// Σ p pᵀ over all places of a picture [1,C,H,W]; only the lower triangle.
void add_patches(const Tensor& picture, int64_t rows, int64_t columns, Eigen::MatrixXd& sum, int64_t& count) {
  const int64_t channels = picture.size(1), height = picture.size(2), width = picture.size(3);
  const float* data = picture.data<float>().data();
  const int64_t across = width - columns + 1;
  if (across < 1) return;
  Eigen::MatrixXd patches(channels * rows * columns, across);
  for (int64_t y = 0; y + rows <= height; ++y) {
    for (int64_t x = 0; x < across; ++x) {
      int64_t at = 0;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j)
            patches(at++, x) = static_cast<double>(data[(c * height + y + i) * width + x + j]);
    }
    sum.selfadjointView<Eigen::Lower>().rankUpdate(patches);
    count += across;
  }
}

// The sums of a fixed number of parts of the set, in their order: the same bits whatever the threads.
Eigen::MatrixXd covariance(const Model& model, const Dataset& train, bool skip_broken, int64_t rows, int64_t columns,
                           int64_t size) {
  const int64_t pictures = std::min(kPictures, train.size()), step = train.size() / pictures;
  std::vector<Eigen::MatrixXd> sums(static_cast<size_t>(kTasks), Eigen::MatrixXd::Zero(size, size));
  std::vector<int64_t> counts(static_cast<size_t>(kTasks), 0);
  parallel_tasks(kTasks, [&](int64_t task) {
    for (int64_t i = task; i < pictures; i += kTasks) {
      Image picture;
      try {
        picture = train.get(i * step).image;
      } catch (const Error& error) {
        if (!skip_broken || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
        continue;
      }
      add_patches(preprocess(picture, *model.meaning.preprocess), rows, columns, sums[static_cast<size_t>(task)],
                  counts[static_cast<size_t>(task)]);
    }
  });
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(size, size);
  int64_t count = 0;
  for (size_t t = 0; t < sums.size(); ++t) sum += sums[t], count += counts[t];
  require(count > 0, ErrorKind::usage, "initialisation.whiten: the pictures are smaller than the filters");
  return sum.selfadjointView<Eigen::Lower>() * Eigen::MatrixXd::Identity(size, size) / static_cast<double>(count);
}

Tensor whitened(const Model& model, Tensor weight, const Dataset& train, bool skip_broken) {
  const Shape& s = weight.shape();
  const int64_t size = s[1] * s[2] * s[3], filters = std::min(size, s[0] / 2);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(covariance(model, train, skip_broken, s[2], s[3], size));
  const auto data = weight.data<float>();
  for (int64_t e = 0; e < filters; ++e) {
    const Eigen::VectorXd vector = solved.eigenvectors().col(size - 1 - e);  // eigenvalues rise
    Eigen::Index largest = 0;
    vector.cwiseAbs().maxCoeff(&largest);
    const double scale = (vector(largest) < 0 ? -1 : 1) / std::sqrt(solved.eigenvalues()(size - 1 - e) + kEpsilon);
    for (int64_t k = 0; k < size; ++k) {
      const auto value = static_cast<float>(scale * vector(k));
      data[static_cast<size_t>(e * size + k)] = value;
      data[static_cast<size_t>((filters + e) * size + k)] = -value;
    }
  }
  return weight;
}

}  // namespace

void whiten_first_layers(Model& model, const Initialisation& how, const Dataset& train, bool skip_broken) {
  if (how.whiten.empty()) return;
  std::vector<std::string> names;
  for (const Value w : first_weights(model))
    if (model.graph.shape(w).rank() == 4) names.push_back(model.graph.node(w).name);
  for (const std::string& pattern : how.whiten)
    require(std::any_of(names.begin(), names.end(), [&](const std::string& n) { return fits(pattern, n); }),
            ErrorKind::usage,
            "initialisation.whiten: no convolution that sees the picture has a weight called \"{}\"{}", pattern,
            did_you_mean(pattern, names));
  require(model.meaning.preprocess.has_value(), ErrorKind::usage, "initialisation.whiten: {} takes no pictures",
          model.meaning.name);
  for (const std::string& name : names)
    if (fits_any(how.whiten, name)) model.weights[name] = whitened(model, model.weights.at(name), train, skip_broken);
}

}  // namespace fovea

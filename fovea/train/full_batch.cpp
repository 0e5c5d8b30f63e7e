#include "fovea/train/full_batch.h"

#include <algorithm>

#include "fovea/base/error.h"

namespace fovea {

namespace {

constexpr size_t kFirstGradient = 3;  // among the wants, after total, loss and errors

Program program_of(const TrainingStep& step, const Weights& start, Backend& backend, CompileOptions options) {
  require(step.recipe.optimiser.kind == "lbfgs", ErrorKind::usage,
          "the step updates by {} itself; make it with the optimiser lbfgs", step.recipe.optimiser.kind);
  for (const Value g : step.gradients)
    require(step.graph.dtype(g) == DType::f32, ErrorKind::usage, "weights are {}, expected f32",
            to_string(step.graph.dtype(g)));
  std::vector<Value> wants = {step.total, step.loss, step.errors};
  wants.insert(wants.end(), step.gradients.begin(), step.gradients.end());
  options.carry = step.carry;
  return compile(step.graph, wants, starting_weights(step, start), backend, options);
}

}  // namespace

int64_t even_batch(int64_t samples, int64_t most) {
  if (samples <= most) return samples;
  int64_t best = most;
  for (int64_t size = most; size > most / 2; --size)
    if (samples % size < samples % best) best = size;
  return best;
}

FullBatch::FullBatch(const TrainingStep& step, const Weights& start, Backend& backend, CompileOptions options,
                     int64_t batches, Feed feed)
    : step_(step),
      program_(program_of(step, start, backend, std::move(options))),
      batches_(batches),
      feed_(std::move(feed)) {
  require(batches >= 1, ErrorKind::usage, "a set of {} batches, expected 1 or more", batches);
}

std::vector<float> FullBatch::weights() const {
  std::vector<float> all;
  for (const std::string& name : step_.trained) {
    const Tensor value = program_.state(name);
    const std::span<const float> values = value.data<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void FullBatch::set_weights(std::span<const float> weights) {
  size_t at = 0;
  for (size_t i = 0; i < step_.trained.size(); ++i) {
    Tensor value(DType::f32, step_.graph.shape(step_.gradients[i]));
    const std::span<float> values = value.data<float>();
    require(at + values.size() <= weights.size(), ErrorKind::usage, "{} weights, expected more", weights.size());
    std::copy_n(weights.begin() + static_cast<int64_t>(at), values.size(), values.begin());
    program_.set_state(step_.trained[i], value);
    at += values.size();
  }
  require(at == weights.size(), ErrorKind::usage, "{} weights, expected {}", weights.size(), at);
}

double FullBatch::operator()(std::span<const float> weights, std::span<float> gradient) {
  set_weights(weights);
  require(gradient.size() == weights.size(), ErrorKind::usage, "a gradient of {} for {} weights", gradient.size(),
          weights.size());
  std::vector<double> sum(gradient.size(), 0);
  double total = 0;
  loss_ = 0;
  errors_ = 0;
  for (int64_t batch = 0; batch < batches_; ++batch) {
    std::map<std::string, Tensor> feeds = feed_(batch);
    feeds.merge(step_.feeds(batch, 0));
    const std::vector<Tensor> got = program_.run(feeds);
    total += got[0].at(0);
    loss_ += got[1].at(0) / static_cast<double>(batches_);
    errors_ += static_cast<int64_t>(got[2].at(0));
    size_t at = 0;
    for (size_t i = kFirstGradient; i < got.size(); ++i)
      for (const float g : std::as_const(got[i]).data<float>()) sum[at++] += static_cast<double>(g);
  }
  for (size_t i = 0; i < sum.size(); ++i) gradient[i] = static_cast<float>(sum[i] / static_cast<double>(batches_));
  return total / static_cast<double>(batches_);
}

}  // namespace fovea

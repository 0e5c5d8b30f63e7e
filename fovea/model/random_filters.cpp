#include "fovea/model/random_filters.h"

#include <fmt/format.h>

#include <cmath>

#include "fovea/base/rng.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/network_builder.h"
#include "fovea/ops/pad.h"

namespace fovea {

namespace {

constexpr const char* kName = "random filters";
constexpr int kScales = 5;
constexpr int64_t kFilters = 64, kFirst = 7, kSecond = 3, kInput = 256;

// Filters [O,I,K,K] of norm 1; without a mean, but for one in four.
Tensor filters(const Shape& shape, const Rng& rng) {
  Tensor t(DType::f32, shape);
  const auto data = t.data<float>();
  const auto plane = static_cast<size_t>(shape[2] * shape[3]), whole = static_cast<size_t>(shape[1]) * plane;
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(rng.normal(i));
  for (size_t o = 0; o < static_cast<size_t>(shape[0]); ++o) {
    float* const filter = data.data() + o * whole;
    for (size_t c = 0; o % 4 != 0 && c < static_cast<size_t>(shape[1]); ++c) {
      float mean = 0;
      for (size_t k = 0; k < plane; ++k) mean += filter[c * plane + k] / static_cast<float>(plane);
      for (size_t k = 0; k < plane; ++k) filter[c * plane + k] -= mean;
    }
    float square = 0;
    for (size_t k = 0; k < whole; ++k) square += filter[k] * filter[k];
    for (size_t k = 0; k < whole; ++k) filter[k] /= std::sqrt(square);
  }
  return t;
}

Tensor thresholds(const Rng& rng) {
  Tensor t(DType::f32, {kFilters});
  for (int64_t i = 0; i < kFilters; ++i) t.set(i, 0.3 * rng.normal(static_cast<uint64_t>(i)));
  return t;
}

}  // namespace

bool is_random_filters(const Model& model) { return !model.meaning.trained && model.meaning.name == kName; }

std::vector<std::string> random_filter_layers(int64_t side) {
  std::vector<std::string> layers = {"style1"};
  for (int scale = 2; scale <= kScales && 3 * (kFirst << (scale - 1)) <= side; ++scale)
    layers.push_back(fmt::format("style{}", scale));
  return layers;
}

Model random_filters(uint64_t seed) {
  const Rng rng = Rng(seed).fork("random filters");
  Model model;
  NetworkBuilder net({}, {3, kInput, kInput}, 1);
  Value x = net.input();
  const auto layer = [&](const std::string& name, Value in, int64_t kernel) {
    model.weights[name + ".weight"] = filters({kFilters, net.channels(in), kernel, kernel}, rng.fork(name + ".weight"));
    model.weights[name + ".bias"] = thresholds(rng.fork(name + ".bias"));
    const int64_t around = kernel / 2;
    const Value mirrored = pad(net.graph, in, {0, 0, around, around}, {0, 0, around, around}, {.mode = "symmetric"});
    return net.conv(name, net.named(name + " mirrored", mirrored), kFilters, {kernel});
  };
  for (int scale = 1; scale <= kScales; ++scale) {
    if (scale > 1) {
      x = net.average_pool(fmt::format("smooth{}", scale), x, {.kernel = {3}, .pad = {1}});
      x = net.average_pool(fmt::format("half{}", scale), x, {.kernel = {2}, .stride = {2}});
    }
    const Value first = net.relu(fmt::format("style{}", scale), layer(fmt::format("filters{}_1", scale), x, kFirst));
    const std::string name = scale == 2 ? "content" : fmt::format("pairs{}", scale);
    net.output(name + " maps", net.relu(name, layer(fmt::format("filters{}_2", scale), first, kSecond)));
  }
  model.graph = std::move(net.graph);
  model.meaning.name = kName;
  model.meaning.description = "Random filters at five scales";
  model.meaning.trained = false;
  model.meaning.input = "input";
  Preprocess how = preset("unit", kInput, kInput);
  how.name = "custom";
  how.mean = {0.5, 0.5, 0.5};
  how.std = {0.25, 0.25, 0.25};
  model.meaning.preprocess = how;
  model.meaning.preprocess_stated = true;
  return model;
}

}  // namespace fovea

// Sanity:        ρ(|m|, |m_random|), m_random the map when the weights of the top k layers are random, k growing.
// Perturbation:  AUC = Σ_i (p_i + p_{i+1}) / 2n, p_i the class's probability with i/n of the pixels taken away (put
// in). Sources: see attribution_check.h.
#include "fovea/insight/attribution_check.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/base/rng.h"
#include "fovea/image/resize.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// Ranks from 0, equal values sharing their mean rank.
std::vector<double> ranks(std::span<const float> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) result[order[k]] = static_cast<double>(i + end - 1) / 2;
    i = end;
  }
  return result;
}

std::vector<float> magnitudes(const std::vector<float>& values) {
  std::vector<float> result;
  for (const float v : values) result.push_back(std::abs(v));
  return result;
}

// The matrices and kernels that the scores depend on, from the scores down: (layer, name of the weight).
std::vector<std::pair<std::string, std::string>> weights_from_top(const Model& model) {
  const std::vector<bool> needed = reachable(model.graph, std::vector<Value>{scores_output(model)});
  std::vector<std::pair<std::string, std::string>> result;
  for (int i = model.graph.size(); i-- > 0;) {
    const Node& node = model.graph.node(i);
    if (!needed[static_cast<size_t>(i)]) continue;
    for (const Value v : node.inputs) {
      if (!v || model.graph.node(v).op != &ops::parameter) continue;
      const auto found = model.weights.find(model.graph.node(v).name);
      if (found == model.weights.end() || found->second.rank() < 2 || !is_float(found->second.dtype())) continue;
      const bool known = std::ranges::any_of(result, [&](const auto& r) { return r.second == found->first; });
      if (!known) result.emplace_back(node.name, found->first);
    }
  }
  return result;
}

Tensor drawn_like(const Tensor& weight, const Rng& rng) {
  const std::vector<double> values = weight.to_doubles();
  const auto count = static_cast<double>(std::max<size_t>(1, values.size()));
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double square = 0;
  for (const double v : values) square += (v - mean) * (v - mean);
  const double deviation = std::sqrt(square / count);
  Tensor result(DType::f32, weight.shape());
  auto data = result.data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(mean + deviation * rng.normal(i));
  return weight.dtype() == DType::f32 ? result : result.cast(weight.dtype());
}

std::vector<float> gaussian_blurred(std::span<const float> plane, int64_t height, int64_t width, double sigma) {
  const auto reach = static_cast<int64_t>(std::ceil(3 * sigma));
  std::vector<double> kernel;
  for (int64_t k = -reach; k <= reach; ++k)
    kernel.push_back(std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma)));
  const double sum = std::accumulate(kernel.begin(), kernel.end(), 0.0);
  const auto pass = [&](const std::vector<float>& from, int64_t length, int64_t step, int64_t lines, int64_t apart) {
    std::vector<float> to(from.size());
    for (int64_t line = 0; line < lines; ++line)
      for (int64_t i = 0; i < length; ++i) {
        double value = 0;
        for (int64_t k = -reach; k <= reach; ++k)
          value += kernel[static_cast<size_t>(k + reach)] *
                   double(from[static_cast<size_t>(line * apart + std::clamp<int64_t>(i + k, 0, length - 1) * step)]);
        to[static_cast<size_t>(line * apart + i * step)] = static_cast<float>(value / sum);
      }
    return to;
  };
  return pass(pass({plane.begin(), plane.end()}, width, 1, height, width), height, width, width, 1);
}

double probability(std::span<const float> scores, int64_t label) {
  const float highest = std::ranges::max(scores);
  double sum = 0;
  for (const float s : scores) sum += std::exp(double(s) - double(highest));
  return std::exp(double(scores[static_cast<size_t>(label)]) - double(highest)) / sum;
}

double area_under(const std::vector<double>& curve) {
  double sum = 0;
  for (size_t i = 0; i + 1 < curve.size(); ++i) sum += (curve[i] + curve[i + 1]) / 2;
  return sum / static_cast<double>(curve.size() - 1);
}

}  // namespace

double rank_correlation(std::span<const float> a, std::span<const float> b) {
  require(a.size() == b.size(), ErrorKind::shape, "{} values against {}", a.size(), b.size());
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = (static_cast<double>(a.size()) - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

int64_t weighted_layers(const Model& model) { return static_cast<int64_t>(weights_from_top(model).size()); }

std::string randomise_from_top(Model& model, int64_t layers, uint64_t seed) {
  const auto weights = weights_from_top(model);
  std::string lowest;
  for (size_t i = 0; i < std::min(weights.size(), static_cast<size_t>(std::max<int64_t>(0, layers))); ++i) {
    Tensor& weight = model.weights.find(weights[i].second)->second;
    weight = drawn_like(weight, Rng(seed).fork("randomised weights").fork(weights[i].second));
    lowest = weights[i].first;
  }
  return lowest;
}

std::vector<SanityCheck> check_sanity(const Context& context, const Model& model, std::span<const AttributionMap> maps,
                                      const MapMaker& make, int64_t stages) {
  const int64_t layers = weighted_layers(model);
  require(layers > 0, ErrorKind::usage, "the network has no weights to randomise");
  require(stages >= 1, ErrorKind::usage, "at least one stage is needed, got {}", stages);
  std::vector<SanityCheck> result(maps.size());
  int64_t before = 0;
  for (int64_t stage = 1; stage <= stages; ++stage) {
    // The last layer alone, then in equal shares of what is left.
    const int64_t now = stage == stages ? layers : 1 + (layers - 1) * (stage - 1) / std::max<int64_t>(1, stages - 1);
    if (now == before) continue;
    before = now;
    context.report({"randomising weights", stage - 1, stages, ""});
    Model changed = model;
    const std::string lowest = randomise_from_top(changed, now, context.seed);
    const std::vector<AttributionMap> others = make(changed);
    require(others.size() == maps.size(), ErrorKind::internal, "{} maps for {}", others.size(), maps.size());
    for (size_t k = 0; k < maps.size(); ++k) {
      const bool empty = !others[k].empty.empty();
      const double correlation = empty || others[k].values.size() != maps[k].values.size()
                                     ? 0
                                     : rank_correlation(magnitudes(maps[k].values), magnitudes(others[k].values));
      result[k].stages.push_back({lowest, now, correlation, empty});
      // A map that says nothing before and after has not answered to the weights either.
      const bool alike = correlation > kInsensitive || (empty && !maps[k].empty.empty());
      if (alike && 2 * now >= layers) result[k].insensitive = true, result[k].alike_layers = now;
    }
  }
  return result;
}

AttributionMap random_map(const Tensor& input, uint64_t seed) {
  AttributionMap map;
  map.method = "random";
  map.height = input.size(2), map.width = input.size(3);
  const Rng rng = Rng(seed).fork("random order");
  for (int64_t p = 0; p < map.height * map.width; ++p) map.values.push_back(rng.uniform(static_cast<uint64_t>(p)));
  return map;
}

Perturbation perturb(AttributionNetwork& network, const AttributionMap& map, const Tensor& input, int64_t label,
                     const Context& context, int64_t steps) {
  require(steps >= 1, ErrorKind::usage, "a curve takes at least one step, got {}", steps);
  const int64_t channels = input.size(1), height = input.size(2), width = input.size(3);
  const auto plane = static_cast<size_t>(height * width);
  const std::vector<float> heat = resize_plane(map.values, static_cast<int>(map.width), static_cast<int>(map.height),
                                               static_cast<int>(width), static_cast<int>(height));
  std::vector<size_t> order(plane);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return heat[a] > heat[b]; });
  const auto x = input.data<float>();
  std::vector<float> blurred;
  const double sigma = std::max(1.0, static_cast<double>(std::min(height, width)) / 45);
  for (int64_t c = 0; c < channels; ++c) {
    const std::vector<float> one =
        gaussian_blurred(x.subspan(static_cast<size_t>(c) * plane, plane), height, width, sigma);
    blurred.insert(blurred.end(), one.begin(), one.end());
  }
  Perturbation result;
  result.deletion.resize(static_cast<size_t>(steps) + 1);
  result.insertion.resize(result.deletion.size());
  const auto points = static_cast<int64_t>(result.deletion.size());
  network.scores().run(
      context, 2 * points,
      [&](int64_t i, std::span<float> picture) {
        const bool inserting = i >= points;
        const size_t changed = plane * static_cast<size_t>(i % points) / static_cast<size_t>(steps);
        if (inserting) std::ranges::copy(blurred, picture.begin());
        else std::ranges::copy(x, picture.begin());
        for (size_t k = 0; k < changed; ++k)
          for (size_t at = order[k]; at < picture.size(); at += plane) picture[at] = inserting ? x[at] : 0.0f;
      },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        auto& curve = i < points ? result.deletion : result.insertion;
        curve[static_cast<size_t>(i % points)] = probability(row_of(wants[0], slot), label);
      });
  result.deletion_area = area_under(result.deletion);
  result.insertion_area = area_under(result.insertion);
  return result;
}

}  // namespace fovea

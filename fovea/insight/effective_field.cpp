// E(p) = mean over runs of |g_p|² / Σ_q |g_q|², g = ∂(unit) / ∂(picture).
// Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the effective receptive field in deep convolutional
// neural networks", NIPS 2016: a gradient of 1 at one position of one map, back-propagated to the picture.
#include "fovea/insight/effective_field.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/model/conventions.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/unit_fields.h"
#include "fovea/ops/input.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

constexpr int64_t kTries = 8;  // for each run, where units are drawn
constexpr const char* kSeed = "effective_field_seed";
// Luo et al. call a pixel part of the effective field when it has at least 1 − 95.45 % of the centre's value: two
// standard deviations of a Gaussian.
constexpr double kLuoShare = 1 - 0.9545;

struct Layer {
  std::string name;
  Type type;
  int64_t channels = 0, height = 1, width = 1;
};

Layer layer_of(const Model& model, Value layer) {
  Layer result{model.graph.node(layer).name, model.graph.type(layer)};
  const Shape& s = result.type.shape;
  require((s.rank() == 4 || s.rank() == 2) && s[0] == 1 && result.type.dtype == DType::f32, ErrorKind::usage,
          "layer \"{}\" is {}; expected a layer with units: [1,C,H,W] or [1,C]", result.name, to_string(result.type));
  result.channels = s[1];
  if (s.rank() == 4) result.height = s[2], result.width = s[3];
  return result;
}

Tensor noise(const Shape& shape, const Rng& rng) {
  Tensor t(DType::f32, shape);
  auto data = t.data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(rng.normal(i));
  return t;
}

// Σ over the channels of g², a plane; and its sum.
double energy_of(const Tensor& gradient, std::vector<double>& plane) {
  const int64_t channels = gradient.size(1), count = gradient.size(2) * gradient.size(3);
  const float* g = gradient.data<float>().data();
  plane.assign(static_cast<size_t>(count), 0.0);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < count; ++p)
      plane[static_cast<size_t>(p)] += static_cast<double>(g[c * count + p]) * g[c * count + p];
  double sum = 0;
  for (const double v : plane) sum += v;
  return sum;
}

void widen(Interval& to, int64_t at) {
  if (to.begin >= to.end) to = {at, at + 1};
  else to = {std::min(to.begin, at), std::max(to.end, at + 1)};
}

// The part of the interval that lies in its middle half: [begin + L/4, end − L/4), pixels cut through count in part.
double share_in_middle(int64_t at, const Interval& i) {
  const double length = static_cast<double>(i.end - i.begin), low = static_cast<double>(i.begin) + length / 4,
               high = low + length / 2;
  return std::clamp(std::min(high, static_cast<double>(at + 1)) - std::max(low, static_cast<double>(at)), 0.0, 1.0);
}

// Side of the square around the centre of mass that holds a share of the energy; linear between the pixels' distances.
double side_with(const EffectiveField& f, double share) {
  std::vector<std::pair<double, double>> rings;  // Chebyshev distance of a pixel's middle, energy
  for (int64_t y = 0; y < f.height; ++y)
    for (int64_t x = 0; x < f.width; ++x)
      if (const float e = f.energy[static_cast<size_t>(y * f.width + x)]; e > 0)
        rings.emplace_back(std::max(std::abs(static_cast<double>(y) + 0.5 - f.centre_y),
                                    std::abs(static_cast<double>(x) + 0.5 - f.centre_x)),
                           e);
  std::sort(rings.begin(), rings.end());
  double sum = 0;
  for (const auto& [distance, e] : rings)
    if ((sum += e) >= share - 1e-9) return 2 * distance + 1;
  return 0;
}

void measure(EffectiveField& f) {
  double greatest = 0, square = 0;
  for (int64_t y = 0; y < f.height; ++y)
    for (int64_t x = 0; x < f.width; ++x) {
      const double e = f.energy[static_cast<size_t>(y * f.width + x)], py = static_cast<double>(y) + 0.5,
                   px = static_cast<double>(x) + 0.5;
      f.centre_y += e * py;
      f.centre_x += e * px;
      f.central_half += e * share_in_middle(y, f.rows) * share_in_middle(x, f.columns);
      greatest = std::max(greatest, e);
    }
  for (int64_t y = 0; y < f.height; ++y)
    for (int64_t x = 0; x < f.width; ++x) {
      const double e = f.energy[static_cast<size_t>(y * f.width + x)], dy = static_cast<double>(y) + 0.5 - f.centre_y,
                   dx = static_cast<double>(x) + 0.5 - f.centre_x;
      f.deviation_y += e * dy * dy;
      f.deviation_x += e * dx * dx;
      square += e > 0 && std::sqrt(e / greatest) >= kLuoShare;
    }
  f.deviation_y = std::sqrt(f.deviation_y);
  f.deviation_x = std::sqrt(f.deviation_x);
  f.luo_size = std::sqrt(square);
  f.side_half = side_with(f, 0.5);
  f.side_most = side_with(f, 0.95);
}

// The fields' boxes, checked.
EffectiveField begun(const Model& model, Value layer, const Layer& own, const EffectiveFieldOptions& options) {
  const Value input = picture_input(model);
  const UnitFields fields(model.graph, input);
  require(fields.depends(layer.node), ErrorKind::usage, "layer \"{}\" does not depend on the picture", own.name);
  for (const int64_t u : options.units)
    require(u >= 0 && u < own.channels, ErrorKind::usage, "layer \"{}\" has no unit {}; its {} units are 0 to {}",
            own.name, u, own.channels, own.channels - 1);
  require(options.runs >= 1, ErrorKind::usage, "{} runs; expected at least 1", options.runs);
  EffectiveField f;
  f.y = options.y < 0 ? own.height / 2 : options.y;
  f.x = options.x < 0 ? own.width / 2 : options.x;
  require(f.y < own.height && f.x < own.width, ErrorKind::usage,
          "layer \"{}\" has no position ({}, {}); its maps are {} x {}", own.name, f.y, f.x, own.height, own.width);
  f.rows = fields.seen(layer.node, 0, f.y);
  f.columns = fields.seen(layer.node, 1, f.x);
  f.height = model.graph.shape(input)[2];
  f.width = model.graph.shape(input)[3];
  return f;
}

}  // namespace

EffectiveField effective_field(const Context& context, const Model& model, Value layer, Backend& backend,
                               const CompileOptions& compile_options, const EffectiveFieldOptions& options) {
  const Layer own = layer_of(model, layer);
  EffectiveField f = begun(model, layer, own, options);
  Graph graph = model.graph;
  const Value image = picture_input(model);
  const Value seed = input(graph, kSeed, own.type);
  const std::vector<Value> wanted = gradient(graph, layer, std::vector<Value>{image}, {}, seed);
  Program program = compile(graph, wanted, model.weights, backend, compile_options);
  const std::string name = graph.node(image).name;
  const Rng rng = Rng(context.seed).fork("effective field");
  std::vector<double> sum(static_cast<size_t>(f.height * f.width), 0.0), plane;
  const int64_t tries = options.units.empty() ? kTries * options.runs : options.runs;
  for (int64_t run = 0; run < tries && f.runs < options.runs; ++run) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report({"gradients of " + own.name, f.runs, options.runs, ""});
    const auto r = static_cast<uint64_t>(run);
    const int64_t unit = options.units.empty()
                             ? static_cast<int64_t>(rng.fork("units").below(r, static_cast<uint64_t>(own.channels)))
                             : options.units[static_cast<size_t>(run) % options.units.size()];
    Tensor one(DType::f32, own.type.shape);
    one.set((unit * own.height + f.y) * own.width + f.x, 1);
    const Tensor picture = options.pictures.empty()
                               ? noise(graph.shape(image), rng.fork("pictures").fork(r))
                               : options.pictures[static_cast<size_t>(run) % options.pictures.size()];
    const Tensor g = program.run({{name, picture}, {kSeed, one}})[0];
    const double energy = energy_of(g, plane);
    require(std::isfinite(energy), ErrorKind::format, "layer \"{}\": the gradient of unit {} is not finite: {}",
            own.name, unit, why_not_finite(model));
    if (!(energy > 0)) {
      ++f.silent;
      continue;
    }
    ++f.runs;
    for (size_t p = 0; p < plane.size(); ++p) {
      if (plane[p] <= 0) continue;
      sum[p] += plane[p] / energy;
      widen(f.touched_rows, static_cast<int64_t>(p) / f.width);
      widen(f.touched_columns, static_cast<int64_t>(p) % f.width);
    }
  }
  context.report({"gradients of " + own.name, options.runs, options.runs, ""});
  f.energy.resize(sum.size());
  for (size_t p = 0; p < sum.size(); ++p)
    f.energy[p] = f.runs > 0 ? static_cast<float>(sum[p] / static_cast<double>(f.runs)) : 0.0f;
  if (f.runs > 0) measure(f);
  return f;
}

}  // namespace fovea

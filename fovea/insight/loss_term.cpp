// A term is weight · finish(Σ_p …), with the sums over positions p
//   style    G = Σ T_p² F_p F_pᵀ,  s = Σ T_p² F_p
//   content  Σ ‖F_p − P_p‖²
//   total variation, α-norm  as insight/image_prior.h says
// and the finishing formulas of insight/loss_term.h. Whatever is divided by a number of positions is divided by the
// whole layer's in the finishing step.
#include "fovea/insight/loss_term.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/ops/add.h"
#include "fovea/ops/gram.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/root_trace.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

// A share of the mean variance, added on the diagonal of covariances.
constexpr double kDiagonal = 1e-4;

void check_form(std::string_view what, std::string_view form, const std::vector<std::string>& forms) {
  require(std::find(forms.begin(), forms.end(), form) != forms.end(), ErrorKind::usage,
          "{}: there is no form \"{}\"{}; known: {}", what, form, did_you_mean(std::string(form), forms),
          fmt::join(forms, ", "));
}

void check_target(const std::string& layer, const MapSums& target) {
  require(target.positions > 0, ErrorKind::usage,
          "the style of layer {} is of no positions: the picture is too small for it, or its region is empty", layer);
  require(target.products.shape() == Shape{target.channels, target.channels} &&
              target.answers.shape() == Shape{target.channels},
          ErrorKind::shape, "the style of layer {}: {} and {} of {} channels", layer,
          to_string(target.products.shape()), to_string(target.answers.shape()), target.channels);
}

Value squared(Graph& graph, Value x) { return mul(graph, x, x); }

Value constant_like(Graph& graph, const Tensor& values, Value other) {
  return constant(graph, values.cast(graph.dtype(other)));
}

Tensor scaled(const Tensor& values, double factor) {
  Tensor result = values.cast(DType::f64);
  for (double& v : result.data<double>()) v *= factor;
  return result;
}

// Covariance of one position's answers, with the diagonal of the target's mean variance added.
Tensor covariance_of(const MapSums& sums) {
  Tensor result = scaled(sums.products, 1 / sums.positions);
  const auto data = result.data<double>();
  const auto answers = std::as_const(sums.answers).data<double>();
  const auto channels = static_cast<size_t>(sums.channels);
  for (size_t i = 0; i < channels; ++i)
    for (size_t j = 0; j < channels; ++j)
      data[i * channels + j] -= answers[i] * answers[j] / (sums.positions * sums.positions);
  return result;
}

double trace_of(const Tensor& matrix) {
  double sum = 0;
  for (int64_t i = 0; i < matrix.size(0); ++i) sum += matrix.at(i * matrix.size(0) + i);
  return sum;
}

// factor · Σ (G · share − target)².
auto finish_products(Tensor target, double share, double factor) {
  return [target = std::move(target), share, factor](Graph& graph, std::span<const Value> sums, const LayerSize&) {
    const Value goal = constant_like(graph, target.reshaped({1, target.size(0), target.size(1)}), sums[0]);
    const Value off = sub(graph, scale(graph, sums[0], share), goal);
    return scale(graph, reduce(graph, squared(graph, off)), factor);
  };
}

// The Wasserstein-2 distance, see style_forms().
auto finish_gaussian(const MapSums& target, double positions) {
  const int64_t channels = target.channels;
  Tensor covariance = covariance_of(target);
  // An answer that never varies still needs a slope.
  const double more = std::max(kDiagonal * trace_of(covariance) / static_cast<double>(channels), 1e-12);
  Tensor identity(DType::f64, {channels, channels});
  for (int64_t i = 0; i < channels; ++i) {
    identity.set(i * channels + i, 1);
    covariance.set(i * channels + i, covariance.at(i * channels + i) + more);
  }
  const Tensor diagonal = scaled(identity, more), root = symmetric_root(covariance);
  const Tensor mean = scaled(target.answers, 1 / target.positions);
  const double trace = trace_of(covariance);
  return [=](Graph& graph, std::span<const Value> sums, const LayerSize&) {
    const Value mu = scale(graph, sums[1], 1 / positions);  // [1,C]
    const Value outer = matmul(graph, mu, mu, {.transpose_a = true});
    const Value products = reshape(graph, scale(graph, sums[0], 1 / positions), Shape{channels, channels});
    const Value now = add(graph, sub(graph, products, outer), constant_like(graph, diagonal, mu));
    const Value off = sub(graph, mu, constant_like(graph, mean.reshaped({1, channels}), mu));
    const Value own = reduce(graph, mul(graph, now, constant_like(graph, identity, mu)));
    const Value mixed = root_trace(graph, now, constant_like(graph, root, mu));
    const Value spreads = sub(graph, add(graph, own, scalar(graph, trace, graph.dtype(mu))), scale(graph, mixed, 2));
    return scale(graph, add(graph, reduce(graph, squared(graph, off)), spreads), 1 / static_cast<double>(channels));
  };
}

// Σ over what is owned of values [1,C or 1,h,w], a scalar.
Value owned_sum(Graph& graph, Value values, const TermMaps& maps) {
  return reduce(graph, maps.owned ? mul(graph, values, maps.owned) : values);
}

double squares_of(const Tensor& region) {
  double sum = 0;
  for (const float t : region.data<float>()) sum += static_cast<double>(t) * static_cast<double>(t);
  return sum;
}

}  // namespace

MapSums blended(std::span<const MapSums> sums, std::span<const double> shares) {
  require(!sums.empty() && sums.size() == shares.size(), ErrorKind::usage,
          "{} styles with {} shares, expected one each", sums.size(), shares.size());
  double total = 0;
  for (const double share : shares) {
    require(share >= 0 && std::isfinite(share), ErrorKind::usage, "a share of {} of a style, expected 0 or more",
            share);
    total += share;
  }
  require(total > 0, ErrorKind::usage, "all shares of the styles are 0");
  const int64_t channels = sums[0].channels;
  MapSums result{channels, 1, Tensor(DType::f64, {channels, channels}), Tensor(DType::f64, {channels})};
  for (size_t k = 0; k < sums.size(); ++k) {
    require(sums[k].channels == channels, ErrorKind::shape, "styles of {} and of {} channels", channels,
            sums[k].channels);
    if (shares[k] == 0) continue;
    check_target("of a mixture", sums[k]);
    const double factor = shares[k] / total / sums[k].positions;
    const auto add_to = [&](Tensor& to, const Tensor& from) {
      const auto target = to.data<double>();
      const auto source = from.data<double>();
      for (size_t i = 0; i < source.size(); ++i) target[i] += factor * source[i];
    };
    add_to(result.products, sums[k].products);
    add_to(result.answers, sums[k].answers);
  }
  return result;
}

const std::vector<std::string>& style_forms() {
  static const std::vector<std::string> forms = {"gatys", "johnson", "mean", "w2"};
  return forms;
}

LossTerm style_term(std::string layer, const MapSums& target, std::string_view form, double weight,
                    const Tensor& region) {
  check_form("style", form, style_forms());
  check_target(layer, target);
  LossTerm term{.name = "style " + layer, .weight = weight, .layer = std::move(layer)};
  double region_positions = 0;
  if (region.count() > 0) {
    region_positions = squares_of(region);
    require(region_positions > 0, ErrorKind::usage, "the region of {} is empty", term.name);
    term.inputs = {region};
  }
  const bool answers = form == "w2";
  term.sums = [answers](Graph& graph, const TermMaps& maps) -> std::vector<Value> {
    const Value seen = maps.inputs.empty() ? maps.maps : mul(graph, maps.maps, maps.inputs[0]);
    const Value products = gram(graph, seen, maps.window);
    if (!answers) return {products};
    if (maps.inputs.empty()) return {products, {products.node, 1}};
    // Σ T² F = the Gram matrix's neighbour: the answers of T (T F).
    const Value twice = mul(graph, seen, maps.inputs[0]);
    return {products, reduce(graph, maps.owned ? mul(graph, twice, maps.owned) : twice, {.axes = {2, 3}})};
  };
  term.finish = [target, form = std::string(form), region_positions](Graph& graph, std::span<const Value> sums,
                                                                     const LayerSize& size) -> Value {
    require(size.channels == target.channels, ErrorKind::shape, "a layer of {} channels and a style of {}",
            size.channels, target.channels);
    const double positions = region_positions > 0 ? region_positions : size.positions();
    const auto n = static_cast<double>(size.channels);
    if (form == "w2") return finish_gaussian(target, positions)(graph, sums, size);
    const double width = form == "johnson" ? n : 1, factor = form == "gatys" ? 1 / (4 * n * n) : 1 / (n * n);
    return finish_products(scaled(target.products, 1 / (width * target.positions)), 1 / (width * positions), factor)(
        graph, sums, size);
  };
  return term;
}

const std::vector<std::string>& content_forms() {
  static const std::vector<std::string> forms = {"gatys", "mean", "sum"};
  return forms;
}

LossTerm content_term(std::string layer, const Tensor& target, std::string_view form, double weight,
                      const Tensor& region) {
  check_form("content", form, content_forms());
  LossTerm term{.name = "content " + layer, .weight = weight, .layer = std::move(layer), .inputs = {target}};
  if (region.count() > 0) term.inputs.push_back(region);
  term.sums = [](Graph& graph, const TermMaps& maps) -> std::vector<Value> {
    Value squares = squared(graph, sub(graph, maps.maps, maps.inputs[0]));
    if (maps.inputs.size() > 1) squares = mul(graph, squares, maps.inputs[1]);
    return {owned_sum(graph, squares, maps)};
  };
  term.finish = [form = std::string(form)](Graph& graph, std::span<const Value> sums, const LayerSize& size) {
    const double all = static_cast<double>(size.channels) * size.positions();
    return scale(graph, sums[0], form == "gatys" ? 0.5 : form == "mean" ? 1 / all : 1);
  };
  return term;
}

LossTerm total_variation_term(const TotalVariation& settings, double weight) {
  LossTerm term{.name = "total variation", .weight = weight, .layer = ""};
  term.sums = [settings](Graph& graph, const TermMaps& maps) -> std::vector<Value> {
    return {owned_sum(graph, total_variation_map(graph, maps.maps, settings), maps)};
  };
  term.finish = [settings](Graph& graph, std::span<const Value> sums, const LayerSize& size) {
    return scale(graph, sums[0], variation_factor(settings, size.positions()));
  };
  return term;
}

LossTerm alpha_norm_term(const AlphaNorm& settings, double weight) {
  LossTerm term{.name = "alpha norm", .weight = weight, .layer = ""};
  term.sums = [settings](Graph& graph, const TermMaps& maps) -> std::vector<Value> {
    return {owned_sum(graph, alpha_norm_map(graph, maps.maps, settings), maps)};
  };
  term.finish = [settings](Graph& graph, std::span<const Value> sums, const LayerSize& size) {
    return scale(graph, sums[0], alpha_norm_factor(settings, size.positions()));
  };
  return term;
}

}  // namespace fovea

// Total variation  V_β(x) = Σ ((x[i,j+1] − x[i,j])² + (x[i+1,j] − x[i,j])²)^{β/2},  α-norm  R_α(x) = Σ |x|^α.
// Source: Mahendran & Vedaldi, CVPR 2015, equations 2 and 3; the other forms are named in image_prior.h.
#include "fovea/insight/image_prior.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

constexpr double kFlat = 1e-6;  // squared grey levels: where a root would have no slope

void check_form(std::string_view what, const std::string& form, const std::vector<std::string>& forms) {
  require(std::find(forms.begin(), forms.end(), form) != forms.end(), ErrorKind::usage,
          "{}: there is no form \"{}\"; known: {}{}", what, form, fmt::join(forms, ", "), did_you_mean(form, forms));
}

void check_pictures(std::string_view what, const Graph& graph, Value x) {
  require(graph.shape(x).rank() == 4, ErrorKind::shape, "{} of {}, expected pictures [N,C,H,W]", what,
          to_string(graph.type(x)));
}

// base^exponent for base >= 0: whole exponents up to 8 by products, which are exact at 0 and cheap.
Value power(Graph& graph, Value base, double exponent) {
  if (exponent == 1) return base;
  if (exponent == std::floor(exponent) && exponent >= 2 && exponent <= 8) {
    const auto times = static_cast<int>(exponent);
    const Value half = power(graph, base, times / 2);
    const Value even = mul(graph, half, half);
    return times % 2 == 0 ? even : mul(graph, even, base);
  }
  return pow(graph, maximum(graph, base, scalar(graph, kFlat, graph.dtype(base))), exponent);
}

// x[.., i+1, ..] − x[.., i, ..] along an axis, one shorter.
Value difference(Graph& graph, Value x, int64_t axis) {
  const int64_t size = graph.shape(x)[static_cast<size_t>(axis)];
  return sub(graph, slice(graph, x, axis, 1, size), slice(graph, x, axis, 0, size - 1));
}

// x with zeros after its last rows and columns, [.., height, width].
Value padded_to(Graph& graph, Value x, int64_t height, int64_t width) {
  const Shape shape = graph.shape(x);
  if (shape[2] == height && shape[3] == width) return x;
  return pad(graph, x, {0, 0, 0, 0}, {0, 0, height - shape[2], width - shape[3]});
}

Value total(Graph& graph, Value x) { return reduce(graph, x, {.axes = {1, 2, 3}}); }

}  // namespace

const std::vector<std::string>& total_variation_forms() {
  static const std::vector<std::string> forms = {"sum", "mean", "half", "anisotropic", "interior"};
  return forms;
}

namespace {

void check_variation(const Graph& graph, Value x, const TotalVariation& settings) {
  check_form("total variation", settings.form, total_variation_forms());
  check_pictures("the total variation", graph, x);
  require(settings.beta > 0 && std::isfinite(settings.beta), ErrorKind::usage,
          "total variation with β {}, expected above 0", settings.beta);
  const Shape shape = graph.shape(x);
  require(shape[2] > 1 && shape[3] > 1, ErrorKind::shape, "the total variation of {}x{} pixels, expected at least 2x2",
          shape[2], shape[3]);
}

// What is summed over channels and positions: maps whose position (i,j) belongs to the pixel (i,j); they may lack the
// last row or column.
std::vector<Value> variations(Graph& graph, Value x, const TotalVariation& settings) {
  const int64_t height = graph.shape(x)[2], width = graph.shape(x)[3];
  const auto square = [&](Value v) { return mul(graph, v, v); };
  if (settings.form == "anisotropic") {
    const auto one = [&](int64_t axis) {
      const Value d = difference(graph, x, axis);
      return settings.beta == 1 ? abs(graph, d) : power(graph, square(d), settings.beta / 2);
    };
    return {one(3), one(2)};
  }
  Value dx = difference(graph, x, 3), dy = difference(graph, x, 2);
  if (settings.form == "interior") {
    dx = slice(graph, dx, 2, 0, height - 1);
    dy = slice(graph, dy, 3, 0, width - 1);
  } else {
    dx = padded_to(graph, dx, height, width);
    dy = padded_to(graph, dy, height, width);
  }
  return {power(graph, add(graph, square(dx), square(dy)), settings.beta / 2)};
}

}  // namespace

double variation_factor(const TotalVariation& settings, double positions) {
  if (settings.form == "mean") return 1 / positions;
  return settings.form == "half" ? 0.5 : 1;
}

Value total_variation_map(Graph& graph, Value x, const TotalVariation& settings) {
  check_variation(graph, x, settings);
  const int64_t height = graph.shape(x)[2], width = graph.shape(x)[3];
  Value sum;
  for (const Value v : variations(graph, x, settings)) {
    const Value whole = padded_to(graph, v, height, width);
    sum = sum ? add(graph, sum, whole) : whole;
  }
  return sum;
}

Value total_variation(Graph& graph, Value x, const TotalVariation& settings) {
  check_variation(graph, x, settings);
  const Shape shape = graph.shape(x);
  Value sum;
  for (const Value v : variations(graph, x, settings)) {
    const Value all = total(graph, v);
    sum = sum ? add(graph, sum, all) : all;
  }
  const double factor = variation_factor(settings, static_cast<double>(shape[2] * shape[3]));
  return factor == 1 ? sum : scale(graph, sum, factor);
}

double neighbour_difference(double side) { return 80 / 6.5 * std::max(1.0, 224 / side); }

const std::vector<std::string>& alpha_norm_forms() {
  static const std::vector<std::string> forms = {"sum", "mean", "pixel"};
  return forms;
}

double alpha_norm_factor(const AlphaNorm& settings, double positions) {
  return settings.form == "sum" ? 1 : 1 / positions;
}

Value alpha_norm_map(Graph& graph, Value x, const AlphaNorm& settings) {
  check_form("α-norm", settings.form, alpha_norm_forms());
  check_pictures("the α-norm", graph, x);
  require(settings.alpha >= 1 && std::isfinite(settings.alpha), ErrorKind::usage,
          "an α-norm with α {}, expected 1 or more", settings.alpha);
  Value squares = mul(graph, x, x);
  if (settings.form == "pixel") squares = reduce(graph, squares, {.axes = {1}, .keep = true});
  return settings.alpha == 1 && settings.form != "pixel" ? abs(graph, x) : power(graph, squares, settings.alpha / 2);
}

Value alpha_norm(Graph& graph, Value x, const AlphaNorm& settings) {
  const Value sum = total(graph, alpha_norm_map(graph, x, settings));
  const double factor = alpha_norm_factor(settings, static_cast<double>(graph.shape(x)[2] * graph.shape(x)[3]));
  return factor == 1 ? sum : scale(graph, sum, factor);
}

}  // namespace fovea

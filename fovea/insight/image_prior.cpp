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

// The same with a 0 at the end.
Value padded_difference(Graph& graph, Value x, int64_t axis) {
  Ints ends = {0, 0, 0, 0};
  ends[static_cast<size_t>(axis)] = 1;
  return pad(graph, difference(graph, x, axis), {0, 0, 0, 0}, ends);
}

Value total(Graph& graph, Value x) { return reduce(graph, x, {.axes = {1, 2, 3}}); }

}  // namespace

const std::vector<std::string>& total_variation_forms() {
  static const std::vector<std::string> forms = {"sum", "mean", "half", "anisotropic", "interior"};
  return forms;
}

Value total_variation(Graph& graph, Value x, const TotalVariation& settings) {
  check_form("total variation", settings.form, total_variation_forms());
  check_pictures("the total variation", graph, x);
  require(settings.beta > 0 && std::isfinite(settings.beta), ErrorKind::usage,
          "total variation with β {}, expected above 0", settings.beta);
  const Shape shape = graph.shape(x);
  const int64_t height = shape[2], width = shape[3];
  require(height > 1 && width > 1, ErrorKind::shape, "the total variation of {}x{} pixels, expected at least 2x2",
          height, width);
  const auto square = [&](Value v) { return mul(graph, v, v); };
  if (settings.form == "anisotropic") {
    const auto one = [&](int64_t axis) {
      const Value d = difference(graph, x, axis);
      return total(graph, settings.beta == 1 ? abs(graph, d) : power(graph, square(d), settings.beta / 2));
    };
    return add(graph, one(3), one(2));
  }
  Value squares;
  if (settings.form == "interior") {
    const Value dx = slice(graph, difference(graph, x, 3), 2, 0, height - 1);
    const Value dy = slice(graph, difference(graph, x, 2), 3, 0, width - 1);
    squares = add(graph, square(dx), square(dy));
  } else {
    squares = add(graph, square(padded_difference(graph, x, 3)), square(padded_difference(graph, x, 2)));
  }
  const Value sum = total(graph, power(graph, squares, settings.beta / 2));
  if (settings.form == "mean") return scale(graph, sum, 1 / static_cast<double>(height * width));
  return settings.form == "half" ? scale(graph, sum, 0.5) : sum;
}

double neighbour_difference(double side) { return 80 / 6.5 * std::max(1.0, 224 / side); }

const std::vector<std::string>& alpha_norm_forms() {
  static const std::vector<std::string> forms = {"sum", "mean", "pixel"};
  return forms;
}

Value alpha_norm(Graph& graph, Value x, const AlphaNorm& settings) {
  check_form("α-norm", settings.form, alpha_norm_forms());
  check_pictures("the α-norm", graph, x);
  require(settings.alpha >= 1 && std::isfinite(settings.alpha), ErrorKind::usage,
          "an α-norm with α {}, expected 1 or more", settings.alpha);
  const Shape shape = graph.shape(x);
  const double pixels = static_cast<double>(shape[2] * shape[3]);
  Value squares = mul(graph, x, x);
  if (settings.form == "pixel") squares = reduce(graph, squares, {.axes = {1}, .keep = true});
  const Value powers =
      settings.alpha == 1 && settings.form != "pixel" ? abs(graph, x) : power(graph, squares, settings.alpha / 2);
  const Value sum = total(graph, powers);
  return settings.form == "sum" ? sum : scale(graph, sum, 1 / pixels);
}

}  // namespace fovea

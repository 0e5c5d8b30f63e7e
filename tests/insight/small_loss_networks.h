// Small networks of random weights that losses of pictures are tested on.
#pragma once

#include <cmath>
#include <string>

#include "fovea/model/model.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "tests/formula.h"

namespace fovea {

inline Tensor formula_tensor(const std::string& name, double scale, double shift, const Shape& shape) {
  Tensor t(DType::f32, shape);
  const Formula u(name);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, (u(i) - shift) * scale);
  return t;
}

inline Tensor formula_levels(const std::string& name, int64_t height, int64_t width) {
  return formula_tensor(name, 200, 0.5, {1, 3, height, width});
}

// Models whose layers are written one after the other.
class SmallNetwork {
 public:
  SmallNetwork() : x_(input(model.graph, "x", {DType::f32, {1, 3, 64, 64}})) {
    model.meaning.input = "x";
    model.meaning.preprocess = preset("vgg", 64, 64);
    model.meaning.preprocess->resize = "none";
  }

  Model model;

  Value conv(const std::string& name, Value x, int64_t outputs, int64_t kernel, ConvAttributes attributes) {
    const int64_t inputs = model.graph.shape(x)[1];
    const double scale = 2 * std::sqrt(6.0 / static_cast<double>(inputs * kernel * kernel));
    const Value w = weight(name, formula_tensor(name, scale, 0.5, {outputs, inputs, kernel, kernel}));
    const Value b = weight(name + " bias", formula_tensor(name + " bias", 8, 0.5, {outputs}));
    return named(name, relu(model.graph, fovea::conv(model.graph, x, w, b, std::move(attributes))));
  }
  Value named(const std::string& name, Value v) {
    model.graph.rename(v.node, name + " layer");
    model.meaning.aliases.emplace_back(name, model.graph.node(v).name);
    model.graph.outputs = {{"out", v}};
    return v;
  }
  Value picture() const { return x_; }

 private:
  Value weight(const std::string& name, const Tensor& values) {
    model.weights[name] = values;
    return parameter(model.graph, name, {DType::f32, values.shape()});
  }
  Value x_;
};

// 3×3 convolutions a, b, max pooling 2×2, c, d: that of tests/golden/picture_loss/make.py.
inline Model small_vgg() {
  SmallNetwork n;
  Value x = n.conv("a", n.picture(), 8, 3, {.pad = 1});
  x = n.conv("b", x, 8, 3, {.pad = 1});
  x = max_pool(n.model.graph, x, {.kernel = {2, 2}, .stride = 2});
  x = n.conv("c", x, 16, 3, {.pad = 1});
  n.conv("d", x, 12, 3, {.pad = 1});
  return n.model;
}

// Strided and padded windows of all sizes, both kinds of pooling (rounded up), branches, local response normalisation.
inline Model small_inception() {
  SmallNetwork n;
  Graph& g = n.model.graph;
  Value x = n.conv("a", n.picture(), 8, 5, {.stride = 2, .pad = 2});
  x = max_pool(g, x, {.kernel = {3, 3}, .stride = 2, .ceil = true});
  x = n.named("b", lrn(g, x, {.size = 5, .alpha = 1e-3}));
  const Value one = n.conv("one", x, 5, 1, {}), three = n.conv("three", x, 7, 3, {.pad = 1});
  const Value pooled = average_pool(g, x, {.kernel = {3, 3}, .stride = 1, .pad = 1});
  x = n.named("c", concat(g, {one, three, pooled}));
  x = average_pool(g, x, {.kernel = {3, 3}, .stride = 2, .pad = 1, .ceil = true});
  n.conv("d", x, 16, 3, {.dilation = 2, .pad = 2});
  return n.model;
}

// No padding at all.
inline Model small_valid() {
  SmallNetwork n;
  Value x = n.conv("a", n.picture(), 16, 4, {.stride = 3});
  x = max_pool(n.model.graph, x, {.kernel = {2, 2}, .stride = 2});
  n.conv("b", x, 16, 3, {});
  return n.model;
}

}  // namespace fovea

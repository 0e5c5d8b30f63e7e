// Checks gradients of whole graphs against differences.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"

namespace fovea::testing {

using Feeds = std::map<std::string, Tensor>;

// f64, uniform in [-scale, scale).
inline Tensor random_tensor(const Shape& shape, const Rng& rng, double scale = 1) {
  Tensor t(DType::f64, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, scale * (2 * rng.uniform_double(static_cast<uint64_t>(i)) - 1));
  return t;
}

// Checks every gradient of a scalar against differences of fourth order, along one random direction each.
inline void expect_gradients(const Graph& g, const Feeds& feeds, Value loss, const std::vector<Value>& wrt,
                             const std::vector<Value>& gradients, const Rng& rng) {
  const std::vector<Tensor> analytic = evaluate(g, feeds, gradients);
  for (size_t k = 0; k < wrt.size(); ++k) {
    const std::string& name = g.node(wrt[k]).name;
    const Tensor x = feeds.at(name), u = random_tensor(x.shape(), rng.fork(k));
    double slope = 0, scale = 1e-3;
    for (int64_t i = 0; i < x.count(); ++i) {
      slope += u.at(i) * analytic[k].at(i);
      scale += std::abs(u.at(i) * analytic[k].at(i));
    }
    const auto at = [&](double step) {
      Feeds moved = feeds;
      for (int64_t i = 0; i < x.count(); ++i) moved[name].set(i, x.at(i) + step * u.at(i));
      const Value wants[] = {loss};
      return evaluate(g, moved, wants)[0].at(0);
    };
    constexpr double h = 1e-3;
    const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    EXPECT_NEAR(numeric, slope, 1e-6 * scale) << "w.r.t. " << name << " of\n" << g.text();
  }
}

}  // namespace fovea::testing

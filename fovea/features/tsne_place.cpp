#include <algorithm>
#include <cmath>
#include <tuple>

#include "fovea/backend/cpu/kernels/student_repulsion.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/features/tsne.h"

namespace fovea {

namespace {

constexpr int kSteps = 250;
constexpr float kMomentum = 0.8f, kRate = 0.1f, kAttraction = 1.5f, kLongest = 0.25f;

// The map's points, padded as the kernel wants them.
struct Ground {
  std::vector<float> x, y;
};

Ground ground_of(const PlanePositions& map) {
  const size_t count = map.x.size(), group = kernels::kRepulsionGroup;
  const size_t whole = (count + group - 1) / group * group;
  Ground ground{map.x, map.y};
  ground.x.resize(whole, kernels::kRepulsionPadding);
  ground.y.resize(whole, kernels::kRepulsionPadding);
  return ground;
}

struct Attractor {
  float x, y, p;
};

// ∂/∂y of KL(p ‖ q), halved: Σ_j (p_j − q_j) w_j (y − y_j), with q_j = w_j / Σ w over the whole map.
std::pair<float, float> descend(const Ground& ground, const std::vector<Attractor>& near) {
  float x = 0, y = 0, speed_x = 0, speed_y = 0;
  for (const Attractor& a : near) x += a.p * a.x, y += a.p * a.y;
  for (int step = 0; step < kSteps; ++step) {
    const auto pushed =
        kernels::student_repulsion_of(x, y, ground.x.data(), ground.y.data(), static_cast<int64_t>(ground.x.size()));
    const float inverse = 1 / std::max(pushed.weight, 1e-30f);
    float slope_x = -inverse * pushed.force_x, slope_y = -inverse * pushed.force_y;
    for (const Attractor& a : near) {
      const float dx = x - a.x, dy = y - a.y, pull = kAttraction * a.p / (1 + dx * dx + dy * dy);
      slope_x += pull * dx;
      slope_y += pull * dy;
    }
    const float length = std::hypot(slope_x, slope_y), scale = length > kLongest ? kLongest / length : 1;
    speed_x = kMomentum * speed_x - kRate * scale * slope_x;
    speed_y = kMomentum * speed_y - kRate * scale * slope_y;
    x += speed_x;
    y += speed_y;
  }
  return {x, y};
}

}  // namespace

PlanePositions place_on_map(const PlanePositions& map, const Neighbours& neighbours, double perplexity) {
  const int64_t k = neighbours.k, count = neighbours.count();
  require(perplexity >= 1 && perplexity <= static_cast<double>(k), ErrorKind::usage,
          "a perplexity of {:g} among {} neighbours, expected 1 to {}", perplexity, k, k);
  const Ground ground = ground_of(map);
  PlanePositions result{std::vector<float>(static_cast<size_t>(count)), std::vector<float>(static_cast<size_t>(count))};
  parallel_for(count, 1, [&](int64_t i) {
    std::vector<double> squares;
    for (int64_t j = 0; j < k; ++j)
      squares.push_back(std::pow(static_cast<double>(neighbours.distance[static_cast<size_t>(i * k + j)]), 2));
    const std::vector<double> p = conditional_affinities(squares, perplexity);
    std::vector<Attractor> near;
    for (int64_t j = 0; j < k; ++j) {
      const auto at = static_cast<size_t>(neighbours.index[static_cast<size_t>(i * k + j)]);
      near.push_back({map.x[at], map.y[at], static_cast<float>(p[static_cast<size_t>(j)])});
    }
    std::tie(result.x[static_cast<size_t>(i)], result.y[static_cast<size_t>(i)]) = descend(ground, near);
  });
  return result;
}

}  // namespace fovea

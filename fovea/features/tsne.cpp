#include "fovea/features/tsne.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/backend/cpu/kernels/student_attraction.h"
#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/features/tsne_repulsion.h"

namespace fovea {

namespace {

constexpr int64_t kReport = 50;  // iterations between two reports
constexpr float kLeastGain = 0.01f;
constexpr double kStartDeviation = 1e-4;

std::unique_ptr<RepulsionMethod> repulsion_of(const TsneOptions& options, int64_t count) {
  if (options.method == "groups" || options.method == "barnes-hut")
    require(options.theta >= 0 && options.theta < 1, ErrorKind::usage, "theta = {:g}, expected 0 to below 1",
            options.theta);
  if (options.method == "groups" || (options.method == "auto" && count > kExactPoints && count <= kGroupedPoints))
    return grouped_repulsion(options.theta);
  if (options.method == "exact" || (options.method == "auto" && count <= kExactPoints)) return exact_repulsion(true);
  if (options.method == "fft" || options.method == "auto") return fft_repulsion();
  require(options.method == "barnes-hut", ErrorKind::usage,
          "\"{}\" is no way to compute the repulsion{}; expected auto, exact, groups, barnes-hut or fft",
          options.method, did_you_mean(options.method, {"auto", "exact", "groups", "barnes-hut", "fft"}));
  return barnes_hut_repulsion(options.theta);
}

kernels::SparseRows rows_of(const Affinities& p) {
  return {p.begin.data(), p.column.data(), p.value.data(), p.count()};
}

kernels::PackedPoints packed(const PlanePositions& at, std::vector<int64_t>& both) {
  both.resize(at.x.size());
  kernels::pack_points(at.x.data(), at.y.data(), at.count(), both.data());
  return {at.x.data(), at.y.data(), both.data()};
}

// Σ P log P, and Σ P, which rounding keeps from being 1.
struct Entropy {
  double sum = 0, mass = 0;
};
Entropy entropy(const Affinities& p) {
  Entropy result;
  for (const float value : p.value) {
    if (value <= 0) continue;
    result.sum += static_cast<double>(value) * std::log(static_cast<double>(value));
    result.mass += value;
  }
  return result;
}

// Σ P log(P / Q) = Σ P log P + Σ P log(1 + d²) + log Z, Q = w / Z.
double divergence(const Affinities& p, const Entropy& own, const PlanePositions& at, double z) {
  std::vector<int64_t> both;
  std::vector<float> rows(static_cast<size_t>(p.count()));
  kernels::student_log_distance(rows_of(p), packed(at, both), rows.data());
  double sum = 0;
  for (const float row : rows) sum += row;
  return own.sum + sum + own.mass * std::log(z);
}

void centre(std::vector<float>& values) {
  double mean = 0;
  for (const float v : values) mean += v;
  mean /= static_cast<double>(std::max<size_t>(1, values.size()));
  for (float& v : values) v = static_cast<float>(v - mean);
}

class Descending {
 public:
  Descending(const Affinities& p, PlanePositions start, const TsneOptions& options)
      : p_(p), at_(std::move(start)), method_(repulsion_of(options, p.count())) {
    const auto count = static_cast<size_t>(p.count());
    rate_ = options.learning_rate > 0
                ? options.learning_rate
                : std::max(50.0, static_cast<double>(count) / std::max(options.exaggeration, 1.0) / 4);
    for (Axis* axis : {&x_, &y_})
      *axis = {std::vector<float>(count), std::vector<float>(count, 1.0f), std::vector<float>(count)};
  }

  void step(double exaggeration, double momentum) {
    method_->compute(at_.x, at_.y, repulsion_);
    kernels::student_attraction(rows_of(p_), packed(at_, both_), x_.pull.data(), y_.pull.data());
    const auto inverse = static_cast<float>(1 / repulsion_.z), factor = static_cast<float>(exaggeration);
    const auto rate = static_cast<float>(rate_), keep = static_cast<float>(momentum);
    parallel_for(p_.count(), 1024, [&](int64_t point) {
      const auto i = static_cast<size_t>(point);
      move(x_, i, 4 * (factor * x_.pull[i] - inverse * repulsion_.x[i]), rate, keep);
      move(y_, i, 4 * (factor * y_.pull[i] - inverse * repulsion_.y[i]), rate, keep);
    });
    for (size_t i = 0; i < at_.x.size(); ++i) {
      at_.x[i] += x_.velocity[i];
      at_.y[i] += y_.velocity[i];
    }
  }

  // At the positions before the last step.
  double z() const { return repulsion_.z; }
  PlanePositions& positions() { return at_; }
  double rate() const { return rate_; }
  std::string_view method() const { return method_->name(); }

 private:
  struct Axis {
    std::vector<float> velocity, gain, pull;
  };

  static void move(Axis& axis, size_t i, float gradient, float rate, float momentum) {
    float& velocity = axis.velocity[i];
    float& gain = axis.gain[i];
    gain = velocity * gradient < 0 ? gain + 0.2f : std::max(gain * 0.8f, kLeastGain);
    velocity = momentum * velocity - rate * gain * gradient;
  }

  const Affinities& p_;
  PlanePositions at_;
  std::unique_ptr<RepulsionMethod> method_;
  Repulsion repulsion_;
  std::vector<int64_t> both_;
  Axis x_, y_;
  double rate_ = 0;
};

}  // namespace

double divergence(const Affinities& p, const PlanePositions& positions) {
  Repulsion repulsion;
  exact_repulsion()->compute(positions.x, positions.y, repulsion);
  return divergence(p, entropy(p), positions, repulsion.z);
}

TsneResult tsne(const Context& context, const Affinities& p, PlanePositions start, const TsneOptions& options) {
  require(p.count() >= 2 && start.count() == p.count(), ErrorKind::usage, "a start of {} points for {}", start.count(),
          p.count());
  Descending descent(p, std::move(start), options);
  const Entropy own = entropy(p);
  TsneResult result;
  result.method = descent.method();
  result.learning_rate = descent.rate();
  std::string detail;
  for (int64_t iteration = 0; iteration < options.iterations; ++iteration) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    if (iteration % 10 == 0) context.report({"mapping", iteration, options.iterations, detail});
    const bool early = iteration < options.exaggerated;
    descent.step(early ? options.exaggeration : 1, early ? 0.5 : 0.8);
    if ((iteration + 1) % kReport != 0) continue;
    const double kl = divergence(p, own, descent.positions(), descent.z());
    require(std::isfinite(kl), ErrorKind::usage,
            "the map flies apart: KL is not finite after {} iterations; take a smaller --learning-rate than {:g}",
            iteration + 1, descent.rate());
    result.history.emplace_back(iteration + 1, kl);
    detail = fmt::format("KL {:.3f}", kl);
  }
  context.report({"mapping", options.iterations, options.iterations, detail});
  result.positions = std::move(descent.positions());
  centre(result.positions.x);
  centre(result.positions.y);
  result.divergence = divergence(p, result.positions);
  return result;
}

PlanePositions random_start(int64_t count, uint64_t seed) {
  const Rng rng = Rng(seed).fork("t-SNE start");
  PlanePositions start;
  for (int64_t i = 0; i < count; ++i) {
    start.x.push_back(static_cast<float>(kStartDeviation * rng.normal(static_cast<uint64_t>(2 * i))));
    start.y.push_back(static_cast<float>(kStartDeviation * rng.normal(static_cast<uint64_t>(2 * i + 1))));
  }
  return start;
}

PlanePositions projected_start(const Tensor& projection, uint64_t seed) {
  const int64_t count = projection.shape()[0], width = projection.shape()[1];
  const float* values = projection.data<float>().data();
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += values[i * width];
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) squares += std::pow(values[i * width] - mean, 2);
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  require(deviation > 0, ErrorKind::usage, "all rows are equal, so there is nothing to map");
  PlanePositions start = random_start(count, seed);
  for (int64_t i = 0; i < count; ++i) {
    start.x[static_cast<size_t>(i)] = static_cast<float>(values[i * width] / deviation * kStartDeviation);
    if (width > 1)
      start.y[static_cast<size_t>(i)] = static_cast<float>(values[i * width + 1] / deviation * kStartDeviation);
  }
  return start;
}

}  // namespace fovea
